"""What a case holds in its hands: the testers, fresh nodes, and the words in which it judges the target."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Final, Protocol, TypeVar

from ioe_conformance.case import Case
from ioe_conformance.clock import Clock
from ioe_conformance.errors import Broken, NotTestable
from ioe_conformance.keys import NodeKeys, framed, link_between, new_node, object_id
from ioe_conformance.kitdir import TesterKeys
from ioe_conformance.model import Check
from ioe_conformance.paths import Changes, Told, chain, first_hash, offer
from ioe_conformance.rawh2 import HEADERS, SETTINGS, Connection, headers
from ioe_conformance.requirements import level_of
from ioe_conformance.rig import Rig
from ioe_conformance.session import End, Heard, Session, now_ms
from ioe_conformance.timers import GRACE_MS
from ioe_conformance.trace import Trace, describe
from ioe_router.adapters.certificates import Leaf
from ioe_router.codec import mapping
from ioe_router.model.discovery import Fault, Retained
from ioe_router.model.envelope import Envelope
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import LinkId, NodeId, PathHash, ReservationId
from ioe_router.model.routing import (
    Direction,
    Flow,
    LinkState,
    Offer,
    OfferWithdrawal,
    PathAdvert,
    PathEntry,
    PathWithdrawal,
)

T = TypeVar("T")
_IN_VAIN: Final = 10
RESUME: Final = 1 << 1  # the feature bit of SPEC.md 15.2
Codes = ErrorCode | Iterable[ErrorCode]


class GivesBack(Protocol):
    """A reservation, for instance."""

    async def give_back(self) -> None:
        """Leave nothing booked."""
        ...


K = TypeVar("K", bound=GivesBack)


class Bench:
    """One case at work."""

    def __init__(self, rig: Rig, case: Case, trace: Trace) -> None:
        self.rig = rig
        self.case = case
        self.trace = trace
        self.random = rig.random(case.id)
        self.checks: list[Check] = []
        self._own: list[Session] = []
        self._told: list[tuple[Session, Told]] = []
        self._kept: list[GivesBack] = []

    # ------------------------------------------------------------------ judging

    def check(self, req: str, ok: object, *, expected: str, actual: str = "", id_: str = "") -> bool:
        """Record one look at the target; `actual` says what was seen when it does not hold."""
        if req not in self.case.requirements:
            raise ValueError(f"{self.case.id} checks {req} without naming it in its requirements")
        number = sum(check.requirement == req for check in self.checks) + 1
        check = Check(
            id=id_ or (req if number == 1 else f"{req}#{number}"),
            requirement=req,
            level=level_of(req),
            ok=bool(ok),
            expected=expected,
            actual="it was so" if ok else actual or "it was not so",
        )
        self.checks.append(check)
        self.trace.note(
            f"{'holds' if check.ok else 'BROKEN'} {check.id}: {expected}" + ("" if ok else f"; {actual}")
        )
        return check.ok

    def demand(self, req: str, ok: object, *, expected: str, actual: str = "") -> None:
        """A check without which the case cannot go on."""
        if not self.check(req, ok, expected=expected, actual=actual):
            raise Broken(expected)

    async def expect_fault(
        self, session: Session, envelope: Envelope, codes: Codes, *, req: str, since: int = 0
    ) -> None:
        """The object is refused with a Fault of one of the codes, and the session lives."""
        wanted = _codes(codes)
        heard = await session.fault_on(envelope, since)
        expected = f"a Fault {_names(wanted)} on {envelope.type.name}"
        if heard is None:
            ended = f"; {session.end}" if session.end else ""
            others = session.all(Fault, since=since)
            seen = (
                f"; Faults on other objects: {[ErrorCode(f.body.code).name for f in others]}"
                if others
                else ""
            )
            self.demand(req, False, expected=expected, actual=f"no Fault named it{seen}{ended}")
            return
        code = ErrorCode(heard.body.code)
        self.check(req, code in wanted, expected=expected, actual=f"Fault {code.name} ({heard.body.text})")

    async def refused(
        self, session: Session, *envelopes: Envelope, code: Codes, req: str, about: int = -1
    ) -> None:
        """Send objects of which the one at `about` is refused with a Fault; nothing said before counts."""
        await self.rig.refusals[session.tester.name].wait()
        since = session.mark()
        await session.send(*envelopes)
        await self.expect_fault(session, envelopes[about], code, req=req, since=since)

    async def expect_close(
        self, session: Session, codes: Codes, *, req: str, within_ms: int = GRACE_MS
    ) -> End | None:
        """The session ends with a Close of one of the codes (a stream that is refused: by its status)."""
        wanted = _codes(codes)
        end = await session.ended(within_ms)
        expected = f"Close {_names(wanted)}"
        if end is None:
            self.demand(req, False, expected=expected, actual="the session went on")
            return None
        self.check(req, end.code in wanted, expected=expected, actual=str(end))
        return end

    async def fence(self, session: Session, *, req: str) -> None:
        """The session lives: the target has handled all that was said to it and answers."""
        answered = await session.fence()
        actual = str(session.end) if session.end else "no answer to an OUTCOME_QUERY"
        self.demand(req, answered, expected="the session goes on", actual=actual)

    def not_testable(self, why: str) -> NotTestable:
        """For `raise`: the case cannot be carried out."""
        return NotTestable(why)

    # ------------------------------------------------------------------ sessions

    async def session(self, name: str) -> Session:
        """The standing session of a tester; without one the case is broken, and says why."""
        try:
            return await self.rig.standing(name)
        except LookupError as error:
            self.fail_without_session(str(error))
            raise Broken(str(error)) from None

    def fail_without_session(self, why: str) -> None:
        """Every requirement of the case is broken by a target with which no session can be had."""
        for req in self.case.requirements:
            self.check(req, False, expected="an established session", actual=why)

    async def dial(self, name: str = "c", **options: Any) -> Session:
        """A stream of its own for this case; it is hung up when the case ends."""
        if self.rig.in_vain.get(name, 0) >= _IN_VAIN:
            self.fail_without_session(f"{_IN_VAIN} streams in a row got no HELLO, so no more were tried")
            raise Broken("no stream")
        await self.rig.leave(name)
        session = await self.rig.dial(name, **options)
        self._own.append(session)
        return session

    async def greeted(self, name: str = "c") -> Session:
        """A stream on which the target has said its HELLO."""
        session = await self.dial(name)
        if session.end is not None or not session.log:
            self.fail_without_session(f"a stream got no HELLO: {session.end or 'nothing came'}")
            raise Broken("no HELLO")
        return session

    async def established(self, name: str = "c", **options: Any) -> Session:
        """A session of its own for this case."""
        session = await self.greeted(name)
        if not await session.establish(**options):
            self.fail_without_session(f"no session was established: {session.end or 'nothing came'}")
            raise Broken("no session")
        return session

    def connection(self, name: str, *, leaf: Leaf | None = None, **options: Any) -> Connection:
        """A bare TLS connection with the certificate of a tester (without name: `leaf`, or none). Blocks."""
        shown = leaf or (self.tester(name).leaf() if name else None)
        return Connection(self.rig.address, self.rig.kit, shown, **options)

    async def connecting(self, name: str, *, opens_stream: bool = False, **options: Any) -> bool:
        """Whether the target refuses a connection: in the handshake, or by hanging up on the first words."""

        def refused() -> bool:
            try:
                with self.connection(name, **options) as one:
                    one.begin()
                    if opens_stream:
                        one.send(headers(1))
                    kinds = [got for got in one.frames(3) if got.kind in {SETTINGS, HEADERS}]
            except OSError:
                return True
            ended = any(got.kind == HEADERS and got.flags & 1 for got in kinds)
            return ended if opens_stream and kinds else not kinds

        return await asyncio.to_thread(refused)

    async def brief_stream(self, name: str) -> End | None:
        """Open a stream beside what stands, without any pace, and say how it ended."""
        session = self.rig.stream(name)
        await session.open()
        end = await session.ended(2_000)
        await session.close()
        return end

    async def resumed(self, *told: Envelope, retained: bytes = b"") -> Session:
        """A session of C with RESUME in effect, in which the tester has repeated `told`."""
        session = await self.greeted()
        if not await session.establish(refresh=False, features=RESUME):
            self.fail_without_session(f"no session with RESUME: {session.end or 'nothing came'}")
            raise Broken("no session")
        await session.send(framed(Retained(digests=retained)))
        await session.refresh(*told)
        if await session.expect(Retained) is None:
            self.fail_without_session("the target sends no Retained, though RESUME is in effect")
            raise Broken("no Retained")
        return session

    def keep(self, one: K) -> K:
        """Something that has to be given back when the case ends."""
        self._kept.append(one)
        return one

    async def pause(self, wait_ms: int) -> None:
        """Let the target's own timers run."""
        await asyncio.sleep(wait_ms / 1_000)

    async def finish(self) -> None:
        """Give back what the case has booked and told, hang up what it has opened."""
        for one in self._kept:
            await one.give_back()
        for session in {id(one): one for one, _ in self._told}.values():
            if session.end is None and session.id:
                gone = [told.hash for one, told in self._told if one is session]
                await session.send(*(framed(PathWithdrawal(path=h, code=ErrorCode.NO_PATH)) for h in gone))
        for session in self._own:
            if session.end is None and session.id:
                await session.part()
            await session.close()

    # ------------------------------------------------------------------ nodes, paths, offers

    @property
    def clock(self) -> Clock:
        """The time of the testers."""
        return self.rig.clock

    @property
    def target(self) -> NodeId:
        """Who is tested."""
        return self.rig.kit.target

    @property
    def network(self) -> str:
        """Name of the network."""
        return self.rig.kit.network.network_id

    def tester(self, name: str) -> TesterKeys:
        """Keys and link of a tester."""
        return self.rig.kit.testers[name]

    def node(self) -> NodeKeys:
        """A node that nobody has heard of."""
        return new_node(self.network, self.rig.node_seed(), issued_utc_s=self.clock.utc_s())

    def fresh_id(self) -> ReservationId:
        """A reservation id that nobody has used."""
        return ReservationId(secrets.token_bytes(16))

    def path(self, name: str, *before: NodeKeys, changes: Changes | None = None, **options: Any) -> Told:
        """A path over `before` (origin first, a fresh node if none is given) and a tester."""
        tester = self.tester(name)
        hops = (*(before or (self.node(),)), tester.keys)
        return chain(hops, tester, self.target, self.clock.utc_s(), changes=changes, **options)

    def offer(self, origin: NodeKeys, **changes: Any) -> Envelope:
        """An offer of an origin from the next slot but one on."""
        return offer(
            origin, self.clock.utc_s(), self.clock.slot_at(1), **{"epoch": self.rig.epoch, **changes}
        )

    def withdrawal(self, origin: NodeKeys, **changes: Any) -> Envelope:
        """The withdrawal of an origin's offer."""
        now_s = self.clock.utc_s()
        body = OfferWithdrawal(
            origin=origin.node, offer_no=1, epoch=self.rig.epoch, seq=2, issued_utc_s=now_s
        )
        return origin.seal(replace(body, **changes))

    def link_of(self, origin: NodeKeys, name: str = "a") -> LinkId:
        """The link between an origin and the tester that tells its path."""
        return link_between(origin.node, self.tester(name).node)

    def link_state(self, keeper: NodeKeys, name: str = "a", **changes: Any) -> Envelope:
        """A link state of the link between a keeper and a tester, for the next slot."""
        body = LinkState(
            link=self.link_of(keeper, name),
            slot_utc_s=self.clock.slot_at(1),
            epoch=self.rig.epoch,
            seq=1,
            net_flow=Flow.UNSPECIFIED,
            net_energy_j=0,
            residual_down_j=937_500 * 14,
            residual_up_j=937_500 * 14,
            issued_utc_s=self.clock.utc_s(),
        )
        return keeper.seal(replace(body, **changes))

    def extended(self, heard: Heard[PathAdvert], name: str) -> tuple[Envelope, ...]:
        """A path that the target has told a tester, continued by the tester back to the target."""
        entries, tester = entries_of(heard.body), self.tester(name)
        entry = replace(
            entries[-1],
            node=tester.node,
            next_node=self.target,
            position=len(entries),
            previous=self.hash_at(heard),
            attestation=tester.attestation_id,
        )
        return (framed(PathAdvert(entries=(*heard.body.entries, tester.keys.seal(entry)))),)

    async def tell(self, session: Session, told: Told, *offers: Envelope) -> None:
        """Tell a path with its evidence, and offers; the path is taken back when the case ends."""
        self._told.append((session, told))
        await session.send(*told.all, *offers)

    # ------------------------------------------------------------------ what the target tells others

    async def told_path(
        self, observer: Session, origin: NodeId, *, since: int = 0, within_ms: int = GRACE_MS, **where: Any
    ) -> Heard[PathAdvert] | None:
        """The path to an origin that the target tells an observer."""
        direction = where.get("direction", Direction.SUPPLY)

        def leads(advert: PathAdvert) -> bool:
            entry = entries_of(advert)[0]
            return entry.origin == origin and entry.direction is direction

        return await observer.expect(PathAdvert, leads, since=since, within_ms=within_ms)

    def hash_at(self, path: Heard[PathAdvert] | None) -> PathHash:
        """The path hash of a path that the target has told."""
        if path is None:
            return PathHash(b"")
        entries = entries_of(path.body)
        found = first_hash(self.network, entries[0].origin, entries[0].direction)
        for entry in path.body.entries:
            found = PathHash(hashlib.sha256(found + entry.signed).digest())
        return found

    async def told_offer(
        self,
        observer: Session,
        origin: NodeId,
        where: Callable[[Offer], bool] = lambda _: True,
        *,
        since: int = 0,
        within_ms: int = GRACE_MS,
    ) -> Heard[Offer] | None:
        """The offer of an origin that the target tells an observer."""
        return await observer.expect(
            Offer, lambda one: one.origin == origin and where(one), since=since, within_ms=within_ms
        )

    async def nothing_told(
        self, observer: Session, teller: Session, origin: NodeId, *, req: str, since: int = 0
    ) -> None:
        """What was said to the target about an origin has not gone on to the observer.

        A sound path told behind it is the fence: when that has come, the other would have come, too.
        """
        control = self.path(teller.tester.name)
        await self.tell(teller, control, self.offer(control.origin))
        came = await self.told_path(observer, control.origin.node, since=since)
        self.demand(
            req,
            came,
            expected="a sound path told behind it goes on to the other neighbour",
            actual="it did not",
        )
        wrong = await self.told_path(observer, origin, since=since, within_ms=0)
        self.check(
            req,
            wrong is None,
            expected="the other neighbour is told nothing of it",
            actual=f"it was told {describe(wrong.envelope) if wrong else ''}",
        )


def entries_of(advert: PathAdvert) -> tuple[PathEntry, ...]:
    """The entries of a path, read."""
    return tuple(mapping.decode(PathEntry, entry.signed) for entry in advert.entries)


def same_object(one: Envelope, other: Envelope) -> bool:
    """Whether two envelopes hold the same object."""
    return object_id(one) == object_id(other)


def waited_ms(since_ms: int) -> int:
    """Milliseconds since an instant of the kit's clock."""
    return now_ms() - since_ms


def _codes(codes: Codes) -> frozenset[ErrorCode]:
    return frozenset((codes,) if isinstance(codes, ErrorCode) else codes)


def _names(codes: frozenset[ErrorCode]) -> str:
    return " or ".join(sorted(code.name for code in codes))
