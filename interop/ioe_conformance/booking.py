"""One reservation over the target: B asks, an origin behind A (or C) grants, as SPEC.md section 10 has it.

    initiator B --- target --- seller A (or C) --- origin        energy flows to B

Each step is a method; a case takes those that it needs and changes what it wants wrong.
B keeps the ledger of its link to the target, the target that of its link to the seller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ioe_conformance.arithmetic import Packet, received
from ioe_conformance.bench import Bench
from ioe_conformance.keys import NodeKeys, framed, link_between, object_id
from ioe_conformance.paths import PRICE_MICRO, Told
from ioe_conformance.session import Heard, Session
from ioe_conformance.timers import GRACE_MS
from ioe_router.codec import mapping
from ioe_router.model.discovery import Fault, LossModel
from ioe_router.model.envelope import Envelope
from ioe_router.model.errors import ErrorCode, Persistence, Scope
from ioe_router.model.ids import PathHash
from ioe_router.model.reservation import (
    Commit,
    CommitHop,
    Committed,
    Failed,
    Grant,
    GrantItem,
    Hold,
    HoldCore,
    HoldItem,
    KeeperEntry,
    LedgerLine,
    Outcome,
    OutcomeQuery,
    PacketEnergy,
    Receipt,
    Refuse,
    Release,
    ReservationState,
)
from ioe_router.model.routing import Direction, Flow, Offer

ENERGY_J = 36_000
LIMIT_MICRO = 900_000  # worse than any price of the kit


@dataclass(slots=True, kw_only=True)
class Booking:
    """One reservation of B; `energies_j` are wanted at B's port, all in one slot."""

    t: Bench
    b: Session
    seller: Session
    told: Told
    path: PathHash  # label at B
    slot: int
    band: int
    energies_j: tuple[int, ...]
    reservation: Any
    core: Envelope = field(init=False)
    packets: tuple[Packet, ...] = ()
    own: Offer | None = None  # the target's own offer, when it is the origin itself
    commit_envelope: Envelope | None = None
    committed_envelope: Envelope | None = None
    marks: tuple[int, int] = (0, 0)

    # ------------------------------------------------------------------ what B says

    def hold_core(self, **changes: Any) -> Envelope:
        """HOLD_CORE, signed by B."""
        now_ms = self.t.clock.utc_ms()
        body = HoldCore(
            reservation=self.reservation,
            version=1,
            initiator=self.b.tester.node,
            origin=self.own.origin if self.own else self.told.origin.node,
            offer_no=self.own.offer_no if self.own else 1,
            offer_epoch=self.own.epoch if self.own else self.t.rig.epoch,
            offer_seq=self.own.seq if self.own else 1,
            direction=Direction.SUPPLY,
            path=self.path,
            band=self.band,
            price_limit_micro_per_kwh=LIMIT_MICRO,
            priority=4,
            replaces=None,
            all_or_nothing=False,
            items=tuple(
                HoldItem(index=index, slot_utc_s=self.slot, energy_j=energy, energy_min_j=1)
                for index, energy in enumerate(self.energies_j, start=1)
            ),
            issued_utc_ms=now_ms,
            hold_fee_micro=0,
            bond_micro=0,
        )
        return self.b.keys.seal(replace(body, **changes))

    def entry(self, *, final: bool, indexes: Sequence[int] = (), **changes: Any) -> Envelope:
        """B's entry in the ledger of its link: the energy comes to B, against the sense from the keeper."""
        chosen = indexes or range(1, len(self.packets) + 1)
        lines = tuple(
            LedgerLine(
                index=index,
                number=self.t.rig.line_number(),
                slot_utc_s=self.slot,
                flow_j=self.packets[index - 1].flow_j,
                sent_j=self.packets[index - 1].sent_j,
                received_j=self.packets[index - 1].received_j,
            )
            for index in chosen
        )
        body = KeeperEntry(
            link=link_between(self.b.tester.node, self.t.target),
            reservation=self.reservation,
            version=1,
            flow=Flow.UP,
            final=final,
            lines=lines,
        )
        return self.b.keys.seal(replace(body, **changes))

    def admit(self) -> None:
        """Compute B's packets: each at the net energy that those before it have left."""
        net, packets = 0, []
        for energy in self.energies_j:
            one = received(self.loss, self.t.clock.slot_s, net, energy, -1)
            net -= one.flow_j
            packets.append(one)
        self.packets = tuple(packets)

    def hold(
        self, *, core: Envelope | None = None, entry: Envelope | None = None, **changes: Any
    ) -> Envelope:
        """HOLD, with its core and B's entry."""
        self.admit()
        self.core = core or self.hold_core()
        body = Hold(
            core=self.core,
            path=self.path,
            hold_ms=2_900,
            items=tuple(
                PacketEnergy(index=index, energy_j=energy)
                for index, energy in enumerate(self.energies_j, start=1)
            ),
            keeper_entry=entry or self.entry(final=False),
        )
        return framed(replace(body, **changes))

    async def ask(self, **changes: Any) -> Envelope:
        """Send a HOLD."""
        self.marks = self.b.mark(), self.seller.mark()
        said = self.hold(**changes)
        await self.b.send(said)
        return said

    def commit(self, accepted: Sequence[int] = (), **changes: Any) -> Envelope:
        """COMMIT of the packets, signed by B."""
        body = Commit(
            reservation=self.reservation,
            version=1,
            core=object_id(self.core),
            initiator=self.b.tester.node,
            accepted=tuple(accepted or range(1, len(self.energies_j) + 1)),
        )
        return self.b.keys.seal(replace(body, **changes))

    async def take(self, commit: Envelope | None = None, accepted: Sequence[int] = ()) -> Envelope:
        """Send COMMIT_HOP; the COMMIT is kept."""
        self.commit_envelope = commit or self.commit(accepted)
        hop = framed(
            CommitHop(commit=self.commit_envelope, keeper_entry=self.entry(final=True, indexes=accepted))
        )
        await self.b.send(hop)
        return hop

    def release(self, keys: NodeKeys | None = None) -> Envelope:
        """RELEASE, signed by B (or by other keys)."""
        body = Release(reservation=self.reservation, version=1, initiator=self.b.tester.node)
        return (keys or self.b.keys).seal(body)

    def receipt(self) -> Envelope:
        """RECEIPT of COMMITTED, by B."""
        committed = object_id(self.committed_envelope) if self.committed_envelope else bytes(32)
        body = Receipt(
            reservation=self.reservation,
            version=1,
            committed=committed,  # type: ignore[arg-type]  # zeros name nothing
            link=link_between(self.b.tester.node, self.t.target),
            node=self.b.tester.node,
        )
        return self.b.keys.seal(body)

    # ------------------------------------------------------------------ what the seller says

    def grant(self, hold: Heard[Hold], *, price_micro: int = PRICE_MICRO, **changes: Any) -> Envelope:
        """GRANT of all that is asked, at the seller's port, as the target's entry has it."""
        lines = lines_of(hold.body.keeper_entry)
        body = Grant(
            reservation=self.reservation,
            version=1,
            core=object_id(hold.body.core),
            link=link_between(self.seller.tester.node, self.t.target),
            grantor=self.seller.tester.node,
            items=tuple(grant_item(line.index, line.sent_j, price_micro) for line in lines),
            hold_ms=min(2_000, hold.body.hold_ms),
            keeper_entry=None,
        )
        return self.seller.keys.seal(replace(body, **changes))

    def refuse(self, code: ErrorCode, **changes: Any) -> Envelope:
        """REFUSE by the origin."""
        body = Refuse(
            reservation=self.reservation,
            version=1,
            code=code,
            persistence=Persistence.RELATIVE,
            scope=Scope.OFFER,
            failing_node=self.told.origin.node,
            retry_after_ms=0,
            items=(),
        )
        return framed(replace(body, **changes))

    def committed(self, commit: Envelope, **changes: Any) -> Envelope:
        """COMMITTED, signed by the origin."""
        body = Committed(
            reservation=self.reservation,
            version=1,
            commit=object_id(commit),
            origin=self.told.origin.node,
            accepted_utc_ms=self.t.clock.utc_ms(),
            balance_party=self.told.origin.node,
        )
        self.committed_envelope = self.told.origin.seal(replace(body, **changes))
        return self.committed_envelope

    def failed(self, code: ErrorCode) -> Envelope:
        """FAILED, signed by the origin."""
        body = Failed(reservation=self.reservation, version=1, code=code, node=self.told.origin.node)
        return self.told.origin.seal(body)

    # ------------------------------------------------------------------ what is heard

    async def at(self, session: Session, kind: Any, *, since: int = 0, within_ms: int = GRACE_MS) -> Any:
        """The first object of a kind about this reservation; None when none comes."""
        return await session.expect(kind, self.about, since=since, within_ms=within_ms)

    def about(self, body: Any) -> bool:
        """Whether an object is about this reservation."""
        if isinstance(body, Hold):
            return self._mine(mapping.decode(HoldCore, body.core.signed))
        if isinstance(body, CommitHop):
            return self._mine(mapping.decode(Commit, body.commit.signed))
        return self._mine(body)

    def _mine(self, body: Any) -> bool:
        return bool(body.reservation == self.reservation)

    async def asked_of_seller(self, req: str) -> Heard[Hold]:
        """The HOLD at the seller."""
        heard: Heard[Hold] | None = await self.at(self.seller, Hold)
        why = await self._why()
        self.t.demand(req, heard, expected="a HOLD at the seller", actual=why)
        if heard is None:
            raise AssertionError
        return heard

    async def granted(self, req: str) -> Heard[Grant]:
        """The GRANT at B."""
        heard: Heard[Grant] | None = await self.at(self.b, Grant)
        self.t.demand(req, heard, expected="a GRANT at B", actual=await self._why())
        if heard is None:
            raise AssertionError
        return heard

    async def refused(self, code: ErrorCode, *, req: str, within_ms: int = GRACE_MS) -> Refuse | None:
        """The REFUSE at B with its code."""
        heard: Heard[Refuse] | None = await self.at(self.b, Refuse, within_ms=within_ms)
        expected = f"REFUSE {code.name} at B"
        self.t.demand(req, heard, expected=expected, actual=await self._why())
        if heard is None:
            return None
        self.t.check(req, heard.body.code is code, expected=expected, actual=f"REFUSE {heard.body.code.name}")
        return heard.body

    async def failed_at_b(
        self, code: ErrorCode, *, req: str, within_ms: int = GRACE_MS
    ) -> Heard[Failed] | None:
        """The FAILED at B with its code."""
        heard: Heard[Failed] | None = await self.at(self.b, Failed, within_ms=within_ms)
        expected = f"FAILED {code.name} at B"
        self.t.demand(req, heard, expected=expected, actual=await self._why())
        if heard is not None:
            name = heard.body.code.name
            self.t.check(req, heard.body.code is code, expected=expected, actual=f"FAILED {name}")
        return heard

    async def state(self, req: str) -> Heard[Outcome] | None:
        """How the reservation stands at the target, as it tells B."""
        since = self.b.mark()
        await self.b.send(framed(OutcomeQuery(reservation=self.reservation, version=1)))
        heard: Heard[Outcome] | None = await self.at(self.b, Outcome, since=since)
        self.t.demand(req, heard, expected="an OUTCOME", actual="none came")
        return heard

    async def nothing_at_seller(self, req: str) -> None:
        """The seller was asked nothing: the target has answered a question behind the HOLD."""
        await self.t.fence(self.b, req=req)
        await self.t.fence(self.seller, req=req)
        heard = self.seller.all(Hold, self.about)
        self.t.check(req, not heard, expected="no HOLD at the seller", actual=f"{len(heard)} came")

    async def _why(self) -> str:
        kinds: tuple[type[Refuse | Failed], ...] = (Refuse, Failed)
        for kind in kinds:
            found = self.b.all(kind, self.about)
            if found:
                return f"{kind.__name__.upper()} {found[0].body.code.name} came"
        faults = [f.body.text for f in self.b.all(Fault, since=self.marks[0])]
        return f"Faults: {faults}" if faults else f"nothing came; {self.b.end or 'the session stands'}"

    # ------------------------------------------------------------------ whole passages

    @property
    def loss(self) -> LossModel:
        """The losses of B's link."""
        return self.b.tester.attestation.loss

    async def held(self, req: str, **changes: Any) -> Heard[Grant]:
        """HOLD and GRANT, all the way."""
        await self.ask(**changes)
        hold = await self.asked_of_seller(req)
        await self.seller.send(self.grant(hold))
        return await self.granted(req)

    async def booked(self, req: str) -> Heard[Committed]:
        """HOLD, GRANT, COMMIT, COMMITTED and RECEIPT, all the way."""
        await self.held(req)
        await self.take()
        hop: Heard[CommitHop] | None = await self.at(self.seller, CommitHop)
        self.t.demand(req, hop, expected="COMMIT_HOP at the seller", actual=await self._why())
        if hop is None:
            raise AssertionError
        await self.seller.send(self.committed(hop.body.commit))
        heard: Heard[Committed] | None = await self.at(self.b, Committed)
        self.t.demand(req, heard, expected="COMMITTED at B", actual=await self._why())
        if heard is None:
            raise AssertionError
        await self.b.send(self.receipt())
        return heard

    async def give_back(self) -> None:
        """Release whatever stands, and let the seller say that it is released."""
        if self.b.end is not None:
            return
        await self.b.send(self.release())
        if self.own is not None:
            return
        heard = await self.at(self.seller, Release, within_ms=300)
        if heard is not None and self.seller.end is None:
            answer = Outcome(
                reservation=self.reservation, version=1, state=ReservationState.RELEASED, evidence=None
            )
            await self.seller.send(framed(answer))


def lines_of(entry: Envelope | None) -> tuple[LedgerLine, ...]:
    """The lines of a keeper's entry."""
    return () if entry is None else mapping.decode(KeeperEntry, entry.signed).lines


def grant_item(
    index: int, energy_j: int, price_micro: int, reason: ErrorCode = ErrorCode.UNSPECIFIED
) -> GrantItem:
    """One item of a GRANT."""
    return GrantItem(
        index=index,
        energy_j=energy_j,
        price_micro_per_kwh=price_micro,
        reason=reason,
        counter_offer_j=0,
        scarcity_micro_per_kwh=0,
    )


async def booking(
    t: Bench,
    *energies_j: int,
    seller: Session | None = None,
    origin: NodeKeys | None = None,
    req: str,
    **path: Any,
) -> Booking:
    """Path and offer of an origin behind the seller (default: A), known to B; a slot that can be booked."""
    found = t.clock.bookable(6)
    if found is None:
        raise t.not_testable("no slot can be booked now")
    slot, band = found
    sells = seller or await t.session("a")
    b = await t.session("b")
    told = t.path(sells.tester.name, *((origin,) if origin else ()), **path)
    await t.tell(sells, told, t.offer(told.origin, first_slot_utc_s=slot))
    heard = await t.told_path(b, told.origin.node)
    t.demand(req, heard, expected="path and offer at B", actual="they did not come")
    return t.keep(
        Booking(
            t=t,
            b=b,
            seller=sells,
            told=told,
            path=t.hash_at(heard),
            slot=slot,
            band=band,
            energies_j=energies_j or (ENERGY_J,),
            reservation=t.fresh_id(),
        )
    )


async def own_booking(t: Bench, *energies_j: int, req: str) -> Booking:
    """A reservation of B of the target's own offer."""
    found = t.clock.bookable(6)
    if found is None:
        raise t.not_testable("no slot can be booked now")
    slot, band = found
    b = await t.session("b")
    path = await t.told_path(b, t.target)
    offer = await t.told_offer(b, t.target, lambda one: covers(one, slot, t.clock.slot_s))
    t.demand(req, path and offer, expected="path and offer of the target for the slot", actual="none came")
    latest = max(
        (
            one.body
            for one in b.all(Offer, lambda o: o.origin == t.target and covers(o, slot, t.clock.slot_s))
        ),
        key=lambda one: (one.epoch, one.seq),
    )
    return t.keep(
        Booking(
            t=t,
            b=b,
            seller=b,
            told=t.path("a"),
            path=t.hash_at(path),
            slot=slot,
            band=band,
            energies_j=energies_j or (ENERGY_J,),
            reservation=t.fresh_id(),
            own=latest,
        )
    )


def covers(offer: Offer, slot: int, slot_s: int) -> bool:
    """Whether an offer has energy in a slot."""
    return price_in(offer, slot, slot_s) is not None


def price_in(offer: Offer, slot: int, slot_s: int) -> tuple[int, int] | None:
    """Energy and ask of an offer in a slot; None when it has none."""
    at = offer.first_slot_utc_s
    for run in offer.runs:
        if at <= slot < at + run.slots * slot_s and run.energy_j:
            return run.energy_j, run.price_micro_per_kwh
        at += run.slots * slot_s
    return None
