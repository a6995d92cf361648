"""Keys and attestations that this node has verified, and who was sent which (SPEC sections 4 and 6).

A node may judge a signature only by an operational key object that it holds,
and a path only by the attestations of its links.  So both travel ahead of
what needs them, once per session and neighbour: `Evidence` is the table of
what is known here, `Prerequisites` is the memory of what each neighbour has
been given since its session stands.

Nothing is fetched on demand: an object whose evidence did not come with it is
refused.  At a bound the table forgets what has expired and else refuses.
"""

from __future__ import annotations

from ioe_router.config import RouterConfig
from ioe_router.core.domains import Domains
from ioe_router.core.freshness import check_issued
from ioe_router.core.neighborhood import Neighborhood
from ioe_router.core.outbox import Outbox
from ioe_router.model.clock import Now
from ioe_router.model.discovery import IDENTITY_SERIAL, LinkAttestation, LinkKind, OperationalKey
from ioe_router.model.envelope import Envelope, ObjectType, Sealed
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.ids import LinkId, NodeId, ObjectId, link_id_of, object_id_of
from ioe_router.model.shares import Shares


def link_of(attestation: LinkAttestation) -> LinkId:
    """The id of the link that an attestation is about."""
    return link_id_of(attestation.keeper, attestation.other, attestation.number)


class Evidence:
    """Operational keys by key bytes, attestations by object id and by link."""

    def __init__(self, config: RouterConfig, own_key: Sealed[OperationalKey]) -> None:
        """Knows the node's own key; everything else is learned."""
        self._config = config
        self._network_id = config.parameters.network_id
        self.own_key = own_key
        self.domains = Domains(config)
        self._keys: dict[bytes, Sealed[OperationalKey]] = {own_key.body.operational_key: own_key}
        self._attestations: dict[ObjectId, Sealed[LinkAttestation]] = {}
        self._latest: dict[LinkId, Sealed[LinkAttestation]] = {}
        neighbors = len(config.neighbors)
        self._shares: Shares[ObjectId, NodeId | None] = Shares(config.limits.attestations, neighbors)
        self._revoked: dict[NodeId, int] = {}  # highest serial that is void
        self.neighborhood = Neighborhood(config.neighbors)
        self._own_links: dict[NodeId, ObjectId] = {}
        self.follow()

    def follow(self) -> None:
        """Take up the neighbours as they are now."""
        self._shares.share_among(len(self.neighborhood))
        self._own_links = {n.node: object_id_of(n.attestation.signed) for n in self.neighborhood}

    def learn_key(self, sealed: Sealed[OperationalKey], now: Now) -> None:
        """Take a verified operational key. PeerError: other network, expired, from the future, table full."""
        body = sealed.body
        known = self._keys.get(body.operational_key)
        self._refuse_revoked(sealed.signers[0], body.serial)
        if known is not None and known.body.serial >= body.serial:
            return
        self._check_validity(body.network_id, body.issued_utc_s, body.expires_utc_s, now)
        if len(self._keys) >= self._config.limits.keys:
            own = self.own_key.body.operational_key
            self._keys = {k: v for k, v in self._keys.items() if k == own or v.body.expires_utc_s > now.utc_s}
        if known is None and len(self._keys) >= self._config.limits.keys:
            self._replace_oldest(sealed)
        self._keys[body.operational_key] = sealed

    def _replace_oldest(self, sealed: Sealed[OperationalKey]) -> None:
        """A key of a node that is known takes the place of that node's oldest. PeerError: it is not known."""
        own = self.own_key.body.operational_key
        held = [k for k, v in self._keys.items() if v.signers == sealed.signers and k != own]
        if not held:
            raise PeerError(ErrorCode.LIMIT_REACHED, "the table of operational keys is full")
        del self._keys[min(held, key=lambda key: self._keys[key].body.serial)]

    def learn_attestation(
        self, sealed: Sealed[LinkAttestation], now: Now, teller: NodeId | None = None
    ) -> None:
        """Take a verified attestation that a neighbour told (None: a link of our own).

        PeerError as for keys, or when it is not signed by both ends.
        """
        if sealed.object_id in self._attestations:
            return
        body = sealed.body
        self._check_validity(body.network_id, body.issued_utc_s, body.expires_utc_s, now)
        if body.kind not in (LinkKind.RADIAL, LinkKind.CONTROLLED):
            raise PeerError(ErrorCode.OUT_OF_BOUNDS, "version 1 knows RADIAL and CONTROLLED links only")
        for end in sealed.signers:
            self._refuse_revoked(end, IDENTITY_SERIAL)
        if body.keeper == body.other or set(sealed.signers) != {body.keeper, body.other}:
            raise PeerError(ErrorCode.WRONG_SIGNER, "an attestation is signed by the two ends of the link")
        if self._is_crowded(teller):
            self._drop_expired_attestations(now)
        if self._is_crowded(teller):
            raise PeerError(ErrorCode.LIMIT_REACHED, "no room for one more link attestation")
        self._attestations[sealed.object_id] = sealed
        self._shares.hold(sealed.object_id, teller)
        known = self._latest.get(link_of(body))
        if known is None or body.serial > known.body.serial:
            self._latest[link_of(body)] = sealed

    def _is_crowded(self, teller: NodeId | None) -> bool:
        """Whether there is no room for an attestation that this neighbour tells (None: of an own link)."""
        return self._shares.is_full() if teller is None else not self._shares.admits(teller)

    def _drop_expired_attestations(self, now: Now) -> None:
        over = [k for k, v in self._attestations.items() if v.body.expires_utc_s <= now.utc_s]
        self._forget(over)

    def _forget(self, attestations: list[ObjectId]) -> None:
        for key in attestations:
            del self._attestations[key]
            self._shares.drop(key)
        self._latest = {k: v for k, v in self._latest.items() if v.object_id in self._attestations}

    def _check_validity(self, network_id: str, issued_utc_s: int, expires_utc_s: int, now: Now) -> None:
        if network_id != self._network_id:
            raise PeerError(ErrorCode.NETWORK_MISMATCH, f"valid in network {network_id!r}, not in this one")
        check_issued(issued_utc_s, now)
        if expires_utc_s <= now.utc_s:
            raise PeerError(ErrorCode.EXPIRED, "its validity has ended")

    def renew(self, sealed: Sealed[OperationalKey]) -> None:
        """Another operational key of this node is in use; the one before stays known."""
        self.own_key = sealed
        self._keys[sealed.body.operational_key] = sealed

    # ------------------------------------------------------------- revocation
    def revoke(self, node: NodeId, up_to_serial: int) -> None:
        """Keys of `node` up to this serial are void, with IDENTITY_SERIAL its attestations, too."""
        self._revoked[node] = max(up_to_serial, self._revoked.get(node, 0))
        if up_to_serial >= IDENTITY_SERIAL:
            self._forget([key for key, one in self._attestations.items() if node in one.signers])

    def is_revoked(self, node: NodeId, serial: int = IDENTITY_SERIAL) -> bool:
        """Whether the key of a node with this serial is void; without one, whether its identity is."""
        return serial <= self._revoked.get(node, 0)

    def is_void(self, operational_key: bytes) -> bool:
        """Whether an operational key that is known here has been revoked."""
        sealed = self._keys.get(operational_key)
        return sealed is not None and self.is_revoked(sealed.signers[0], sealed.body.serial)

    def is_signed_void(self, envelope: Envelope) -> bool:
        """Whether a revoked operational key has signed an object."""
        return any(self.is_void(one.key) for one in envelope.signatures)

    def knows(self, node: NodeId) -> bool:
        """Whether any key or link of a node is known here, or it is a neighbour."""
        return (
            node in self._own_links
            or any(node in one.signers for one in self._keys.values())
            or any(node in one.signers for one in self._attestations.values())
        )

    def _refuse_revoked(self, node: NodeId, serial: int) -> None:
        if self.is_revoked(node, serial):
            what = "identity" if serial == IDENTITY_SERIAL else f"operational key with serial {serial}"
            raise PeerError(ErrorCode.KEY_REVOKED, f"the {what} is revoked")

    # ------------------------------------------------------------- looking up
    def key(self, operational_key: bytes) -> Sealed[OperationalKey] | None:
        """The object that certifies an operational key."""
        return self._keys.get(operational_key)

    def key_expires_utc_s(self, operational_key: bytes) -> int | None:
        """End of validity of a key, 0 when it is revoked, None when it is not known."""
        sealed = self._keys.get(operational_key)
        if sealed is None:
            return None
        return 0 if self.is_void(operational_key) else sealed.body.expires_utc_s

    def signers_expire_utc_s(self, envelope: Envelope) -> int:
        """Until when a signed object may be believed: the earliest end of its signers' keys.

        0 for an object without a known signer, so that it counts as expired.
        """
        return min((self.key_expires_utc_s(s.key) or 0 for s in envelope.signatures), default=0)

    def proven(self, envelope: Envelope) -> bool:
        """Whether others can be shown who signed an object: the certificates of all its signers are here."""
        if envelope.type is ObjectType.LINK_ATTESTATION:
            return True  # identity keys sign it, and they prove themselves
        return all(one.key in self._keys for one in envelope.signatures)

    def attestation(self, object_id: ObjectId) -> Sealed[LinkAttestation] | None:
        """The attestation with this object id."""
        return self._attestations.get(object_id)

    def latest(self, link: LinkId) -> Sealed[LinkAttestation] | None:
        """The attestation of a link with the highest serial."""
        return self._latest.get(link)

    def links(self) -> tuple[Sealed[LinkAttestation], ...]:
        """The newest attestation of every link that is known."""
        return tuple(self._latest.values())

    def sizes(self) -> tuple[int, int]:
        """How many operational keys and attestations are held."""
        return len(self._keys), len(self._attestations)

    def own_link(self, neighbor: NodeId) -> Sealed[LinkAttestation] | None:
        """The configured attestation of the link to a neighbour, once it has been verified."""
        object_id = self._own_links.get(neighbor)
        return None if object_id is None else self._attestations.get(object_id)


class Prerequisites:
    """Sends evidence ahead of what needs it, once per neighbour and session."""

    def __init__(self, evidence: Evidence) -> None:
        """Nobody has been sent anything."""
        self._evidence = evidence
        self._sent: dict[NodeId, set[bytes]] = {}

    @property
    def domains(self) -> Domains:
        """Which nodes belong to what."""
        return self._evidence.domains

    def forget(self, neighbor: NodeId) -> None:
        """The session with a neighbour has ended, or what it was sent may have been refused."""
        self._sent.pop(neighbor, None)

    def send(
        self, neighbor: NodeId, envelope: Envelope, out: Outbox, inside: tuple[Envelope, ...] = ()
    ) -> None:
        """Send `envelope` after the keys of its signers and of the signers of the objects `inside` it."""
        sent = self._sent.setdefault(neighbor, set())
        for signed in (envelope, *inside):
            self._send_keys(neighbor, signed, sent, out)
        out.send(neighbor, envelope)

    def send_attestation(self, neighbor: NodeId, object_id: ObjectId, out: Outbox) -> None:
        """Make sure that a neighbour has an attestation; one that is not known here is left out."""
        sent = self._sent.setdefault(neighbor, set())
        sealed = self._evidence.attestation(object_id)
        if object_id in sent or sealed is None:
            return
        sent.add(object_id)
        out.send(neighbor, sealed.envelope)

    def tell_own_key(self, neighbor: NodeId, out: Outbox) -> None:
        """In a session that stands: the key that signs from now on."""
        self._send_key(neighbor, self._evidence.own_key, self._sent.setdefault(neighbor, set()), out)

    def introduce(self, neighbor: NodeId, out: Outbox) -> None:
        """Open a session: the lists of the own domain, the own key and certificate, before all else."""
        for envelope in self.domains.introduction():
            out.send(neighbor, envelope)
        self._send_key(neighbor, self._evidence.own_key, self._sent.setdefault(neighbor, set()), out)

    def _send_keys(self, neighbor: NodeId, envelope: Envelope, sent: set[bytes], out: Outbox) -> None:
        for signature in envelope.signatures:
            key = self._evidence.key(signature.key)
            if key is not None and signature.key not in sent:
                self._send_key(neighbor, key, sent, out)

    def _send_key(self, neighbor: NodeId, key: Sealed[OperationalKey], sent: set[bytes], out: Outbox) -> None:
        if key.body.operational_key not in sent:
            sent.add(key.body.operational_key)
            out.send(neighbor, key.envelope)
            for node in key.signers:
                self._send_certificates(neighbor, node, sent, out)

    def _send_certificates(self, neighbor: NodeId, node: NodeId, sent: set[bytes], out: Outbox) -> None:
        """To which domains a node belongs: travels behind its key."""
        sent.add(node)
        for certificate in self.domains.certificates(node):
            if certificate.object_id not in sent:
                sent.add(certificate.object_id)
                out.send(neighbor, certificate.envelope)

    def certified(self, node: NodeId, out: Outbox) -> None:
        """A node has a new member certificate: tell it to everybody who was given the node's key."""
        for neighbor, sent in self._sent.items():
            if node in sent:
                self._send_certificates(neighbor, node, sent, out)
