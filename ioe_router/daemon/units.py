"""Units of options: the last part of a name says it, and here it is in words.

`wrong_unit` recognises an option that is known under another unit
(`import_kw` for `import_w`) and a value that brings its own ("11 kW"), and works
out what to write instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fractions import Fraction
from typing import Final

UNITS: Final = {  # the longest ending that fits counts
    "micro_per_kwh": "millionths of the currency per kWh",
    "micro_per_kg": "millionths of the currency per kg of CO2",
    "mg_per_kwh": "milligrams of CO2 per kWh",
    "micro_pu": "millionths of the nominal voltage",
    "micro_ohm": "millionths of an ohm",
    "milli_w": "milliwatts",
    "mv": "millivolts",
    "ppm": "parts per million",
    "va": "volt-amperes",
    "var": "volt-amperes reactive",
    "w": "watts",
    "j": "joules",
    "ms": "milliseconds",
    "s": "seconds",
    "days": "days",
    "slots": "slots",
    "per_s": "a second",
}
_FACTORS: Final[dict[str, dict[str, Fraction]]] = {  # unit of the option -> unit that people write
    "w": {"kw": Fraction(1_000), "mw": Fraction(1_000_000)},
    "va": {"kva": Fraction(1_000), "mva": Fraction(1_000_000), "kw": Fraction(1_000), "w": Fraction(1)},
    "var": {"kvar": Fraction(1_000)},
    "j": {
        "kj": Fraction(1_000),
        "mj": Fraction(1_000_000),
        "wh": Fraction(3_600),
        "kwh": Fraction(3_600_000),
        "mwh": Fraction(3_600_000_000),
    },
    "ms": {"s": Fraction(1_000), "min": Fraction(60_000), "us": Fraction(1, 1_000)},
    "s": {
        "ms": Fraction(1, 1_000),
        "min": Fraction(60),
        "m": Fraction(60),
        "h": Fraction(3_600),
        "d": Fraction(86_400),
        "days": Fraction(86_400),
    },
    "ppm": {"percent": Fraction(10_000), "pct": Fraction(10_000), "%": Fraction(10_000)},
    "micro_per_kwh": {
        "per_kwh": Fraction(1_000_000),
        "eur_per_kwh": Fraction(1_000_000),
        "eur/kwh": Fraction(1_000_000),
        "ct_per_kwh": Fraction(10_000),
        "ct/kwh": Fraction(10_000),
        "cent_per_kwh": Fraction(10_000),
        "eur_per_mwh": Fraction(1_000),
        "eur/mwh": Fraction(1_000),
    },
    "micro_per_kg": {
        "eur_per_kg": Fraction(1_000_000),
        "eur_per_t": Fraction(1_000),
        "per_kg": Fraction(1_000_000),
    },
    "mg_per_kwh": {"g_per_kwh": Fraction(1_000), "g/kwh": Fraction(1_000), "kg_per_kwh": Fraction(1_000_000)},
    "micro_pu": {"pu": Fraction(1_000_000), "percent": Fraction(10_000)},
    "mv": {"v": Fraction(1_000), "kv": Fraction(1_000_000)},
    "micro_ohm": {"ohm": Fraction(1_000_000), "milli_ohm": Fraction(1_000)},
}
_QUANTITY: Final = re.compile(r"\s*([-+]?[0-9][0-9_]*(?:\.[0-9]+)?)\s*([A-Za-z%/_]+)\s*")


def suffix_of(name: str) -> str | None:
    """The part of an option's name that is its unit, None for one without."""
    endings = (unit for unit in UNITS if name == unit or name.endswith(f"_{unit}"))
    return max(endings, key=len, default=None)


def unit_of(name: str) -> str | None:
    """The unit of an option in words."""
    suffix = suffix_of(name)
    return None if suffix is None else UNITS[suffix]


def meant(name: str, value: object, known: Iterable[str]) -> str | None:
    """What to write for an option that is known in another unit; None when it is not."""
    for option in known:
        suffix = suffix_of(option)
        if suffix is None:
            continue
        stem = option.removesuffix(suffix)
        factor = _FACTORS.get(suffix, {}).get(name.removeprefix(stem)) if name.startswith(stem) else None
        if factor is not None:
            return f"{option!r} is in {UNITS[suffix]}{_instead(option, value, factor)}"
    return None


def in_other_unit(name: str, value: object) -> str | None:
    """What to write for a text that brings its own unit; None when it is none."""
    suffix = suffix_of(name)
    match = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
    if suffix is None or match is None:
        return None
    words = f"is in {UNITS[suffix]}"
    unit = match[2].lower()
    factor = Fraction(1) if unit == suffix else _FACTORS.get(suffix, {}).get(unit)
    if factor is None:
        return f"{words}, and {match[2]!r} is no unit of that"
    return words + _instead(name, Fraction(match[1].replace("_", "")), factor)


def _instead(option: str, value: object, factor: Fraction) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float | Fraction):
        return ""
    return f"; write {option} = {round(Fraction(value) * factor)}"
