"""What all nodes of one network agree on, and the timetable of a slot (SPEC sections 2 and 9).

The parameters are hashed into every HELLO: two nodes with other parameters do
not become neighbours.  The timetable follows from the slot length alone.

  offers open           provisional gate         final gate   start        end
    ----+--bands--+--repair--+--sweeps--+--correction--+--------+----- slot -----+
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from ioe_router.model.errors import UsageError
from ioe_router.model.slot import SLOT_LENGTHS_S, Slot

NO_BAND: Final = 255  # a HOLD outside the bands (repair, loss correction)
BANDS_MAX: Final = 12
NETWORK_ID_MAX: Final = 64
PRIORITY_MAX: Final = 7
SETTLEMENT_SLOTS: Final = 16  # settlement window: how long records of a slot are taken
GRACE_MAX_S: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable:
    """Offsets in seconds before a slot's start; bands follow each other from `open_s` on."""

    offer_s: int  # hosts have published offers and wants by the opening
    open_s: int
    band_s: int
    provisional_gate_s: int
    sweep_level_s: int
    correction_s: int
    final_gate_s: int


_SHORT: Final = Timetable(
    offer_s=270,
    open_s=240,
    band_s=5,
    provisional_gate_s=150,
    sweep_level_s=1,
    correction_s=80,
    final_gate_s=45,
)
_LONG: Final = Timetable(
    offer_s=660,
    open_s=600,
    band_s=10,
    provisional_gate_s=420,
    sweep_level_s=1,
    correction_s=240,
    final_gate_s=120,
)
TIMETABLES: Final = {300: _SHORT, 900: _LONG, 1800: _LONG, 3600: _LONG}


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkParameters:
    """Parameters bound to `network_id`; prices in micro-units of `currency` per kWh."""

    network_id: str
    currency: str
    slot_s: int
    reference_price_micro_per_kwh: int
    floor_micro_per_kwh: tuple[int, ...]  # descending; one band each, then a last band without floor
    link_state_steps: int
    voltage_min_micro_pu: int
    voltage_max_micro_pu: int
    voltage_guard_micro_pu: int
    preemption_gap: int = 0  # priorities between what is cut and what it is cut for; 0: nothing is
    preemption_grace_s: int = 30  # from the notice to the cut

    def __post_init__(self) -> None:
        """Refuse parameters that no network can run with; UsageError names the field."""
        if self.slot_s not in SLOT_LENGTHS_S:
            raise UsageError(f"slot_s {self.slot_s} is not allowed; use one of {SLOT_LENGTHS_S}")
        if len(self.floor_micro_per_kwh) >= BANDS_MAX:
            raise UsageError(
                f"{len(self.floor_micro_per_kwh)} floor prices given; use at most {BANDS_MAX - 1}"
            )
        if list(self.floor_micro_per_kwh) != sorted(set(self.floor_micro_per_kwh), reverse=True):
            raise UsageError("floor_micro_per_kwh must fall from band to band; sort it in descending order")
        if not (0 <= self.preemption_gap <= PRIORITY_MAX and 0 < self.preemption_grace_s <= GRACE_MAX_S):
            raise UsageError(
                f"preemption_gap is 0 to {PRIORITY_MAX} and preemption_grace_s is 1 to {GRACE_MAX_S}; "
                f"{self.preemption_gap} and {self.preemption_grace_s} are given"
            )
        if not (
            self.network_id.isascii()
            and self.network_id.isprintable()
            and 0 < len(self.network_id) <= NETWORK_ID_MAX
        ):
            raise UsageError(f"network_id must be 1 to {NETWORK_ID_MAX} printable ASCII characters")

    @property
    def timetable(self) -> Timetable:
        """Offsets of the phases before each slot."""
        return TIMETABLES[self.slot_s]

    @property
    def bands(self) -> int:
        """Number of bands of the descending clock, the last one without floor."""
        return len(self.floor_micro_per_kwh) + 1

    def floor_of(self, band: int) -> int | None:
        """Floor price of a band, None for the last band and outside the bands."""
        return self.floor_micro_per_kwh[band] if 0 <= band < len(self.floor_micro_per_kwh) else None

    def band_opens_utc_s(self, slot: Slot, band: int) -> int:
        """When a band of a slot opens, UTC seconds."""
        return slot - self.timetable.open_s + band * self.timetable.band_s

    def band_at(self, slot: Slot, utc_s: int) -> int | None:
        """The band of `slot` that is open at `utc_s`: None before band 0, NO_BAND after the last."""
        since = utc_s - self.band_opens_utc_s(slot, 0)
        if since < 0:
            return None
        band = since // self.timetable.band_s
        return band if band < self.bands else NO_BAND

    def digest(self) -> bytes:
        """SHA-256 over the fields in declaration order, decimal, newline-separated (SPEC section 2)."""
        fields = (
            self.network_id,
            self.currency,
            self.slot_s,
            self.reference_price_micro_per_kwh,
            ",".join(map(str, self.floor_micro_per_kwh)),
            self.link_state_steps,
            self.voltage_min_micro_pu,
            self.voltage_max_micro_pu,
            self.voltage_guard_micro_pu,
            self.preemption_gap,
            self.preemption_grace_s,
        )
        return hashlib.sha256("\n".join(map(str, fields)).encode()).digest()
