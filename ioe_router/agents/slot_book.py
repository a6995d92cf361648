"""What an agent planned and booked for one slot: wants by purpose, sales by offer.

Energies are joules at the node's port.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

PURPOSES_MAX = 64


class Purpose(IntEnum):
    """What a want is for; flexible loads follow each other from FLEXIBLE on."""

    FIRM = 0
    CORRECTION = 1
    SELL = 2  # surplus to DEMAND offers, one per offer from here on
    CHARGE = 20  # one per battery
    FLEXIBLE = 30


@dataclass(slots=True)
class SlotBook:
    """One slot of an agent."""

    firm_j: int = 0  # own load and loss supply, as forecast
    missing_j: int = 0  # of it, what own fuel-free energy does not cover
    home_j: dict[str, int] = field(default_factory=dict)  # used at home, by device that gives it
    charge_home_j: dict[str, int] = field(default_factory=dict)  # charged from home sources, by battery
    flexible_home_j: dict[str, int] = field(default_factory=dict)  # served from home sources
    offered_j: dict[str, int] = field(default_factory=dict)  # by device
    bought_j: dict[int, int] = field(default_factory=dict)  # by purpose
    sold_j: dict[int, int] = field(default_factory=dict)  # by offer number

    def bought(self, purpose: int) -> int:
        """Energy bought for a purpose."""
        return self.bought_j.get(purpose, 0)


def trade_number(slot: int, slot_s: int, purpose: int) -> int:
    """A number that is unique per slot and purpose."""
    return slot // slot_s * PURPOSES_MAX + purpose


def purpose_of(trade_no: int) -> int:
    """The purpose that a trade number was made for."""
    return trade_no % PURPOSES_MAX
