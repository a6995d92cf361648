"""Identities (SPEC section 4): what a node, a link, an object and a reservation are called.

A node is named by the hash of its identity key, never by an address or a
human name.  A link is named by its two ends and a number, so that its name
survives a new attestation.  An object is named by the hash of its signed
bytes, so that a re-signed copy is the same object.
"""

from __future__ import annotations

import hashlib
from typing import NewType

NodeId = NewType("NodeId", bytes)  # 32 bytes, SHA-256 of the identity public key
LinkId = NewType("LinkId", bytes)  # 16 bytes
ObjectId = NewType("ObjectId", bytes)  # 32 bytes, SHA-256 of the signed bytes
DomainId = NewType("DomainId", bytes)  # 32 bytes, hash of the network, quorum and roots a domain began with
PathHash = NewType("PathHash", bytes)  # 32 bytes, running hash of a path's signed entries
ReservationId = NewType("ReservationId", bytes)  # 16 bytes, drawn by the initiator

NODE_ID_BYTES = 32
LINK_ID_BYTES = 16
RESERVATION_ID_BYTES = 16


def node_id_of(identity_key: bytes) -> NodeId:
    """The id of the node whose Ed25519 identity public key (32 bytes) this is."""
    return NodeId(hashlib.sha256(identity_key).digest())


def link_id_of(one: NodeId, other: NodeId, number: int) -> LinkId:
    """The id of link `number` (0..255) between two nodes; the order of the ends does not matter."""
    low, high = sorted((one, other))
    return LinkId(hashlib.sha256(b"IOE1 link" + low + high + bytes([number])).digest()[:LINK_ID_BYTES])


def object_id_of(signed: bytes) -> ObjectId:
    """The id of the object with these signed bytes."""
    return ObjectId(hashlib.sha256(signed).digest())
