"""Operating envelopes and the P, Q, V exchange as values (SPEC section 11).

The fields, units and bounds are those of `proto/ioe/v1/grid.proto`; the codec
maps the two by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from ioe_router.model.envelope import Envelope
from ioe_router.model.ids import LinkId, NodeId


class Exchange(IntEnum):
    """Whether energy enters or leaves the node's side of a named point."""

    UNSPECIFIED = 0  # None
    IMPORT = 1  # Into the subtree below the point
    EXPORT = 2  # Out of the subtree below the point


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimit:
    """Connection limits of one node. Signed by the node."""

    node: NodeId  # Node id
    serial: int  # Number of this statement, rising per node
    import_w: int  # Most active power into the node's own devices, watt
    export_w: int  # Most active power out of the node's own devices, watt
    reactive_var: int  # Most reactive power drawn, var
    issued_utc_s: int  # When it was signed, UTC seconds
    expires_utc_s: int  # End of validity, UTC seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneReport:
    """What a node sends up its zone tree about its subtree."""

    attestations: tuple[
        Envelope, ...
    ]  # LINK_ATTESTATION envelopes of the RADIAL and CONTROLLED links in the subtree
    limits: tuple[Envelope, ...]  # CONNECTION_LIMIT envelopes of the nodes in the subtree


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvelopeLine:
    """Limits of one RADIAL link."""

    link: LinkId  # Link id, 16 bytes
    down_w: int  # Limit of flows from the keeper, watt
    up_w: int  # Limit of flows to the keeper, watt
    reactive_var: int  # Reactive power assumed on the link, var
    height: int  # Links below the other end on the longest branch


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingEnvelope:
    """Limits that keep the voltage band in every combination. Signed by the zone's root."""

    root: NodeId  # Root of the zone, node id
    epoch: int  # Epoch of the root
    seq: int  # Sequence number in the epoch
    first_slot_utc_s: int  # First slot it holds for, UTC seconds
    slots: int  # Number of slots it holds for, 1 to 192
    lines: tuple[EnvelopeLine, ...]  # One line per RADIAL link of the zone
    issued_utc_s: int  # When it was signed, UTC seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepUp:
    """P and Q at the parent's end of a link, towards the root."""

    slot_utc_s: int  # Slot, UTC seconds
    round: int  # 1 or 2
    active: Exchange  # Sense of the active energy
    active_j: int  # Active energy over the slot, joules
    reactive: Exchange  # Sense of the reactive energy
    reactive_vars: int  # Reactive energy over the slot, var-seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepDown:
    """Voltage at the parent's end of a link, away from the root."""

    slot_utc_s: int  # Slot, UTC seconds
    round: int  # 1 or 2
    voltage_micro_pu: int  # Voltage, millionths of nominal
