"""`ioe show`: the tables of a running daemon.

Every noun takes filters, `-o table|json|jsonl`, and names nodes by id, by an
unambiguous beginning of it, or by the name of their peer file.  The last column
says why a row is where it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from ioe_router.cli import units
from ioe_router.cli.asking import Where, asks, client_of, fail, names_of
from ioe_router.cli.live_names import complete_destination, complete_neighbor, complete_reservation
from ioe_router.cli.near import NearGroup
from ioe_router.model.errors import UsageError

if TYPE_CHECKING:
    from ioe_router.control.client import ControlClient

F = TypeVar("F", bound=Callable[..., Any])

_EMPTY: Final = "nothing to show"
_NOTHING_FITS: Final = "nothing fits what was asked for"
_DIRECTIONS: Final = ("supply", "demand")
_STAGES: Final = ("received", "accepted", "filtered", "best", "advertised")
_SESSIONS: Final = ("idle", "hello_sent", "proof_sent", "established", "closing")
_RESERVATIONS: Final = ("holding", "held", "in_doubt", "committed", "failed", "released", "expired")
_PARTS: Final = ("initiator", "transit", "origin")
_OBLIGATIONS: Final = ("booked", "stated", "agreed", "disputed")
_LIMITS: Final = ("link", "connection", "table")
_SOURCES: Final = ("solar", "wind", "hydro", "geothermal", "storage", "fuel", "grid")

_OUTPUT: Final = click.option(
    "-o",
    "--output",
    type=click.Choice(("table", "json", "jsonl")),
    default="table",
    show_default=True,
    help="table for people; json is one array, jsonl one object a line.",
)
_NEIGHBOR: Final = click.option(
    "-n", "--neighbor", shell_complete=complete_neighbor, help="Of this neighbour only."
)
_DESTINATION: Final = click.option(
    "-d", "--destination", shell_complete=complete_destination, help="Of this node only."
)
_DIRECTION: Final = click.option(
    "--direction", type=click.Choice(_DIRECTIONS), help="Of what is sold (supply) or bought (demand) only."
)
_SLOT: Final = click.option("--slot", type=units.SlotTime(), help="Of this slot only: 18:05, +1, now.")
_FROM: Final = click.option("--from", "first", type=units.SlotTime(), help="Of this slot and later.")
_TO: Final = click.option("--to", "last", type=units.SlotTime(), help="Of slots up to this one.")


def _choice(option: str, values: tuple[str, ...], text: str) -> Callable[[F], F]:
    return click.option(option, type=click.Choice(values), help=text)


@click.group(cls=NearGroup)
def show() -> None:
    """Show the tables of a running node; a noun may be shortened (ioe show nei)."""


def _ask(where: Where, noun: str, output: str, asked: dict[str, Any], empty: str = _EMPTY) -> None:
    """Ask for a noun and write its rows as they come."""
    from ioe_router.cli.columns import COLUMNS
    from ioe_router.cli.output import write_rows

    with client_of(where) as control:
        try:
            wanted = _wanted(control, asked)
            names = names_of(control) if output == "table" else {}
            rows: Iterable[Any] = getattr(control, noun)(**wanted)
            write_rows(rows, COLUMNS[noun](names), output, _NOTHING_FITS if wanted else empty)
        except UsageError as error:
            fail(error)


def _wanted(control: ControlClient, asked: dict[str, Any]) -> dict[str, Any]:
    """The fields of a request: numbers for names of enumerations, slots as UTC seconds."""
    from ioe_router.control.client import pb

    wanted = {name: value for name, value in asked.items() if value not in (None, False)}
    for name, prefix in (("direction", "DIRECTION"), ("stage", "STAGE"), ("part", "PART")):
        if name in wanted:
            wanted[name] = getattr(pb, f"{prefix}_{wanted[name].upper()}")
    for name, value in tuple(wanted.items()):
        if isinstance(value, tuple):  # the kind of enumeration and the name
            wanted[name] = getattr(pb, f"{value[0]}_{value[1].upper()}")
    edges = {str(name): wanted.pop(name) for name in ("slot", "first", "last") if name in wanted}
    if edges:
        wanted["slots"] = _range(control, edges)
    return wanted


def _range(control: ControlClient, edges: dict[str, Any]) -> Any:
    from ioe_router.control.client import pb

    status = control.status()
    at = {k: units.slot_utc_s(v, status.now_utc_ms, status.slot_s) for k, v in edges.items()}
    first, last = at.get("slot", at.get("first", 0)), at.get("slot", at.get("last", 0))
    return pb.SlotRange(first_utc_s=first, last_utc_s=last)


@show.command()
@asks
@click.option("-o", "--output", type=click.Choice(("table", "json", "jsonl")), default="table")
def status(where: Where, output: str) -> None:
    """Who this is and how it is doing."""
    from ioe_router.cli.output import write_facts, write_one

    with client_of(where) as control:
        try:
            answer = control.status()
        except UsageError as error:
            fail(error)
    if output == "table":
        write_facts(_facts(answer))
    else:
        write_one(answer, output)


def _facts(answer: Any) -> Iterator[tuple[str, str]]:
    from ioe_router.cli.output import name_of

    yield "node", answer.node
    yield "network", f"{answer.network_id}, slots of {answer.slot_s} s, prices in {answer.currency}"
    yield "domain", answer.domain
    yield "version", f"{answer.version}, protocol {answer.protocol_version}, control {answer.control_version}"
    yield (
        "up since",
        f"{units.moment(answer.started_utc_s)} UTC, {units.span(answer.uptime_s)}, epoch {answer.epoch}",
    )
    yield "clock", f"{units.instant(answer.now_utc_ms)} UTC"
    yield "sessions", f"{answer.sessions} of {answer.neighbors} neighbours"
    yield "routes", f"{answer.routes} to {answer.destinations} destinations"
    yield "offers", f"{answer.offers} of others"
    yield "reservations", f"{answer.reservations}, {answer.reservations_open} of them open"
    yield (
        "connection",
        f"{units.power(answer.connection_import_w)} in, {units.power(answer.connection_export_w)} out",
    )
    yield "peer port", str(answer.peer_port)
    yield "log level", answer.log_level
    yield "access", name_of(answer, "access")
    yield "configuration", answer.config
    yield "process", str(answer.pid)


@show.command()
@asks
@_OUTPUT
@click.argument("neighbor", required=False, shell_complete=complete_neighbor)
@_choice("--state", _SESSIONS, "Sessions in this state only.")
def neighbors(where: Where, output: str, neighbor: str | None, state: str | None) -> None:
    """Neighbours. ROUTES: first choice / heard / told; OFFERS: heard / told."""
    asked = {"neighbor": neighbor, "state": None if state is None else ("SESSION_STATE", state)}
    _ask(where, "neighbors", output, asked, "no neighbour is configured")


@show.command()
@asks
@_OUTPUT
@_NEIGHBOR
@click.option("--own", is_flag=True, help="Links of this node only.")
@_SLOT
@_FROM
@_TO
def links(where: Where, output: str, **asked: Any) -> None:
    """Links and their load; in the present slot, if no other is named."""
    _ask(where, "links", output, asked)


@show.command()
@asks
@_OUTPUT
@click.argument("destination", required=False, shell_complete=complete_destination)
@_NEIGHBOR
@_DIRECTION
@_choice("--stage", _STAGES, "In this stage only.")
@_choice("--source", _SOURCES, "Of this source only.")
@_SLOT
@_FROM
@_TO
def offers(where: Where, output: str, **asked: Any) -> None:
    """Offers: PRICE is that at their origin, HERE what 0.1 kWh would come to at this node."""
    _ask(where, "offers", output, asked, "no offer is known")


@show.command()
@asks
@_OUTPUT
@click.argument("destination", required=False, shell_complete=complete_destination)
@_NEIGHBOR
@_DIRECTION
@_choice("--stage", _STAGES, "In this stage only.")
@click.option("--limit", type=click.IntRange(1), help="At most so many rows.")
def routes(where: Where, output: str, **asked: Any) -> None:
    """Routes: heard, chosen, told; RANK is fees and losses on the way, micro-units per kWh."""
    _ask(
        where,
        "routes",
        output,
        asked,
        "no route is known; 'ioe show neighbors' says whether there is a session",
    )


@show.command()
@asks
@_OUTPUT
@_NEIGHBOR
@_SLOT
@_FROM
@_TO
def fib(where: Where, output: str, **asked: Any) -> None:
    """Set-points: what each port does in the present slot and in those to come."""
    _ask(where, "fib", output, asked, "no slot is open yet")


@show.command()
@asks
@_OUTPUT
@click.argument("reservation", required=False, shell_complete=complete_reservation)
@_NEIGHBOR
@_DESTINATION
@_DIRECTION
@_choice("--state", _RESERVATIONS, "In this state only.")
@_choice("--part", _PARTS, "In which this node has this part only.")
@_SLOT
@_FROM
@_TO
def reservations(where: Where, output: str, state: str | None, **asked: Any) -> None:
    """Reservations that begin, end or pass here."""
    asked["state"] = None if state is None else ("RESERVATION_STATE", state)
    _ask(where, "reservations", output, asked, "no reservation is known")


@show.command()
@asks
@_OUTPUT
@_NEIGHBOR
@_choice("--state", _OBLIGATIONS, "In this state only.")
@_SLOT
@_FROM
@_TO
def obligations(where: Where, output: str, state: str | None, **asked: Any) -> None:
    """Obligations: who owes whom, slot by slot."""
    asked["state"] = None if state is None else ("OBLIGATION_STATE", state)
    _ask(where, "obligations", output, asked, "nobody owes anybody anything")


@show.command()
@asks
@_OUTPUT
@_NEIGHBOR
@_choice("--kind", _LIMITS, "Of this kind only.")
@_SLOT
@_FROM
@_TO
def limits(where: Where, output: str, kind: str | None, **asked: Any) -> None:
    """Limits: links, connection and tables, and how much of each is used."""
    asked["kind"] = None if kind is None else ("LIMIT_KIND", kind)
    _ask(where, "limits", output, asked)


@show.command()
@asks
@_OUTPUT
@click.argument("about", required=False)
@_NEIGHBOR
@click.option("--code", help="With this code only, for instance NO_CAPACITY.")
def refusals(where: Where, output: str, **asked: Any) -> None:
    """Refusals, by this node and to it, newest first; 'ioe explain refusal' says what they mean."""
    _ask(where, "refusals", output, asked, "nothing was refused since the start")
