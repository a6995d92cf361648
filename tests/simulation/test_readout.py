"""What a router shows of itself, against what it does; and that looking changes nothing."""

from __future__ import annotations

from dataclasses import replace

from ioe_router.config import FilterAction, FilterRule, Policy
from ioe_router.core.events import Booked, CommandRefused, NeighborAnswered
from ioe_router.core.inputs import AskNeighbor, Reconfigure
from ioe_router.core.loss import LinkModel
from ioe_router.core.parts import Parts
from ioe_router.core.session_fsm import SessionState
from ioe_router.model.errors import ErrorCode
from ioe_router.model.grid import Exchange
from ioe_router.model.ids import PathHash
from ioe_router.model.reservation import ReservationState
from ioe_router.model.routing import Direction, PathAdvert
from ioe_router.model.slot import Slot, next_slot
from ioe_router.readout.fib import fib_rows
from ioe_router.readout.limits import LimitKind, limit_rows
from ioe_router.readout.links import link_rows
from ioe_router.readout.loads import LoadSource
from ioe_router.readout.neighbors import neighbor_rows
from ioe_router.readout.obligations import ObligationState, obligation_rows
from ioe_router.readout.offers import offer_view
from ioe_router.readout.prices import moment_of, price_rows, trace
from ioe_router.readout.reservations import Part, ReservationFilter, reservation_rows
from ioe_router.readout.routes import RouteFilter, RouteRow, route_view, tellings
from ioe_router.readout.values import Stage
from tests.simulation.pair import KWH_J, SLOT, SLOT_S, Cable, Sim, build
from tests.simulation.sold_over_b import line

ENERGY_J = KWH_J // 2
LIMIT = 900_000


def parts_of(sim: Sim, name: str) -> Parts:
    """The live tables of a router."""
    return sim.router(name).inspect()


def routes(sim: Sim, name: str, stage: Stage | None = None) -> tuple[RouteRow, ...]:
    """What a router shows of its routes."""
    return tuple(route_view(parts_of(sim, name), RouteFilter(stage=stage)).rows())


def test_an_explained_price_is_the_one_that_is_booked() -> None:
    """Hop by hop the price of the explanation is what a HOLD over that way comes to, at every node of it."""
    sim = line()
    sim.at(500)
    buyer = parts_of(sim, "c")
    moment = moment_of(buyer, SLOT, sim.wire.now)
    (price,) = price_rows(buyer, moment, Direction.SUPPLY, ENERGY_J)
    assert [hop.source for hop in price.hops] == [LoadSource.RATING, LoadSource.LEDGER]
    (path,) = buyer.routing.paths_to(sim.node("a"), Direction.SUPPLY)
    way = trace(buyer, path, SLOT, ENERGY_J)
    sim.want("c", ENERGY_J, LIMIT)
    sim.at(430)
    (booked,) = sim.events("c", Booked)
    assert (booked.energy_j, booked.price_micro_per_kwh) == (ENERGY_J, price.delivered_micro_per_kwh)
    (at_origin,) = sim.events("a", Booked)
    assert at_origin.energy_j == way.hops[-1].far_j == ENERGY_J + way.loss_j
    (between,) = reservation_rows(parts_of(sim, "b"), ReservationFilter(part=Part.TRANSIT))
    assert between.price_micro_per_kwh == price.hops[0].price_micro_per_kwh
    (after,) = price_rows(buyer, moment_of(buyer, SLOT, sim.wire.now), Direction.SUPPLY, ENERGY_J, limit=1)
    assert (after.bookable, after.reason.code) == (False, "PRICE_LIMIT")


def test_looking_changes_nothing() -> None:
    """A router that is looked at all the time answers byte for byte as one that nobody looks at."""
    seen, unseen = line(), line()
    for before_s in (1_000, 600, 560, 500, 430, 300):
        for sim in (seen, unseen):
            sim.at(before_s)
            if before_s == 1_000:
                sim.want("c", ENERGY_J, LIMIT)
        for name in "abc":
            look_at_everything(seen, name)
    assert [e for _, _, e in seen.wire.passed] == [e for _, _, e in unseen.wire.passed]
    assert seen.events("c", Booked), "something was traded"
    for name in "abc":
        books = [
            [port.calendar.slots() for port in parts_of(sim, name).ports.all()] for sim in (seen, unseen)
        ]
        assert books[0] == books[1], "no ledger is opened by looking at it"


def ports_of(sim: Sim, name: str) -> list[tuple[Slot, ...]]:
    """The slots that are open on every link of a node."""
    return [port.calendar.slots() for port in parts_of(sim, name).ports.all()]


def look_at_everything(sim: Sim, name: str) -> int:
    """Every row of every table; how many there were."""
    parts, now = parts_of(sim, name), sim.wire.now
    moment = moment_of(parts, SLOT, now)
    rows = [
        *route_view(parts).rows(),
        *offer_view(parts, now).rows(),
        *neighbor_rows(parts, {}),
        *link_rows(parts, (SLOT, next_slot(SLOT, SLOT_S, 10))),
        *fib_rows(parts, now),
        *reservation_rows(parts),
        *obligation_rows(parts),
        *limit_rows(parts, SLOT),
        *price_rows(parts, moment, Direction.SUPPLY, ENERGY_J),
    ]
    for path in parts.routing.all_paths():
        rows += [*tellings(parts, path), trace(parts, path, SLOT, ENERGY_J)]
    return len(rows)


def test_tables_of_a_reservation_agree_along_its_way() -> None:
    """Links, limits, obligations and set-points of three nodes tell of the same energy."""
    sim = line()
    sim.want("c", ENERGY_J, LIMIT)
    sim.at(430)
    (told,) = reservation_rows(parts_of(sim, "c"))
    assert (told.state, told.part, told.energy_j) == (ReservationState.COMMITTED, Part.INITIATOR, ENERGY_J)
    assert told.evidence is not None
    assert told.evidence.signers == (sim.node("a"),)
    owed = {name: next(iter(obligation_rows(parts_of(sim, name), neighbor=sim.node("b")))) for name in "ac"}
    assert owed["a"].owed_to_us_micro > 0 < owed["c"].owed_by_us_micro
    assert {row.state for row in owed.values()} == {ObligationState.BOOKED}
    assert owed["c"].booked_import_j == ENERGY_J
    (limit,) = (
        row
        for row in limit_rows(parts_of(sim, "c"), SLOT, kind=LimitKind.LINK)
        if row.used and row.slot_utc_s == SLOT
    )
    (link,) = link_rows(parts_of(sim, "c"), (SLOT,), own=True)
    assert link.net_energy_j >= ENERGY_J
    assert limit.used >= ENERGY_J
    model = LinkModel.of(sim.port("c", "b").attestation.body, SLOT_S)
    assert link.loss_j == model.loss_j(link.net_energy_j)
    set_points = fib_rows(parts_of(sim, "c"), sim.wire.now)
    (drawn,) = (row for row in set_points if row.link is None and row.slot_utc_s == SLOT)
    assert (drawn.direction, drawn.energy_j) == (Exchange.IMPORT, ENERGY_J)


def test_choices_have_reasons() -> None:
    """Of three ways the best is the first choice, and each neighbour is told why it is told or not."""
    fees = {"p": 0, "q": 4_000, "r": 9_000}
    cables = [Cable(lane, "a", fee_micro_per_kwh=fee) for lane, fee in fees.items()]
    sim = build(*cables, *(Cable(lane, "z") for lane in fees))
    sim.offer("z", 100_000)
    sim.wait(30)
    rows = [row for row in routes(sim, "a") if row.destination == sim.node("z")]
    assert [row.place for row in rows] == [1, 2, 3]
    assert [row.reason.code for row in rows] == ["best", "rank", "rank"]
    assert rows[0].reason.text.startswith("the lowest rank of 3 routes")
    assert [row.fee_micro_per_kwh for row in rows] == sorted(row.fee_micro_per_kwh for row in rows)
    first = parts_of(sim, "a").routing.path(rows[0].path or PathHash(b""))
    assert first is not None
    said = {one.neighbor: one for one in tellings(parts_of(sim, "a"), first)}
    assert said[first.neighbor].reason.code == "LOOP"
    told = [one.neighbor for one in said.values() if one.told]
    assert told == list(rows[0].advertised_to)
    assert len(told) == len(fees) - 1


def test_what_is_kept_out_is_shown_with_its_rule() -> None:
    """A route that a rule rejects, and an advert that is refused, are filtered rows with reasons."""
    sim = build(Cable("b", "a"), Cable("b", "c"))
    sim.offer("a", 100_000)
    sim.wait(30)
    assert [row.stages[-1] for row in routes(sim, "c")] == [Stage.BEST]
    parts = parts_of(sim, "c")
    rule = FilterRule(name="not-a", action=FilterAction.REJECT, origins=(sim.node("a"),))
    changed = replace(parts.config, policy=Policy(imports=(rule,)))
    sim.wire.give(sim.node("c"), Reconfigure(config=changed))
    sim.wire.settle()
    (barred,) = routes(sim, "c", Stage.FILTERED)
    assert (barred.reason.code, barred.destination) == ("POLICY", sim.node("a"))
    assert "import rule 'not-a'" in barred.reason.text
    entries = sim.heard("b", "c", PathAdvert)[0].entries
    sim.say("b", "c", PathAdvert(entries=(*entries, entries[-1])))
    sim.wire.settle()
    refused = [row for row in routes(sim, "c", Stage.FILTERED) if row.path is None]
    assert [row.neighbor for row in refused] == [sim.node("b")]
    assert refused[0].destination == sim.node("a"), "what it was about is read from the refused object"
    (kept,) = parts.refusals.newest_first()
    assert kept.code.name == refused[0].reason.code
    (told,) = (one for one in parts_of(sim, "b").refusals.newest_first() if not one.by_us)
    assert (told.code, told.about) == (kept.code, kept.about), "both ends name the same object"


def test_a_question_goes_there_and_back_and_is_nobodys_fault() -> None:
    """The answer about a made-up reservation is an event; without a session there is a reason."""
    sim = build(Cable("b", "a"))
    sim.wire.give(sim.node("a"), AskNeighbor(neighbor=sim.node("b"), number=7))
    sim.wire.settle()
    assert sim.events("a", NeighborAnswered) == [NeighborAnswered(neighbor=sim.node("b"), number=7)]
    assert not sim.router("a").faults
    assert not sim.router("b").faults
    (row,) = neighbor_rows(parts_of(sim, "a"), {})
    assert row.state is SessionState.ESTABLISHED
    sim.wire.give(sim.node("a"), AskNeighbor(neighbor=sim.node("a"), number=8))
    sim.wire.settle()
    (refused,) = sim.events("a", CommandRefused)
    assert refused.code is ErrorCode.NEIGHBOR_LOST
