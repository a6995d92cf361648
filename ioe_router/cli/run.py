"""`ioe run`: one node in the foreground; its log goes to stderr as JSON lines."""

from __future__ import annotations

from pathlib import Path

import click

from ioe_router.daemon.main import run as run_daemon


@click.command()
@click.option("--config", required=True, type=click.Path(path_type=Path), help="node.toml of the node.")
@click.option(
    "--record",
    type=click.Path(path_type=Path),
    help="New file that all inputs are recorded in, for 'ioe replay'; gzip if it ends in .gz.",
)
def run(config: Path, record: Path | None) -> None:
    """Run a node until SIGTERM or SIGINT."""
    run_daemon(config, record)
