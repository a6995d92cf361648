"""Delivery slots (SPEC section 2): half-open UTC intervals `[k*T, (k+1)*T)`.

A slot is written as its start in whole UTC seconds; the length T is a
parameter of the network.  Adjacent slots never overlap.
"""

from __future__ import annotations

from typing import NewType

from ioe_router.model.errors import UsageError

Slot = NewType("Slot", int)  # start_utc_s, aligned to the network's slot length

SLOT_LENGTHS_S = (300, 900, 1800, 3600)


def slot_at(utc_s: int, slot_s: int) -> Slot:
    """The slot that contains the instant `utc_s`."""
    return Slot(utc_s - utc_s % slot_s)


def aligned_slot(start_utc_s: int, slot_s: int) -> Slot:
    """`start_utc_s` as a slot. Raises UsageError when it is not aligned; nothing is rounded."""
    if start_utc_s % slot_s:
        raise UsageError(
            f"slot start {start_utc_s} is not a multiple of {slot_s} s; use a slot-aligned UTC second"
        )
    return Slot(start_utc_s)


def next_slot(slot: Slot, slot_s: int, count: int = 1) -> Slot:
    """The slot `count` slots after `slot` (before it when negative)."""
    return Slot(slot + count * slot_s)
