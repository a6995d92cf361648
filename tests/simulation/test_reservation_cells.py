"""Every cell of the published state table, asked of a real router: state, answer, code, unchanged books."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gen_vectors
import pytest

from ioe_router.codec.registry import REGISTRY
from ioe_router.core.calendar import LiveEntry
from ioe_router.model.discovery import Fault
from ioe_router.model.envelope import Envelope, ObjectType
from ioe_router.model.errors import ErrorCode, Persistence, Scope
from ioe_router.model.ids import object_id_of
from ioe_router.model.reservation import (
    Commit,
    CommitHop,
    Committed,
    Curtail,
    CurtailHop,
    Failed,
    PacketEnergy,
    Receipt,
    Refuse,
    ReservationState,
)
from tests.simulation.objects import Puppet, grant_of
from tests.simulation.pair import Cable, Sim, build, decoded

S = ReservationState
Json = dict[str, Any]
CELLS: list[Json] = json.loads((gen_vectors.TARGET / "reservation-fsm.json").read_text())["vectors"]
# What a node says about reservations; the rest of its talk is not the table's business.
HEARD = {kind for kind in ObjectType if 20 <= kind < 40} | {ObjectType.FAULT}
REPEATED = {S.IN_DOUBT: "COMMIT_HOP"}  # said again by a timer while the test waits
HOLD_S = 46
ASKED_J = 1_000_000


@dataclass(slots=True)
class Bench:
    """Router b between c, whose objects the test writes, and a, who hears nothing and says what it shall."""

    sim: Sim
    puppet: Puppet
    said: list[tuple[str, Envelope]] = field(default_factory=list)

    # --- events

    def hold(self) -> None:
        """A HOLD that was not seen before; under a known id that is another one."""
        if self.state() is S.UNSPECIFIED:
            self.puppet.ask()
            return
        changes = {"reservation": self.puppet.body.reservation, "price_limit_micro_per_kwh": 1}
        Puppet(self.sim, "c", "b", "a", (ASKED_J,), changes=changes).ask()

    def grant(self) -> None:
        """All that was asked, from the origin's side."""
        record = self.sim.router("b").inspect().reservations.get(self.puppet.body.reservation, 1)
        energy_j = ASKED_J if record is None else record.asked_j.get(1, ASKED_J)
        grant = grant_of(
            self.sim,
            self.puppet.body.reservation,
            self.puppet.core_id,
            ("b", "a"),
            energy_j,
            price_micro_per_kwh=100_000,
            hold_ms=30_000,
        )
        self.sim.say("a", "b", grant)

    def refuse(self) -> None:
        """REFUSE from the origin's side."""
        refuse = Refuse(
            reservation=self.puppet.body.reservation,
            version=1,
            code=ErrorCode.NO_ENERGY,
            persistence=Persistence.RELATIVE,
            scope=Scope.OFFER,
            failing_node=self.sim.node("a"),
            retry_after_ms=0,
            items=(),
        )
        self.sim.say("a", "b", refuse)

    def _commit(self) -> Envelope:
        body = Commit(
            reservation=self.puppet.body.reservation,
            version=1,
            core=self.puppet.core_id,
            initiator=self.sim.node("c"),
            accepted=(1,),
        )
        return self.sim.seal("c", body)

    def commit(self) -> None:
        """COMMIT from the initiator's side."""
        self.sim.say("c", "b", CommitHop(commit=self._commit(), keeper_entry=None))

    def _committed(self) -> Committed:
        return Committed(
            reservation=self.puppet.body.reservation,
            version=1,
            commit=object_id_of(self._commit().signed),
            origin=self.sim.node("a"),
            accepted_utc_ms=self.puppet.body.issued_utc_ms,
            balance_party=self.sim.node("a"),
        )

    def committed(self) -> None:
        """The origin's acceptance."""
        self.sim.say("a", "b", self._committed())

    def receipt(self) -> None:
        """The initiator's side has it."""
        receipt = Receipt(
            reservation=self.puppet.body.reservation,
            version=1,
            committed=object_id_of(self.sim.seal("a", self._committed()).signed),
            link=self.sim.port("b", "c").link,
            node=self.sim.node("c"),
        )
        self.sim.say("c", "b", receipt)

    def failed(self) -> None:
        """A signed failure from the origin's side."""
        failed = Failed(
            reservation=self.puppet.body.reservation,
            version=1,
            code=ErrorCode.HOLD_EXPIRED,
            node=self.sim.node("a"),
        )
        self.sim.say("a", "b", failed)

    def release(self) -> None:
        """RELEASE from the initiator's side."""
        self.puppet.release()

    def curtail(self) -> None:
        """A cut from the origin's side to half."""
        items = (PacketEnergy(index=1, energy_j=ASKED_J // 2),)
        body = Curtail(
            reservation=self.puppet.body.reservation,
            version=1,
            node=self.sim.node("a"),
            code=ErrorCode.CURTAILED,
            items=items,
            effective_utc_ms=self.sim.wire.now.utc_ms,
        )
        self.sim.say("a", "b", CurtailHop(curtail=self.sim.seal("a", body), items=items))

    def expire(self) -> None:
        """The hold time passes."""
        self.sim.wait(HOLD_S)

    def lost(self) -> None:
        """The session toward the origin is gone."""
        self.sim.wire.disconnect(self.sim.node("b"), self.sim.node("a"))
        self.sim.wire.settle()

    def slot_end(self) -> None:
        """The slot passes."""
        self.sim.at(-901)

    # --- states

    def bring_to(self, state: ReservationState) -> None:
        """Let events happen that lead to a state."""
        for step in WAYS[state]:
            step(self)
        assert self.state() is state
        self.said.clear()

    def state(self) -> ReservationState:
        """Where the reservation stands at b; UNSPECIFIED: not known."""
        record = self.sim.router("b").inspect().reservations.get(self.puppet.body.reservation, 1)
        return S.UNSPECIFIED if record is None else record.state

    def books(self) -> tuple[tuple[LiveEntry, ...], ...]:
        """What is booked on both links of b."""
        return (self.sim.entries("b", "a"), self.sim.entries("b", "c"))


B = Bench
WAYS: dict[ReservationState, tuple[Callable[[Bench], None], ...]] = {
    S.UNSPECIFIED: (),
    S.HOLDING: (B.hold,),
    S.HELD: (B.hold, B.grant),
    S.IN_DOUBT: (B.hold, B.grant, B.commit),
    S.COMMITTED: (B.hold, B.grant, B.commit, B.committed, B.receipt),
    S.FAILED: (B.hold, B.refuse),
    S.RELEASED: (B.hold, B.grant, B.release),
    S.EXPIRED: (B.hold, B.grant, B.expire),
}


def bench() -> Bench:
    """The chain c - b - a in the last phase before the gate; b keeps both links."""
    sim = build(Cable("b", "a", r_micro_ohm=0), Cable("b", "c", r_micro_ohm=0))
    sim.at(1_200)
    sim.offer("a", 100_000)
    sim.at(500)
    made = Bench(sim, Puppet(sim, "c", "b", "a", (ASKED_J,)))

    def rule(here: str, there: str, envelope: Envelope) -> list[Envelope]:
        if here == "b" and envelope.type in HEARD:
            made.said.append((there, envelope))
            return [] if there == "a" else [envelope]
        return [envelope] if here != "c" or envelope.type is not ObjectType.FAULT else []

    sim.wire.on_object = rule
    return made


def told(there: str, envelope: Envelope) -> tuple[str, str]:
    """One object that b has sent, as a vector says it."""
    if envelope.type is ObjectType.FAULT:
        return "FAULT", "sender"
    return envelope.type.name, {"a": "origin", "c": "initiator"}[there]


def code_of(envelope: Envelope) -> ErrorCode | None:
    """The code that an answer carries."""
    if envelope.type not in (ObjectType.FAULT, ObjectType.REFUSE, ObjectType.FAILED):
        return None
    body: Fault | Refuse | Failed = decoded(envelope, REGISTRY[envelope.type].body)
    return ErrorCode(body.code)


@pytest.mark.parametrize("cell", CELLS, ids=[cell["id"] for cell in CELLS])
def test_a_router_does_what_the_cell_says(cell: Json) -> None:
    """Its event leads from the state to the next one, or is refused with the code and changes nothing."""
    made = bench()
    state = ReservationState[cell["inputs"]["state"]]
    made.bring_to(state)
    before = made.books()
    getattr(made, cell["inputs"]["event"].lower())()
    assert made.state() is ReservationState[cell["intermediates"]["next_state"]]
    said = [told(there, e) for there, e in made.said if e.type.name != REPEATED.get(state)]
    assert sorted(said) == sorted((one["object"], one["toward"]) for one in cell["intermediates"]["sent"])
    if cell["result"]["verdict"] == "invalid" and said:
        assert made.books() == before
        codes = {code for _, e in made.said if (code := code_of(e)) is not None}
        assert codes == {ErrorCode[cell["result"]["code"]]}
    made.sim.check()


def test_every_cell_is_published() -> None:
    """The file has each pair of state and event once."""
    pairs = {(cell["inputs"]["state"], cell["inputs"]["event"]) for cell in CELLS}
    assert len(pairs) == len(CELLS) == len(ReservationState) * 11
