"""Defects of signatures, keys, attestations, revocations and freshness (SPEC section 4)."""

from __future__ import annotations

from typing import Final

from mutants.mutant import Mutant, mutant
from mutants.patching import Edit, Value

SEALER: Final = "codec.sealing:CodecSealer"
RING: Final = "codec.keys:KeyRing"
REDUCED: Final = """class Lenient:
        def verify(self, raw, data):
            order = 2**252 + 27742317777372353535851937790883648493
            s = int.from_bytes(raw[32:], "little") % order
            Ed25519PublicKey.from_public_bytes(key).verify(raw[:32] + s.to_bytes(32, "little"), data)
    return Lenient() if key_is_sound(key) else None"""
NEWEST: Final = """held = self._certificates[node]
    if any(one.body.serial > held[key].body.serial for one in held.values()):
        raise PeerError(ErrorCode.KEY_EXPIRED, "an older key")
    return node"""

MUTANTS: Final[tuple[Mutant, ...]] = (
    mutant(
        "nothing-verified",
        "Signatures of objects are not verified.",
        Edit(f"{SEALER}._verify", "if not self._judge(signature, data):", "if False:"),
        kills="signatures.flipped-bit-of-content signatures.flipped-bit-of-signature signatures.another-network "
        "signatures.another-type signatures.zero-signature signatures.r-of-small-order "
        "signatures.s-plus-group-order",
    ),
    mutant(
        "s-reduced",
        "S of a signature is reduced modulo the group order.",
        Value("codec.signing:GROUP_ORDER", 1 << 256),
        Edit(
            "codec.signing:_loaded",
            "return Ed25519PublicKey.from_public_bytes(key) if key_is_sound(key) else None",
            REDUCED,
        ),
        kills="signatures.s-plus-group-order",
    ),
    mutant(
        "small-order-points",
        "Points of small order are taken for keys and commitments.",
        Edit(
            "codec.signing:_is_sound_point",
            "return y < FIELD_PRIME and y not in SMALL_ORDER_Y",
            "return True",
        ),
        kills="signatures.key-of-small-order",
    ),
    mutant(
        "any-number-of-signatures",
        "The number of signatures is not counted.",
        Edit(
            f"{SEALER}._open_signed",
            "if not row.signatures_min <= len(envelope.signatures) <= row.signatures_max:",
            "if False:",
        ),
        kills="signatures.none signatures.one-too-many",
    ),
    mutant(
        "any-signer",
        "Whoever has signed may speak for everybody.",
        Edit(f"{SEALER}._signers", "if getattr(body, name) != signer:", "if False:"),
        Edit("core.offers:OfferTable._check_origin", "if signers != (body.origin,):", "if False:"),
        Edit("core.paths:PathChecker._check_chain", "if sealed.signers != (entry.node,):", "if False:"),
        kills="signatures.other-nodes-name adverts.withdrawal-by-another",
    ),
    mutant(
        "inner-types-alone",
        "Objects that stand inside others are taken alone.",
        Edit(f"{SEALER}.open_any", "if row.inside:", "if False:"),
        kills="signatures.nested-type-alone",
    ),
    mutant(
        "signed-frame-objects",
        "An object that the frame vouches for may have a signature of its own.",
        Edit(f"{SEALER}.open_any", "if envelope.signatures:", "if False:"),
        kills="signatures.on-frame-only-object",
    ),
    mutant(
        "networks-do-not-matter",
        "It does not matter for which network something was stated.",
        Edit(
            f"{SEALER}._refuse_other_network",
            "if envelope.type in _NETWORKED and body.network_id != self.ring.network_id:",
            "if False:",
        ),
        Edit(f"{RING}._judge_times", "if body.network_id != self.network_id:", "if False:"),
        Edit("core.evidence:Evidence._check_validity", "if network_id != self._network_id:", "if False:"),
        Edit("core.hello:_check_terms", "if body.network_id != network_id:", "if False:"),
        kills="signatures.key-of-another-network signatures.attestation-of-another-network session.other-network",
    ),
    mutant(
        "certificate-order",
        "The two signatures of a certificate may stand in any order.",
        Edit(
            "codec.sealing:_self_certified",
            "if tuple(one.key for one in envelope.signatures) != (body.identity_key, body.operational_key):",
            "if False:",
        ),
        kills="signatures.key-signed-in-wrong-order signatures.key-without-possession",
    ),
    mutant(
        "unsound-certificates",
        "A certificate may name one key twice.",
        Edit("codec.sealing:_self_certified", "refuse_unsound(body)", "pass"),
        kills="signatures.key-twice-the-same",
    ),
    mutant(
        "issued-whenever",
        "Nothing is from the future.",
        Edit("core.freshness:check_issued", "if issued_utc_s > now.utc_s + CLOCK_TOLERANCE_S:", "if False:"),
        Edit(f"{RING}._judge_times", "if body.issued_utc_s > now.utc_s + FUTURE_TOLERANCE_S:", "if False:"),
        kills="signatures.key-from-future signatures.offer-from-future",
    ),
    mutant(
        "no-clock-tolerance",
        "What was issued a second ahead is from the future.",
        Edit(
            "core.freshness:check_issued",
            "if issued_utc_s > now.utc_s + CLOCK_TOLERANCE_S:",
            "if issued_utc_s > now.utc_s:",
        ),
        kills="signatures.offer-within-clock-tolerance",
    ),
    mutant(
        "expired-certificates",
        "A certificate that has ended is not refused as that.",
        Edit(f"{RING}._judge_times", "if body.expires_utc_s <= now.utc_s:", "if False:"),
        kills="signatures.key-expired",
    ),
    mutant(
        "long-certificates",
        "A certificate may be valid for any time.",
        Edit(
            f"{RING}._judge_times", "if body.expires_utc_s - body.issued_utc_s > LIFETIME_MAX_S:", "if False:"
        ),
        kills="signatures.key-too-long",
    ),
    mutant(
        "certificate-limit-excluded",
        "A certificate of just 90 days is refused.",
        Edit(
            f"{RING}._judge_times",
            "if body.expires_utc_s - body.issued_utc_s > LIFETIME_MAX_S:",
            "if body.expires_utc_s - body.issued_utc_s >= LIFETIME_MAX_S:",
        ),
        kills="signatures.key-of-90-days",
    ),
    mutant(
        "lower-serial-lies",
        "A certificate with a lower serial is called an equivocation.",
        Edit(f"{RING}._judge_serial", "if serial < latest.body.serial:", "if False:"),
        kills="signatures.key-serial-lower",
    ),
    mutant(
        "same-serial",
        "Two certificates may have one serial.",
        Edit(f"{RING}._judge_serial", "serial > latest.body.serial", "serial >= latest.body.serial"),
        kills="signatures.key-serial-twice",
    ),
    mutant(
        "shared-keys",
        "Two nodes may have one operational key.",
        Edit(f"{RING}.learn", "if owner is not None and owner[0] != node:", "if False:"),
        kills="signatures.key-of-two-nodes",
    ),
    mutant(
        "any-number-of-keys",
        "A node may have any number of valid keys.",
        Edit(f"{RING}._make_room", "if len(held) >= KEYS_PER_NODE:", "if False:"),
        kills="signatures.fifth-key",
    ),
    mutant(
        "no-repetition-of-keys",
        "A certificate that is held already is judged anew.",
        Edit(f"{RING}.learn", "if known is not None and known.object_id == sealed.object_id:", "if False:"),
        kills="signatures.key-again",
    ),
    mutant(
        "keys-never-end",
        "A key signs on after its end.",
        Edit(f"{RING}.node_of", "if expires_utc_s <= now.utc_s:", "if False:"),
        kills="signatures.key-in-use-expires",
    ),
    mutant(
        "unknown-keys-expired",
        "A key that was never told is called expired.",
        Edit(
            f"{RING}.node_of",
            "raise PeerError(ErrorCode.UNKNOWN_KEY,",
            "raise PeerError(ErrorCode.KEY_EXPIRED,",
        ),
        kills="signatures.unknown-key session.key-behind-hello",
    ),
    mutant(
        "newest-key-alone",
        "Of a node's keys the newest alone counts.",
        Edit(f"{RING}.node_of", "return node", NEWEST),
        kills="signatures.rotation-overlaps",
    ),
    mutant(
        "stated-by-anybody",
        "What an identity states may be signed by any identity.",
        Edit("codec.identity_signing:stating_nodes", "if getattr(body, name) != signer:", "if False:"),
        Edit(
            "core.evidence:Evidence.learn_attestation",
            "if body.keeper == body.other or set(sealed.signers) != {body.keeper, body.other}:",
            "if False:",
        ),
        kills="signatures.attestation-by-one-end signatures.revocation-by-another",
    ),
    mutant(
        "expired-attestations",
        "An attestation never ends.",
        Edit("core.evidence:Evidence._check_validity", "if expires_utc_s <= now.utc_s:", "if False:"),
        kills="signatures.attestation-expired",
    ),
    mutant(
        "expired-offers",
        "An offer is taken after its end.",
        Edit("core.offers:OfferTable.accept", "if until_utc_s <= now.utc_s:", "if False:"),
        kills="signatures.offer-expired",
    ),
    mutant(
        "revocations-stay",
        "A revocation is not passed on.",
        Edit("core.key_changes:revoke", "out.send(neighbor, sealed.envelope)", "pass"),
        kills="signatures.revocation",
    ),
    mutant(
        "revocations-without-end",
        "A revocation is taken however old it is.",
        Edit("core.revocations:Revocations.take", "if is_over(body, now):", "if False:"),
        kills="signatures.revocation-too-old",
    ),
    mutant(
        "identities-not-revoked",
        "A revoked identity goes on attesting links.",
        Edit("core.evidence:Evidence.revoke", "if up_to_serial >= IDENTITY_SERIAL:", "if False:"),
        Edit(
            "core.evidence:Evidence.learn_attestation", "self._refuse_revoked(end, IDENTITY_SERIAL)", "pass"
        ),
        kills="signatures.revocation-of-an-identity",
    ),
    mutant(
        "links-of-contract",
        "A link may be of the kind CONTRACT.",
        Edit("codec.bounds:check", "if not _WITHIN[type(value)](value):", "if False:"),
        Edit(
            "core.evidence:Evidence.learn_attestation",
            "if body.kind not in (LinkKind.RADIAL, LinkKind.CONTROLLED):",
            "if False:",
        ),
        kills="signatures.attestation-of-contract-kind",
    ),
)
