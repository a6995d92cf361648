"""Every integer of the model says its unit, last in its name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tidy.product import PRODUCT, name_of, sources, tree_of

UNITS = frozenset(
    {
        "w",  # active power, watt
        "milli_w",
        "va",  # apparent power, volt-ampere
        "var",  # reactive power
        "j",  # energy, joule
        "vars",  # reactive energy, var-second
        "mv",  # voltage, millivolt; never megavolt, there is none here
        "micro_pu",  # voltage, millionths of nominal
        "micro_ohm",
        "ppm",
        "pico_per_w",
        "micro",  # money, millionths of the contract's currency
        "micro_per_kwh",
        "mg_per_kwh",  # carbon, milligram
        "s",
        "ms",
        "ns",
        "utc_s",  # points in time
        "utc_ms",
        "monotonic_ns",
        "bytes",  # sizes
    }
)

WITHOUT_UNIT = {
    "accepted": "indexes of packets",
    "band": "number of a band of the descending clock",
    "epoch": "counter",
    "features": "bit field",
    "height": "count of links",
    "index": "position in a batch",
    "kept": "bit field",
    "last_seen_epoch": "counter",
    "link_state_steps": "count of steps",
    "number": "ordinal",
    "offer_epoch": "counter",
    "offer_no": "ordinal",
    "offer_seq": "counter",
    "packets": "count",
    "port": "number of a TCP port",
    "position": "count of hops",
    "quorum": "count of keys",
    "preemption_gap": "difference of priorities",
    "priority": "rank from 0 to 7",
    "received_seq": "counter",
    "round": "ordinal",
    "seq": "counter",
    "serial": "counter",
    "up_to_serial": "counter",
    "slots": "count",
    "version": "counter",
    "version_max": "protocol version",
    "version_min": "protocol version",
    "x": "drawing coordinate of any scale",
    "y": "drawing coordinate of any scale",
}

CHECKED = [*sources(PRODUCT / "model"), PRODUCT / "scenario" / "model.py"]


def _integer_fields(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and name of each dataclass field whose type holds an int."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and any("dataclass" in ast.unparse(d) for d in node.decorator_list):
            for field in node.body:
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                    names = {part.id for part in ast.walk(field.annotation) if isinstance(part, ast.Name)}
                    if "int" in names:
                        yield field.lineno, field.target.id


def _says_its_unit(name: str) -> bool:
    return any(name == unit or name.endswith(f"_{unit}") for unit in UNITS)


@pytest.mark.parametrize("path", CHECKED, ids=name_of)
def test_integer_fields_name_their_unit(path: Path) -> None:
    """An integer field ends with a known unit, or is listed here with the reason why it has none."""
    silent = [
        f"{name_of(path)}:{line}: {name}"
        for line, name in _integer_fields(tree_of(path))
        if not _says_its_unit(name) and name not in WITHOUT_UNIT
    ]
    assert silent == [], "name the unit last (power_w), or list the name in WITHOUT_UNIT with a reason"


def test_exceptions_are_in_use() -> None:
    """A name that no field bears any more leaves the list of exceptions."""
    used = {name for path in CHECKED for _, name in _integer_fields(tree_of(path))}
    assert sorted(set(WITHOUT_UNIT) - used) == []


@pytest.mark.parametrize("name", ["power", "energy_wh", "power_mw", "power_w_max", "j2"])
def test_unknown_units_are_refused(name: str) -> None:
    """Ambiguous or unknown endings do not pass as units."""
    assert not _says_its_unit(name)


def test_fields_are_found_in_every_integer_type() -> None:
    """Optional integers, tuples and mappings of integers count; other types and plain classes do not."""
    tree = ast.parse(
        "@dataclass(frozen=True)\nclass A:\n a: int\n b: int | None\n c: tuple[int, ...]\n"
        " d: dict[str, int]\n e: str\nclass B:\n f: int\n"
    )
    assert list(_integer_fields(tree)) == [(3, "a"), (4, "b"), (5, "c"), (6, "d")]
