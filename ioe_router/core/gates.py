"""Which phase a slot is in, and what a HOLD may do in it (SPEC section 9).

    offers | bands 0..n-1 | repair | sweeps | correction | closed | slot
           open                    prov.gate            final gate

Everything here follows from the slot, the network's timetable and UTC; the
timers that fire the phases are kept in `slots.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from ioe_router.model.clock import MS_PER_S, Now
from ioe_router.model.errors import ErrorCode
from ioe_router.model.parameters import NO_BAND, NetworkParameters
from ioe_router.model.slot import Slot


class Phase(IntEnum):
    """Phases of a slot in their order."""

    BEFORE = 0
    BANDS = 1
    REPAIR = 2
    SWEEPS = 3
    CORRECTION = 4
    CLOSED = 5
    RUNNING = 6
    OVER = 7


def phase_of(parameters: NetworkParameters, slot: Slot, now: Now) -> Phase:
    """The phase that `slot` is in at `now`."""
    table, utc_s = parameters.timetable, now.utc_s
    edges = (
        (slot + parameters.slot_s, Phase.OVER),
        (slot, Phase.RUNNING),
        (slot - table.final_gate_s, Phase.CLOSED),
        (slot - table.correction_s, Phase.CORRECTION),
        (slot - table.provisional_gate_s, Phase.SWEEPS),
        (parameters.band_opens_utc_s(slot, parameters.bands), Phase.REPAIR),
        (slot - table.open_s, Phase.BANDS),
    )
    for since_s, phase in edges:
        if utc_s >= since_s:
            return phase
    return Phase.BEFORE


def any_closed(parameters: NetworkParameters, slots: Iterable[Slot], now: Now) -> bool:
    """Whether the final gate of some of the slots has passed."""
    return any(phase_of(parameters, slot, now) >= Phase.CLOSED for slot in slots)


def final_gate_utc_ms(parameters: NetworkParameters, slot: Slot) -> int:
    """The instant of a slot's final gate."""
    return (slot - parameters.timetable.final_gate_s) * MS_PER_S


def refusal_of(
    parameters: NetworkParameters, slot: Slot, band: int, now: Now, *, forward: bool
) -> ErrorCode | None:
    """Why a HOLD of `band` for `slot` is refused at `now`, None when it may pass."""
    phase = phase_of(parameters, slot, now)
    if phase >= Phase.RUNNING:
        return ErrorCode.IN_PAST
    if phase in (Phase.CLOSED, Phase.SWEEPS):
        return ErrorCode.GATE_CLOSED
    if phase is Phase.BEFORE:
        return None if forward else ErrorCode.TOO_EARLY
    open_band = parameters.band_at(slot, now.utc_s)
    if phase is Phase.BANDS and (open_band is None or band > open_band):
        return ErrorCode.TOO_EARLY
    return ErrorCode.GATE_CLOSED if phase is Phase.CORRECTION and band != NO_BAND else None


def effective_band(parameters: NetworkParameters, slot: Slot, now: Now) -> int:
    """The band that a HOLD sent now has to state."""
    band = parameters.band_at(slot, now.utc_s)
    return NO_BAND if band is None else band
