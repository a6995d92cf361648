"""What is sealed opens as it was; whatever was changed on the way does not."""

from __future__ import annotations

from dataclasses import replace

import pytest
import vector_wire
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ioe_router.codec import remembered
from ioe_router.codec.identity_signing import countersign, state
from ioe_router.codec.registry import REGISTRY, TYPE_OF
from ioe_router.codec.signing import signature_input, verify
from ioe_router.model.discovery import (
    Close,
    LinkAttestation,
    OperationalKey,
    Refresh,
    RefreshPhase,
)
from ioe_router.model.envelope import Envelope, ObjectType, Sealed, Signature
from ioe_router.model.errors import ErrorCode, PeerError, UsageError
from ioe_router.model.ids import ObjectId
from ioe_router.model.reservation import Hold, HoldCore, PacketEnergy
from ioe_router.model.routing import Offer
from ioe_router.model.settlement import Deviation, ImbalanceRecord
from tests.unit.codec.cast import ALICE, BOB, CAROL, DAY_S, NETWORK, NOW, START_S, Member, at, sealer
from tests.unit.codec.sealing_rig import (
    ATTESTATION,
    KEEPALIVE,
    OFFER,
    OWN_SIGNED,
    _attested,
    _refusal,
)
from tests.unit.codec.values import Value, bodies


@pytest.mark.parametrize("body", OWN_SIGNED)
def test_own_signed_objects_open_elsewhere(body: type) -> None:
    """Every type with one signature, sealed by the node that it names, opens elsewhere as it was."""
    row, reader = REGISTRY[TYPE_OF[body]], sealer(BOB, ALICE)

    @settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
    @given(bodies(body))
    def holds(value: Value) -> None:
        named: dict[str, object] = dict.fromkeys(row.named, ALICE.node)
        if hasattr(value, "network_id"):
            named["network_id"] = NETWORK
        made = sealer(ALICE).seal(replace(value, **named))
        assert reader.open(made.envelope, body) == made
        assert made.signers == (ALICE.node,)

    holds()


def test_frame_only_objects_are_vouched_for_by_the_frame() -> None:
    """A frame-only object has no signature; its signer is who signed the frame."""
    made = sealer(ALICE).seal(KEEPALIVE)
    assert made.envelope.signatures == ()
    opened = sealer(BOB, ALICE).open_any(made.envelope, frame_sender=ALICE.node, now=NOW)
    assert opened == made


def test_before_the_session_only_its_objects_are_opened() -> None:
    """Without a frame signature a CLOSE has no signer and a KEEPALIVE is refused."""
    reader, writer = sealer(BOB, ALICE), sealer(ALICE)
    close = writer.seal(Close(code=ErrorCode.VERSION_MISMATCH, text="1 to 1")).envelope
    assert reader.open_any(close, frame_sender=None, now=NOW).signers == ()
    assert _refusal(reader, writer.seal(KEEPALIVE).envelope) is ErrorCode.UNEXPECTED
    assert _refusal(reader, writer.seal(OFFER).envelope) is ErrorCode.UNEXPECTED


def test_inner_objects_do_not_travel_alone() -> None:
    """A HOLD_CORE opens inside a HOLD and is refused as an object of a frame."""
    reader, writer = sealer(BOB, ALICE), sealer(ALICE)
    core = writer.seal(replace(vector_wire.CORE, initiator=ALICE.node))
    body = Hold(
        core=core.envelope,
        path=core.body.path,
        hold_ms=1,
        items=(PacketEnergy(index=1, energy_j=1),),
        keeper_entry=None,
    )
    opened: Sealed[Hold] = reader.open_any(writer.seal(body).envelope, frame_sender=CAROL.node, now=NOW)
    assert reader.open(opened.body.core, HoldCore) == core
    assert _refusal(reader, core.envelope, ALICE.node) is ErrorCode.UNEXPECTED


def test_open_asks_for_one_type() -> None:
    """An envelope of another type than asked for is refused, whatever it says."""
    offer = sealer(ALICE).seal(OFFER).envelope
    with pytest.raises(PeerError, match="UNEXPECTED"):
        sealer(BOB, ALICE).open(offer, HoldCore)


def test_a_frame_only_object_must_not_be_signed() -> None:
    """A signature on a frame-only object is refused: it would be relayed one day."""
    signature = sealer(ALICE).seal(OFFER).envelope.signatures
    alive = replace(sealer(ALICE).seal(KEEPALIVE).envelope, signatures=signature)
    assert _refusal(sealer(BOB, ALICE), alive, ALICE.node) is ErrorCode.BAD_SIGNATURE


def test_attestations_need_both_ends() -> None:
    """Both identity keys sign, keeper first, whoever comes first; one signature alone is refused."""
    first, reader = _attested(), sealer(CAROL)
    half = state(ATTESTATION, ALICE.identity)
    assert countersign(half.envelope, BOB.identity) == first
    assert reader.open(first.envelope, LinkAttestation).signers == (BOB.node, ALICE.node)
    assert _refusal(reader, half.envelope) is ErrorCode.BAD_SIGNATURE
    kept = replace(first.envelope, signatures=first.envelope.signatures[:1])
    assert _refusal(reader, kept) is ErrorCode.BAD_SIGNATURE


def test_operational_keys_do_not_state_what_identity_keys_state() -> None:
    """An attestation is not sealed with an operational key, and one so signed names the wrong signer."""
    with pytest.raises(UsageError, match="signed by identity keys"):
        sealer(BOB).seal(ATTESTATION)
    with pytest.raises(UsageError, match="not that of a node that has to sign this"):
        state(ATTESTATION, BOB.operational)
    made = _attested()
    data = signature_input(NETWORK, "ioe.v1.LinkAttestation", made.envelope.signed)
    by_keys = tuple(
        Signature(key=one.public_key, signature=one.sign(data))
        for one in (BOB.operational, ALICE.operational)
    )
    reader = sealer(CAROL, ALICE, BOB)
    assert _refusal(reader, replace(made.envelope, signatures=by_keys)) is ErrorCode.WRONG_SIGNER


def test_an_attestation_outlives_every_operational_key() -> None:
    """Long after the ends' operational keys have expired, the attestation opens as before."""
    late = at(START_S + 365 * DAY_S)
    opened: Sealed[LinkAttestation] = sealer(CAROL, ALICE, BOB).open_any(
        _attested().envelope, frame_sender=None, now=late
    )
    assert opened == _attested()


def test_countersigning_is_for_the_missing_signer_alone() -> None:
    """A stranger, or the first signer again, cannot countersign; a forged first signature is refused."""
    half = state(ATTESTATION, BOB.identity).envelope
    for one in (CAROL, BOB):
        with pytest.raises(PeerError, match="NOT_FOR_ME"):
            countersign(half, one.identity)
    (good,) = half.signatures
    forged = replace(half, signatures=(replace(good, signature=bytes(64)),))
    with pytest.raises(PeerError, match="BAD_SIGNATURE"):
        countersign(forged, ALICE.identity)
    with pytest.raises(UsageError, match="one operational signer"):
        sealer(ALICE, BOB).countersign(sealer(BOB, ALICE).seal(replace(OFFER, origin=BOB.node)).envelope)


def test_countersigning_twice_is_countersigning_once() -> None:
    """A complete object comes back as it is; a broken one is refused."""
    made = _attested()
    assert countersign(made.envelope, ALICE.identity) == made
    first, second = made.envelope.signatures
    broken = replace(made.envelope, signatures=(first, replace(second, signature=bytes(64))))
    with pytest.raises(PeerError, match="BAD_SIGNATURE"):
        countersign(broken, ALICE.identity)


def test_a_configured_attestation_is_read_without_keys() -> None:
    """A node reads its own attestation before it knows any key, and nothing else."""
    made = _attested()
    assert sealer(ALICE).peek_attestation(made.envelope) == made
    for envelope, why in (
        (sealer(ALICE).seal(OFFER).envelope, "OFFER is configured"),
        (replace(made.envelope, signed=made.envelope.signed[:-1]), "unusable"),
    ):
        with pytest.raises(UsageError, match=why):
            sealer(ALICE).peek_attestation(envelope)
    with pytest.raises(UsageError, match="does not name this node"):
        sealer(CAROL).peek_attestation(made.envelope)


def test_imbalance_records_have_one_or_two_signatures() -> None:
    """The node signs its record first; the party's countersignature makes a second valid copy."""
    record = ImbalanceRecord(
        node=ALICE.node,
        party=BOB.node,
        slot_utc_s=START_S,
        deviation=Deviation.SHORT,
        energy_j=3_600_000,
        price_micro_per_kwh=400_000,
        amount_micro=400_000,
        previous=ObjectId(bytes(32)),
    )
    one = sealer(ALICE).seal(record)
    two = sealer(BOB, ALICE).countersign(one.envelope)
    reader = sealer(CAROL, ALICE, BOB)
    assert reader.open(one.envelope, ImbalanceRecord).signers == (ALICE.node,)
    assert reader.open(two.envelope, ImbalanceRecord).signers == (ALICE.node, BOB.node)
    assert one.object_id == two.object_id
    with pytest.raises(UsageError, match="another signer"):
        sealer(BOB, ALICE).seal(record)


def test_sealing_refuses_what_nobody_would_open() -> None:
    """Out of bounds, in another's name, without its identity key: a usage error that names the remedy."""
    writer = sealer(ALICE)
    with pytest.raises(UsageError, match=r"Offer\.runs"):
        writer.seal(replace(OFFER, runs=()))
    with pytest.raises(UsageError, match="another signer"):
        writer.seal(replace(OFFER, origin=BOB.node))
    with pytest.raises(UsageError, match="signed by identity keys"):
        writer.seal(ALICE.certificate().body)
    refresh = Refresh(phase=RefreshPhase.UNSPECIFIED)
    with pytest.raises(UsageError, match=r"Refresh\.phase"):
        writer.seal(refresh)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_bit_flips_never_verify(data: st.DataObject) -> None:
    """No single flipped bit in body, key or signature opens, not even where the original is remembered."""
    made, reader = sealer(ALICE).seal(OFFER), sealer(BOB, ALICE)
    assert reader.open(made.envelope, Offer) == made
    (signature,) = made.envelope.signatures
    parts = [made.envelope.signed, signature.key, signature.signature]
    which = data.draw(st.integers(0, 2))
    bit = data.draw(st.integers(0, 8 * len(parts[which]) - 1))
    flipped = bytearray(parts[which])
    flipped[bit // 8] ^= 1 << bit % 8
    parts[which] = bytes(flipped)
    changed = Envelope(
        type=made.envelope.type, signed=parts[0], signatures=(Signature(key=parts[1], signature=parts[2]),)
    )
    _refusal(reader, changed, BOB.node)


def test_what_is_remembered_is_not_trusted_for_longer_than_its_key() -> None:
    """An object that has been opened before is refused once the key that signed it has expired."""
    made, reader = sealer(ALICE).seal(OFFER), sealer(BOB, ALICE)
    reader.open(made.envelope, Offer)
    assert _refusal(reader, made.envelope, BOB.node, at(START_S + DAY_S)) is ErrorCode.KEY_EXPIRED


def test_memory_saves_verification_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening again verifies no signature; with a memory of one object all results stay the same."""
    calls: list[bytes] = []

    def counted(signature: Signature, data: bytes) -> bool:
        calls.append(data)
        return verify(signature, data)

    writer, reader = sealer(ALICE), sealer(BOB, ALICE, judge=counted)
    made = [writer.seal(replace(OFFER, seq=seq)) for seq in range(3)]
    for _ in range(2):
        assert [reader.open(one.envelope, Offer) for one in made] == made
    assert len(calls) == 3
    monkeypatch.setattr(remembered, "GOOD_MAX", 1)
    small = sealer(CAROL, ALICE, judge=counted)
    for _ in range(2):
        assert [small.open(one.envelope, Offer) for one in made] == made
    assert len(calls) == 3 + 6


def test_the_memory_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Objects beyond the bytes that are remembered push the oldest out, which is verified again."""
    calls: list[bytes] = []

    def counted(signature: Signature, data: bytes) -> bool:
        calls.append(data)
        return verify(signature, data)

    writer, reader = sealer(ALICE), sealer(BOB, ALICE, judge=counted)
    made = [writer.seal(replace(OFFER, seq=seq)).envelope for seq in (1, 2, 3)]
    monkeypatch.setattr(remembered, "GOOD_BYTES_MAX", len(made[0].signed) + len(made[1].signed))
    for one in made:
        reader.open(one, Offer)
    reader.open(made[2], Offer)
    reader.open(made[1], Offer)
    assert len(calls) == 3
    reader.open(made[0], Offer)
    assert len(calls) == 4


def test_a_bad_signature_is_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same forgery again is refused from memory; other signatures over the same bytes are judged anew."""
    calls: list[bytes] = []

    def counted(signature: Signature, data: bytes) -> bool:
        calls.append(data)
        return verify(signature, data)

    reader = sealer(BOB, ALICE, judge=counted)
    good = sealer(ALICE).seal(OFFER).envelope
    (signature,) = good.signatures
    forged = replace(good, signatures=(replace(signature, signature=bytes(64)),))
    for _ in range(3):
        assert _refusal(reader, forged, BOB.node) is ErrorCode.BAD_SIGNATURE
    assert len(calls) == 1
    assert reader.open(good, Offer).signers == (ALICE.node,)
    monkeypatch.setattr(remembered, "BAD_MAX", 1)
    others = [
        replace(sealer(ALICE).seal(replace(OFFER, seq=seq)).envelope, signatures=forged.signatures)
        for seq in (1, 2)
    ]
    for one in (*others, others[0]):
        assert _refusal(reader, one, BOB.node) is ErrorCode.BAD_SIGNATURE
    assert len(calls) == 2 + 3


def test_who_asks_is_charged_before_signatures_are_checked() -> None:
    """A refusal of the charge comes before any check; what is remembered is charged to nobody."""
    calls: list[bytes] = []

    def counted(signature: Signature, data: bytes) -> bool:
        calls.append(data)
        return verify(signature, data)

    charged: list[int] = []

    def charge(count: int) -> None:
        charged.append(count)
        if len(charged) == 1:
            raise PeerError(ErrorCode.LIMIT_REACHED, "no more")

    reader, offer = sealer(BOB, ALICE, judge=counted), sealer(ALICE).seal(OFFER).envelope
    reader.charge = charge
    assert _refusal(reader, offer, BOB.node) is ErrorCode.LIMIT_REACHED
    assert calls == []
    for _ in range(2):
        assert reader.open(offer, Offer).signers == (ALICE.node,)
    assert (charged, len(calls)) == ([1, 1], 1)


def test_other_type_with_remembered_bytes() -> None:
    """Remembered bytes under another type are judged as that type."""
    made, reader = sealer(ALICE).seal(OFFER), sealer(BOB, ALICE)
    reader.open(made.envelope, Offer)
    moved = replace(made.envelope, type=ObjectType.OFFER_WITHDRAWAL)
    assert _refusal(reader, moved, BOB.node) is ErrorCode.MALFORMED


def test_certificates_open_without_any_key() -> None:
    """A certificate proves itself: it opens in an empty ring, and only with both its signatures."""
    made, stranger = ALICE.certificate(), Member(5, CAROL.identity, CAROL.operational)
    reader = sealer(stranger)
    opened: Sealed[OperationalKey] = reader.open_any(made.envelope, frame_sender=None, now=NOW)
    assert opened == made
    half = replace(made.envelope, signatures=made.envelope.signatures[:1])
    assert _refusal(reader, half) is ErrorCode.BAD_SIGNATURE
