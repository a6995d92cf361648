"""Numbers and dates as people read them, for the report page.

The record holds integers; here they get a unit, a sensible number of digits
and a thousands separator.  Nothing is computed that is not in the arguments.
Money is stated in the scenario's currency with two decimals; the sign of an
amount is a real minus.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from html import escape
from typing import Final

JOULES_PER_KWH: Final = 3_600_000
_SMALL: Final = 10
_MIDDLE: Final = 1000
_LEAST_PERCENT: Final = 0.01
_KILO: Final = 1000
_DAY_S: Final = 86_400
_HOUR_S: Final = 3600
_LARGEST_OFFSET_S: Final = 14 * _HOUR_S  # of any civil time from UTC
_NUMBER_WORDS: Final = (
    *("no", "one", "two", "three", "four", "five", "six"),
    *("seven", "eight", "nine", "ten", "eleven", "twelve"),
)


def number(value: float, places: int = 0) -> str:
    """A number with thousands separators and a real minus sign."""
    text = f"{value:,.{places}f}"
    negative = text.startswith("-") and any(digit in "123456789" for digit in text)
    return ("−" if negative else "") + text.lstrip("-")


def kwh(energy_j: int) -> str:
    """Energy without its unit, for columns that name it."""
    value = energy_j / JOULES_PER_KWH
    return number(value, _places(value))


def energy(energy_j: int) -> str:
    """Energy in kWh."""
    return f"{kwh(energy_j)} kWh"


def money(amount_micro: int, currency: str) -> str:
    """An amount in the currency, with its code."""
    return f"{number(amount_micro / 1e6, 2)} {escape(currency)}"


def percent(share_ppm: float) -> str:
    """A share in percent: more digits the smaller it is, and never 0 for what is not."""
    value = share_ppm / 10_000
    if 0 < abs(value) < _LEAST_PERCENT:
        return f"below {number(_LEAST_PERCENT, 2)} %"
    return f"{number(value, 0 if abs(value) >= _SMALL else 1 if abs(value) >= 1 or value == 0 else 2)} %"


def bytes_in_words(size_bytes: int) -> str:
    """A size in the unit in which it has one to three digits."""
    size = float(size_bytes)
    for unit in ("B", "kB", "MB"):
        if size < _KILO:
            return f"{number(size, 0 if unit == 'B' else 1)} {unit}"
        size /= _KILO
    return f"{number(size, 2)} GB"


def seconds_in_words(duration_s: float) -> str:
    """A duration in seconds."""
    return f"{number(duration_s, 1)} s"


def count(amount: int, one: str, many: str = "") -> str:
    """`3 trades`, `1 trade`, with the separator of thousands."""
    return f"{number(amount)} {one if amount == 1 else many or one + 's'}"


def count_in_words(amount: int, one: str) -> str:
    """`fifteen` stays 15, but small numbers are words: `two routers`."""
    words = _NUMBER_WORDS[amount] if 0 < amount < len(_NUMBER_WORDS) else number(amount)
    return f"{words} {one if amount == 1 else one + 's'}"


def listed(parts: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))


def day_title(label: str) -> str:
    """`15 January 2016` for a label that is a date, else the label."""
    day = _as_date(label)
    return f"{day.day} {day:%B %Y}" if day else label


def day_short(label: str) -> str:
    """`15 Jan 2016` for a label that is a date, else the label."""
    day = _as_date(label)
    return f"{day.day} {day:%b %Y}" if day else label


def local_offset_s(label: str, start_utc_s: int) -> int:
    """How far local time is ahead of UTC; 0 unless the day is named by a date and starts at its midnight."""
    day = _as_date(label)
    if day is None:
        return 0
    midnight = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
    offset = midnight - start_utc_s
    return offset if abs(offset) <= _LARGEST_OFFSET_S and offset % (_HOUR_S // 4) == 0 else 0


def clock(label: str, start_utc_s: int, instant_utc_s: int) -> str:
    """`12:15`, in the local time of the day."""
    seconds = (instant_utc_s + local_offset_s(label, start_utc_s)) % _DAY_S
    return f"{seconds // _HOUR_S:02d}:{seconds % _HOUR_S // 60:02d}"


def _places(value: float) -> int:
    size = abs(value)
    if size == 0:
        return 0
    return 2 if size < _SMALL else 1 if size < _MIDDLE else 0


def _as_date(label: str) -> date | None:
    try:
        return date.fromisoformat(label)
    except ValueError:
        return None
