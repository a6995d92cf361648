"""Bad input, one by one: a registered code, an answer on the wire, and nothing that was live has changed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from ioe_router.codec import mapping
from ioe_router.codec.registry import REGISTRY
from ioe_router.codec.signing import signature_input
from ioe_router.core.events import Booked
from ioe_router.core.reservation_fsm import ENDED
from ioe_router.model.discovery import Fault
from ioe_router.model.envelope import Envelope, ObjectType, Signature
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import LinkId, PathHash
from ioe_router.model.reservation import (
    Committed,
    Failed,
    Hold,
    HoldItem,
    PacketEnergy,
    Refuse,
    ReservationState,
)
from ioe_router.model.settlement import MeterRecord
from ioe_router.model.slot import Slot
from tests.simulation.objects import Puppet, grant_of
from tests.simulation.pair import KWH_J, PARAMETERS, SLOT, SLOT_S, Cable, Sim, build, decoded
from tests.tidy.product import ROOT

S = ReservationState
ENERGY_MOST_J = 2**53 - 1
REGISTRY_ROW = re.compile(r"^\| \d+ \| (?P<name>[A-Z_]+) \|", re.MULTILINE)
REGISTERED = set(REGISTRY_ROW.findall((ROOT / "SPEC.md").read_text(encoding="utf-8").split("### 13.2")[1]))


@dataclass(slots=True)
class Scene:
    """Node b between a, who offers, and c and d, who want: one reservation committed, one held."""

    sim: Sim
    committed: Puppet
    held: Puppet
    mark: int = 0

    def said_since(self) -> list[Envelope]:
        """What b has sent about reservations, and its complaints, since the scene was set."""
        return [
            e
            for here, _, e in self.sim.wire.passed[self.mark :]
            if here == "b" and (20 <= e.type < 40 or e.type is ObjectType.FAULT)
        ]

    def live(self) -> object:
        """All that is promised or booked anywhere, and what is left to sell."""
        sim = self.sim
        return (
            {n: [(r.key, r.state) for r in sim.records(n) if r.state not in ENDED] for n in "ab"},
            {pair: sim.entries(*pair) for pair in ("ab", "ba", "bc", "cb", "bd", "db")},
            sim.free_j("a"),
            [len(sim.events("a", Booked))],
        )


def scene() -> Scene:
    """The last phase before the gate."""
    sim = build(Cable("b", "a"), Cable("b", "c"), Cable("b", "d"))
    sim.at(1_200)
    sim.offer("a", 100_000, slots=2)
    sim.at(500)
    committed = Puppet(sim, "c", "b", "a").ask()
    committed.commit()
    held = Puppet(sim, "c", "b", "a").ask()
    assert sim.states("b") == [S.COMMITTED, S.HELD]
    return Scene(sim, committed, held, len(sim.wire.passed))


def code_of(envelope: Envelope) -> ErrorCode | None:
    """The code of an answer."""
    body: Any = decoded(envelope, REGISTRY[envelope.type].body)
    return ErrorCode(body.code) if isinstance(body, Fault | Refuse | Failed) else None


# ------------------------------------------------------------------ what somebody does


def commit_after_timeout(s: Scene) -> None:
    """A hold has run out (its end is a change of its own), then its COMMIT comes."""
    s.held.commit()


def commit_twice(s: Scene) -> None:
    """The same COMMIT again."""
    s.committed.commit()


def release_by_a_stranger(s: Scene) -> None:
    """Signed by another node."""
    s.committed.release(signer="d")


def release_from_elsewhere(s: Scene) -> None:
    """Signed by the initiator, brought by another neighbour."""
    thief = Puppet(s.sim, "d", "b", "a")
    thief.body = s.committed.body
    thief.release(signer="c")


def same_id_with_other_content(s: Scene) -> None:
    """Another HOLD_CORE under the held reservation's id and version."""
    Puppet(s.sim, "c", "b", "a", (5,), changes={"reservation": s.held.body.reservation}).ask()


def window_in_the_past(s: Scene) -> None:
    """A packet of a slot that is running."""
    ask_for(s, HoldItem(index=1, slot_utc_s=SLOT - SLOT_S, energy_j=KWH_J, energy_min_j=1))


def zero_energy(s: Scene) -> None:
    """Nothing is asked."""
    ask_for(s, HoldItem(index=1, slot_utc_s=SLOT, energy_j=0, energy_min_j=1))


def maximum_energy_all_or_nothing(s: Scene) -> None:
    """The most that a field can hold, twice, or nothing."""
    items = tuple(
        HoldItem(index=i, slot_utc_s=SLOT, energy_j=ENERGY_MOST_J, energy_min_j=ENERGY_MOST_J) for i in (1, 2)
    )
    Puppet(s.sim, "d", "b", "a", changes={"items": items, "all_or_nothing": True}).ask()


def ask_for(s: Scene, item: HoldItem) -> None:
    """A HOLD of node d for one packet."""
    Puppet(s.sim, "d", "b", "a", changes={"items": (item,)}).ask()


def beyond_the_maximum(s: Scene) -> None:
    """One joule more than a field can hold."""
    say_unchecked(s, energies=(ENERGY_MOST_J + 1,))


def more_slots_than_the_limit(s: Scene) -> None:
    """97 packets, each of another slot."""
    say_unchecked(s, energies=(1,) * 97)


def say_unchecked(s: Scene, energies: tuple[int, ...]) -> None:
    """A HOLD whose core no honest node could make: encoded and signed without being looked at."""
    body = replace(
        Puppet(s.sim, "d", "b", "a").body,
        items=tuple(
            HoldItem(index=i, slot_utc_s=SLOT + i * SLOT_S, energy_j=j, energy_min_j=1)
            for i, j in enumerate(energies, start=1)
        ),
    )
    signed = mapping.encode(body)
    signer = s.sim.ids["d"].signer
    data = signature_input(PARAMETERS.network_id, REGISTRY[ObjectType.HOLD_CORE].message, signed)
    signature = Signature(key=signer.public_key, signature=signer.sign(data))
    core = Envelope(type=ObjectType.HOLD_CORE, signed=signed, signatures=(signature,))
    hold = Hold(
        core=core,
        path=body.path,
        hold_ms=1_000,
        items=(PacketEnergy(index=1, energy_j=1),),
        keeper_entry=None,
    )
    s.sim.say("d", "b", hold)


def label_that_was_never_told(s: Scene) -> None:
    """A way that this neighbour has not been offered."""
    Puppet(s.sim, "d", "b", "a", hold_changes={"path": PathHash(b"x" * 32)}).ask()


def unknown_link(s: Scene) -> None:
    """A meter record of a link that neither end has."""
    record = MeterRecord(
        link=LinkId(b"l" * 16),
        slot_utc_s=Slot(SLOT - 2 * SLOT_S),
        node=s.sim.node("d"),
        imported_j=0,
        exported_j=0,
        counter_imported_j=0,
        counter_exported_j=0,
    )
    s.sim.say("d", "b", record)


def grant_that_changes_what_was_asked(s: Scene) -> None:
    """The origin's side grants a joule more than it was asked for."""
    s.sim.wire.on_object = None
    record = s.sim.records("b")[-1]
    assert record.state is S.HOLDING
    core, energy_j = record.core, s.sim.entries("b", "a")[-1].increment.sent_j + 1
    s.sim.say("a", "b", grant_of(s.sim, core.body.reservation, core.object_id, ("b", "a"), energy_j))


def wait_for_the_deadline(s: Scene) -> None:
    """Let the held reservation end."""
    s.sim.wait(46)


def leave_a_hold_unanswered(s: Scene) -> None:
    """One more HOLD, whose answer is lost."""
    s.sim.wire.on_object = lambda here, _, e: [] if (here, e.type) == ("a", ObjectType.GRANT) else [e]
    Puppet(s.sim, "c", "b", "a").ask()


def nothing(_: Scene) -> None:
    """No preparation."""


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of bad input: who does what, and what comes back."""

    act: Callable[[Scene], None]
    answer: type
    code: ErrorCode | None
    prepare: Callable[[Scene], None] = nothing


CASES = (
    Case(commit_after_timeout, Failed, ErrorCode.HOLD_EXPIRED, wait_for_the_deadline),
    Case(commit_twice, Committed, None),
    Case(release_by_a_stranger, Fault, ErrorCode.NOT_OWNER),
    Case(release_from_elsewhere, Fault, ErrorCode.NOT_OWNER),
    Case(same_id_with_other_content, Refuse, ErrorCode.CONFLICT),
    Case(window_in_the_past, Refuse, ErrorCode.IN_PAST),
    Case(zero_energy, Refuse, ErrorCode.ZERO_ENERGY),
    Case(maximum_energy_all_or_nothing, Refuse, ErrorCode.BELOW_MINIMUM),
    Case(beyond_the_maximum, Fault, ErrorCode.OUT_OF_BOUNDS),
    Case(more_slots_than_the_limit, Fault, ErrorCode.OUT_OF_BOUNDS),
    Case(label_that_was_never_told, Refuse, ErrorCode.NO_PATH),
    Case(unknown_link, Fault, ErrorCode.UNKNOWN_LINK),
    Case(grant_that_changes_what_was_asked, Fault, ErrorCode.GRANT_CHANGED, leave_a_hold_unanswered),
)


@pytest.mark.parametrize("case", CASES, ids=[case.act.__name__ for case in CASES])
def test_bad_input_is_answered_and_changes_nothing(case: Case) -> None:
    """One answer with the registered code; promises, books, offers and bookings are as before."""
    s = scene()
    case.prepare(s)
    before, s.mark = s.live(), len(s.sim.wire.passed)
    case.act(s)
    (answer,) = s.said_since()
    assert REGISTRY[answer.type].body is case.answer
    assert code_of(answer) is case.code
    assert case.code is None or case.code.name in REGISTERED
    assert s.live() == before
    s.sim.check()


def test_the_maximum_energy_gets_what_there_is() -> None:
    """It is a legal question: granted is what the offer has, and no sum overflows."""
    s = scene()
    left_j = s.sim.free_j("a")
    puppet = Puppet(s.sim, "d", "b", "a", (ENERGY_MOST_J,)).ask()
    granted_j = puppet.granted()[0].energy_j
    assert 0 < granted_j <= 50_000 * SLOT_S
    assert left_j - s.sim.free_j("a") <= 50_000 * SLOT_S
    puppet.release()
    assert s.sim.free_j("a") == left_j
    s.sim.check()


def test_a_hold_core_that_breaks_its_bounds_is_no_hold_at_all() -> None:
    """No record is opened for it: the neighbour's next HOLD under that id is a new one."""
    s = scene()
    known = len(s.sim.records("b"))
    more_slots_than_the_limit(s)
    assert len(s.sim.records("b")) == known
    assert s.sim.heard("b", "d", Refuse) == []


def test_an_outcome_is_known_for_twice_the_settlement_window() -> None:
    """Eight hours at slots of a quarter: the same COMMIT gets the same answer; then it is unknown."""
    s = scene()
    s.held.release()
    s.sim.at(-8 * 3_600 + 1_500)
    s.held.commit()
    s.sim.at(-8 * 3_600 - 1_500)
    s.held.commit()
    late = [f.code for f in s.sim.heard("b", "c", Failed)]
    assert late == [ErrorCode.HOLD_EXPIRED, ErrorCode.UNKNOWN_RESERVATION]
