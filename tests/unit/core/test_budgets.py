"""Budgets: rates, bursts, lanes, who is charged for what, and what becomes of refusals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ioe_router.config import Budgets, Rate
from ioe_router.core.budgets import Account, Accounts, Answer, Budget, OverBudget, Signers
from ioe_router.model.envelope import ObjectType
from ioe_router.model.errors import ErrorCode, PeerError
from tests.unit.core.plain_sealer import node_named

S = 1_000_000_000
A, B = node_named("a"), node_named("b")
SMALL = Budgets(
    frames=Rate(per_s=10, burst=20),
    bytes=Rate(per_s=1_000, burst=5_000),
    objects=Rate(per_s=10, burst=20),
    signatures=Rate(per_s=10, burst=20),
    urgent_objects=Rate(per_s=10, burst=20),
    urgent_signatures=Rate(per_s=10, burst=20),
    refusals=Rate(per_s=1, burst=3),
    signer_updates=Rate(per_s=1, burst=5),
    signer_urgent=Rate(per_s=1, burst=5),
)


def test_a_burst_is_there_at_once_and_comes_back_at_its_rate() -> None:
    """A full budget gives its burst, then one unit each 1/rate; the wait it names is just enough."""
    budget = Budget(Rate(per_s=4, burst=8))
    assert [budget.take(1, 100) for _ in range(8)] == [0] * 8
    assert budget.take(1, 100) == S // 4
    assert budget.take(1, 100 + S // 4 - 1) == 1
    assert budget.take(1, 100 + S // 4) == 0
    assert budget.take(8, 100 + S // 4 + 2 * S) == 0
    assert budget.is_full(100 + 5 * S)


@given(
    st.integers(1, 1_000),
    st.integers(1, 5_000),
    st.lists(st.tuples(st.integers(0, 3 * S), st.integers(1, 50)), max_size=60),
)
def test_no_pattern_gets_more_than_burst_and_rate(
    per_s: int, burst: int, calls: list[tuple[int, int]]
) -> None:
    """Whatever comes when: what was taken up to an instant is at most the burst plus the rate of the time."""
    budget, now_ns, taken = Budget(Rate(per_s=per_s, burst=burst)), 0, 0
    for wait_ns, units in calls:
        now_ns += wait_ns
        if budget.take(units, now_ns) == 0:
            taken += units
        unit_ns = S // per_s
        assert taken * unit_ns <= burst * unit_ns + now_ns


def test_what_is_refused_costs_nothing() -> None:
    """A refused charge leaves the budget as it was: whoever goes on too fast is not kept out for ever."""
    budget = Budget(Rate(per_s=1, burst=1))
    assert budget.take(1, 0) == 0
    for _ in range(100):
        assert budget.take(1, 0) == S
    assert budget.take(1, S) == 0


def test_a_neighbour_beyond_its_burst_is_to_wait_and_beyond_two_is_refused() -> None:
    """Frames beyond the burst ask for a pause of just the excess; beyond a second burst they are refused."""
    account = Account(SMALL)
    for _ in range(20):
        account.frame(1, 0)
    assert account.ready_at_ns() <= 0
    account.frame(1, 0)
    assert account.ready_at_ns() == S // 10
    for _ in range(19):
        account.frame(1, 0)
    with pytest.raises(OverBudget, match="frames") as caught:
        account.frame(1, 0)
    assert (caught.value.code, caught.value.retry_after_ms) == (ErrorCode.LIMIT_REACHED, 100)
    account.frame(1, S // 10)


def test_bytes_count_beside_frames() -> None:
    """Few large frames use the budget of bytes up."""
    account = Account(SMALL)
    account.frame(5_000, 0)
    assert account.ready_at_ns() == 0
    account.frame(4_000, 0)
    assert account.ready_at_ns() == 4 * S
    with pytest.raises(OverBudget):
        account.frame(2_000, 0)


def test_what_takes_back_has_budgets_of_its_own() -> None:
    """When objects and signature checks are used up by offers, commits and withdrawals still get theirs."""
    account = Account(SMALL)
    for _ in range(40):
        account.open(ObjectType.OFFER, 0)
        account.verify(1)
    with pytest.raises(OverBudget, match="objects"):
        account.open(ObjectType.PATH_ADVERT, 0)
    for kind in (
        ObjectType.COMMIT_HOP,
        ObjectType.RELEASE,
        ObjectType.CURTAIL_HOP,
        ObjectType.OFFER_WITHDRAWAL,
    ):
        account.open(kind, 0)
        account.verify(3)
    assert account.ready_at_ns() > 0


def test_signature_checks_are_charged_to_the_lane_of_their_object() -> None:
    """Checks inside an object count where the object counts, also when it has waited meanwhile."""
    account = Account(SMALL)
    account.open(ObjectType.OFFER, 0)
    account.verify(40)
    account.resume(ObjectType.COMMIT_HOP, 0)
    account.verify(40)
    for kind in (ObjectType.OFFER, ObjectType.COMMIT_HOP):
        account.resume(kind, 0)
        with pytest.raises(OverBudget, match="signature checks"):
            account.verify(1)


def test_refusals_are_told_then_counted_then_end_the_session() -> None:
    """A few refusals are answered, more only counted, forgeries beyond ten bursts close; a pause helps."""
    account, forged = Account(SMALL), PeerError(ErrorCode.BAD_SIGNATURE, "forged")
    answers = [account.refused(forged, 0) for _ in range(31)]
    assert answers == [Answer.TELL] * 3 + [Answer.COUNT] * 27 + [Answer.CLOSE]
    assert account.refused(forged, 10 * S) is Answer.TELL


def test_daily_refusals_close_nothing() -> None:
    """What an honest neighbour may be refused for, or passes on for another, never ends its session."""
    account = Account(SMALL)
    daily = (ErrorCode.EXPIRED, ErrorCode.STALE, ErrorCode.UNKNOWN_LINK, ErrorCode.LIMIT_REACHED)
    errors = [PeerError(code, "so it goes") for code in daily]
    errors.append(OverBudget("statements of this signer", 1, own=False))
    answers = {account.refused(error, 0) for error in errors * 100}
    assert answers == {Answer.TELL, Answer.COUNT}
    assert account.refused(OverBudget("objects", 1), 0) is Answer.COUNT


def test_each_neighbour_has_its_own_account() -> None:
    """What one uses up, another still has; a node that is no neighbour has none."""
    accounts = Accounts(SMALL, (A, B))
    first, second = accounts.of(A), accounts.of(B)
    assert first is not None
    assert second is not None
    for _ in range(40):
        first.frame(1, 0)
    second.frame(1, 0)
    assert accounts.ready_at_ns(A) == 2 * S
    assert accounts.ready_at_ns(B) < 0
    assert accounts.of(node_named("c")) is None
    assert accounts.ready_at_ns(node_named("c")) == 0


def test_signers_are_charged_each_by_itself() -> None:
    """A signer that says too much is refused, not blamed on who brings it; its withdrawals still pass."""
    signers = Signers(SMALL, limit=8)
    for _ in range(5):
        signers.charge(A, ObjectType.OFFER, 0)
    with pytest.raises(OverBudget, match="this signer") as caught:
        signers.charge(A, ObjectType.LINK_STATE, 0)
    assert (caught.value.own, caught.value.retry_after_ms) == (False, 1_000)
    signers.charge(A, ObjectType.OFFER_WITHDRAWAL, 0)
    signers.charge(B, ObjectType.OFFER, 0)


def test_the_table_of_signers_is_bounded() -> None:
    """When all entries are in use a new signer is refused; one that has been quiet makes room."""
    signers = Signers(SMALL, limit=2)
    signers.charge(A, ObjectType.OFFER, 0)
    signers.charge(B, ObjectType.OFFER, 0)
    with pytest.raises(OverBudget, match="new signers"):
        signers.charge(node_named("c"), ObjectType.OFFER, 0)
    signers.charge(node_named("c"), ObjectType.OFFER, S)
