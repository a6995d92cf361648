"""What a host is told about the sweeps of a slot (SPEC section 11); part of the union in events.py."""

from __future__ import annotations

from dataclasses import dataclass

from ioe_router.model.ids import LinkId
from ioe_router.model.slot import Slot


@dataclass(frozen=True, slots=True, kw_only=True)
class LossCorrection:
    """The sweeps found other losses on our links than booked; energy still to buy (short) or sell."""

    slot: Slot
    short: bool
    energy_j: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotSwept:
    """Voltage and link loss after the second sweep of a slot at this node."""

    slot: Slot
    voltage_micro_pu: int
    loss_j: tuple[tuple[LinkId, int], ...]  # per RADIAL link below this node, as computed here


@dataclass(frozen=True, slots=True, kw_only=True)
class VoltageOutOfBand:
    """The sweeps of a slot found a voltage at this node that leaves the band less its guard."""

    slot: Slot
    voltage_micro_pu: int
