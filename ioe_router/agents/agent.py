"""The seam between a router and whoever decides for its owner.

An agent hears events and answers with inputs.  It is pure like the core and
replaceable: a gateway may bring its own.
"""

from __future__ import annotations

from typing import Protocol

from ioe_router.agents.assets import DeviceSetpoint
from ioe_router.core.events import Event
from ioe_router.core.inputs import Input
from ioe_router.model.clock import Now
from ioe_router.model.slot import Slot


class Agent(Protocol):
    """Decides what a node offers and wants."""

    def on_event(self, event: Event, now: Now) -> tuple[Input, ...]:
        """React to one event."""
        ...

    def setpoints(self, slot: Slot) -> tuple[DeviceSetpoint, ...]:
        """What each device of the node does in a slot whose final gate has passed."""
        ...
