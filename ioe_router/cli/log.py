"""`ioe log`: how much a running daemon logs."""

from __future__ import annotations

import click

from ioe_router.cli.asking import Where, asks, client_of, fail
from ioe_router.cli.near import NearGroup
from ioe_router.model.errors import UsageError


@click.group(cls=NearGroup)
def log() -> None:
    """The log of a running node."""


@log.command()
@asks
@click.argument("level", required=False, type=click.Choice(("debug", "info", "warning", "error")))
def level(where: Where, level: str | None) -> None:
    """Say how much is logged, or change it to LEVEL until the daemon ends (node.log_level stays as it is)."""
    from ioe_router.control.client import pb

    with client_of(where) as control:
        try:
            answer = control.call("SetLogLevel", pb.SetLogLevelRequest(level=level or ""))
        except UsageError as error:
            fail(error)
    click.echo(
        answer.level if answer.before == answer.level else f"{answer.before} before, {answer.level} now"
    )
