"""`ioe health`: ask a running node whether it serves; for probes of containers and of people.

It asks the gRPC health service of `node.health`, which has a port of its own
and wants no keys.  Exit code 0 means SERVING, everything else is 1 with one
sentence, so that a probe needs to look at the code only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from ioe_router.daemon.health import ask
from ioe_router.daemon.settings import read_settings
from ioe_router.model.errors import UsageError

_WILDCARDS: Final = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # listened on is everywhere, asked is here


@click.command()
@click.argument("address", required=False)
@click.option("--config", type=click.Path(path_type=Path), help="node.toml of the node, instead of ADDRESS.")
@click.option(
    "--timeout", type=click.FloatRange(0.1, 60), default=5.0, show_default=True, help="Seconds to wait."
)
def health(address: str | None, config: Path | None, timeout: float) -> None:
    """Ask the node at ADDRESS (host:port of node.health) whether it serves."""
    if (address is None) == (config is None):
        raise click.UsageError("name either ADDRESS or --config")
    if config is not None:
        address = _configured(config)
    click.echo(ask(str(address), timeout))


def _configured(config: Path) -> str:
    """Where the node of a configuration is asked."""
    listen = read_settings(config).node.health
    if listen is None:
        raise UsageError(f'{config} has no node.health; add for example health = "127.0.0.1:7480"')
    host, _, port = listen.rpartition(":")
    return f"{_WILDCARDS.get(host, host)}:{port}"
