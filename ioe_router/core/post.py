"""How the parts about grid and settlement hand an object over for sending (SPEC section 4).

A neighbour can judge a signature only when it holds the signer's operational
key, also for envelopes nested inside another.  So these parts do not append to
the outbox themselves: they call a `Post`, which puts missing evidence first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ioe_router.core.outbox import Outbox
from ioe_router.model.envelope import Envelope
from ioe_router.model.ids import NodeId

Proven = Callable[[Envelope], bool]  # whether the certificates of all signers of an envelope are here


class Post(Protocol):
    """Sends an envelope after the evidence for it and for the envelopes `inside` it."""

    def __call__(
        self, neighbor: NodeId, envelope: Envelope, out: Outbox, inside: tuple[Envelope, ...] = ()
    ) -> None:
        """Append what is needed to `out`."""
        ...
