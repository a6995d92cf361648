"""What is retained of a session that has ended, and how both ends agree on it (SPEC section 6.10).

When a session ends, the end that listened withdraws what it heard but puts it
aside, and the end that spoke puts aside what it had told.  When a session
comes back soon, the listener states one digest for each of 64 groups
of origins; where the speaker's own digest is the same, nothing has to be told
again.  A group that differs by anything is told anew, so that frames lost with
the old session, refusals and clocks that differ cost time and never truth.

A neighbour that has announced a restart is waited for: what it told stays in
the tables, told onwards but not used, until it has told it again or the time is over.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from ioe_router.core.paths import Path
from ioe_router.core.rib import OfferKey, Told, ToldPath
from ioe_router.model.clock import MS_PER_S, Now
from ioe_router.model.envelope import Envelope, Sealed
from ioe_router.model.ids import NodeId, ObjectId, PathHash
from ioe_router.model.routing import Direction, Offer

GROUPS: Final = 64
DIGEST_BYTES: Final = 32
_TAG: Final = b"IOE1 retained"
_PATH: Final = b"\x00"
_OFFER: Final = b"\x01"

Item = tuple[NodeId, bytes]  # origin, and what names the item in a digest


def group_of(origin: NodeId) -> int:
    """The group that an origin belongs to: the first six bits of its node id."""
    return origin[0] >> 2


def path_item(origin: NodeId, path_hash: PathHash) -> Item:
    """A path as part of a digest."""
    return origin, _PATH + path_hash


def offer_item(origin: NodeId, object_id: ObjectId) -> Item:
    """A version of an offer as part of a digest."""
    return origin, _OFFER + object_id


def digests_of(items: Iterable[Item]) -> bytes:
    """One SHA-256 per group over its items in ascending order; empty when there is no item at all."""
    groups: list[list[bytes]] = [[] for _ in range(GROUPS)]
    for origin, name in items:
        groups[group_of(origin)].append(name)
    if not any(groups):
        return b""
    return b"".join(hashlib.sha256(_TAG + b"".join(sorted(names))).digest() for names in groups)


def equal_groups(mine: bytes, theirs: bytes) -> int:
    """The groups, as bits, whose digests are the same; none when one side retains nothing."""
    if not mine or not theirs:
        return 0
    pieces = range(0, GROUPS * DIGEST_BYTES, DIGEST_BYTES)
    same = (mine[at : at + DIGEST_BYTES] == theirs[at : at + DIGEST_BYTES] for at in pieces)
    return sum(1 << group for group, equal in enumerate(same) if equal)


def is_kept(kept: int, origin: NodeId) -> bool:
    """Whether an origin's group is among the kept ones."""
    return bool(kept >> group_of(origin) & 1)


# ------------------------------------------------------------------ the end that listened


@dataclass(frozen=True, slots=True)
class HeardOffer:
    """A version of an offer that a neighbour told, and until when it is good."""

    object_id: ObjectId
    direction: Direction
    until_utc_s: int


@dataclass(slots=True)
class HeardBefore:
    """What a neighbour had told when its session ended."""

    paths: dict[PathHash, Path]
    offers: dict[OfferKey, HeardOffer]
    until_ns: int = 0  # later it is of no more use

    def digests(self, now: Now) -> bytes:
        """What to state of it; what has ended since is left out."""
        return digests_of(
            (
                *(path_item(p.origin, p.hash) for p in self.paths.values() if p.not_after_utc_s > now.utc_s),
                *(
                    offer_item(key[0], offer.object_id)
                    for key, offer in self.offers.items()
                    if offer.until_utc_s > now.utc_s
                ),
            )
        )


# ------------------------------------------------------------------ the end that spoke


@dataclass(slots=True)
class ToldBefore:
    """What a neighbour had been told when its session ended, and which of its offers were withdrawn since."""

    told: Told
    until_ns: int
    withdrawn: dict[OfferKey, Envelope] = field(default_factory=dict)

    def digests(self, ends: dict[OfferKey, int], now: Now) -> bytes:
        """What the neighbour states if it has all of it; `ends`: until when each offer is good."""
        offers = self.told.offers.items()
        return digests_of(
            (
                *(path_item(t.origin, t.hash) for t in self.told.labels.values() if _lives(t, now)),
                *(offer_item(key[0], offer.object_id) for key, offer in offers if ends[key] > now.utc_s),
            )
        )

    def paths_in(self, kept: int, now: Now) -> tuple[tuple[PathHash, ToldPath], ...]:
        """The told paths of kept groups that still hold, each with the hash of what it extends."""
        return tuple(
            (extends, told)
            for paths in self.told.paths.values()
            for extends, told in paths.items()
            if is_kept(kept, told.origin) and _lives(told, now)
        )

    def offers_in(self, kept: int) -> dict[OfferKey, Sealed[Offer]]:
        """The told offers of kept groups."""
        return {key: offer for key, offer in self.told.offers.items() if is_kept(kept, key[0])}


def _lives(told: ToldPath, now: Now) -> bool:
    return told.not_after_utc_s > now.utc_s


class ToldMemory:
    """What every neighbour without a session had been told, for as long as it may come back for it."""

    def __init__(self, retain_s: int) -> None:
        """Nothing is retained; `retain_s` is how long it will be."""
        self._retain_ms = retain_s * MS_PER_S
        self._before: dict[NodeId, ToldBefore] = {}

    def put(self, neighbor: NodeId, told: Told, now: Now) -> None:
        """A session has ended."""
        self._before[neighbor] = ToldBefore(told, now.after_ms(self._retain_ms))

    def clear(self) -> None:
        """Retain nothing."""
        self._before.clear()

    def note_withdrawals(self, withdrawn: dict[OfferKey, Envelope]) -> None:
        """Offers were withdrawn while their listeners were away."""
        for before in self._before.values():
            known = ((key, envelope) for key, envelope in withdrawn.items() if key in before.told.offers)
            before.withdrawn.update(known)

    def take(self, neighbor: NodeId, now: Now) -> ToldBefore | None:
        """What the neighbour had been told, once; None when there is nothing or it is too old."""
        before = self._before.pop(neighbor, None)
        return before if before is not None and now.monotonic_ns < before.until_ns else None
