"""What the tables of `ioe show` have as columns: what people look for first, the reason last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ioe_router.cli import units
from ioe_router.cli.output import Column, name_of

Names = dict[str, str]  # node, as the configuration calls it

FULL_PPM: Final = 900_000
BUSY_PPM: Final = 700_000
_BAD_STATES: Final = frozenset({"failed", "expired", "disputed", "idle", "closing"})
_GOOD_STATES: Final = frozenset({"established", "committed", "agreed"})


def _reason(row: Any) -> str:
    reason = row.reason
    if not reason.text:
        return str(reason.code)
    return f"{reason.code}: {reason.text}" if reason.code.isupper() else str(reason.text)


def _colour_of(state: str) -> str:
    if state in _GOOD_STATES:
        return "good"
    return "bad" if state in _BAD_STATES else "odd"


def _state_colour(row: Any) -> str:
    return _colour_of(name_of(row, "state"))


def _stages(row: Any) -> str:
    """The furthest stage, and whether it is told on."""
    numbers = row.DESCRIPTOR.fields_by_name["stages"].enum_type.values_by_number
    names = [numbers[number].name.removeprefix("STAGE_").lower() for number in row.stages]
    if "filtered" in names:
        return "filtered"
    best = "best" if "best" in names else "accepted" if "accepted" in names else ""
    told = "told" if "advertised" in names else ""
    return "+".join(one for one in (best, told) if one) or "received"


def _stage_colour(row: Any) -> str:
    text = _stages(row)
    return "bad" if text == "filtered" else "good" if text.startswith("best") else ""


def _node(names: Names, field: str) -> Callable[[Any], str]:
    return lambda row: units.node(getattr(row, field), names) if getattr(row, field) else ""


def neighbors(names: Names) -> tuple[Column, ...]:
    """Neighbours."""
    return (
        Column("NEIGHBOR", _node(names, "node")),
        Column("STATE", lambda row: name_of(row, "state"), _state_colour),
        Column("SINCE (UTC)", lambda row: units.moment(row.since_utc_s)),
        Column("ROLE", lambda row: row.role),
        Column("ROUTES", lambda row: f"{row.routes_best}/{row.routes_received}/{row.routes_advertised}"),
        Column("OFFERS", lambda row: f"{row.offers_received}/{row.offers_advertised}"),
        Column("REFUSED", lambda row: str(row.refusals), lambda row: "odd" if row.refusals else "", True),
        Column("ADDRESS", lambda row: row.address or "(dials us)"),
        Column("LAST ERROR", _error, lambda _row: "bad"),
    )


def _error(row: Any) -> str:
    error = row.last_error
    if not error.code and not error.text:
        return ""
    return f"{units.moment(row.last_error_utc_s)} {error.code}: {error.text}"


def links(names: Names) -> tuple[Column, ...]:
    """Links."""
    return (
        Column("LINK", lambda row: units.ident(row.link)),
        Column("KEEPER", _node(names, "keeper")),
        Column("OTHER END", _node(names, "other")),
        Column("KIND", lambda row: name_of(row, "kind") + (", access" if row.access else "")),
        Column("SLOT (UTC)", lambda row: units.moment(row.slot_utc_s)),
        Column("FLOW", _flow),
        Column("LOAD", lambda row: f"{row.load_ppm / 10_000:.1f}%", _load_colour, True),
        Column("FREE DOWN", lambda row: units.energy(row.residual_down_j), right=True),
        Column("FREE UP", lambda row: units.energy(row.residual_up_j), right=True),
        Column("LOSS", lambda row: units.energy(row.loss_j), right=True),
        Column("KNOWN BY", lambda row: name_of(row, "source").replace("_", " ")),
    )


def _flow(row: Any) -> str:
    if not row.net_energy_j:
        return "-"
    return f"{units.power(row.net_power_w)} {name_of(row, 'net_flow')}"


def _load_colour(row: Any) -> str:
    return "bad" if row.load_ppm > FULL_PPM else "odd" if row.load_ppm > BUSY_PPM else ""


def offers(names: Names) -> tuple[Column, ...]:
    """Offers."""
    return (
        Column("ORIGIN", lambda row: "(this node)" if row.own else units.node(row.origin, names)),
        Column("NO", lambda row: str(row.offer_no), right=True),
        Column("SELLS/BUYS", lambda row: {"supply": "sells", "demand": "buys"}.get(_direction(row), "")),
        Column("SOURCE", lambda row: row.source + (" (default)" if row.is_default else "")),
        Column("NEXT SLOT (UTC)", lambda row: units.moment(row.next_slot_utc_s)),
        Column("ENERGY", lambda row: units.energy(row.next_energy_j), right=True),
        Column("PRICE", lambda row: units.price(row.next_price_micro_per_kwh), right=True),
        Column("HERE", _delivered, right=True),
        Column("STAGE", _stages, _stage_colour),
        Column("WHY", _reason),
    )


def _direction(row: Any) -> str:
    return name_of(row, "direction")


def _delivered(row: Any) -> str:
    return units.price(row.delivered_micro_per_kwh) if row.has_delivered else "-"


def routes(names: Names) -> tuple[Column, ...]:
    """Routes."""
    return (
        Column("DESTINATION", lambda row: units.node(row.destination, names) if row.destination else "?"),
        Column("FOR", _direction),
        Column("PLACE", lambda row: str(row.place or "-"), right=True),
        Column("NEXT HOP", lambda row: units.node(row.neighbor, names) if row.neighbor else "(this node)"),
        Column("HOPS", lambda row: str(len(row.hops)), right=True),
        Column("RANK", lambda row: str(row.rank), right=True),
        Column("FEES", lambda row: units.price(row.fee_micro_per_kwh), right=True),
        Column("WIDTH", lambda row: units.power(row.width_va).replace("W", "VA"), right=True),
        Column("TOLD TO", lambda row: str(len(row.advertised_to)), right=True),
        Column("STAGE", _stages, _stage_colour),
        Column("WHY", _reason),
    )


def fib(names: Names) -> tuple[Column, ...]:
    """Set-points."""
    return (
        Column("SLOT (UTC)", lambda row: units.moment(row.slot_utc_s)),
        Column("PORT", lambda row: units.node(row.neighbor, names) if row.neighbor else "own devices"),
        Column("STATE", lambda row: name_of(row, "state")),
        Column("DOES", lambda row: name_of(row, "direction") or "nothing"),
        Column("ENERGY", lambda row: units.energy(row.energy_j), right=True),
        Column("POWER", lambda row: units.power(row.power_w), right=True),
        Column("REACTIVE", lambda row: f"{row.reactive_vars} vars" if row.reactive_vars else "-", right=True),
    )


def reservations(names: Names) -> tuple[Column, ...]:
    """Reservations."""
    return (
        Column("RESERVATION", lambda row: units.ident(row.reservation)),
        Column("STATE", lambda row: name_of(row, "state"), _state_colour),
        Column("HERE AS", lambda row: name_of(row, "part")),
        Column("INITIATOR", _node(names, "initiator")),
        Column("ORIGIN", _node(names, "origin")),
        Column("FOR", _direction),
        Column("SLOT (UTC)", lambda row: units.moment(row.first_slot_utc_s)),
        Column("ENERGY", lambda row: units.energy(row.energy_j), right=True),
        Column("PRICE", lambda row: units.price(row.price_micro_per_kwh), right=True),
        Column("AMOUNT", lambda row: units.amount(row.amount_micro), right=True),
        Column("WHY", _reason),
    )


def obligations(names: Names) -> tuple[Column, ...]:
    """Obligations."""
    return (
        Column("SLOT (UTC)", lambda row: units.moment(row.slot_utc_s)),
        Column("KIND", lambda row: name_of(row, "kind")),
        Column("WITH", _node(names, "counterparty")),
        Column("STATE", lambda row: name_of(row, "state"), _state_colour),
        Column("PACKETS", lambda row: str(row.packets), right=True),
        Column("OWED TO US", lambda row: units.amount(row.owed_to_us_micro), right=True),
        Column("OWED BY US", lambda row: units.amount(row.owed_by_us_micro), right=True),
        Column("BOOKED IN", lambda row: units.energy(row.booked_import_j), right=True),
        Column("BOOKED OUT", lambda row: units.energy(row.booked_export_j), right=True),
        Column("METERED", lambda row: "yes" if row.metered else "no"),
    )


def limits(names: Names) -> tuple[Column, ...]:
    """Limits."""
    return (
        Column(
            "LIMIT", lambda row: row.name if not row.link else f"link to {units.node(row.neighbor, names)}"
        ),
        Column("SLOT (UTC)", lambda row: units.moment(row.slot_utc_s)),
        Column("WAY", lambda row: name_of(row, "direction")),
        Column("USED", lambda row: _limit(row, row.used), right=True),
        Column("OF", lambda row: _limit(row, row.bound), right=True),
        Column("", lambda row: f"{100 * row.used // row.bound}%" if row.bound else "-", _limit_colour, True),
        Column("SET BY", _reason),
    )


def _limit(row: Any, value: int) -> str:
    shown = {"J": units.energy, "W": units.power}.get(row.unit, str)
    return shown(value)


def _limit_colour(row: Any) -> str:
    return "bad" if row.bound and row.used * 10 > row.bound * 9 else ""


def refusals(names: Names) -> tuple[Column, ...]:
    """Refusals."""
    return (
        Column("WHEN (UTC)", lambda row: units.instant(row.at_utc_ms)),
        Column("TIMES", lambda row: str(row.times), right=True),
        Column("REFUSED BY", lambda row: "this node" if row.by_us else _refuser(row, names)),
        Column("WHAT", lambda row: "" if row.type == "UNSPECIFIED" else row.type),
        Column("OF", lambda row: units.node(row.neighbor, names) if row.by_us and row.neighbor else ""),
        Column("ABOUT", lambda row: units.ident(row.about)),
        Column("WHY", _reason),
    )


def _refuser(row: Any, names: Names) -> str:
    return units.node(row.failing_node or row.neighbor, names)


COLUMNS: Final[dict[str, Callable[[Names], tuple[Column, ...]]]] = {
    "neighbors": neighbors,
    "links": links,
    "offers": offers,
    "routes": routes,
    "fib": fib,
    "reservations": reservations,
    "obligations": obligations,
    "limits": limits,
    "refusals": refusals,
}
