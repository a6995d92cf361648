"""Three nodes with keys, and what a sealer test needs around them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ioe_router.codec.keys import KeyRing, certify
from ioe_router.codec.sealing import CodecSealer
from ioe_router.codec.signing import Ed25519Signer, Verify, verify
from ioe_router.model.clock import Now
from ioe_router.model.discovery import OperationalKey
from ioe_router.model.envelope import Sealed
from ioe_router.model.ids import NodeId, node_id_of

NETWORK = "test"
START_S = 1_795_334_400
DAY_S = 86_400


def at(utc_s: int) -> Now:
    """An instant."""
    return Now(0, utc_s * 1000)


NOW = at(START_S)


@dataclass(frozen=True)
class Member:
    """A node with its keys."""

    number: int
    identity: Ed25519Signer
    operational: Ed25519Signer

    @property
    def node(self) -> NodeId:
        """The node id."""
        return node_id_of(self.identity.public_key)

    def rotated(self, turn: int) -> Member:
        """The same node with another operational key."""
        return replace(self, operational=Ed25519Signer.from_seed(bytes([self.number, turn]) * 16))

    def certificate(self, **changes: int | str) -> Sealed[OperationalKey]:
        """Its certificate, valid for a day."""
        fields: dict[str, object] = {
            "network_id": NETWORK,
            "identity_key": self.identity.public_key,
            "operational_key": self.operational.public_key,
            "serial": 1,
            "issued_utc_s": START_S,
            "expires_utc_s": START_S + DAY_S,
        }
        body = OperationalKey(**{**fields, **changes})  # type: ignore[arg-type]
        return certify(body, identity=self.identity, operational=self.operational)


def member(number: int) -> Member:
    """A node whose keys follow from a number."""
    seeds = (bytes([number]) * 32, bytes([number + 100]) * 32)
    identity, operational = map(Ed25519Signer.from_seed, seeds)
    return Member(number, identity, operational)


ALICE, BOB, CAROL = member(1), member(2), member(3)


def ring(*members: Member, limit: int = 16) -> KeyRing:
    """A key ring that has learnt these members' certificates."""
    made = KeyRing(network_id=NETWORK, limit=limit)
    for one in members:
        made.learn(one.certificate(), NOW)
    return made


def sealer(one: Member, *known: Member, judge: Verify = verify) -> CodecSealer:
    """The sealer of a node that knows itself and others."""
    return CodecSealer(ring=ring(one, *known), signer=one.operational, node=one.node, now=NOW, judge=judge)
