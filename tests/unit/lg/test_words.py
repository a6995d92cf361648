"""Quantities as people read them."""

from __future__ import annotations

import pytest

from ioe_router.lg import words
from ioe_router.model.errors import ErrorCode


@pytest.mark.parametrize(
    ("joules", "text"),
    [
        (0, "0 kWh"),
        (1_000, "under 1 Wh"),
        (3_600, "1 Wh"),
        (359_000, "100 Wh"),
        (900_000, "0.25 kWh"),
        (36_000_000, "10.0 kWh"),
        (4_000_000_000, "1,111 kWh"),
    ],
)
def test_energy(joules: int, text: str) -> None:
    """Energy has a unit that keeps its figure short, and never rounds something to nothing."""
    assert words.energy(joules) == text


def test_money_and_prices() -> None:
    """Amounts below one are in cents where people know cents; other currencies keep their own unit."""
    found = [words.money(micro, "EUR") for micro in (0, 400, 5_000, 312_000, 1_200_000, -2_500_000)]
    assert found == ["0 ct", "less than 0.1 ct", "0.5 ct", "31 ct", "€1.20", "−€2.50"]
    assert words.money(312_000, "CHF") == "0.3120 CHF"
    assert [words.price(micro, "EUR") for micro in (245_000, 4_700, 0, -10_000)] == [
        "24.5 ct/kWh",
        "0.47 ct/kWh",
        "0.0 ct/kWh",
        "-1.0 ct/kWh",
    ]
    assert words.price(245_000, "CHF") == "0.245 CHF/kWh"
    assert words.cost_micro(1_800_000, 200_000) == 100_000


def test_spans_and_shares() -> None:
    """Time spans name their two largest units, shares round without lying."""
    assert [words.duration(s) for s in (-5, 59, 600, 7_500, 90_000)] == [
        "0 s",
        "59 s",
        "10 min",
        "2 h 5 min",
        "1 d 1 h",
    ]
    assert [words.percent(part) for part in (0, 0.004, 0.5, 1.2)] == ["0 %", "< 1 %", "50 %", "120 %"]
    assert words.listing(["a"]) == "a"
    assert words.listing(["a", "b", "c"]) == "a, b and c"
    assert [words.sentence(text) for text in ("", "the only route", "Why?")] == [
        "",
        "The only route.",
        "Why?",
    ]


def test_reasons_are_registered() -> None:
    """Every reason in words belongs to a registered code, and an unknown code is still readable."""
    assert set(words.REASONS) <= {code.name for code in ErrorCode}
    assert words.reason("NO_CAPACITY") == "a line on the way was full"
    assert words.reason("SOMETHING_NEW") == "something new"
