"""What this node offers itself, and how much of it is still free (SPEC sections 7 and 10).

The host states what it can sell or buy in total; the ledger here knows what
of it is held and committed, so that no joule is promised twice, whether a
neighbour asks for it or the node itself carries it to a DEMAND offer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ioe_router.core.inputs import PublishOffer
from ioe_router.model.routing import Direction, Offer, OfferRun
from ioe_router.model.slot import Slot

HolderKey = tuple[bytes, int, int]  # reservation, version, index
BatchKey = tuple[bytes, int]  # reservation, version


def run_at(runs: tuple[OfferRun, ...], first_slot: int, slot: Slot, slot_s: int) -> OfferRun | None:
    """The run that covers a slot, None outside the offer's horizon."""
    index = (slot - first_slot) // slot_s
    for run in runs:
        if 0 <= index < run.slots:
            return run
        index -= run.slots
    return None


@dataclass(slots=True)
class OwnOffer:
    """One offer with what is taken from it."""

    stated: PublishOffer
    published: Offer | None = None  # the newest version
    visible: bool = False  # not withdrawn since
    taken: dict[Slot, dict[HolderKey, int]] = field(default_factory=dict)

    def taken_j(self, slot: Slot) -> int:
        """Held and committed energy of a slot."""
        return sum(self.taken.get(slot, {}).values())

    def batch_j(self, slots: Iterable[Slot], batch: BatchKey) -> int:
        """What one reservation takes in these slots."""
        return sum(
            energy_j
            for slot in slots
            for key, energy_j in self.taken.get(slot, {}).items()
            if key[:2] == batch
        )


class OwnOffers:
    """All own offers by number."""

    def __init__(self, slot_s: int) -> None:
        """No offers yet."""
        self._slot_s = slot_s
        self._offers: dict[int, OwnOffer] = {}
        self._taken: dict[int, dict[Slot, dict[HolderKey, int]]] = {}  # outlives a start: see restore
        self._changed: dict[int, None] = {}
        self.pairs: dict[BatchKey, BatchKey] = {}  # what is to replace what: the larger counts

    def changed(self) -> tuple[OwnOffer, ...]:
        """Offers whose taken energy has changed since the last call."""
        changed = tuple(self._offers[number] for number in self._changed)
        self._changed.clear()
        return changed

    def state(self, stated: PublishOffer) -> OwnOffer:
        """Take note of what the host offers; what was taken before stays taken."""
        offer = self._offers.get(stated.offer_no)
        if offer is None:
            taken = self._taken.setdefault(stated.offer_no, {})
            offer = self._offers[stated.offer_no] = OwnOffer(stated, taken=taken)
        offer.stated = stated
        return offer

    def get(self, offer_no: int) -> OwnOffer | None:
        """The offer with this number."""
        return self._offers.get(offer_no)

    def all(self) -> tuple[OwnOffer, ...]:
        """Every own offer, withdrawn ones included."""
        return tuple(self._offers.values())

    def run(self, offer: OwnOffer, slot: Slot) -> OfferRun | None:
        """What was stated for a slot, before anything was taken."""
        return run_at(offer.stated.runs, offer.stated.first_slot, slot, self._slot_s)

    def free_j(self, offer: OwnOffer, slot: Slot, batch: BatchKey | None = None) -> int:
        """Energy of a slot that nobody holds; never negative.

        For a reservation (`batch`) that replaces another, what the old one holds is free, too.
        """
        run = self.run(offer, slot)
        if run is None:
            return 0
        free = run.energy_j - self._counted_j(offer, (slot,), batch)
        if offer.stated.energy_cap_j:
            free = min(free, offer.stated.energy_cap_j - self._counted_j(offer, offer.taken, batch))
        return max(0, free)

    def _counted_j(self, offer: OwnOffer, slots: Iterable[Slot], batch: BatchKey | None) -> int:
        """Taken energy in these slots; of two reservations of which one replaces the other, the larger."""
        slots = tuple(slots)
        counted_j = sum(map(offer.taken_j, slots))
        for new, old in self.pairs.items():
            new_j, old_j = offer.batch_j(slots, new), offer.batch_j(slots, old)
            counted_j -= old_j if new == batch else min(new_j, old_j)
        return counted_j

    def take(self, offer: OwnOffer, slot: Slot, key: HolderKey, energy_j: int) -> int:
        """Take up to `energy_j` for a packet; returns what was taken."""
        taken = min(energy_j, self.free_j(offer, slot, key[:2]))
        if taken:
            offer.taken.setdefault(slot, {})[key] = taken
            self._changed[offer.stated.offer_no] = None
        return taken

    def give_back(self, offer_no: int, slot: Slot, key: HolderKey, keep_j: int = 0) -> None:
        """Return a packet's energy but for `keep_j`; idempotent."""
        taken = self._taken.get(offer_no, {}).get(slot, {})
        if key not in taken:
            return
        if offer_no in self._offers:
            self._changed[offer_no] = None
        if keep_j:
            taken[key] = keep_j
        else:
            del taken[key]

    def restore(self, offer_no: int, slot: Slot, key: HolderKey, energy_j: int) -> None:
        """Count a packet of an earlier life as taken; the host may state the offer again later."""
        self._taken.setdefault(offer_no, {}).setdefault(slot, {})[key] = energy_j

    def remaining_runs(self, offer: OwnOffer, first_slot: Slot) -> tuple[OfferRun, ...]:
        """What to publish from `first_slot` on: stated energy less what is taken, equal neighbours joined."""
        stated = offer.stated
        horizon = sum(run.slots for run in stated.runs)
        end = stated.first_slot + horizon * self._slot_s
        runs: list[OfferRun] = []
        for start in range(max(first_slot, stated.first_slot), end, self._slot_s):
            run = self.run(offer, Slot(start))
            if run is not None:
                _append(runs, self.free_j(offer, Slot(start)), run.price_micro_per_kwh)
        return tuple(runs)

    def forget_before(self, slot: Slot) -> None:
        """Drop what was taken in slots before `slot`."""
        for taken in self._taken.values():
            for old in [s for s in taken if s < slot]:
                del taken[old]


def _append(runs: list[OfferRun], energy_j: int, price: int) -> None:
    last = runs[-1] if runs else None
    if last is not None and (last.energy_j, last.price_micro_per_kwh) == (energy_j, price):
        runs[-1] = OfferRun(slots=last.slots + 1, energy_j=energy_j, price_micro_per_kwh=price)
    else:
        runs.append(OfferRun(slots=1, energy_j=energy_j, price_micro_per_kwh=price))


def ask_at(offer: Offer, slot: Slot, slot_s: int) -> OfferRun | None:
    """What a received offer says about a slot."""
    return run_at(offer.runs, offer.first_slot_utc_s, slot, slot_s)


def price_in_band(offer: Offer, ask: int, floor: int | None) -> int:
    """Price at the origin in a band: the floor lifts SUPPLY asks; DEFAULT and DEMAND pay the ask (bid)."""
    if offer.direction is Direction.DEMAND or offer.is_default or floor is None:
        return ask
    return max(ask, floor)
