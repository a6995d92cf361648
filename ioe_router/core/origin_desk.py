"""What an origin grants of its own offers, and at which price (SPEC sections 9 and 10).

Energy is taken from the own offer when it is granted, so that held energy is
never promised twice.  The floor of the band lifts the price of SUPPLY offers
to the scarcity price; DEFAULT offers and DEMAND offers keep their ask (bid).
"""

from __future__ import annotations

from ioe_router.core.hop import beyond_limit
from ioe_router.core.own_offers import OwnOffer, OwnOffers, price_in_band
from ioe_router.core.reservation import Granted, Reservation
from ioe_router.model.errors import ErrorCode
from ioe_router.model.parameters import NetworkParameters
from ioe_router.model.reservation import HoldCore
from ioe_router.model.routing import Direction, OfferRun
from ioe_router.model.slot import Slot


class OwnOriginDesk:
    """Grants packets of own offers."""

    def __init__(self, parameters: NetworkParameters, offers: OwnOffers) -> None:
        """Decide over these offers."""
        self._parameters = parameters
        self._offers = offers

    def grant(self, record: Reservation) -> bool:
        """Take energy for every packet that can be had; the others get their reason."""
        body = record.core.body
        offer = self._offers.get(body.offer_no)
        for index in record.live():
            code = self._grant_packet(record, offer, index)
            if code is not None:
                free = 0 if offer is None else self._offers.free_j(offer, record.slots[index])
                record.refuse_packet(index, code, free)
        if body.all_or_nothing and record.refused:
            for index in list(record.granted):
                record.refuse_packet(index, ErrorCode.BELOW_MINIMUM)
            self.give_back(record, tuple(record.granted))
            record.granted.clear()
        return bool(record.granted)

    def _grant_packet(self, record: Reservation, offer: OwnOffer | None, index: int) -> ErrorCode | None:
        body, slot = record.core.body, record.slots[index]
        run = None if offer is None else self._offers.run(offer, slot)
        if offer is None or run is None or offer.stated.direction is not body.direction:
            return ErrorCode.NO_OFFER
        if offer.published is None or (body.offer_epoch, body.offer_seq) > (
            offer.published.epoch,
            offer.published.seq,
        ):
            return ErrorCode.OFFER_CHANGED
        floor = self._parameters.floor_of(body.band)
        code = self._too_early(body, run, floor)
        if code is not None:
            return code
        price = price_in_band(offer.published, run.price_micro_per_kwh, floor)
        if beyond_limit(body, price):
            return ErrorCode.PRICE_LIMIT
        taken = self._offers.take(offer, slot, (*record.key, index), record.asked_j[index])
        if not taken:
            return ErrorCode.NO_ENERGY
        record.granted[index] = Granted(
            energy_j=taken,
            price_micro_per_kwh=price,
            scarcity_micro_per_kwh=max(0, price - run.price_micro_per_kwh),
        )
        return None

    def _too_early(self, body: HoldCore, run: OfferRun, floor: int | None) -> ErrorCode | None:
        if floor is None:
            return None
        if body.direction is Direction.DEMAND:
            return ErrorCode.TOO_EARLY if run.price_micro_per_kwh < floor else None
        return ErrorCode.PRICE_LIMIT if body.price_limit_micro_per_kwh < floor else None

    def keep(self, record: Reservation, index: int, energy_j: int) -> None:
        """Return the energy of a packet but for what remains of it."""
        if record.toward_origin is None:
            key = (*record.key, index)
            self._offers.give_back(record.core.body.offer_no, record.slots[index], key, energy_j)

    def give_back(self, record: Reservation, indexes: tuple[int, ...]) -> None:
        """Return the energy of packets that end; nothing happens at a node in transit."""
        if record.toward_origin is not None:
            return
        for index in indexes:
            slot = Slot(record.slots[index])
            self._offers.give_back(record.core.body.offer_no, slot, (*record.key, index))
