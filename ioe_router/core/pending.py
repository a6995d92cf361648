"""What has changed since neighbours were last told (SPEC section 7.11); advertisement.py says when."""

from __future__ import annotations

from dataclasses import dataclass, field

from ioe_router.core.paths import Path, Target
from ioe_router.core.rib import OfferKey
from ioe_router.model.envelope import Envelope
from ioe_router.model.ids import PathHash
from ioe_router.model.routing import Direction


@dataclass(slots=True)
class Pending:
    """Dictionaries as ordered sets."""

    lost: dict[Target, dict[PathHash, Path]] = field(default_factory=dict)
    withdrawn: dict[OfferKey, Envelope] = field(default_factory=dict)
    reduced: dict[OfferKey, None] = field(default_factory=dict)
    # for the next batch
    targets: dict[Target, None] = field(default_factory=dict)
    offers: dict[OfferKey, None] = field(default_factory=dict)
    directions: dict[Direction, None] = field(default_factory=dict)

    def batch_waits(self) -> bool:
        """Whether a batch has anything to look at."""
        return bool(self.targets or self.offers or self.directions)
