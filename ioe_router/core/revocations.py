"""Which keys their own nodes have declared void, and until when that is remembered (SPEC section 4.11).

One row a node: a revocation covers all serials up to a number, so the higher
one says all that the lower one said.  A row stays until no key that it covers
could still be valid; that of an identity stays.  The table is bounded: what is
known here by nothing else gives way to a revocation of somebody who is.

The budget of a node counts only what is news, after the signature has been
found valid, so nobody but the holder of an identity key can use it up; to
revoke the identity itself is always possible.
"""

from __future__ import annotations

from typing import Final

from ioe_router.config import RouterConfig
from ioe_router.core.evidence import Evidence
from ioe_router.model.clock import Now
from ioe_router.model.discovery import IDENTITY_SERIAL, Revocation
from ioe_router.model.envelope import Sealed
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.ids import NodeId

KEY_LIFETIME_MAX_S: Final = 90 * 86_400
NEWS_PER_HOUR: Final = 4  # revocations of one node
_HOUR_MS: Final = 3_600_000


class Revocations:
    """The revocations in force."""

    def __init__(self, config: RouterConfig, evidence: Evidence) -> None:
        """Nothing is revoked."""
        self._network_id = config.parameters.network_id
        self._limit = config.limits.revocations
        self._evidence = evidence
        self._held: dict[NodeId, Sealed[Revocation]] = {}
        self._news: dict[NodeId, tuple[int, int]] = {}  # how many since which instant, ns

    def take(self, sealed: Sealed[Revocation], now: Now) -> bool:
        """Take a verified revocation; whether it is news. PeerError: other network, over, budget, no room."""
        body = sealed.body
        held = self._held.get(body.node)
        if held is not None and held.body.up_to_serial >= body.up_to_serial:
            return False
        if body.network_id != self._network_id:
            raise PeerError(ErrorCode.NETWORK_MISMATCH, f"a revocation in the network {body.network_id!r}")
        if is_over(body, now):
            raise PeerError(ErrorCode.EXPIRED, "no key that it covers can still be valid")
        self._make_room(body.node, now)
        if body.up_to_serial < IDENTITY_SERIAL:
            self._charge(body.node, now)
        self.restore(sealed)
        return True

    def restore(self, sealed: Sealed[Revocation]) -> None:
        """Hold a revocation, whatever the budget says."""
        self._held[sealed.body.node] = sealed
        self._evidence.revoke(sealed.body.node, sealed.body.up_to_serial)

    def all(self) -> tuple[Sealed[Revocation], ...]:
        """What every neighbour has to know."""
        return tuple(self._held.values())

    def forget(self, now: Now) -> tuple[NodeId, ...]:
        """Drop what can have no effect any more; returns whose rows are gone."""
        over = tuple(node for node, held in self._held.items() if is_over(held.body, now))
        for node in over:
            del self._held[node]
            self._news.pop(node, None)
        return over

    def _charge(self, node: NodeId, now: Now) -> None:
        count, since_ns = self._news.get(node, (0, now.monotonic_ns))
        if now.monotonic_ns >= since_ns + _HOUR_MS * 1_000_000:
            count, since_ns = 0, now.monotonic_ns
        if count >= NEWS_PER_HOUR:
            raise PeerError(ErrorCode.LIMIT_REACHED, f"{NEWS_PER_HOUR} revocations of one node in an hour")
        self._news[node] = (count + 1, since_ns)

    def _make_room(self, node: NodeId, now: Now) -> None:
        if node in self._held or len(self._held) < self._limit or self.forget(now):
            return
        if self._evidence.knows(node):
            for other in self._held:
                if not self._evidence.knows(other):
                    del self._held[other]
                    return
        raise PeerError(ErrorCode.LIMIT_REACHED, f"{self._limit} revocations are known")


def is_over(body: Revocation, now: Now) -> bool:
    """Whether every key that a revocation covers has expired; one of an identity covers keys to come."""
    if body.up_to_serial >= IDENTITY_SERIAL:
        return False
    return body.issued_utc_s + KEY_LIFETIME_MAX_S <= now.utc_s
