"""Identity, links and the neighbour session as values (SPEC sections 4 and 6).

The fields, units and bounds are those of `proto/ioe/v1/discovery.proto`; the codec
maps the two by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import NodeId, ObjectId

IDENTITY_SERIAL = 2**63 - 1  # `up_to_serial` of a revocation of the identity itself


class Role(IntEnum):
    """What a node is to the domain of its neighbour."""

    UNSPECIFIED = 0  # Never sent
    SIBLING = 1  # Same domain
    CUSTOMER = 2  # The neighbour sells transit to this node
    PROVIDER = 3  # This node sells transit to the neighbour
    PEER = 4  # Both exchange only their own and their customers' offers


class LinkKind(IntEnum):
    """What may be assumed about the flow on a link."""

    UNSPECIFIED = 0  # Never sent
    RADIAL = 1  # Part of a tree feeder; the flow follows from the injections below it
    CONTROLLED = 2  # Converter, DC or switch port whose flow is set
    CONTRACT = 3  # Reserved for meshed areas described by PTDF; refused in version 1


class RefreshPhase(IntEnum):
    """A marker of a refresh."""

    UNSPECIFIED = 0  # Never sent
    BEGIN = 1  # Everything not repeated until END is stale
    END = 2  # All has been sent; the receiver sweeps what is stale


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationalKey:
    """Certifies an operational key. Signed by the identity key itself."""

    network_id: str  # Network the key is valid in, 1 to 64 bytes of printable ASCII
    identity_key: bytes  # Ed25519 identity public key, 32 bytes; its SHA-256 is the node id
    operational_key: bytes  # Ed25519 operational public key, 32 bytes
    serial: int  # Number of this certificate, rising per node
    issued_utc_s: int  # Start of validity, UTC seconds
    expires_utc_s: int  # End of validity, UTC seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class LossModel:
    """Integer description of a link's losses and voltage drop (SPEC section 8)."""

    vn_mv: int  # Nominal line-to-line voltage that r, x refer to, millivolt
    planning_mv: int  # Voltage that fixes L_int for a slot, line to line, millivolt
    r_micro_ohm: int  # Series resistance, micro-ohm
    x_micro_ohm: int  # Series reactance, micro-ohm
    iron_milli_w: int  # No-load loss at nominal voltage, milliwatt
    magnetising_var: int  # Shunt reactive draw at nominal voltage at the keeper's end, var
    charging_var: int  # Capacitive charging at nominal voltage, half at each end, var
    tap_ratio_ppm: int  # Voltage of the other end over the keeper's end at no load, parts per million
    b_ppm: int  # Linear loss, parts per million of the flow
    c_pico_per_w: int  # Quadratic converter loss, 1e-12 per watt


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkAttestation:
    """What both ends of a link state about it. Signed by both, with their identity keys."""

    network_id: str  # Network, as in OperationalKey
    keeper: NodeId  # The end that orders admissions, node id
    other: NodeId  # The other end, node id
    number: int  # Number of the link between the two, 0 to 255; version 1 uses one link a pair
    kind: LinkKind  # Kind of the link
    serial: int  # Number of this attestation, rising per link
    rating_down_va: int  # Rating of flows from the keeper to the other end, volt-ampere
    rating_up_va: int  # Rating of flows from the other end to the keeper, volt-ampere
    loss: LossModel  # Losses and voltage drop
    fee_down_micro_per_kwh: (
        int  # Largest fee for energy from the keeper to the other end, micro-units per kWh
    )
    fee_up_micro_per_kwh: int  # Largest fee for energy from the other end to the keeper, micro-units per kWh
    access: bool  # True when the other end is a single customer: no link state is published
    issued_utc_s: int  # Start of validity, UTC seconds
    expires_utc_s: int  # End of validity, UTC seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """First object of a session, in both directions."""

    network_id: str  # Network, as in OperationalKey
    node: NodeId  # Sender, node id
    neighbor: NodeId  # Intended receiver, node id
    version_min: int  # Lowest protocol version that the sender speaks
    version_max: int  # Highest protocol version that the sender speaks
    nonce: bytes  # 32 fresh random bytes
    features: int  # Feature bits: even bits are required of the receiver, odd bits are optional
    role: Role  # What the sender is to the receiver's domain
    epoch: int  # Epoch of the sender, rising at each start
    last_seen_epoch: int  # Highest epoch of the receiver that the sender has seen, 0 if none
    attestation: ObjectId  # Object id of the link attestation in force at the sender, 32 bytes
    parameters: bytes  # SHA-256 of the network parameters, 32 bytes (SPEC section 2)
    clock_utc_ms: int  # Sender's clock, UTC milliseconds
    domain: bytes = b""  # Domain of the sender, 32 bytes; empty when it has none


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionProof:
    """Ends the handshake: both HELLOs, as each side saw them."""

    dialer_hello: ObjectId  # Object id of the HELLO of the side that dialled, 32 bytes
    listener_hello: ObjectId  # Object id of the HELLO of the side that was dialled, 32 bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Keepalive:
    """Says that the sender is alive and what it has handled."""

    received_seq: int  # Number of the last frame received
    clock_utc_ms: int  # Sender's clock, UTC milliseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """Ends a session with a reason."""

    code: ErrorCode  # Registered error code
    text: str  # For people, printable, at most 128 bytes
    restart_s: int = 0  # Seconds for which the receiver is asked to keep what it was told, 0 for not at all


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresh:
    """Marks the start or the end of a full repetition of what the sender advertises."""

    phase: RefreshPhase  # Which marker this is
    kept: int = 0  # Bit k is set when what the receiver retains of group k counts as told; 0 at END


@dataclass(frozen=True, slots=True, kw_only=True)
class Retained:
    """What the sender still holds of what the receiver told it in an earlier session."""

    digests: bytes  # One SHA-256 for each of 64 groups, 2048 bytes; empty when nothing is retained


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """Declares operational keys of a node void before their expiry. Signed by the identity key."""

    network_id: str  # Network, as in OperationalKey
    node: NodeId  # Whose keys, node id
    up_to_serial: int  # Highest serial of a void operational key; 2^63-1 voids the identity
    issued_utc_s: int  # When it was signed, UTC seconds; perhaps long before it is used


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Tells a neighbour that one of its objects was refused; the session lives."""

    code: ErrorCode  # Registered error code
    object: ObjectId  # Object id of the refused object, 32 bytes
    text: str  # For people, printable, at most 128 bytes
    retry_after_ms: int = 0  # Earliest useful repetition, milliseconds; 0 when none is known
