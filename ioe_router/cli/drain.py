"""`ioe drain`: take a node out of service without breaking a promise."""

from __future__ import annotations

import sys
import time
from typing import Any, Final

import click

from ioe_router.cli import units
from ioe_router.cli.asking import Where, asks, client_of, fail
from ioe_router.cli.exit_codes import ExitCode
from ioe_router.model.errors import UsageError

_LOOK_S: Final = 2.0


@click.command()
@asks
@click.option("--release", is_flag=True, help="Give own reservations back instead of waiting.")
@click.option(
    "--wait", "wait_s", type=click.IntRange(0), default=3_600, help="At most S seconds. [default: 3600]"
)
@click.option("--no-stop", is_flag=True, help="Do not end the daemon when nothing is left.")
@click.option("--cancel", is_flag=True, help="Call it off: the node takes on new things again.")
def drain(where: Where, release: bool, wait_s: int, no_stop: bool, cancel: bool) -> None:
    """Take on nothing new, wait until nothing promised is left, then stop for good.

    Offers and paths are taken back and HOLDs refused; what is committed runs its course. If something is
    left when the wait is over it is listed, the node goes on drained, and the exit code is 9.
    """
    from ioe_router.control._pb import operation_pb2 as pb

    with client_of(where) as control:
        try:
            if cancel:
                control.operate("Drain", pb.DrainRequest(draining=False))
                click.echo("the node takes on new things again")
                return
            left = _wait(control, release, wait_s)
            if left:
                _list(left)
                click.echo("the node stays drained; ask again, or call it off: ioe drain --cancel")
                sys.exit(ExitCode.REFUSED)
            if no_stop:
                click.echo("nothing is left; the node is drained and runs")
                return
            control.operate("Stop", pb.StopRequest())
        except UsageError as error:
            fail(error)
    click.echo("nothing is left; the node stops")


def _wait(control: Any, release: bool, wait_s: int) -> Any:
    """Ask until nothing is left or the time is over; what is left then."""
    from ioe_router.control._pb import operation_pb2 as pb

    end = time.monotonic() + wait_s
    told = -1
    while True:
        answer = control.operate("Drain", pb.DrainRequest(draining=True, release=release))
        if len(answer.remaining) != told:
            told = len(answer.remaining)
            if told:
                click.echo(f"{told} reservations are not over", err=True)
        if not answer.remaining or time.monotonic() >= end:
            return answer.remaining
        time.sleep(min(_LOOK_S, max(0.0, end - time.monotonic())))


def _list(rows: Any) -> None:
    for row in rows:
        ends = units.moment(row.ends_utc_s)
        click.echo(f"  {row.reservation[:12]}  {row.part:9}  until {ends} UTC  {units.energy(row.energy_j)}")
