"""Budgets: how much of our work a neighbour, and a signer behind it, may ask for (SPEC section 14.5).

A budget is a rate and a burst.  What a neighbour sends is charged before it is
looked at: frames and bytes before they are read, objects before they are
decoded, signature checks before they are made.  Whoever is beyond a burst has
to wait, which the host does by not reading from it (`ready_at_ns`); what comes
nevertheless, up to a second burst, is served, and then refused.  What takes
something back or ends it (withdrawals, commits, releases, curtailments) has
budgets of its own, so that no flood of offers keeps it out, and revocations have
one that nothing else can use up.

The budget of a signer is charged only for objects whose signature was found
valid: else anybody could use it up in somebody's name.

All is integers on the monotonic clock.  `_used_ns` is the instant up to which
what was charged uses the rate up; it never lies in the past.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from ioe_router.config import Budgets, Rate
from ioe_router.model.clock import NS_PER_MS, NS_PER_S
from ioe_router.model.envelope import ObjectType
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.ids import NodeId

RETRY_MAX_MS: Final = 86_400_000
SILENT_BURSTS: Final = 10  # refusals beyond one burst are not answered, beyond so many the session ends

# What takes back or ends something, and what keeps a session alive.
URGENT: Final = frozenset(
    {
        ObjectType.CLOSE,
        ObjectType.KEEPALIVE,
        ObjectType.OFFER_WITHDRAWAL,
        ObjectType.PATH_WITHDRAWAL,
        ObjectType.REFUSE,
        ObjectType.COMMIT_HOP,
        ObjectType.COMMITTED,
        ObjectType.RECEIPT,
        ObjectType.FAILED,
        ObjectType.RELEASE,
        ObjectType.CURTAIL_HOP,
        ObjectType.OUTCOME_QUERY,
        ObjectType.OUTCOME,
        ObjectType.TRUST_LIST,
    }
)
# What no honest neighbour sends or passes on: it would have refused it itself.
ABUSE: Final = frozenset(
    {ErrorCode.TOO_LARGE, ErrorCode.MALFORMED, ErrorCode.BAD_SIGNATURE, ErrorCode.UNKNOWN_TYPE}
)


class OverBudget(PeerError):
    """A budget is used up; the same object has a chance after `retry_after_ms`.

    `own`: one of the neighbour itself, so that going on is its fault and not that of a signer far away.
    """

    def __init__(self, what: str, wait_ns: int, *, own: bool = True) -> None:
        wait_ms = min(RETRY_MAX_MS, max(1, -(-wait_ns // NS_PER_MS)))
        super().__init__(ErrorCode.LIMIT_REACHED, f"the budget of {what} is used up", wait_ms)
        self.own = own


class Budget:
    """One rate with its burst, full at first."""

    __slots__ = ("_burst_ns", "_unit_ns", "_used_ns")

    def __init__(self, rate: Rate) -> None:
        """Up to `rate.burst` units at once, `rate.per_s` units a second in the long run."""
        self._unit_ns = NS_PER_S // rate.per_s
        self._burst_ns = rate.burst * self._unit_ns
        self._used_ns = 0

    def take(self, units: int, now_ns: int, bursts: int = 1) -> int:
        """Charge `units` unless that exceeds so many bursts; returns 0, or after how many ns it would not."""
        used_ns = (self._used_ns if self._used_ns > now_ns else now_ns) + units * self._unit_ns
        wait_ns = used_ns - now_ns - bursts * self._burst_ns
        if wait_ns > 0:
            return wait_ns
        self._used_ns = used_ns
        return 0

    def ready_at_ns(self) -> int:
        """The instant from which on the burst is not exceeded any more."""
        return self._used_ns - self._burst_ns

    def is_full(self, now_ns: int) -> bool:
        """Whether nothing of it is in use."""
        return self._used_ns <= now_ns


class Answer(IntEnum):
    """What becomes of a refusal."""

    TELL = 0  # Fault to the neighbour, event to the host
    COUNT = 1  # too many of them: only counted
    CLOSE = 2  # beyond the threshold of abuse


class Account:
    """The budgets of one neighbour. It outlives sessions, so that dialling anew fills nothing."""

    def __init__(self, budgets: Budgets) -> None:
        """All budgets full."""
        self._frames = Budget(budgets.frames)
        self._bytes = Budget(budgets.bytes)
        self._objects = (
            Budget(budgets.objects),
            Budget(budgets.urgent_objects),
            Budget(budgets.revocations),
        )
        self._signatures = (
            Budget(budgets.signatures),
            Budget(budgets.urgent_signatures),
            Budget(budgets.revocations),
        )
        self._refusals = Budget(budgets.refusals)
        self._abuse = Budget(budgets.refusals)
        self._lane = 0
        self._now_ns = 0

    def frame(self, size: int, now_ns: int) -> None:
        """Charge a frame of `size` bytes before it is read. OverBudget: beyond a second burst."""
        self._now_ns, self._lane = now_ns, 0
        wait_ns = self._frames.take(1, now_ns, 2) or self._bytes.take(size, now_ns, 2)
        if wait_ns:
            raise OverBudget("frames", wait_ns)

    def open(self, kind: ObjectType, now_ns: int) -> None:
        """Charge an object before it is decoded. OverBudget: to be refused."""
        self._now_ns, self._lane = now_ns, _lane_of(kind)
        wait_ns = self._objects[self._lane].take(1, now_ns, 2)
        if wait_ns:
            raise OverBudget("objects", wait_ns)

    def resume(self, kind: ObjectType, now_ns: int) -> None:
        """Go on with an object that was charged before and waited."""
        self._now_ns, self._lane = now_ns, _lane_of(kind)

    def verify(self, count: int) -> None:
        """Charge signature checks of the object charged last, before they are made. OverBudget: not to be."""
        wait_ns = self._signatures[self._lane].take(count, self._now_ns, 2)
        if wait_ns:
            raise OverBudget("signature checks", wait_ns)

    def refused(self, error: PeerError, now_ns: int) -> Answer:
        """Count a refusal, and say whether it is worth an answer."""
        abuse = error.code in ABUSE or (isinstance(error, OverBudget) and error.own)
        if abuse and self._abuse.take(1, now_ns, SILENT_BURSTS):
            return Answer.CLOSE
        return Answer.COUNT if self._refusals.take(1, now_ns) else Answer.TELL

    def ready_at_ns(self) -> int:
        """The instant before which nothing more should be read from the neighbour."""
        return max(
            self._frames.ready_at_ns(),
            self._bytes.ready_at_ns(),
            self._objects[0].ready_at_ns(),
            self._signatures[0].ready_at_ns(),
        )


def _lane_of(kind: ObjectType) -> int:
    """Which of the budgets of objects and signatures an object is charged to."""
    return 2 if kind is ObjectType.REVOCATION else int(kind in URGENT)


class Accounts:
    """One account for each configured neighbour."""

    def __init__(self, budgets: Budgets, neighbors: tuple[NodeId, ...]) -> None:
        """All full."""
        self._budgets = budgets
        self._accounts: dict[NodeId, Account] = {}
        self.follow(neighbors)

    def follow(self, neighbors: tuple[NodeId, ...]) -> None:
        """These are the neighbours from now on; who was one before has used what it has used."""
        for one in neighbors:
            self._accounts.setdefault(one, Account(self._budgets))

    def of(self, neighbor: NodeId) -> Account | None:
        """The account of a neighbour; None for a node that is none."""
        return self._accounts.get(neighbor)

    def ready_at_ns(self, neighbor: NodeId) -> int:
        """The instant before which nothing more should be read from a neighbour; 0 for one that is none."""
        account = self._accounts.get(neighbor)
        return 0 if account is None else account.ready_at_ns()


class Signers:
    """Budgets of those who signed what neighbours bring, each charged for valid signatures only."""

    def __init__(self, budgets: Budgets, limit: int) -> None:
        """`limit` signers may be beyond nothing at a time."""
        self._budgets = budgets
        self._limit = limit
        self._of: dict[tuple[NodeId, bool], Budget] = {}

    def charge(self, signer: NodeId, kind: ObjectType, now_ns: int) -> None:
        """Charge a new statement of a signer. OverBudget: it says too much, or too many say something."""
        key = (signer, kind in URGENT)
        budget = self._of.get(key)
        if budget is None:
            self._make_room(now_ns)
            budgets = self._budgets
            budget = self._of[key] = Budget(budgets.signer_urgent if key[1] else budgets.signer_updates)
        wait_ns = budget.take(1, now_ns)
        if wait_ns:
            raise OverBudget("statements of this signer", wait_ns, own=False)

    def _make_room(self, now_ns: int) -> None:
        """Whoever has used nothing of late needs no entry: a new one would say the same."""
        if len(self._of) >= self._limit:
            self._of = {key: one for key, one in self._of.items() if not one.is_full(now_ns)}
        if len(self._of) >= self._limit:
            raise OverBudget("statements of new signers", NS_PER_S, own=False)
