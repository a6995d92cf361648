"""What people write for energies, prices and slots, and what is refused with a sentence."""

from __future__ import annotations

import click
import pytest

from ioe_router.cli.units import Energy, Price, SlotTime, node, slot_utc_s, span

NOON = 1_795_348_800  # 2026-11-22 12:00 UTC


@pytest.mark.parametrize(
    ("text", "joules"),
    [
        ("0.5kWh", 1_800_000),
        ("500 Wh", 1_800_000),
        ("1800000J", 1_800_000),
        ("2MJ", 2_000_000),
        ("1kj", 1_000),
    ],
)
def test_energies_have_units(text: str, joules: int) -> None:
    """An energy is a number with its unit, in any case, as whole joules."""
    assert Energy().convert(text, None, None) == joules


@pytest.mark.parametrize("text", ["5", "5kW", "-1kWh", "0J", "0.0001Wh", "kWh", "1e3J", ""])
def test_what_is_no_energy(text: str) -> None:
    """A number without a unit, a power, nothing and parts of a joule are refused."""
    with pytest.raises(click.BadParameter):
        Energy().convert(text, None, None)


@pytest.mark.parametrize(("text", "micro"), [("0.30", 300_000), ("-0.05", -50_000), ("1", 1_000_000)])
def test_prices_are_exact(text: str, micro: int) -> None:
    """A price is read without a float in between; it may be negative."""
    assert Price().convert(text, None, None) == micro


@pytest.mark.parametrize("text", ["0.3000001", "30ct", "NaN", "Infinity", "0,30"])
def test_what_is_no_price(text: str) -> None:
    """More than six decimals, units and words are refused."""
    with pytest.raises(click.BadParameter):
        Price().convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("now", NOON),
        ("+2", NOON + 1_800),
        ("12:15", NOON + 900),
        ("11:00", NOON + 23 * 3_600),
        ("2026-11-22T12:30", NOON + 1_800),
        ("2026-11-22T13:30+01:00", NOON + 1_800),
        (str(NOON + 900), NOON + 900),
    ],
)
def test_slots_are_meant_by_the_clock_of_the_node(text: str, at: int) -> None:
    """A slot is told from the present one, by its time of day (the next such), or whole."""
    slot = SlotTime().convert(text, None, None)
    assert slot_utc_s(slot, (NOON + 7) * 1_000, 900) == at


@pytest.mark.parametrize("text", ["soon", "25h", "12", "+"])
def test_what_is_no_slot(text: str) -> None:
    """Anything else is refused."""
    with pytest.raises(click.BadParameter):
        SlotTime().convert(text, None, None)


def test_names_and_durations() -> None:
    """A node goes by its name where it has one; a duration shows days only when there are some."""
    assert (node("ioe1abcdefghi", {"ioe1abcdefghi": "west"}), node("ioe1abcdefghi")) == ("west", "ioe1abcdef")
    assert (span(59), span(90_061)) == ("00:00:59", "1d 01:01:01")
