"""Attack list, rows about holds, commitments, meters and safety: 26 to 33, 40, 42."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from mutants.patching import Edit

from ioe_router.codec import mapping
from ioe_router.config import Limits
from ioe_router.core import dispatch
from ioe_router.core.events import LinkSettled
from ioe_router.core.inputs import MeterRead
from ioe_router.core.outbox import Outbox
from ioe_router.core.parts import Parts
from ioe_router.model.clock import Now
from ioe_router.model.discovery import Fault
from ioe_router.model.envelope import Envelope, ObjectType, Sealed
from ioe_router.model.errors import ErrorCode, Persistence, Scope
from ioe_router.model.ids import NodeId, ObjectId
from ioe_router.model.reservation import Committed, Failed, Grant, Hold, HoldItem, PacketEnergy, Refuse
from ioe_router.model.routing import OfferWithdrawal, PathWithdrawal
from ioe_router.model.settlement import LinkStatement, MeterRecord
from tests.attacks.attack import Swap, attack, holds
from tests.attacks.stage import Stage, street
from tests.simulation.objects import Puppet
from tests.simulation.pair import KWH_J, SLOT, SLOT_S, Cable, decoded

# The link to the mill is narrow: 4 kilowatts, a kilowatt hour in a slot.
NARROW = (
    Cable("mill", "farm", r_micro_ohm=0),
    Cable("street", "mill", rating_va=4_445, r_micro_ohm=0),
    Cable("street", "house", r_micro_ohm=0),
    Cable("street", "shed", r_micro_ohm=0),
)
EARLY = {"band": 4}  # a band in which dearer wants may still come


def buyers(*cables: Cable, limits: Limits | None = None) -> Stage:
    """Buyers behind the street, in the fifth band of the slot; the house is the one who attacks."""
    stage = street(*(cables or NARROW), limits=limits)
    stage.attacker, stage.witness = "house", "mill"
    stage.sim.at(556)
    stage.look_from_now()
    return stage


def puppet(stage: Stage, name: str, *energies_j: int, **changes: Any) -> Puppet:  # noqa: ANN401 - fields
    """A buyer at the street who writes its own objects."""
    return Puppet(stage.sim, name, "street", "farm", energies_j or (KWH_J,), changes=EARLY | changes)


def granted_j(*asked: Puppet) -> int:
    """What all of these were granted."""
    return sum(item.energy_j for one in asked for grant in one.grants() for item in grant.items)


# ------------------------------------------------------------------ 26 to 29: holds


@attack(26, without=[Swap("core.quotas:Quotas.check_count", lambda *_: None)])
def test_row_26_holds_one_after_the_other() -> None:
    """The house holds in small pieces and commits none: at the limit QUOTA, with a time to come again."""
    stage = buyers(limits=Limits(holds_per_origin=3))
    asked = [puppet(stage, "house", 1_000).ask() for _ in range(4)]
    refused = [one.code for one in stage.told("house", Refuse)]
    holds(refused == [ErrorCode.QUOTA], "the fourth hold is refused")
    holds([len(one.grants()) for one in asked] == [1, 1, 1, 0], "the first three are granted")


@attack(
    26, without=[Swap("core.quotas:Quotas.room_j", lambda _, __, leg, ledger: ledger.limits.of(leg.flow))]
)
def test_row_26_a_hold_of_the_whole_link() -> None:
    """The house holds all that the narrow link carries: it gets three quarters, the shed the rest."""
    stage = buyers()
    first = puppet(stage, "house", 100 * KWH_J).ask()
    other = puppet(stage, "shed", 100 * KWH_J).ask()
    holds(0 < granted_j(first) < granted_j(first, other), "something is left for another buyer")


HELD_LONGER = (
    Edit(
        "core.hold_path:HoldPath._open",
        "now.after_ms(min(hold.hold_ms, hop.config.timers.hold_ms))",
        "now.after_ms(58_000)",
    ),
)


@attack(27, without=HELD_LONGER)
def test_row_27_an_option_for_nothing() -> None:
    """The house holds, watches the price and commits after 46 seconds: FAILED, for the hold has ended."""
    stage = buyers()
    free = puppet(stage, "house").ask()
    stage.sim.wait(46)
    free.commit()
    stage.sim.wait(5)
    holds([one.code for one in stage.told("house", Failed)] == [ErrorCode.HOLD_EXPIRED], "the hold has ended")
    holds(not stage.told("house", Committed), "nothing is booked")


def _blaming(parts: Parts, neighbor: NodeId, sealed: Sealed[Any], now: Now, out: Outbox) -> None:
    """A router that takes a refusal for the truth about the path, and gives the path up."""
    if isinstance(sealed.body, Refuse):
        for path in parts.routing.all_paths():
            if path.neighbor == neighbor:
                parts.routing._forget(neighbor, path.hash, out)
    _to_reservations(parts, neighbor, sealed, now, out)


_to_reservations: Callable[[Parts, NodeId, Sealed[Any], Now, Outbox], None] = dispatch._reservation


@attack(28, without=[Swap("core.dispatch:_reservation", _blaming)])
def test_row_28_a_refusal_that_blames_somebody_else() -> None:
    """The mill delays a hold and then says the farm is lost: no path and no offer of the farm suffers."""
    stage = buyers()
    stage.attacker, stage.witness = "mill", "house"
    asked = puppet(stage, "house")
    stage.sim.wire.on_object = lambda here, _, e: [] if (here, e.type) == ("mill", ObjectType.GRANT) else [e]
    asked.ask()
    blame = Refuse(
        reservation=asked.body.reservation,
        version=1,
        code=ErrorCode.NEIGHBOR_LOST,
        persistence=Persistence.PERMANENT,
        scope=Scope.NODE,
        failing_node=stage.sim.node("farm"),
        retry_after_ms=0,
        items=(),
    )
    stage.sim.wait(20)
    stage.say(Envelope(type=ObjectType.REFUSE, signed=mapping.encode(blame), signatures=()))
    holds(not stage.told("house", PathWithdrawal), "the path stands")
    holds(not stage.told("house", OfferWithdrawal), "the offer stands")


@attack(
    29,
    without=[
        Edit("core.quotas:Quotas.check_count", "if len(of_link) >= self._limits.holds_per_link:", "if False:")
    ],
)
def test_row_29_many_names_behind_one_link() -> None:
    """Behind the house two more names appear; the limit is the link's, so all of them together meet it."""
    inside = (Cable("house", "attic", r_micro_ohm=0), Cable("house", "cellar", r_micro_ohm=0))
    stage = buyers(*NARROW, *inside, limits=Limits(holds_per_link=3))
    names = ["attic", "cellar", "attic", "cellar"]
    asked = [Puppet(stage.sim, name, "house", "farm", (1_000,), changes=EARLY).ask() for name in names]
    stage.sim.wait(5)
    holds([one.code for one in stage.told("house", Refuse)] == [ErrorCode.QUOTA], "the fourth is refused")
    holds(sum(len(one.grants()) for one in asked) == 3, "three are granted, whoever asks")


# ------------------------------------------------------------------ 30, 31, 42: one capacity, one outcome


@attack(
    30,
    without=[
        Edit(
            "core.commit_path:CommitPath._check_commit",
            "if commit.body.core != record.core.object_id:",
            "if False:",
        )
    ],
)
def test_row_30_a_commit_for_another_hold() -> None:
    """A commit names the reservation of one hold and the terms of another: CONFLICT, nothing is booked."""
    stage = buyers()
    one, other = puppet(stage, "house", 1_000).ask(), puppet(stage, "house", 2_000).ask()
    one.commit(core=other.core_id)
    stage.sim.wait(5)
    holds(stage.complaints() == [ErrorCode.CONFLICT], "every answer names what it answers")
    holds(not stage.told("house", Committed), "nothing is booked")


@attack(30, without=[Swap("core.calendar:SlotLedger.free_j", lambda self, flow: self.limits.of(flow))])
def test_row_30_one_capacity_sold_twice() -> None:
    """The house and the shed want all of the narrow link at once: together they get what it carries."""
    stage = buyers()
    asked = [puppet(stage, name, 100 * KWH_J).ask() for name in ("house", "shed", "house", "shed")]
    ledger = stage.sim.ledger("street", "mill")
    assert ledger is not None
    carries_j = ledger.limits.down_j
    holds(0 < granted_j(*asked) <= carries_j, f"no more than {carries_j} J is granted")


@attack(
    31,
    without=[
        Edit(
            "core.commit_path:CommitPath._conclude",
            "record.retry_ns = now.after_ms(self._hop.config.timers.commit_retry_ms)",
            "record.retry_ns = None",
        )
    ],
)
def test_row_31_an_outcome_that_is_lost() -> None:
    """The answer to a commit is lost on the way: the victim says it again until it is confirmed."""
    stage = buyers()
    lost: list[Envelope] = []

    def rule(here: str, there: str, envelope: Envelope) -> list[Envelope]:
        if (here, there, envelope.type) == ("street", "house", ObjectType.COMMITTED) and not lost:
            lost.append(envelope)
            return []
        silent = (here, envelope.type) == ("house", ObjectType.COMMIT_HOP) and lost
        return [] if silent else [envelope]

    stage.sim.wire.on_object = rule
    stage.sim.want("house", KWH_J // 4, 500_000)
    stage.sim.wait(20)
    assert lost, "there was an answer to lose"
    holds(stage.told("house", Committed), "the victim says again what both have to know")


@attack(42, without=[Swap("codec.bounds:check", lambda _: None)])
def test_row_42_an_energy_beyond_all_numbers() -> None:
    """2^53 joules, one more than any reader counts exactly: OUT_OF_BOUNDS before a sum is made of it."""
    stage = buyers()
    honest = puppet(stage, "house")
    item = HoldItem(index=1, slot_utc_s=SLOT, energy_j=2**53, energy_min_j=1)
    core = stage.signed("house", replace(honest.body, items=(item,)))
    hold = Hold(
        core=core,
        path=honest.body.path,
        hold_ms=1_000,
        items=(PacketEnergy(index=1, energy_j=1),),
        keeper_entry=None,
    )
    stage.say(Envelope(type=ObjectType.HOLD, signed=mapping.encode(hold), signatures=()))
    holds([f.code for f in stage.told("house", Fault)] == [ErrorCode.OUT_OF_BOUNDS], "the victim refuses it")
    holds(not stage.told("house", Grant), "nothing is granted")


# ------------------------------------------------------------------ 32, 33: meters and money


def metered(stage: Stage, **bent: Any) -> MeterRecord:  # noqa: ANN401 - fields of a statement
    """The slot is over and every meter is read; the mill states other figures where `bent` says so."""

    def rule(here: str, there: str, envelope: Envelope) -> list[Envelope]:
        if (here, there, envelope.type) == ("mill", "street", ObjectType.LINK_STATEMENT):
            body = decoded(envelope, LinkStatement)
            return [stage.signed("mill", replace(body, **bent))] if body.slot_utc_s == SLOT else [envelope]
        return [envelope]

    sim = stage.sim
    sim.wire.on_object = rule
    sim.at(-SLOT_S - 5)
    for here, there in (("street", "mill"), ("mill", "street")):
        link = sim.port(here, there).link
        sim.wire.give(sim.node(here), MeterRead(link=link, slot=SLOT, imported_j=1_000, exported_j=900))
    sim.wire.settle()
    sim.wait(5)
    return stage.heard("mill", "street", MeterRecord)[-1]


@attack(32, without=[Swap("core.settlement:figures", lambda _: None)])
def test_row_32_a_statement_that_owes_less() -> None:
    """The mill states that less is owed than was booked: the slot is not settled, the host is told."""
    stage = street()
    metered(stage, keeper_owes_micro=-(10**6))
    (settled,) = stage.sim.events("street", LinkSettled)
    holds(settled.agreed is False, "the victim takes nothing as settled on which the two differ")


@attack(33, without=[Swap("core.settlement:_same", lambda *_: None)])
def test_row_33_a_second_reading_of_a_slot() -> None:
    """The mill sends another record of a slot that it has metered: CONFLICT, the first one counts."""
    stage = street()
    record = metered(stage)
    stage.say(stage.signed("mill", replace(record, imported_j=0, exported_j=0)))
    holds(stage.complaints() == [ErrorCode.CONFLICT], "a reading is final")


@attack(
    33,
    without=[
        Edit(
            "core.settlement:Settlement.hear_meter",
            "if body.counter_imported_j < body.imported_j or body.counter_exported_j < body.exported_j:",
            "if False:",
        )
    ],
)
def test_row_33_counters_that_run_backwards() -> None:
    """A meter has counted more in a slot than in its whole life: OUT_OF_BOUNDS."""
    stage = street()
    stage.sim.at(-SLOT_S - 5)
    record = MeterRecord(
        link=stage.sim.port("mill", "street").link,
        slot_utc_s=SLOT,
        node=stage.sim.node("mill"),
        imported_j=10,
        exported_j=0,
        counter_imported_j=9,
        counter_exported_j=0,
    )
    stage.say(stage.signed("mill", record))
    holds(stage.complaints() == [ErrorCode.OUT_OF_BOUNDS], "counters only grow")


@attack(
    33,
    without=[
        Edit(
            "core.settlement:Settlement.hear_statement",
            "if body.previous not in (heads.last_peer or body.previous, NO_OBJECT):",
            "if False:",
        )
    ],
)
def test_row_33_a_statement_left_out_of_the_chain() -> None:
    """The mill's next statement does not continue the one before it: BROKEN_CHAIN."""
    stage = street()
    metered(stage)
    first = stage.heard("mill", "street", LinkStatement)[-1]
    stage.sim.at(-2 * SLOT_S - 5)
    other = replace(first, slot_utc_s=SLOT + SLOT_S, previous=ObjectId(b"x" * 32))
    stage.say(stage.signed("mill", other))
    holds(stage.complaints() == [ErrorCode.BROKEN_CHAIN], "nothing can be left out of the receipts")


# ------------------------------------------------------------------ 40: safety


@attack(
    40,
    without=[
        Edit(
            "core.fib:Fib.dispatch",
            "max(-self._export_max_j, min(self._import_max_j, devices_import_j(booked)))",
            "devices_import_j(booked)",
        )
    ],
)
def test_row_40_more_booked_than_the_connection_carries() -> None:
    """All that the farm's agent has offered is bought at once: its devices get a set-point that they bear."""
    stage = street()
    stage.sim.offer("farm", 50_000, energy_j=100 * KWH_J, offer_no=2)
    stage.sim.at(500)
    for name in ("house", "mill", "street"):
        stage.sim.want(name, 4 * KWH_J, 500_000)
    stage.sim.at(0)
    schedules = stage.sim.wire.nodes[stage.sim.node("farm")].schedules
    told_j = max(one.energy_j for one in schedules if one.link is None and one.slot == SLOT)
    assert sum(r.granted[i].energy_j for r in stage.sim.records("farm") for i in r.accepted) > 20_000 * SLOT_S
    holds(told_j <= 20_000 * SLOT_S, f"a connection of 20 kW is told {told_j} J in a quarter of an hour")
