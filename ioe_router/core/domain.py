"""One trust domain: its lists of roots, and what they have certified (SPEC section 4.10).

A domain is what a quorum of its root keys says.  Each trust list names the roots
that count from then on and the members that do not; the next one is taken when it
bears the next serial and is signed by a quorum of the roots of the list before and
by one of its own.  So a stolen root key below the quorum changes nothing, no list can
be left out or rolled back, and no list locks its own domain out.

A list has an end, by which the next one is due.  When that is suppressed, a node goes
on for the list's grace and then takes up nothing new: what runs goes on running
(attack 37).  The same grace lets certificates of the list before count until they have been
made anew under other roots.

What is signed, and by which keys, the codec has verified before anything comes here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ioe_router.core.freshness import check_issued
from ioe_router.model.clock import Now
from ioe_router.model.domain import MemberCertificate, MeterCertificate, RootKey, TrustList, domain_id_of
from ioe_router.model.envelope import Sealed
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.ids import DomainId, NodeId

LISTS_KEPT: Final = 8  # a neighbour that missed up to seven lists is told them one by one

Certificate = MemberCertificate | MeterCertificate


def signed_by_quorum(roots: Sequence[RootKey], quorum: int, signers: Sequence[RootKey]) -> bool:
    """Whether enough of these roots are among the signers."""
    return len(set(roots) & set(signers)) >= quorum


def check_alone(body: TrustList) -> None:
    """What can be said of a list by itself. PeerError NOT_A_MEMBER, BROKEN_CHAIN."""
    if not signed_by_quorum(body.roots, body.quorum, body.signers):
        raise PeerError(
            ErrorCode.NOT_A_MEMBER,
            f"trust list {body.serial} is signed by fewer than {body.quorum} of its own roots;"
            " have it signed with 'ioe domain sign'",
        )
    if body.serial == 1 and body.domain != domain_id_of(body.network_id, body.quorum, body.roots):
        raise PeerError(ErrorCode.BROKEN_CHAIN, "the first trust list does not give its domain's id")


def check_succession(before: TrustList, after: TrustList) -> None:
    """Whether a list continues another. PeerError STALE, NOT_A_MEMBER, BROKEN_CHAIN."""
    if after.serial != before.serial + 1:
        raise PeerError(
            ErrorCode.STALE,
            f"trust list {after.serial} follows list {before.serial} here;"
            " ask the domain's operators for the lists between",
        )
    if not signed_by_quorum(before.roots, before.quorum, after.signers):
        raise PeerError(
            ErrorCode.NOT_A_MEMBER,
            f"trust list {after.serial} is signed by fewer than {before.quorum} roots of list"
            f" {before.serial}; have it signed with 'ioe domain sign'",
        )
    check_alone(after)
    if after.issued_utc_s < before.issued_utc_s:
        raise PeerError(ErrorCode.BROKEN_CHAIN, "a trust list is issued before the one that it follows")


class Domain:
    """One domain as this node knows it."""

    def __init__(self, lists: Sequence[Sealed[TrustList]]) -> None:
        """`lists` by rising serial; the first is trusted. PeerError: they do not hold together."""
        check_alone(lists[0].body)
        self.id: DomainId = lists[0].body.domain
        self._lists = [lists[0]]
        for one in lists[1:]:
            self._append(one)

    def _append(self, sealed: Sealed[TrustList]) -> None:
        if sealed.body.domain != self.id:
            raise PeerError(ErrorCode.DOMAIN_MISMATCH, "the trust list of another domain")
        check_succession(self.newest, sealed.body)
        self._lists = [*self._lists, sealed][-LISTS_KEPT:]

    @property
    def newest(self) -> TrustList:
        """The list in force."""
        return self._lists[-1].body

    def lists(self) -> tuple[Sealed[TrustList], ...]:
        """The latest lists, the one in force last."""
        return tuple(self._lists)

    def take(self, sealed: Sealed[TrustList], now: Now) -> bool:
        """Take the next list; False when it is known or older. PeerError: not acceptable."""
        body = sealed.body
        if body.serial < self.newest.serial:
            return False
        if body.serial == self.newest.serial:
            if sealed.object_id != self._lists[-1].object_id:
                raise PeerError(
                    ErrorCode.EQUIVOCATION,
                    f"two trust lists bear the serial {body.serial}; the one known first stays,"
                    " ask the domain's operators which of their root keys are lost",
                )
            return False
        check_issued(body.issued_utc_s, now)
        self._append(sealed)
        return True

    def is_due(self, now: Now) -> bool:
        """The next list should have come."""
        return self.newest.expires_utc_s <= now.utc_s

    def is_stale(self, now: Now) -> bool:
        """The next list has not come within the grace: nothing new is taken up on the word of this one."""
        return self.newest.expires_utc_s + self.newest.grace_s <= now.utc_s

    def until_utc_s(self, body: Certificate) -> int:
        """Until when the roots vouch for a certificate; 0 when they do not."""
        newest = self.newest
        if self._is_removed(body.node, body.serial if isinstance(body, MemberCertificate) else 0):
            return 0
        if signed_by_quorum(newest.roots, newest.quorum, body.signers):
            return body.expires_utc_s
        if len(self._lists) > 1:
            before = self._lists[-2].body
            if signed_by_quorum(before.roots, before.quorum, body.signers):
                return min(body.expires_utc_s, newest.issued_utc_s + newest.grace_s)
        return 0

    def _is_removed(self, node: NodeId, serial: int) -> bool:
        """Whether a certificate is void; a meter's (serial 0) is judged by its member's certificate."""
        return any(one.node == node and 0 < serial <= one.serial for one in self.newest.removals)
