"""Operational keys: how they are certified and which node they speak for (SPEC section 4).

An OPERATIONAL_KEY carries two signatures: of the identity key, which certifies, and of the
certified key, which proves possession.  Without the second a node could
certify somebody else's operational key as its own and be taken for the signer
of objects that name none.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from ioe_router.codec import bounds, mapping
from ioe_router.codec.registry import REGISTRY
from ioe_router.codec.signing import Signer, key_is_sound, signature_input, verify
from ioe_router.model.clock import Now
from ioe_router.model.discovery import OperationalKey
from ioe_router.model.envelope import Envelope, ObjectType, Sealed, Signature
from ioe_router.model.errors import ErrorCode, PeerError, UsageError
from ioe_router.model.ids import NodeId, node_id_of, object_id_of
from ioe_router.model.proof import Equivocated, Proof
from ioe_router.model.shares import Shares

FUTURE_TOLERANCE_S: Final = 60
LIFETIME_MAX_S: Final = 90 * 86_400
KEYS_PER_NODE: Final = 4  # one in use, one for the overlap of a rotation, and two to spare


def certify(body: OperationalKey, *, identity: Signer, operational: Signer) -> Sealed[OperationalKey]:
    """The OPERATIONAL_KEY object that both keys sign. Raises UsageError when the keys are not those named."""
    if (body.identity_key, body.operational_key) != (identity.public_key, operational.public_key):
        raise UsageError("the certificate names other keys than those that sign it; pass the named keys")
    try:
        bounds.check(body)
    except PeerError as error:
        raise UsageError(f"cannot certify: {error.detail}") from None
    signed = mapping.encode(body)
    data = signature_input(body.network_id, REGISTRY[ObjectType.OPERATIONAL_KEY].message, signed)
    signatures = tuple(
        Signature(key=one.public_key, signature=one.sign(data)) for one in (identity, operational)
    )
    return Sealed(
        object_id=object_id_of(signed),
        body=body,
        signers=(node_id_of(body.identity_key),),
        envelope=Envelope(type=ObjectType.OPERATIONAL_KEY, signed=signed, signatures=signatures),
    )


def certify_half(body: OperationalKey, identity: Signer) -> Envelope:
    """The object signed by the identity key alone; `prove_possession` completes it. UsageError."""
    if body.identity_key != identity.public_key:
        raise UsageError(
            "the certificate names another identity key than that which signs it; pass the named key"
        )
    try:
        bounds.check(body)
        refuse_unsound(body)
    except PeerError as error:
        raise UsageError(f"cannot certify: {error.detail}") from None
    signed = mapping.encode(body)
    signature = identity.sign(_input(body, signed))
    return Envelope(
        type=ObjectType.OPERATIONAL_KEY,
        signed=signed,
        signatures=(Signature(key=identity.public_key, signature=signature),),
    )


def prove_possession(half: Envelope, operational: Signer) -> Sealed[OperationalKey]:
    """Add the certified key's signature. PeerError when the object does not hold or is of another key."""
    body = mapping.decode(OperationalKey, half.signed)
    bounds.check(body)
    refuse_unsound(body)
    data = _input(body, half.signed)
    if [one.key for one in half.signatures] != [body.identity_key] or not verify(half.signatures[0], data):
        raise PeerError(ErrorCode.BAD_SIGNATURE, "OperationalKey is not signed by its identity key alone")
    if body.operational_key != operational.public_key:
        raise PeerError(ErrorCode.WRONG_SIGNER, "OperationalKey certifies another key")
    own = Signature(key=operational.public_key, signature=operational.sign(data))
    return Sealed(
        object_id=object_id_of(half.signed),
        body=body,
        signers=(node_id_of(body.identity_key),),
        envelope=replace(half, signatures=(*half.signatures, own)),
    )


def _input(body: OperationalKey, signed: bytes) -> bytes:
    return signature_input(body.network_id, REGISTRY[ObjectType.OPERATIONAL_KEY].message, signed)


class KeyRing:
    """Which node each known operational key speaks for, and until when."""

    def __init__(self, *, network_id: str, limit: int, parties: int = 1) -> None:
        """`limit` keys at most (Limits.keys), told by so many neighbours.

        A full ring refuses nodes that it does not know, after it has dropped what has expired.
        """
        self.network_id: Final = network_id
        self._limit = limit
        self._shares: Shares[bytes, NodeId | None] = Shares(limit, parties)
        self._keys: dict[bytes, tuple[NodeId, int]] = {}  # operational key -> node, expires_utc_s
        self._certificates: dict[NodeId, dict[bytes, Sealed[OperationalKey]]] = {}
        self._revoked: dict[NodeId, int] = {}  # highest serial that is void

    def share_among(self, neighbors: int) -> None:
        """So many neighbours tell keys from now on."""
        self._shares.share_among(neighbors)

    def __len__(self) -> int:
        """Number of operational keys held."""
        return len(self._keys)

    def learn(self, sealed: Sealed[OperationalKey], now: Now, teller: NodeId | None = None) -> NodeId:
        """Take in a verified certificate that a neighbour told (None: our own); returns its node.

        The same one again changes nothing.

        Raises PeerError: NETWORK_MISMATCH, FROM_FUTURE, KEY_EXPIRED, OUT_OF_BOUNDS (lifetime), STALE
        (serial), EQUIVOCATION (same serial, other content), CONFLICT (key of another node), LIMIT_REACHED,
        KEY_REVOKED.
        """
        body, node = sealed.body, node_id_of(sealed.body.identity_key)
        self._refuse_revoked(node, body.serial)
        held = self._certificates.get(node, {})
        known = held.get(body.operational_key)
        if known is not None and known.object_id == sealed.object_id:
            return node
        self._judge_times(body, now)
        self._judge_serial(sealed, held)
        owner = self._keys.get(body.operational_key)
        if owner is not None and owner[0] != node:
            raise PeerError(ErrorCode.CONFLICT, "the operational key is certified for another node")
        if owner is None:
            self._make_room(body.operational_key, node, now, teller)
        self._keys[body.operational_key] = (node, body.expires_utc_s)
        self._certificates.setdefault(node, {})[body.operational_key] = sealed
        return node

    def node_of(self, key: bytes, now: Now) -> NodeId:
        """The node that an operational key speaks for. PeerError UNKNOWN_KEY, KEY_EXPIRED or KEY_REVOKED."""
        found = self._keys.get(key)
        if found is None:
            raise PeerError(ErrorCode.UNKNOWN_KEY, f"no certificate for the key {key.hex()[:16]}")
        node, expires_utc_s = found
        if node in self._revoked:
            self._refuse_revoked(node, self._certificates[node][key].body.serial)
        if expires_utc_s <= now.utc_s:
            raise PeerError(ErrorCode.KEY_EXPIRED, f"the key {key.hex()[:16]} expired at {expires_utc_s}")
        return node

    def revoke(self, node: NodeId, up_to_serial: int) -> None:
        """From now on no key of `node` with this serial or a lower one counts."""
        self._revoked[node] = max(up_to_serial, self._revoked.get(node, 0))

    def _refuse_revoked(self, node: NodeId, serial: int) -> None:
        if serial <= self._revoked.get(node, 0):
            raise PeerError(ErrorCode.KEY_REVOKED, f"the operational key with serial {serial} is revoked")

    def certificate(self, key: bytes) -> Sealed[OperationalKey] | None:
        """The certificate of an operational key, to be told to neighbours; None when not known."""
        found = self._keys.get(key)
        return self._certificates[found[0]][key] if found is not None else None

    def _judge_times(self, body: OperationalKey, now: Now) -> None:
        if body.network_id != self.network_id:
            raise PeerError(ErrorCode.NETWORK_MISMATCH, f"a key of the network {body.network_id}")
        if body.issued_utc_s > now.utc_s + FUTURE_TOLERANCE_S:
            raise PeerError(ErrorCode.FROM_FUTURE, f"a key issued at {body.issued_utc_s}")
        if body.expires_utc_s <= now.utc_s:
            raise PeerError(ErrorCode.KEY_EXPIRED, f"a key that expired at {body.expires_utc_s}")
        if body.expires_utc_s - body.issued_utc_s > LIFETIME_MAX_S:
            raise PeerError(ErrorCode.OUT_OF_BOUNDS, f"a key valid for more than {LIFETIME_MAX_S} s")

    def _judge_serial(
        self, sealed: Sealed[OperationalKey], held: dict[bytes, Sealed[OperationalKey]]
    ) -> None:
        latest = max(held.values(), key=lambda one: one.body.serial, default=None)
        serial = sealed.body.serial
        if latest is None or serial > latest.body.serial:
            return
        if serial < latest.body.serial:
            raise PeerError(ErrorCode.STALE, f"a key with serial {serial}, after {latest.body.serial}")
        (node,) = sealed.signers
        proof = Proof(node=node, epoch=0, first=latest.envelope, second=sealed.envelope)
        raise Equivocated(f"two certificates with serial {serial}", proof)

    def _make_room(self, key: bytes, node: NodeId, now: Now, teller: NodeId | None) -> None:
        """Count a new key, or refuse it; what has expired goes first.

        Where there is no room, a key of a node that is known takes the place of that node's oldest
        and counts for whom that one counted.
        """
        if self._is_crowded(teller) or len(self._certificates.get(node, {})) >= KEYS_PER_NODE:
            self._drop_expired(now)
        held = self._certificates.get(node, {})
        if len(held) >= KEYS_PER_NODE:
            raise PeerError(ErrorCode.LIMIT_REACHED, f"{KEYS_PER_NODE} keys of this node are valid")
        if not self._is_crowded(teller):
            self._shares.hold(key, teller)
            return
        if not held:
            raise PeerError(ErrorCode.LIMIT_REACHED, f"no room for one more of {self._limit} keys")
        oldest = min(held, key=lambda one: held[one].body.serial)
        self._shares.replace(oldest, key)
        self._drop(oldest)

    def _is_crowded(self, teller: NodeId | None) -> bool:
        return self._shares.is_full() if teller is None else not self._shares.admits(teller)

    def _drop_expired(self, now: Now) -> None:
        """A node's latest stays, for its serial, until every key that it follows has expired, too."""
        for key, (node, expires_utc_s) in tuple(self._keys.items()):
            held = self._certificates[node]
            latest = max(one.body.serial for one in held.values()) == held[key].body.serial
            if expires_utc_s + (LIFETIME_MAX_S if latest else 0) <= now.utc_s:
                self._drop(key)

    def _drop(self, key: bytes) -> None:
        node, _ = self._keys.pop(key)
        del self._certificates[node][key]
        if not self._certificates[node]:
            del self._certificates[node]
        self._shares.drop(key)


def refuse_unsound(body: OperationalKey) -> None:
    """Raise PeerError BAD_SIGNATURE when a named key could never sign soundly, or both keys are one."""
    if not (key_is_sound(body.identity_key) and key_is_sound(body.operational_key)):
        raise PeerError(ErrorCode.BAD_SIGNATURE, "OperationalKey names an unsound public key")
    if body.identity_key == body.operational_key:
        raise PeerError(ErrorCode.BAD_SIGNATURE, "OperationalKey certifies the identity key itself")
