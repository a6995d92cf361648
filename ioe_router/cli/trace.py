"""`ioe trace` and `ioe ping`: what the way to a destination is like, how long a neighbour takes to answer."""

from __future__ import annotations

from typing import Any

import click

from ioe_router.cli import units
from ioe_router.cli.asking import AskFailed, Where, asks, client_of, fail, names_of
from ioe_router.cli.exit_codes import ExitCode
from ioe_router.cli.live_names import complete_destination, complete_neighbor
from ioe_router.model.errors import UsageError

_OUTPUT = click.option(
    "-o", "--output", type=click.Choice(("table", "json", "jsonl")), default="table", show_default=True
)
_PPM_PER_PERCENT = 10_000
_US_PER_MS = 1_000


@click.command()
@asks
@_OUTPUT
@click.argument("destination", shell_complete=complete_destination)
@click.option("--direction", type=click.Choice(("supply", "demand")), default="supply", show_default=True)
@click.option("--slot", type=units.SlotTime(), help="In this slot. [default: the next one open for trade]")
@click.option("--energy", type=units.Energy(), default="0.1kWh", show_default=True, help="For so much, here.")
def trace(
    where: Where, output: str, destination: str, direction: str, slot: str | int | None, energy: int
) -> None:
    """Show the way to DESTINATION, hop by hop: loss, fee, capacity.

    Nothing is sent: the hops are those that have signed the route, the loads what link states tell
    (own links: the ledger).  With supply the energy comes from DESTINATION, with demand it goes there.
    """
    from ioe_router.cli.output import write_one
    from ioe_router.control.client import pb

    with client_of(where) as control:
        try:
            status = control.status()
            answer = control.call(
                "Trace",
                pb.TraceRequest(
                    destination=destination,
                    direction=1 if direction == "supply" else 2,  # type: ignore[arg-type]
                    slot_utc_s=units.slot_utc_s(slot, status.now_utc_ms, status.slot_s),
                    energy_j=energy,
                ),
            )
            names = names_of(control)
        except UsageError as error:
            fail(error)
    if output == "table":
        _write(answer, names, energy)
    else:
        write_one(answer, output)
    if not answer.reached:
        raise AskFailed(f"{answer.reason.text} ({answer.reason.code})", ExitCode.REFUSED)


def _write(answer: Any, names: dict[str, str], energy: int) -> None:
    from ioe_router.cli.output import Column, write_rows

    if not answer.hops:
        return
    where_to = units.node(answer.destination, names)
    slot = units.moment(answer.slot_utc_s)
    click.echo(f"{units.energy(energy)} to {where_to} in slot {slot} UTC, path {units.ident(answer.path)}")
    columns = (
        Column("HOP", lambda hop: str(hop.hop), right=True),
        Column("NODE", lambda hop: units.node(hop.node, names)),
        Column("LINK", lambda hop: units.ident(hop.link)),
        Column("LOSS", lambda hop: f"{hop.loss_ppm / _PPM_PER_PERCENT:.2f}%", right=True),
        Column("FEE", lambda hop: units.price(hop.fee_micro_per_kwh), right=True),
        Column("RATING", lambda hop: units.power(hop.rating_va).replace("W", "VA"), right=True),
        Column("FREE", lambda hop: units.energy(hop.residual_j), right=True),
        Column("FITS", lambda hop: "yes" if hop.fits else "no", lambda hop: "" if hop.fits else "bad"),
        Column("KNOWN BY", _known_by),
    )
    write_rows(answer.hops, columns, "table", "")
    click.echo(f"in all: loses {answer.loss_j} J, fees {units.price(answer.fee_micro_per_kwh)}")
    if answer.reason.text:
        click.echo(f"{answer.reason.code}: {answer.reason.text}")


def _known_by(hop: Any) -> str:
    from ioe_router.cli.output import name_of

    told = f" of {units.instant(hop.issued_utc_s * 1_000)} UTC" if hop.issued_utc_s else ""
    return name_of(hop, "source").replace("_", " ") + told


@click.command()
@asks
@_OUTPUT
@click.argument("neighbor", shell_complete=complete_neighbor)
@click.option("-n", "--count", type=click.IntRange(1, 1_000), default=3, show_default=True, help="How many.")
@click.option(
    "-i",
    "--interval",
    type=click.FloatRange(0.1, 60),
    default=1.0,
    show_default=True,
    help="Seconds between.",
)
@click.option(
    "-w", "--wait", type=click.FloatRange(0.1, 60), default=5.0, show_default=True, help="Seconds to wait."
)
def ping(where: Where, output: str, neighbor: str, count: int, interval: float, wait: float) -> None:
    """Ask NEIGHBOR's router over the live session, and measure until its answer is here.

    The question is an OUTCOME_QUERY about a reservation that does not exist (SPEC section 10.7), so
    the time is that of both routers and the wire, not of the wire alone.
    """
    import json

    from ioe_router.cli.output import plain
    from ioe_router.control.client import pb

    asked = pb.PingRequest(
        neighbor=neighbor, count=count, interval_ms=int(interval * 1_000), timeout_ms=int(wait * 1_000)
    )
    times: list[int] = []
    sent, collected = 0, []
    with client_of(where) as control:
        try:
            for answer in control.stream("Ping", asked):
                sent += 1
                if answer.answered:
                    times.append(answer.round_trip_us)
                if output == "table":
                    _echo(answer)
                elif output == "jsonl":
                    click.echo(json.dumps(plain(answer)))
                else:
                    collected.append(plain(answer))
        except UsageError as error:
            fail(error)
        except KeyboardInterrupt:
            pass
    if output == "json":
        click.echo(json.dumps(collected))
    elif output == "table":
        _sum_up(sent, times)
    if not times:
        raise AskFailed("the neighbour's router has not answered", ExitCode.NO_ANSWER)


def _echo(answer: Any) -> None:
    who = units.node(answer.neighbor)
    if answer.answered:
        click.echo(f"{who}: answer {answer.number} after {answer.round_trip_us / _US_PER_MS:.1f} ms")
    else:
        click.echo(f"{who}: no answer to {answer.number}: {answer.reason.text} ({answer.reason.code})")


def _sum_up(sent: int, times: list[int]) -> None:
    line = f"{sent} asked, {len(times)} answered"
    if times:
        least, mean, most = min(times), sum(times) / len(times), max(times)
        shown = " / ".join(f"{value / _US_PER_MS:.1f}" for value in (least, mean, most))
        line += f"; round trip least / mean / most {shown} ms"
    click.echo(line)
