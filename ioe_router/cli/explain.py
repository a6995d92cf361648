"""`ioe explain`: why a destination is reached as it is, how a price comes about, what a refusal means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ioe_router.cli import units
from ioe_router.cli.asking import AskFailed, Where, asks, client_of, fail, names_of
from ioe_router.cli.exit_codes import ExitCode
from ioe_router.cli.live_names import complete_destination, complete_neighbor
from ioe_router.cli.near import NearGroup, nearest
from ioe_router.model.errors import ErrorCode, UsageError

_OUTPUT = click.option(
    "-o", "--output", type=click.Choice(("table", "json", "jsonl")), default="table", show_default=True
)
_DIRECTION = click.option(
    "--direction", type=click.Choice(("supply", "demand")), help="Of one direction only."
)


@click.group(cls=NearGroup)
def explain() -> None:
    """Say why: a route, a price, a refusal."""


def _direction(named: str | None) -> int:
    return {None: 0, "supply": 1, "demand": 2}[named]


@explain.command()
@asks
@_OUTPUT
@click.argument("destination", shell_complete=complete_destination)
@_DIRECTION
def route(where: Where, output: str, destination: str, direction: str | None) -> None:
    """Why DESTINATION is reached as it is, and whom its routes are told."""
    from ioe_router.cli.output import write_one
    from ioe_router.control.client import pb

    asked = pb.ExplainRouteRequest(destination=destination, direction=_direction(direction))  # type: ignore[arg-type]
    with client_of(where) as control:
        try:
            answer = control.call("ExplainRoute", asked)
            names = names_of(control)
        except UsageError as error:
            fail(error)
    if output != "table":
        write_one(answer, output)
        return
    click.echo(f"{answer.destination}\n{answer.summary}")
    for explained in answer.routes:
        _route(explained, names)


def _route(explained: Any, names: dict[str, str]) -> None:
    from ioe_router.cli.output import name_of, paint

    one = explained.route
    way = " > ".join(units.node(hop.node, names) for hop in one.hops) or "(this node)"
    if one.place:
        head = f"{name_of(one, 'direction')}, place {one.place}: {way}"
        click.echo(f"\n{paint(head, 'good' if one.place == 1 else '')}")
        click.echo(
            f"  rank {one.rank}, fees {units.price(one.fee_micro_per_kwh)}, path {units.ident(one.path)}"
        )
    else:
        of = f" from {units.node(one.neighbor, names)}" if one.neighbor else ""
        head = f"{name_of(one, 'direction')}, not used{of}"
        click.echo(f"\n{paint(head, 'odd')}")
    click.echo(f"  why: {_sentence(one.reason)}")
    for telling in explained.tellings:
        told = "told to" if telling.told else "not told to"
        click.echo(f"  {told} {units.node(telling.neighbor, names)}: {_sentence(telling.reason)}")


def _sentence(reason: Any) -> str:
    if reason.code.isupper():
        return f"{reason.code}: {reason.text}" if reason.text else str(reason.code)
    return str(reason.text or reason.code)


@explain.command()
@asks
@_OUTPUT
@click.argument("destination", required=False, shell_complete=complete_destination)
@_DIRECTION
@click.option("--slot", type=units.SlotTime(), help="In this slot. [default: the next one open for trade]")
@click.option("--energy", type=units.Energy(), default="0.1kWh", show_default=True, help="For so much.")
@click.option("--limit", type=units.Price(), help="Say what is within this price per kWh.")
def price(
    where: Where,
    output: str,
    destination: str | None,
    direction: str | None,
    slot: str | int | None,
    energy: int,
    limit: int | None,
) -> None:
    """How the price of energy of DESTINATION (of everybody, without) comes about here, hop by hop."""
    from ioe_router.cli.output import write_one
    from ioe_router.control.client import pb

    with client_of(where) as control:
        try:
            status = control.status()
            asked = pb.ExplainPriceRequest(
                destination=destination or "",
                direction=_direction(direction),  # type: ignore[arg-type]
                slot_utc_s=units.slot_utc_s(slot, status.now_utc_ms, status.slot_s),
                energy_j=energy,
                price_limit_micro_per_kwh=limit or 0,
                has_limit=limit is not None,
            )
            answer = control.call("ExplainPrice", asked)
            names = names_of(control)
        except UsageError as error:
            fail(error)
    if output != "table":
        write_one(answer, output)
        return
    band = f", band {answer.band}" if answer.phase == "bands" else ""
    floor = f" with a floor of {units.price(answer.floor_micro_per_kwh)}" if answer.has_floor else ""
    click.echo(f"slot {units.moment(answer.slot_utc_s)} UTC, phase {answer.phase}{band}{floor}")
    click.echo(answer.summary)
    for one in answer.prices:
        _price(one, status.currency, names)


def _price(one: Any, currency: str, names: dict[str, str]) -> None:
    from ioe_router.cli.output import paint

    verb = "asks" if one.direction == 1 else "bids"
    ask = f"{units.price(one.ask_micro_per_kwh)} {currency}/kWh"
    head = f"{units.node(one.origin, names)}/{one.offer_no} {verb} {ask}"
    click.echo(f"\n{paint(head, 'good' if one.bookable else '')}, has {units.energy(one.available_j)}")
    if one.paid_micro_per_kwh != one.ask_micro_per_kwh:
        click.echo(f"  {units.price(one.paid_micro_per_kwh)}  at the origin: lifted to the floor of the band")
    for hop in one.hops:
        click.echo(
            f"  {units.price(hop.price_micro_per_kwh)}  behind the link {units.node(hop.node, names)} >"
            f" {units.node(hop.next_node, names)}: loses {hop.loss_j} of {hop.sent_j} J,"
            f" fee {units.price(hop.fee_micro_per_kwh)}, {units.energy(hop.residual_j)} free"
        )
    if one.hops:
        click.echo(f"  {units.price(one.delivered_micro_per_kwh)}  here")
    click.echo(f"  {'could be booked now' if one.bookable else _sentence(one.reason)}")


@explain.command()
@asks
@_OUTPUT
@click.argument("what", required=False)
@click.option("-n", "--neighbor", shell_complete=complete_neighbor, help="By or to this neighbour only.")
@click.option("--last", type=click.IntRange(1), default=5, show_default=True, help="The newest so many.")
def refusal(where: Where, output: str, what: str | None, neighbor: str | None, last: int) -> None:
    """What a refusal means: WHAT is a code (NO_CAPACITY), or a beginning of the id of what was refused."""
    code = what.upper() if what and what.upper() in ErrorCode.__members__ else ""
    if code and output == "table":
        _meaning(code)
    elif what and not code and not _is_id(what):
        advice = nearest(what.upper(), [one.name for one in ErrorCode if one])
        raise AskFailed(f"{what!r} is neither a code nor an id; {advice}", ExitCode.USAGE)
    _refusals(
        where, output, last, {"code": code, "about": "" if code else what or "", "neighbor": neighbor or ""}
    )


def _is_id(what: str) -> bool:
    return all(letter in "0123456789abcdef" for letter in what.lower())


def _meaning(code: str) -> None:
    from ioe_router.control.meanings import meaning_of, remedy_of

    number = ErrorCode[code]
    click.echo(f"{code} ({number.value}): {meaning_of(number)}")
    if remedy_of(number):
        click.echo(f"  what to do: {remedy_of(number)}")


def _refusals(where: Where, output: str, last: int, asked: dict[str, str]) -> None:
    from ioe_router.cli.output import write_rows

    try:
        with client_of(where) as control:
            rows = [row for row, _ in zip(control.refusals(**asked), range(last), strict=False)]
            names = names_of(control)
    except UsageError as error:
        fail(error)
    except AskFailed as error:
        if asked["code"] and error.code is ExitCode.NOT_RUNNING:  # the meaning was all that could be told
            click.echo(f"\n({error.message})", err=True)
            return
        raise
    if output != "table":
        write_rows(rows, (), output, "")
        return
    if not rows:
        click.echo("nothing of the kind was refused since the start", err=True)
    for row in rows:
        _refusal(row, names, told=bool(asked["code"]))


def _refusal(row: Any, names: dict[str, str], *, told: bool) -> None:
    from ioe_router.cli.output import paint

    by = "this node" if row.by_us else units.node(row.failing_node or row.neighbor, names) or "nobody asked"
    of = f" of {units.node(row.neighbor, names)}" if row.by_us and row.neighbor else ""
    what = "an object" if row.type == "UNSPECIFIED" else f"{row.type}"
    times = f", {row.times} times" if row.times > 1 else ""
    click.echo(
        f"\n{units.instant(row.at_utc_ms)} UTC{times}: {by} refused {what}{of} ({units.ident(row.about)})"
    )
    if row.destination:
        click.echo(f"  about    {row.destination}")
    click.echo(f"  why      {paint(row.reason.code, 'bad')} {row.reason.text}")
    if not told:
        click.echo(f"  meaning  {row.meaning}")
        if row.remedy:
            click.echo(f"  to do    {row.remedy}")


@explain.command("what-if")
@asks
@_OUTPUT
@click.argument("file", type=click.Path(path_type=Path))
def what_if(where: Where, output: str, file: Path) -> None:
    """What the policy in FILE would let in, let out and buy otherwise; nothing is changed."""
    from ioe_router.cli.output import write_rows
    from ioe_router.control._pb import operation_pb2

    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise AskFailed(f"{file} cannot be read ({error})", ExitCode.CONFIG) from error
    with client_of(where) as control:
        try:
            asked = operation_pb2.ExplainWhatIfRequest(text=text, name=str(file))
            answer = control.operate("ExplainWhatIf", asked)
            names = names_of(control)
        except UsageError as error:
            fail(error)
    if output != "table":
        write_rows(list(answer.effects), (), output, "")
        return
    if not answer.effects:
        click.echo("nothing would be different")
    for one in answer.effects:
        what = f"offer {one.offer_no}" if one.offer_no else "all offers"
        origin, neighbor = units.node(one.origin, names), units.node(one.neighbor, names)
        click.echo(f"{one.way} {neighbor}: {what} of {origin}, {one.direction}")
        click.echo(f"  now:  {one.before}")
        click.echo(f"  then: {one.after}")
