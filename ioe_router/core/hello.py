"""What a HELLO states and when it is acceptable (SPEC section 6).

Everything that both ends must agree on before they exchange energy is in the
HELLO: network, parameters, versions, features, the attestation of the link,
the roles, and clocks that are at most a minute apart.  The epochs guard
against a node that was restored from an old copy of its journal: its
neighbours have seen more of it than it knows itself.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Final

from ioe_router.config import NeighborConfig, RouterConfig
from ioe_router.model.clock import Now
from ioe_router.model.discovery import Hello, Role
from ioe_router.model.envelope import Sealed
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.ids import ObjectId, object_id_of

VERSION: Final = 1
RESUME: Final = 1 << 1  # compare before repeating, announced restarts (SPEC section 6.10)
FEATURES: Final = RESUME  # what this implementation understands
REQUIRED_FEATURES: Final = 0x5555_5555_5555_5555  # even bits
CLOCK_ERROR_MAX_MS: Final = 60_000
NONCE_BYTES: Final = 32
_SESSIONS: Final = 1_024
CLOSE_TEXT_BYTES: Final = 128

_COUNTERPART: Final = {
    Role.SIBLING: Role.SIBLING,
    Role.PEER: Role.PEER,
    Role.CUSTOMER: Role.PROVIDER,
    Role.PROVIDER: Role.CUSTOMER,
}


@lru_cache(maxsize=_SESSIONS)
def session_id_of(dialer_hello: ObjectId, listener_hello: ObjectId) -> bytes:
    """The 32-byte id of the session that two HELLOs make."""
    return hashlib.sha256(b"IOE1 session" + dialer_hello + listener_hello).digest()


def own_hello(
    config: RouterConfig,
    neighbor: NeighborConfig,
    *,
    epoch: int,
    last_seen_epoch: int,
    nonce: bytes,
    domain: bytes,
    now: Now,
) -> Hello:
    """The HELLO of this node to a neighbour."""
    return Hello(
        network_id=config.parameters.network_id,
        node=config.node,
        neighbor=neighbor.node,
        version_min=VERSION,
        version_max=VERSION,
        nonce=nonce,
        features=RESUME if config.resume_sessions else 0,
        role=_COUNTERPART[neighbor.role],
        epoch=epoch,
        last_seen_epoch=last_seen_epoch,
        attestation=object_id_of(neighbor.attestation.signed),
        parameters=config.parameters.digest(),
        clock_utc_ms=now.utc_ms,
        domain=domain,
    )


def check_hello(config: RouterConfig, neighbor: NeighborConfig, sealed: Sealed[Hello], now: Now) -> None:
    """Whom a HELLO is from and for, its terms and its clock. PeerError names the first that is wrong."""
    body = sealed.body
    if sealed.signers != (neighbor.node,) or body.node != neighbor.node:
        raise PeerError(ErrorCode.IDENTITY_MISMATCH, "HELLO is not from the node that the transport proved")
    if body.neighbor != config.node:
        raise PeerError(ErrorCode.IDENTITY_MISMATCH, "HELLO is meant for another node")
    _check_terms(body, config.parameters.network_id, config.parameters.digest(), neighbor)
    skew_ms = abs(body.clock_utc_ms - now.utc_ms)
    if skew_ms > CLOCK_ERROR_MAX_MS:
        raise PeerError(ErrorCode.CLOCK_UNSYNCED, f"clocks differ by {skew_ms} ms; synchronise them")


def check_transport_key(sealed: Sealed[Hello], transport_key: bytes | None) -> None:
    """A HELLO is signed with the key of the connection, where that is known. PeerError IDENTITY_MISMATCH."""
    if transport_key is not None and sealed.envelope.signatures[0].key != transport_key:
        raise PeerError(
            ErrorCode.IDENTITY_MISMATCH,
            "HELLO is signed with another operational key than that of the connection's certificate",
        )


def check_epochs(body: Hello, *, seen_epoch: int, own_epoch: int) -> None:
    """Neither side may be behind what the other has seen of it. PeerError STALE."""
    if body.epoch < seen_epoch:
        raise PeerError(
            ErrorCode.STALE,
            f"epoch {body.epoch} is below {seen_epoch}, seen before; start it again with the clock set right",
        )
    if body.last_seen_epoch > own_epoch:
        raise PeerError(
            ErrorCode.STALE,
            f"the neighbour has seen epoch {body.last_seen_epoch} of this node, now at {own_epoch}; "
            "the store is an old copy: set the clock, put the newest store back and start again",
        )


def _check_terms(body: Hello, network_id: str, parameters: bytes, neighbor: NeighborConfig) -> None:
    """Everything in a HELLO that must equal this side's own configuration."""
    if body.network_id != network_id:
        raise PeerError(ErrorCode.NETWORK_MISMATCH, f"the neighbour is in network {body.network_id!r}")
    if not body.version_min <= VERSION <= body.version_max:
        raise PeerError(
            ErrorCode.VERSION_MISMATCH,
            f"the neighbour speaks versions {body.version_min} to {body.version_max}, this node {VERSION}",
        )
    missing = body.features & REQUIRED_FEATURES & ~FEATURES
    if missing:
        raise PeerError(ErrorCode.FEATURE_REQUIRED, f"the neighbour requires feature bits {missing:#x}")
    if body.parameters != parameters:
        raise PeerError(ErrorCode.PARAMETER_MISMATCH, "the neighbour runs with other network parameters")
    if body.attestation != object_id_of(neighbor.attestation.signed):
        raise PeerError(
            ErrorCode.UNKNOWN_LINK, "the neighbour holds another attestation of the link; exchange it"
        )
    if body.role is not neighbor.role:
        raise PeerError(
            ErrorCode.POLICY, f"the neighbour calls itself {body.role.name}, here it is {neighbor.role.name}"
        )
    if len(body.nonce) != NONCE_BYTES:
        raise PeerError(
            ErrorCode.OUT_OF_BOUNDS, f"the nonce has {len(body.nonce)} bytes instead of {NONCE_BYTES}"
        )


def close_text(text: str) -> str:
    """`text` cut to what a Close may carry."""
    return text.encode()[:CLOSE_TEXT_BYTES].decode(errors="ignore")
