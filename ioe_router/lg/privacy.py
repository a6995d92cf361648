"""What a looking glass does not show to everybody, and who may see it nevertheless.

A load curve tells when a household gets up, is away or falls ill.  So a page
for the public shows nothing of a single household:

    lines that end at a single customer              their load is hidden: `access` in the attestation,
                                                     or no other line is known there (but for the utility)
    reservations, mix and prices                     per slot, and only where at least `PARTIES_MIN`
                                                     different sellers and buyers have part in them
    addresses, last errors                           left out
    a home's own page                                with its key only

The operator of the looking glass (audience "operator", loopback only) sees
everything: whoever may read the control sockets could ask the nodes anyway.

A home's key is 128 random bits.  The configuration holds its SHA-256, the
browser holds the key in a cookie that scripts cannot read.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from ioe_router.lg.grid import Grid
from ioe_router.lg.snapshot import Reservation
from ioe_router.lg.watch import State, Watched

PARTIES_MIN: Final = 3
KEY_BYTES: Final = 16
COOKIE: Final = "ioe_lg_home"
KEY_CHARACTERS_MAX: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """Who looks: the operator, or the public with the keys of some homes."""

    operator: bool
    homes: frozenset[str]  # slugs whose own page may be seen

    def may_see_home(self, slug: str) -> bool:
        """Whether a home's own page is for this viewer."""
        return self.operator or slug in self.homes


def new_key() -> str:
    """A key to a home's own page."""
    return secrets.token_hex(KEY_BYTES)


def key_digest(key: str) -> str:
    """What the configuration holds of a key."""
    return hashlib.sha256(key.strip().encode()).hexdigest()


def homes_of(key: str, nodes: Iterable[Watched]) -> frozenset[str]:
    """The homes that a key opens; the comparison takes equally long whatever the key is."""
    if not key or len(key) > KEY_CHARACTERS_MAX:
        return frozenset()
    digest = key_digest(key)
    return frozenset(
        node.slug
        for node in nodes
        if node.key_sha256 is not None and hmac.compare_digest(node.key_sha256, digest)
    )


def viewer_of(audience: str, cookies: Mapping[str, str], state: State) -> Viewer:
    """Who looks, by the audience of this looking glass and the key that the browser sends."""
    return Viewer(operator=audience == "operator", homes=homes_of(cookies.get(COOKIE, ""), state.nodes))


def hidden_links(grid: Grid, viewer: Viewer) -> frozenset[str]:
    """Lines whose load is one household's, where this viewer may not see it."""
    if viewer.operator:
        return frozenset()
    lines = [edge.line for edge in grid.edges]
    degree = Counter(end for line in lines for end in (line.keeper, line.other))
    utilities = {place.node for place in grid.places if place.is_utility}
    alone = {node for node, count in degree.items() if count == 1} - utilities
    return frozenset(line.link for line in lines if line.access or {line.keeper, line.other} & alone)


def crowd(reservations: Iterable[Reservation]) -> int:
    """How many different nodes sell or buy in these."""
    parties: set[str] = set()
    for one in reservations:
        parties |= {one.seller, one.buyer}
    return len(parties)


def may_show_sum(reservations: list[Reservation], viewer: Viewer) -> bool:
    """Whether a sum over these may be shown: it tells nothing of one household."""
    return viewer.operator or not reservations or crowd(reservations) >= PARTIES_MIN
