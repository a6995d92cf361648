"""`ioe reserve` and `ioe release`: energy for one slot, by the router that runs, with the signed outcome."""

from __future__ import annotations

import json
from typing import Any

import click

from ioe_router.cli import units
from ioe_router.cli.asking import AskFailed, Where, asks, client_of, fail
from ioe_router.cli.exit_codes import ExitCode
from ioe_router.cli.live_names import complete_reservation
from ioe_router.model.errors import UsageError

_OUTPUT = click.option(
    "-o", "--output", type=click.Choice(("table", "json", "jsonl")), default="table", show_default=True
)
_SOURCES = ("solar", "wind", "hydro", "geothermal", "storage", "fuel", "grid")


@click.command()
@asks
@_OUTPUT
@click.argument("energy", type=units.Energy())
@click.option(
    "--limit",
    type=units.Price(),
    required=True,
    help="Most to pay (least to get, with --sell) per kWh at this node, in the network's currency: 0.30.",
)
@click.option("--slot", type=units.SlotTime(), help="Slot: 18:05, +2. [default: the next one open for trade]")
@click.option("--sell", is_flag=True, help="Sell to those who want to buy, instead of buying.")
@click.option(
    "--default-limit", type=units.Price(), help="Use default routes (a utility) as well, up to this price."
)
@click.option("--priority", type=click.IntRange(0, 7), default=4, show_default=True, help="0 is the lowest.")
@click.option("--source", "sources", multiple=True, type=click.Choice(_SOURCES), help="From these only.")
@click.option("--carbon-max", type=click.IntRange(0), help="At most so many grams of CO2 per kWh.")
def reserve(where: Where, output: str, slot: str | int | None, **wanted: Any) -> None:
    """Reserve ENERGY (0.5kWh, 500Wh) for one slot and wait until it is settled how.

    The router chooses offers and routes by itself and may wait for the bands of the slot.  Ctrl-C ends
    the want; what is reserved by then stays ('ioe release').
    """
    energy: int = wanted["energy"]
    with client_of(where) as control:
        try:
            status = control.status()
            slot_utc_s = units.slot_utc_s(slot, status.now_utc_ms, status.slot_s)
            done = _follow(control, _asked(slot_utc_s, **wanted), output, status.currency)
        except UsageError as error:
            fail(error)
    if done is not None and done.open_j:
        reason = done.reason.code or "the slot closed"
        missing = f"{units.energy(done.open_j)} of {units.energy(energy)} could not be reserved"
        sentence = f"{missing} ({reason}); 'ioe explain price' says what stands in the way"
        raise AskFailed(sentence, ExitCode.REFUSED)


def _asked(
    slot_utc_s: int, *, sell: bool, default_limit: int | None, carbon_max: int | None, **others: Any
) -> Any:
    from ioe_router.control.client import pb

    return pb.ReserveRequest(
        direction=pb.DIRECTION_DEMAND if sell else pb.DIRECTION_SUPPLY,
        slot_utc_s=slot_utc_s,
        energy_j=others["energy"],
        price_limit_micro_per_kwh=others["limit"],
        default_limit_micro_per_kwh=default_limit or 0,
        use_defaults=default_limit is not None,
        priority=others["priority"],
        sources=others["sources"],
        carbon_max_mg_per_kwh=(carbon_max or 0) * 1_000,
        has_carbon_max=carbon_max is not None,
    )


def _follow(control: Any, asked: Any, output: str, currency: str) -> Any:
    """Write the steps as they come; returns the last one."""
    from ioe_router.cli.output import plain

    done = None
    for answer in control.stream("Reserve", asked):
        step = answer.WhichOneof("step")
        message = getattr(answer, step)
        done = message if step == "done" else done
        if output == "jsonl" or (output == "json" and step == "done"):
            click.echo(json.dumps({"step": step, **plain(message)}))
        elif output == "table":
            _say(step, message, currency)
    return done


def _say(step: str, message: Any, currency: str) -> None:
    if step == "accepted":
        opens = units.instant(message.opens_utc_s * 1_000)
        slot = units.moment(message.slot_utc_s)
        click.echo(f"slot {slot} UTC, phase {message.phase}; bands open at {opens} UTC; Ctrl-C ends the want")
    elif step == "hold" and message.granted_j < message.asked_j:
        who = f" by {units.node(message.failing_node)}" if message.failing_node else ""
        click.echo(
            f"asked for {units.energy(message.asked_j)}, granted {units.energy(message.granted_j)}:"
            f" {message.reason.code}{who}"
        )
    elif step == "booked":
        click.echo(
            f"booked {units.energy(message.energy_j)} at {_price(message.price_micro_per_kwh, currency)}"
        )
    elif step == "done":
        for row in message.reservations:
            _outcome(row, currency)


def _price(micro_per_kwh: int, currency: str) -> str:
    return f"{units.price(micro_per_kwh)} {currency}/kWh"


def _outcome(row: Any, currency: str) -> None:
    from ioe_router.cli.output import name_of, paint

    state = name_of(row, "state")
    colour = {"committed": "good", "released": "odd"}.get(state, "bad")
    click.echo(f"reservation {row.reservation} {paint(state, colour)}")
    click.echo(f"  origin    {row.origin}, offer {row.offer_no}")
    cost = f"{units.amount(row.amount_micro)} {currency}"
    price = _price(row.price_micro_per_kwh, currency)
    click.echo(f"  energy    {units.energy(row.energy_j)} at {price}, {cost} in all")
    if row.reason.code:
        click.echo(f"  reason    {row.reason.code} {row.reason.text}")
    if row.evidence.type:
        signers = ", ".join(row.evidence.signers)
        click.echo(f"  evidence  {row.evidence.type} {row.evidence.object}")
        click.echo(f"  signed by {signers}")


@click.command()
@asks
@_OUTPUT
@click.argument("reservation", shell_complete=complete_reservation)
@click.option(
    "-w", "--wait", type=click.FloatRange(0.1, 9), default=8.0, show_default=True, help="Seconds to wait."
)
def release(where: Where, output: str, reservation: str, wait: float) -> None:
    """Give RESERVATION (id, or an unambiguous beginning) back, and wait until its neighbour has said so."""
    from ioe_router.cli.output import write_one
    from ioe_router.control.client import pb

    with client_of(where) as control:
        try:
            status = control.status()
            asked = pb.ReleaseRequest(reservation=reservation, wait_ms=int(wait * 1_000))
            answer = control.call("Release", asked)
        except UsageError as error:
            fail(error)
    if output == "table":
        _outcome(answer.reservation, status.currency)
    else:
        write_one(answer, output)
    if not answer.confirmed:
        sentence = "the neighbour has not confirmed it yet; the router goes on telling it"
        raise AskFailed(sentence, ExitCode.NO_ANSWER)
