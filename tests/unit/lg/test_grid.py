"""One grid from many tellers: who is believed, what the map says in words, which way arrows point."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ioe_router.lg.drawing import Stroke, drawings, level_of, line_rows
from ioe_router.lg.grid import Answer, all_offers, all_reservations, grid_of, now_slot
from ioe_router.lg.snapshot import Snapshot, Source
from tests.unit.lg.glass import NOW_UTC_S, SLOT_S, line, load, node_id, offer, snapshot, village, watch_of


def test_the_keeper_is_believed_first() -> None:
    """The keeper's ledger counts before the other end's, and that before a hint."""
    ends = {"A": snapshot("A", lines=(line("A", "B"),), loads=(load("A", "B", 1_000),))}
    mirror = snapshot("B", lines=(line("A", "B"),), loads=(load("A", "B", 2_000),))
    far = snapshot("C", lines=(line("A", "B", own=False),), loads=(load("A", "B", 3_000, exact=False),))
    for says, watt in (
        ({"C": far, "B": mirror, **ends}, 1_000),
        ({"C": far, "B": mirror}, 2_000),
        ({"C": far}, 3_000),
    ):
        [edge] = grid_of(watch_of(says).state()).edges
        assert edge.load is not None
        assert edge.load.net_j == watt * SLOT_S


def test_places() -> None:
    """Nodes that answer, that do not, and that others tell of are told apart; what they offer is known."""
    places = {place.name: place for place in grid_of(watch_of(village()).state()).places}
    assert {name: places[name].answer for name in ("Mill", "School")} == {
        "Mill": Answer.YES,
        "School": Answer.NEVER,
    }
    assert places["Utility"].is_utility
    assert places["Rosa"].sources == (Source.SOLAR,)
    alone = village()["Mill"]
    places = {place.node: place for place in grid_of(watch_of({"Mill": alone}).state()).places}
    assert places[node_id("Rosa")].answer is Answer.NOT_ASKED
    assert places[node_id("Rosa")].name == "ioe1rosaqq"


def test_lines_in_words() -> None:
    """The table says sender, receiver, power and share, the most loaded first; hidden loads are not in it."""
    grid = grid_of(watch_of(village()).state())
    rows = line_rows(grid, frozenset())
    assert [(row.sender, row.receiver, row.power) for row in rows] == [
        ("Rosa", "Mill", "30.0 kW"),
        ("Mill", "Ada", "18.0 kW"),
        ("Utility", "Mill", "10.0 kW"),
    ]
    assert rows[0].words == "Line Mill – Rosa: 30.0 kW from Rosa to Mill, 75 % of its rating"
    hidden = next(row for row in line_rows(grid, frozenset({"Mill/Ada"})) if row.lower == "Ada")
    assert hidden.words == "Line Mill – Ada: load not shown: it is one household's"
    assert (hidden.share, hidden.power, hidden.sender) == (None, "", "")


@pytest.mark.parametrize("kind", ["wide", "tall"])
def test_arrows_point_where_the_energy_goes(kind: str) -> None:
    """On both pictures the arrow of a line up to its keeper is turned half round against one down."""
    found: dict[int, Stroke] = {}
    for net_w in (20_000, -20_000):
        says: dict[str, Snapshot | str] = {
            "A": snapshot("A", lines=(line("A", "B"),), loads=(load("A", "B", net_w),))
        }
        pictures = {one.kind: one for one in drawings(grid_of(watch_of(says).state()), frozenset())}
        [found[net_w]] = pictures[kind].strokes
    assert (found[20_000].flow, found[-20_000].flow) == ("forward", "back")
    assert found[-20_000].turn - found[20_000].turn == 180
    assert found[20_000].turn == (90 if kind == "wide" else 0), "down, or to the right"


def test_other_slots() -> None:
    """A slot that was chosen shows its own loads."""
    later = NOW_UTC_S + SLOT_S
    loads = (load("A", "B", 1_000), load("A", "B", 7_000, slot=later))
    state = watch_of({"A": snapshot("A", lines=(line("A", "B"),), loads=loads)}).state()
    assert [edge.load.net_j for edge in grid_of(state, later).edges if edge.load] == [7_000 * SLOT_S]
    assert grid_of(state).slot_utc_s == NOW_UTC_S


def test_levels() -> None:
    """The class of a load rises with it, and a trace counts as nothing."""
    assert [level_of(share) for share in (0, 0.004, 0.1, 0.3, 0.6, 0.8, 0.95, 1.4)] == [
        "idle",
        "idle",
        "1",
        "2",
        "3",
        "4",
        "5",
        "5",
    ]


def test_each_thing_once() -> None:
    """What several nodes tell is counted once, by the word of the one that it belongs to."""
    state = watch_of(village()).state()
    assert len(all_reservations(state)) == 4
    heard = snapshot("Mill", offers=(offer("Rosa", Source.SOLAR, 999, own=False),))
    own = snapshot("Rosa", offers=(offer("Rosa", Source.SOLAR, 100),))
    for says in ({"Mill": heard, "Rosa": own}, {"Rosa": own, "Mill": heard}):
        assert [one.price_micro_per_kwh for one in all_offers(watch_of(says).state())] == [100]


@pytest.mark.parametrize(("homes", "kinds"), [(5, ["wide", "tall"]), (40, ["wide", "tall"]), (90, ["rings"])])
def test_one_picture_for_each_screen(homes: int, kinds: list[str]) -> None:
    """A grid whose names can be read has a picture for either screen, a larger one a single one."""
    lines = tuple(line("Top", f"Home {number}") for number in range(homes))
    pictures = drawings(grid_of(watch_of({"Top": snapshot("Top", lines=lines)}).state()), frozenset())
    assert [one.kind for one in pictures] == kinds
    assert all(len(one.dots) == homes + 1 and len(one.strokes) == homes for one in pictures)
    for one in pictures:
        assert all(0 < dot.x < one.width and 0 < dot.y < one.height for dot in one.dots)
        assert one.named == (homes < 60)


def test_one_wrong_clock_moves_nothing() -> None:
    """The present slot is that of most nodes, whatever one of them takes the time to be."""
    ahead = replace(snapshot("C"), utc_s=NOW_UTC_S + 40 * SLOT_S)
    says: dict[str, Snapshot | str] = {"A": snapshot("A"), "B": snapshot("B"), "C": ahead}
    assert now_slot(watch_of(says).state()) == NOW_UTC_S
    assert now_slot(watch_of({"C": ahead}).state()) == NOW_UTC_S + 40 * SLOT_S
    assert now_slot(watch_of({"S": "silent"}).state()) == 0
