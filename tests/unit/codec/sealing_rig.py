"""Values and a way to ask for refusals, for the tests of sealing and frames."""

from __future__ import annotations

from dataclasses import replace

import pytest
import vector_cast

from ioe_router.codec.identity_signing import countersign, state
from ioe_router.codec.registry import REGISTRY
from ioe_router.codec.sealing import CodecSealer
from ioe_router.model.clock import Now
from ioe_router.model.discovery import (
    Keepalive,
    LinkAttestation,
)
from ioe_router.model.envelope import Envelope, Sealed
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.ids import NodeId
from tests.unit.codec.cast import ALICE, BOB, NETWORK, NOW

SESSION = bytes(range(32))
OFFER = replace(vector_cast.OFFER, origin=ALICE.node)
ATTESTATION = replace(vector_cast.ATTESTATION, network_id=NETWORK, keeper=BOB.node, other=ALICE.node)
KEEPALIVE = Keepalive(received_seq=1, clock_utc_ms=NOW.utc_ms)
OWN_SIGNED = [row.body for row in REGISTRY.values() if row.signatures_max == 1 and not row.by_identity]


def _refusal(
    reader: CodecSealer, envelope: Envelope, sender: NodeId | None = None, now: Now = NOW
) -> ErrorCode:
    with pytest.raises(PeerError) as caught:
        reader.open_any(envelope, frame_sender=sender, now=now)
    return caught.value.code


def _attested() -> Sealed[LinkAttestation]:
    made: Sealed[LinkAttestation] = countersign(state(ATTESTATION, BOB.identity).envelope, ALICE.identity)
    return made
