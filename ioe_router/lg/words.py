"""Quantities, times and reasons as people read them.

Integers come in; what goes out is text for a page, so it may be rounded.  A
unit is never left out, and a figure that would round to nothing says so.
"""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import Final

from ioe_router.lg.snapshot import Side, Source

J_PER_KWH: Final = 3_600_000
MICRO: Final = 1_000_000
_MINUTE_S: Final = 60
_HOUR_S: Final = 3_600
_DAY_S: Final = 86_400
_CENTS: Final = {"EUR": "€", "USD": "$", "GBP": "£"}  # currencies whose hundredth people call a cent or penny
_KWH_DIGITS: Final = ((100, 0), (10, 1), (0.1, 2))
_CENT_WHOLE: Final = 10
_SHORT_ID: Final = 10

SOURCE_WORDS: Final = {
    Source.SOLAR: "solar",
    Source.WIND: "wind",
    Source.HYDRO: "hydro",
    Source.GEOTHERMAL: "geothermal",
    Source.STORAGE: "battery",
    Source.FUEL: "fuel",
    Source.GRID: "utility grid",
    Source.UNKNOWN: "not stated",
}
SIDE_WORDS: Final = {Side.SUPPLY: "sells", Side.DEMAND: "buys"}

REASONS: Final = {
    "EXPIRED": "its validity had ended",
    "STALE": "a newer version was known already",
    "EQUIVOCATION": "the node has signed two contradicting statements",
    "LIMIT_REACHED": "a table was full; there is a fair share for everybody",
    "SHUTTING_DOWN": "the node was being stopped",
    "KEEPALIVE_TIMEOUT": "nothing was heard from the neighbour any more",
    "NOT_A_MEMBER": "the node is no member of its domain",
    "TRUST_STALE": "the list of members had run out",
    "KEY_REVOKED": "the node's key has been revoked",
    "KEY_EXPIRED": "the node's key has expired",
    "LOOP": "it would come through the same node twice",
    "PATH_TOO_LONG": "it crosses too many lines",
    "FEE_ABOVE_ATTESTED": "the fee is above what the owners of the line agreed on",
    "POLICY": "the operator's rules forbid it",
    "NO_PATH": "there was no way over the grid",
    "NO_OFFER": "nobody offered what was wanted at that price",
    "OFFER_CHANGED": "the offer had changed meanwhile",
    "NO_ENERGY": "the energy was sold already",
    "NO_CAPACITY": "a line on the way was full",
    "NOT_BOOKABLE": "the line could not be booked in that slot",
    "TOO_EARLY": "the slot was not open yet",
    "GATE_CLOSED": "the slot was closed for bookings",
    "PRICE_LIMIT": "the price was above the limit",
    "BELOW_MINIMUM": "less was left than would be useful",
    "CONFLICT": "it contradicted an earlier request",
    "HOLD_EXPIRED": "nobody answered in time",
    "NEIGHBOR_LOST": "a node on the way went away",
    "QUOTA": "one buyer would have held too much at a time",
    "GRANT_CHANGED": "what was granted had changed meanwhile",
    "IN_PAST": "the slot was over",
    "NO_TRANSIT": "a node on the way does not let energy of others pass",
    "CURTAILED": "it was cut to keep the grid safe",
    "PREEMPTED": "more urgent energy took its place",
    "CLOCK_UNSYNCED": "the two clocks differ too much",
    "PARAMETER_MISMATCH": "the two nodes have other network parameters",
    "NETWORK_MISMATCH": "the two nodes are in different networks",
    "VERSION_MISMATCH": "the two nodes speak no common version",
    "IDENTITY_MISMATCH": "the neighbour is not who it says",
    "DUPLICATE_IDENTITY": "two nodes run with one identity",
}

STATE_WORDS: Final = {
    "HOLDING": "asked",
    "HELD": "held",
    "IN_DOUBT": "being confirmed",
    "COMMITTED": "agreed",
    "FAILED": "refused",
    "RELEASED": "given back",
    "EXPIRED": "ran out",
}


def energy(energy_j: int) -> str:
    """Joules as kWh or Wh: `1.25 kWh`, `350 Wh`."""
    kwh = energy_j / J_PER_KWH
    if energy_j and abs(kwh) < _KWH_DIGITS[-1][0]:
        watt_hours = kwh * 1000
        return f"{watt_hours:,.0f} Wh" if abs(watt_hours) >= 1 else "under 1 Wh"
    digits = next((digits for least, digits in _KWH_DIGITS if abs(kwh) >= least), 0)
    return f"{kwh:,.{digits}f} kWh"


def kwh_number(energy_j: int) -> str:
    """Joules as kWh without the unit, for a column that names it."""
    kwh = energy_j / J_PER_KWH
    return f"{kwh:,.2f}" if kwh == 0 or abs(kwh) >= 0.01 else f"{kwh:,.3f}"  # noqa: PLR2004 - digits


def power(energy_j: int, duration_s: int) -> str:
    """The mean power of an energy over a time: `4.2 kW`, `80 W`."""
    watt = energy_j / duration_s
    return f"{watt / 1000:,.1f} kW" if abs(watt) >= 1000 else f"{watt:,.0f} W"  # noqa: PLR2004 - a kilowatt


def rating(va: int) -> str:
    """A line's rating: `50 kVA`."""
    return f"{va / 1000:,.0f} kVA" if va >= 10_000 else f"{va / 1000:,.1f} kVA"  # noqa: PLR2004 - digits


def price(micro_per_kwh: int, currency: str) -> str:
    """A price: `24.5 ct/kWh`; without cents in the currency's own unit."""
    if currency in _CENTS:
        return f"{cents(micro_per_kwh)} ct/kWh"
    return f"{_tidy(micro_per_kwh / MICRO, 4)} {currency}/kWh"


def price_unit(currency: str) -> str:
    """The unit of `price_number`."""
    return "ct/kWh" if currency in _CENTS else f"{currency}/kWh"


def price_number(micro_per_kwh: int, currency: str) -> str:
    """A price without its unit, for a column that names it."""
    return cents(micro_per_kwh) if currency in _CENTS else _tidy(micro_per_kwh / MICRO, 4)


def cents(micro: int) -> str:
    """Micro-units as hundredths of the currency: one decimal, two below 1."""
    value = micro * 100 / MICRO
    return f"{value:,.1f}" if abs(value) >= 1 or value == 0 else f"{value:.2f}"


def money(micro: int, currency: str) -> str:
    """An amount: `31 ct`, `€1.20`."""
    if currency not in _CENTS:
        return f"{micro / MICRO:,.4f} {currency}"
    if abs(micro) < MICRO:
        value = micro * 100 / MICRO
        if value and abs(value) < 0.1:  # noqa: PLR2004 - a tenth of a cent
            return "less than 0.1 ct"
        return f"{value:.0f} ct" if abs(value) >= _CENT_WHOLE else f"{_tidy(value, 1)} ct"
    sign = "−" if micro < 0 else ""
    return f"{sign}{_CENTS[currency]}{abs(micro) / MICRO:,.2f}"


def cost_micro(energy_j: int, price_micro_per_kwh: int) -> int:
    """What an energy costs, rounded to the micro-unit; for pages, the books round by SPEC section 12."""
    return round(energy_j * price_micro_per_kwh / J_PER_KWH)


def percent(part: float) -> str:
    """A share: `62 %`."""
    if 0 < part < 0.01:  # noqa: PLR2004 - one per cent
        return "< 1 %"
    return f"{100 * part:.0f} %"


def carbon(mg_per_kwh: int) -> str:
    """A carbon intensity: `41 g/kWh`."""
    return f"{mg_per_kwh / 1000:,.0f} g/kWh"


def clock(utc_s: int, zone: tzinfo) -> str:
    """A time of day: `17:45`."""
    return f"{datetime.fromtimestamp(utc_s, UTC).astimezone(zone):%H:%M}"


def stamp(utc_s: int, zone: tzinfo) -> str:
    """A date and time: `22 Nov 2026, 17:45:03`."""
    moment = datetime.fromtimestamp(utc_s, UTC).astimezone(zone)
    return f"{moment.day} {moment:%b %Y, %H:%M:%S}"


def machine_time(utc_s: int) -> str:
    """A time for the `datetime` attribute."""
    return f"{datetime.fromtimestamp(utc_s, UTC):%Y-%m-%dT%H:%M:%SZ}"


def duration(seconds: int) -> str:
    """A time span in its largest unit, and the next one where it matters: `3 min`, `2 h 5 min`."""
    seconds = max(0, seconds)
    if seconds < _MINUTE_S:
        return f"{seconds} s"
    if seconds < _HOUR_S:
        return f"{seconds // _MINUTE_S} min"
    if seconds < _DAY_S:
        minutes = seconds % _HOUR_S // _MINUTE_S
        return f"{seconds // _HOUR_S} h" + (f" {minutes} min" if minutes else "")
    hours = seconds % _DAY_S // _HOUR_S
    return f"{seconds // _DAY_S} d" + (f" {hours} h" if hours else "")


def short(node: str) -> str:
    """The beginning of a node id, for people's eyes only."""
    return node[:_SHORT_ID]


def reason(code: str) -> str:
    """A registered code as half a sentence; an unknown one as its own words."""
    return REASONS.get(code, code.replace("_", " ").lower())


def sentence(text: str) -> str:
    """A reason as a sentence: with a capital letter and a full stop."""
    text = text.strip()
    if not text:
        return ""
    return text[0].upper() + text[1:] + ("" if text[-1] in ".!?" else ".")


def listing(parts: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def count(number: int, one: str, many: str | None = None) -> str:
    """`1 node`, `5 nodes`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _tidy(value: float, digits: int) -> str:
    """Without trailing zeros."""
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
