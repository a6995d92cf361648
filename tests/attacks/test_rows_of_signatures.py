"""Attack list, rows about who has signed what: 1, 12 to 17, 19, 20."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from mutants.patching import Edit

from ioe_router.codec import mapping
from ioe_router.codec.keys import certify
from ioe_router.codec.registry import REGISTRY
from ioe_router.codec.sealing import CodecSealer
from ioe_router.codec.signing import GROUP_ORDER as ORDER
from ioe_router.codec.signing import Ed25519Signer, signature_input
from ioe_router.model.discovery import LinkAttestation, OperationalKey
from ioe_router.model.envelope import Envelope, ObjectType, Signature
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.routing import Offer, OfferWithdrawal
from tests.attacks.attack import Swap, Value, attack, holds
from tests.attacks.stage import Stage, last_offer, signed_bytes, street
from tests.simulation.pair import PARAMETERS, decoded

# The signer that an object names is not compared with the one that signed it.
ANYBODY_MAY_SIGN = (
    Edit("codec.sealing:CodecSealer._signers", "if getattr(body, name) != signer:", "if False:"),
    Edit("core.offers:OfferTable._check_origin", "if signers != (body.origin,):", "if False:"),
)


def withdrawal(stage: Stage) -> OfferWithdrawal:
    """What the farm would say to take its offer back."""
    offer = last_offer(stage)
    return OfferWithdrawal(
        origin=offer.origin,
        offer_no=offer.offer_no,
        epoch=offer.epoch,
        seq=offer.seq + 1,
        issued_utc_s=stage.sim.wire.now.utc_s,
    )


@attack(1, without=ANYBODY_MAY_SIGN)
def test_row_01_an_offer_in_somebody_elses_name() -> None:
    """The mill signs an offer as the farm's: WRONG_SIGNER, and nobody hears of it."""
    stage = street()
    offer = last_offer(stage)
    forged = stage.signed("mill", replace(offer, seq=offer.seq + 1, energy_cap_j=1))
    stage.say(forged)
    holds(stage.complaints() == [ErrorCode.WRONG_SIGNER], "the victim refuses the forged offer")
    holds(not stage.passed_on(forged), "the witness hears nothing of it")


@attack(1, without=ANYBODY_MAY_SIGN)
def test_row_01_a_withdrawal_in_somebody_elses_name() -> None:
    """The mill takes the farm's offer back in the farm's name: WRONG_SIGNER, the offer stands."""
    stage = street()
    forged = stage.signed("mill", withdrawal(stage))
    stage.say(forged)
    holds(stage.complaints() == [ErrorCode.WRONG_SIGNER], "the victim refuses the forged withdrawal")
    holds(not stage.passed_on(forged), "the witness keeps the offer")


# ------------------------------------------------------------------ 12 and 13: context


def _prefix_without(part: str) -> Callable[[str, str], bytes]:
    """The context of a signature with one part left out."""

    def prefix(network_id: str, message: str) -> bytes:
        network, name = network_id.encode("ascii"), message.encode("ascii")
        if part == "message":
            name = b""
        else:
            network = b""
        return b"".join((b"IOE1", len(network).to_bytes(2), network, len(name).to_bytes(2), name))

    return prefix


@attack(12, without=[Swap("codec.signing:signature_prefix", _prefix_without("message"))])
def test_row_12_a_signature_made_for_another_type() -> None:
    """Bytes that the farm has signed as one type are shown as another: BAD_SIGNATURE, the offer stands."""
    stage = street()
    signed = mapping.encode(withdrawal(stage))
    reused = signed_bytes(stage.signer("farm"), OfferWithdrawal, signed, message="ioe.v1.Release")
    stage.say(reused)
    holds(stage.complaints() == [ErrorCode.BAD_SIGNATURE], "the victim refuses a signature of another type")
    holds(not stage.passed_on(reused), "the witness keeps the offer")


@attack(13, without=[Swap("codec.signing:signature_prefix", _prefix_without("network"))])
def test_row_13_a_signature_made_in_a_test_network() -> None:
    """What the farm has signed with the same key in another network: BAD_SIGNATURE, the offer stands."""
    stage = street()
    signed = mapping.encode(withdrawal(stage))
    reused = signed_bytes(stage.signer("farm"), OfferWithdrawal, signed, network="test.elsewhere")
    stage.say(reused)
    holds(stage.complaints() == [ErrorCode.BAD_SIGNATURE], "the victim refuses what was signed elsewhere")
    holds(not stage.passed_on(reused), "the witness keeps the offer")


# ------------------------------------------------------------------ 14 and 15: bytes


def _verify_what_it_says(sealer: CodecSealer, envelope: Envelope) -> None:
    """Signatures are judged over the message written anew, as a reader does who keeps no bytes."""
    row = REGISTRY[envelope.type]
    signed = mapping.encode(mapping.decode(row.body, envelope.signed))
    data = signature_input(PARAMETERS.network_id, row.message, signed)
    for signature in envelope.signatures:
        if not sealer._judge(signature, data):
            raise PeerError(ErrorCode.BAD_SIGNATURE, "not even written anew")


@attack(14, without=[Swap("codec.sealing:CodecSealer._verify", _verify_what_it_says)])
def test_row_14_the_same_offer_in_other_bytes() -> None:
    """The mill writes the farm's offer anew: BAD_SIGNATURE, and the honest farm is not taken for a liar."""
    stage = street()
    (told,) = stage.envelopes("mill", "street", Offer)[-1:]
    other = replace(told, signed=told.signed + b"\x60\x00")  # is_default, written out
    stage.say(other)
    holds(stage.complaints() == [ErrorCode.BAD_SIGNATURE], "other bytes are another object, not the farm's")
    holds(
        not stage.sim.router("street").snapshot().proofs,
        "nobody can make an honest origin look as if it had contradicted itself",
    )


@attack(
    15, without=[Edit("codec.wire:_read", "if name in values and name not in shape.repeated:", "if False:")]
)
def test_row_15_a_field_that_stands_twice() -> None:
    """One price for the first reader, another for the second: MALFORMED, and nobody hears of it."""
    stage = street()
    stage.sim.offer("mill", 80_000)
    stage.sim.wait(5)
    offer = last_offer(stage, "mill")
    signed = mapping.encode(replace(offer, seq=offer.seq + 1)) + b"\x58\x07"  # carbon_mg_per_kwh once more
    smuggled = signed_bytes(stage.signer("mill"), Offer, b"\x58\x09" + signed)
    stage.say(smuggled)
    holds(stage.complaints() == [ErrorCode.MALFORMED], "the victim refuses what two readers may read as two")
    holds(not stage.passed_on(smuggled), "the witness hears nothing of it")


SKIP_UNKNOWN = """step = steps.get(tag)
        if tag == 2048:
            pos += 1
            continue
"""


@attack(15, without=[Edit("codec.wire:_read", "step = steps.get(tag)\n", SKIP_UNKNOWN)])
def test_row_15_a_field_that_nobody_knows() -> None:
    """A field of a number without meaning: MALFORMED."""
    stage = street()
    offer = last_offer(stage)
    smuggled = signed_bytes(
        stage.signer("farm"), Offer, mapping.encode(replace(offer, seq=offer.seq + 1)) + b"\x80\x10\x00"
    )
    stage.say(smuggled)
    holds(stage.complaints() == [ErrorCode.MALFORMED], "the victim refuses a field that it does not know")


# ------------------------------------------------------------------ 16 and 17: Ed25519


class _TolerantKey:
    """A key of an older library: S is taken modulo the group order."""

    def __init__(self, key: bytes) -> None:
        self._key = Ed25519PublicKey.from_public_bytes(key)

    def verify(self, raw: bytes, data: bytes) -> None:
        scalar = int.from_bytes(raw[32:], "little") % ORDER
        self._key.verify(raw[:32] + scalar.to_bytes(32, "little"), data)


def _anything(*_: object) -> bool:
    return True


@attack(
    16,
    without=[Swap("codec.signing:_loaded", _TolerantKey), Value("codec.signing:GROUP_ORDER", 1 << 256)],
)
def test_row_16_the_same_signature_in_another_form() -> None:
    """The group order is added to S: BAD_SIGNATURE, so an object has one valid form only."""
    stage = street()
    told = stage.envelopes("mill", "street", Offer)[-1]
    (signature,) = told.signatures
    scalar = int.from_bytes(signature.signature[32:], "little") + ORDER
    bent = signature.signature[:32] + scalar.to_bytes(32, "little")
    stage.say(replace(told, signatures=(replace(signature, signature=bent),)))
    holds(stage.complaints() == [ErrorCode.BAD_SIGNATURE], "the victim refuses a bent signature")


@attack(
    17,
    without=[
        Swap("codec.signing:key_is_sound", _anything),
        Swap("codec.signing:_is_sound_point", _anything),
        Swap("codec.signing:_loaded", Ed25519PublicKey.from_public_bytes),  # it remembers what it has refused
    ],
)
def test_row_17_a_key_for_which_every_signature_is_good() -> None:
    """The mill certifies a key of small order, with which anybody could sign for it: BAD_SIGNATURE."""
    stage = street()
    mill, neutral = stage.sim.ids["mill"], b"\x01" + bytes(31)
    body = replace(mill.own_key.body, operational_key=neutral, serial=2)
    signed = mapping.encode(body)
    certified = signed_bytes(mill.identity, OperationalKey, signed).signatures
    weak = Signature(key=neutral, signature=neutral + bytes(32))
    stage.say(Envelope(type=ObjectType.OPERATIONAL_KEY, signed=signed, signatures=(*certified, weak)))
    holds(stage.complaints() == [ErrorCode.BAD_SIGNATURE], "the victim refuses a key of small order")


# ------------------------------------------------------------------ 19 and 20: certificates


def certified(stage: Stage, name: str, serial: int, lifetime_s: int) -> tuple[Ed25519Signer, Envelope]:
    """Another operational key of a node, and its certificate."""
    one, now_s = stage.sim.ids[name], stage.sim.wire.now.utc_s
    operational = Ed25519Signer.from_seed(sha256(f"{name} {serial}".encode()).digest())
    body = replace(
        one.own_key.body,
        operational_key=operational.public_key,
        serial=serial,
        issued_utc_s=now_s,
        expires_utc_s=now_s + lifetime_s,
    )
    return operational, certify(body, identity=one.identity, operational=operational).envelope


@attack(19, without=[Edit("codec.keys:KeyRing.node_of", "if expires_utc_s <= now.utc_s:", "if False:")])
def test_row_19_a_stolen_key_that_has_expired() -> None:
    """A thief signs as the farm with its key of yesterday: KEY_EXPIRED, and nobody hears of it."""
    stage = street()
    stolen, certificate = certified(stage, "farm", 2, lifetime_s=600)
    stage.say(certificate)
    stage.sim.wait(601)
    forged = signed_bytes(stolen, OfferWithdrawal, mapping.encode(withdrawal(stage)))
    stage.say(forged)
    holds(stage.complaints() == [ErrorCode.KEY_EXPIRED], "the victim believes no expired key")
    holds(not stage.passed_on(forged), "the witness keeps the offer")


@attack(19, without=[Swap("codec.keys:KeyRing._judge_serial", lambda *_: None)])
def test_row_19_an_older_key_told_after_a_newer_one() -> None:
    """After the farm's third key its second one is told for the first time: STALE."""
    stage = street()
    _, third = certified(stage, "farm", 3, lifetime_s=3_600)
    _, second = certified(stage, "farm", 2, lifetime_s=7_200)
    stage.say(third)
    stage.say(second)
    holds(stage.complaints() == [ErrorCode.STALE], "no key comes into use behind a newer one")


@attack(
    20,
    without=[
        Edit(
            "codec.sealing:CodecSealer._open_signed",
            "if not row.signatures_min <= len(envelope.signatures) <= row.signatures_max:",
            "if False:",
        ),
        Edit(
            "core.evidence:Evidence.learn_attestation",
            "or set(sealed.signers) != {body.keeper, body.other}:",
            "or False:",
        ),
    ],
)
def test_row_20_a_link_that_one_end_alone_attests() -> None:
    """Of the two signatures of a link attestation one is stripped: BAD_SIGNATURE."""
    stage = street()
    mill = stage.sim.ids["mill"]
    held = stage.envelopes("mill", "street", LinkAttestation)[0]
    body = replace(decoded(held, LinkAttestation), serial=2, rating_down_va=10**9)
    stage.say(signed_bytes(mill.identity, LinkAttestation, mapping.encode(body)))
    holds(stage.complaints() == [ErrorCode.BAD_SIGNATURE], "one end alone cannot rate a link")
