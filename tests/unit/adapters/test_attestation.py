"""Attestations made with both keys at hand, and what is refused when one is opened."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ioe_router.adapters.attestation import attest, attest_both, open_attestation
from ioe_router.model.clock import Now
from ioe_router.model.discovery import LinkAttestation, LinkKind
from ioe_router.model.errors import UsageError
from ioe_router.model.ids import NodeId
from tests.links import loss_model
from tests.unit.adapters.rig import NETWORK, new_keys, present

LOSS = loss_model(r_ohm=0.02, x_ohm=0.008)


def _body(keeper: NodeId, other: NodeId, now: Now, lasts_s: int = 3_600) -> LinkAttestation:
    return LinkAttestation(
        network_id=NETWORK,
        keeper=keeper,
        other=other,
        number=0,
        kind=LinkKind.RADIAL,
        serial=1,
        rating_down_va=1,
        rating_up_va=2,
        loss=LOSS,
        fee_down_micro_per_kwh=0,
        fee_up_micro_per_kwh=0,
        access=False,
        issued_utc_s=now.utc_s,
        expires_utc_s=now.utc_s + lasts_s,
    )


@pytest.mark.parametrize("keeper_signs_first", [True, False])
def test_signatures_stand_in_the_order_of_the_ends(keeper_signs_first: bool) -> None:
    """Whoever signs first, the keeper's signature comes first, and each end can open the result."""
    (keeper, _), (other, _) = new_keys(), new_keys()
    now = present()
    body = _body(keeper.node, other.node, now)
    pair = (keeper, other) if keeper_signs_first else (other, keeper)
    file = attest_both(body, *pair)
    assert [s.key for s in file.attestation.signatures] == [keeper.signer.public_key, other.signer.public_key]
    assert open_attestation(file, NETWORK, now, "here").body == body


def test_what_does_not_hold_is_refused_by_name() -> None:
    """Half-signed, expired and altered attestations are refused with the name of the file."""
    (keeper, _), (other, _) = new_keys(), new_keys()
    now = present()
    body = _body(keeper.node, other.node, now)
    with pytest.raises(UsageError, match="east is signed by one end only"):
        open_attestation(attest(body, keeper), NETWORK, now, "east")
    late = Now(monotonic_ns=now.monotonic_ns, utc_ms=now.utc_ms + 3_600_000)
    both = attest_both(body, keeper, other)
    with pytest.raises(UsageError, match="east is not in force now"):
        open_attestation(both, NETWORK, late, "east")
    first, second = both.attestation.signatures
    swapped = replace(both.attestation, signatures=(replace(first, signature=second.signature), second))
    with pytest.raises(UsageError, match=r"east does not hold \(BAD_SIGNATURE"):
        open_attestation(replace(both, attestation=swapped), NETWORK, now, "east")
    with pytest.raises(UsageError, match=r"east is of the network 'village', this node is in 'elsewhere'"):
        open_attestation(both, "elsewhere", now, "east")


def test_a_stranger_cannot_state_a_link() -> None:
    """A node that is neither end is refused when it attests."""
    (keeper, _), (other, _), (stranger, _) = new_keys(), new_keys(), new_keys()
    now = present()
    with pytest.raises(UsageError, match="not that of a node that has to sign this"):
        attest(_body(keeper.node, other.node, now), stranger)
