"""What pages say: a home in plain words, the timeline, sums, and what the public does not see."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from ioe_router.lg.grid import grid_of
from ioe_router.lg.pages.books import slot_books
from ioe_router.lg.pages.home import HomePage, home_page
from ioe_router.lg.pages.timeline import timeline
from ioe_router.lg.privacy import Viewer, hidden_links
from ioe_router.lg.snapshot import Side, Snapshot, Source
from ioe_router.lg.watch import State
from tests.unit.lg.glass import (
    KWH_J,
    NOW_UTC_S,
    line,
    neighbor,
    node_id,
    offer,
    sale,
    snapshot,
    village,
    watch_of,
)

OPERATOR = Viewer(operator=True, homes=frozenset())
PUBLIC = Viewer(operator=False, homes=frozenset())
UTC = ZoneInfo("UTC")


def _home(state: State, name: str) -> HomePage:
    home = next(node for node in state.nodes if node.name == name)
    page = home_page(state, home, UTC)
    assert page is not None
    return page


def test_a_home_that_sells() -> None:
    """The page tells what the roof made, to whom it was sold and for how much, and what is agreed next."""
    page = _home(watch_of(village()).state(), "Rosa")
    assert page.lead == (
        "In the last hour your roof made 2.00 kWh for the network."
        " You sold 2.00 kWh to Ada, for 40 ct in all.",
    )
    assert page.now == "Right now, from 08:00 to 08:15, you are selling 1.00 kWh to Mill for 20 ct."
    assert page.coming == ("From 08:15 to 08:30 you will sell 0.50 kWh to Ada for 10 ct.",)
    assert (page.sold, page.sold_for, page.bought) == ("2.00 kWh", "40 ct", "0 kWh")
    assert (page.balance_words, page.balance) == ("You earned", "40 ct")
    assert page.connection == "Your box is connected to its neighbour."


def test_a_home_that_buys() -> None:
    """The buyer of the same energy reads it from the other side."""
    page = _home(watch_of(village()).state(), "Ada")
    assert page.lead == ("In the last hour you bought 2.00 kWh from Rosa, for 40 ct in all.",)
    assert page.now == "Right now, from 08:00 to 08:15, nothing is agreed."
    assert (page.balance_words, page.balance) == ("You spent", "40 ct")
    assert [(deal.sold, deal.other, deal.source) for deal in page.deals] == [
        (False, "Rosa", Source.SOLAR)
    ] * 2


def test_a_home_that_feeds_in() -> None:
    """Energy sold to somebody who asked for it counts as sold, from the home's own source."""
    bid = sale("Utility", "Rosa", KWH_J, slots_from_now=-1)
    feed_in = type(bid)(
        id="x",
        version=1,
        initiator=node_id("Rosa"),
        origin=node_id("Utility"),
        side=Side.DEMAND,
        offer_no=2,
        state="COMMITTED",
        packets=bid.packets,
        code="",
        reason="",
    )
    says: dict[str, Snapshot | str] = {
        "Rosa": snapshot("Rosa", offers=(offer("Rosa", Source.WIND),), reservations=(feed_in,)),
        "Utility": snapshot("Utility"),
    }
    page = _home(watch_of(says).state(), "Rosa")
    assert page.lead[0].startswith("In the last hour your wind turbine made 1.00 kWh for the network.")
    assert "You sold 1.00 kWh to Utility" in page.lead[0]


def test_a_home_without_trade_and_one_never_heard() -> None:
    """Without trade the page says so; before the first answer there is no page."""
    state = watch_of(
        {"Rosa": snapshot("Rosa", neighbors=(neighbor("Mill"), neighbor("Ada", up=False)))}
    ).state()
    page = _home(state, "Rosa")
    assert page.lead == ("In the last hour your home neither bought nor sold energy through the network.",)
    assert page.connection == "Your box is connected to 1 of its 2 neighbours."
    state = watch_of({"School": "no daemon runs here"}).state()
    assert home_page(state, state.nodes[0], UTC) is None


def test_only_what_is_agreed_and_recent_counts() -> None:
    """Refused energy is in no sum, and what is older than an hour is not of the last hour."""
    found = (
        sale("Rosa", "Ada", KWH_J, slots_from_now=-5),
        sale("Rosa", "Ada", KWH_J, slots_from_now=-1, state="FAILED"),
    )
    page = _home(watch_of({"Rosa": snapshot("Rosa", reservations=found)}).state(), "Rosa")
    assert page.sold == "0 kWh"
    assert len(page.deals) == 1


def test_the_timeline() -> None:
    """Each pair has a row with its energy in the right slot; the reason of a refusal stands below."""
    table = timeline(watch_of(village()).state(), OPERATOR, "", "")
    assert [(row.seller, row.buyer) for row in table.rows] == [("Rosa", "Ada"), ("Rosa", "Mill")]
    cells = {
        column.distance: [block.energy for block in cell]
        for column, cell in zip(table.columns, table.rows[0].cells, strict=True)
    }
    assert {distance: found for distance, found in cells.items() if found} == {-2: ["2.00"], 1: ["0.50"]}
    assert [column.when for column in table.columns].count("now") == 1
    assert [(one.seller, one.reason) for one in table.ended] == [("Rosa", "the line mill/rosa was full")]
    assert timeline(watch_of(village()).state(), OPERATOR, "rosa mill", "agreed").of == 1
    assert timeline(watch_of(village()).state(), OPERATOR, "nobody", "").of == 0


def test_sums_of_slots() -> None:
    """Energy, mean price weighted by energy, and the mix of a slot are those of what is agreed."""
    found = (
        sale("Rosa", "Ada", KWH_J, price=100_000),
        sale("Utility", "Mill", 3 * KWH_J, price=300_000),
        sale("Rosa", "Mill", 9 * KWH_J, state="EXPIRED"),
    )
    offers = (offer("Rosa", Source.SOLAR), offer("Utility", Source.GRID))
    books = slot_books(
        watch_of({"Mill": snapshot("Mill", offers=offers, reservations=found)}).state(), OPERATOR
    )
    [present] = [one for one in books if one.slot_utc_s == NOW_UTC_S]
    assert (present.deals, present.energy_j) == (2, 4 * KWH_J)
    assert (present.price_low, present.price_mean, present.price_high) == (100_000, 250_000, 300_000)
    assert present.sources == ((Source.SOLAR, KWH_J), (Source.GRID, 3 * KWH_J))


def test_the_public_sees_no_single_household() -> None:
    """A sum that fewer than three homes have part in is withheld, and so is each single reservation."""
    two = (sale("Rosa", "Ada", KWH_J),)
    three = (*two, sale("Rosa", "Mill", KWH_J))
    for found, withheld in ((two, True), (three, False)):
        state = watch_of({"Rosa": snapshot("Rosa", reservations=found)}).state()
        [books] = [one for one in slot_books(state, PUBLIC) if one.slot_utc_s == NOW_UTC_S]
        assert books.withheld is withheld
        assert (books.energy_j == 0, books.price_mean is None, books.deals == 0) == (withheld,) * 3
        assert timeline(state, PUBLIC, "", "").rows == ()
        assert timeline(state, PUBLIC, "", "").ended == ()
        assert timeline(state, OPERATOR, "", "").rows


def test_lines_of_one_household() -> None:
    """Hidden are lines marked as such and those that alone lead to a home, but not the utility's own."""
    lines = (
        line("Utility", "Mill"),
        line("Mill", "Rosa"),
        line("Mill", "Ada"),
        line("Ada", "Noor", access=True),
        line("Noor", "Mill"),
    )
    offers = (offer("Utility", Source.GRID, default=True),)
    grid = grid_of(watch_of({"Mill": snapshot("Mill", lines=lines, offers=offers)}).state())
    assert hidden_links(grid, PUBLIC) == {"Mill/Rosa", "Ada/Noor"}
    assert hidden_links(grid, OPERATOR) == frozenset()
