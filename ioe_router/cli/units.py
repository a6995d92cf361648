"""How people write energies, prices, powers and slots, and how they are shown to them.

On the wire and in JSON everything is joules, watts, micro-units and UTC
seconds; only tables and options speak of kilowatt-hours and 0.30.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import click

J_PER_KWH: Final = 3_600_000
MICRO: Final = 1_000_000
_SHORT: Final = 10  # of a node id: enough to tell nodes apart, and accepted wherever a node is named
_ENERGIES: Final = {
    "j": Decimal(1),
    "kj": Decimal(1_000),
    "mj": Decimal(1_000_000),
    "wh": Decimal(3_600),
    "kwh": Decimal(J_PER_KWH),
    "mwh": Decimal(J_PER_KWH * 1_000),
}
_NUMBER: Final = re.compile(r"^([+-]?[0-9][0-9_]*(?:\.[0-9]+)?)\s*([A-Za-z]*)$")
_KILO: Final = 1_000


class Energy(click.ParamType[int]):
    """An energy with its unit, as joules: 500Wh, 0.5kWh, 1800000J."""

    name = "energy"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Joules. A plain number is refused: its unit would be a guess."""
        if isinstance(value, int):
            return value
        found = _NUMBER.match(str(value).strip())
        unit = found.group(2).lower() if found else ""
        if found is None or unit not in _ENERGIES:
            self.fail(f"{value!r} is no energy; write it with its unit: 0.5kWh, 500Wh, 1800000J", param, ctx)
        joules = Decimal(found.group(1).replace("_", "")) * _ENERGIES[unit]
        if joules != joules.to_integral_value() or joules <= 0:
            self.fail(f"{value!r} is {joules.normalize():f} J; write whole joules above 0", param, ctx)
        return int(joules)


class Price(click.ParamType[int]):
    """A price per kWh in the network's currency, as micro-units: 0.30."""

    name = "price"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Micro-units per kWh."""
        if isinstance(value, int):
            return value
        try:
            micro = Decimal(str(value).strip()) * MICRO
        except InvalidOperation:
            self.fail(f"{value!r} is no price; write it per kWh in the network's currency: 0.30", param, ctx)
        if not micro.is_finite() or micro != micro.to_integral_value():
            self.fail(f"{value!r} has more than six decimals; the sixth is the smallest unit", param, ctx)
        return int(micro)


class SlotTime(click.ParamType[str | int]):
    """The start of a slot, as UTC seconds: 18:05, 2026-11-22T18:05, +2, now, or UTC seconds."""

    name = "slot"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str | int:
        """UTC seconds; what depends on the daemon's clock stays a text, see `slot_utc_s`."""
        text = str(value).strip()
        if isinstance(value, int) or re.fullmatch(r"[0-9]{9,11}", text):
            return int(value)
        if re.fullmatch(r"\+[0-9]{1,3}|now|[0-9]{1,2}:[0-9]{2}", text):
            return text
        try:
            moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
        except ValueError:
            self.fail(
                f"{value!r} is no slot; write its start in UTC (18:05, 2026-11-22T18:05), or +N for the"
                " N-th from now",
                param,
                ctx,
            )
        return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp())


def slot_utc_s(slot: str | int | None, now_utc_ms: int, slot_s: int) -> int:
    """The start of the slot that was meant, UTC seconds; 0 for none."""
    if slot is None:
        return 0
    now_utc_s = now_utc_ms // 1_000
    present = now_utc_s - now_utc_s % slot_s
    if slot == "now":
        return present
    if isinstance(slot, int):
        return slot
    if slot.startswith("+"):
        return present + int(slot) * slot_s
    hour, minute = map(int, slot.split(":"))
    today = now_utc_s - now_utc_s % 86_400
    start = today + hour * 3_600 + minute * 60
    return start if start >= present else start + 86_400


# ------------------------------------------------------------------ for people


def energy(joules: int) -> str:
    """An energy in kWh."""
    return f"{joules / J_PER_KWH:.3f} kWh"


def power(watts: int) -> str:
    """A power."""
    return f"{watts / _KILO:.1f} kW" if abs(watts) >= _KILO else f"{watts} W"


def price(micro_per_kwh: int) -> str:
    """A price per kWh, in the network's currency."""
    return f"{micro_per_kwh / MICRO:.4f}"


def amount(micro: int) -> str:
    """An amount, in the network's currency."""
    return f"{micro / MICRO:.4f}"


def moment(utc_s: int) -> str:
    """An instant of UTC, to the minute; nothing for 0."""
    return datetime.fromtimestamp(utc_s, UTC).strftime("%m-%d %H:%M") if utc_s else ""


def instant(utc_ms: int) -> str:
    """An instant of UTC, to the second."""
    return datetime.fromtimestamp(utc_ms / 1_000, UTC).strftime("%m-%d %H:%M:%S") if utc_ms else ""


def span(seconds: int) -> str:
    """A duration."""
    days, rest = divmod(max(0, seconds), 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, left = divmod(rest, 60)
    clock = f"{hours:02}:{minutes:02}:{left:02}"
    return f"{days}d {clock}" if days else clock


def node(text: str, names: dict[str, str] | None = None) -> str:
    """A node by its configured name, else a beginning of its id that can be typed back."""
    return (names or {}).get(text) or text[:_SHORT]


def ident(text: str) -> str:
    """A beginning of a hexadecimal id that can be typed back."""
    return text[:12]
