"""What a host is told about the operation of its node; part of the union in events.py."""

from __future__ import annotations

from dataclasses import dataclass

from ioe_router.model.ids import NodeId


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconfigured:
    """A changed configuration is in force; sessions with all other neighbours have gone on."""

    added: tuple[NodeId, ...]
    removed: tuple[NodeId, ...]
    changed: tuple[NodeId, ...]
    policy: bool  # whether the policy has changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Draining:
    """The node takes on nothing new (or does again); so many reservations are not over."""

    draining: bool
    remaining: int
