"""What a node tells unasked after its books have changed (SPEC section 7).

Offers are told again when so much of a slot is sold that buyers would ask in
vain: at half, a quarter, and nothing left; and when as much has come back.  The load of an own link is handed
to link state after every change; quantising and rate limits are its business.

What stands is told to a neighbour with each new session, and again after it
has refused something for a while (section 13.1).
"""

from __future__ import annotations

from dataclasses import replace

from ioe_router.core.calendar import SlotLedger
from ioe_router.core.gates import Phase, phase_of
from ioe_router.core.inputs import PublishOffer
from ioe_router.core.link_state import LinkLoad
from ioe_router.core.outbox import Outbox
from ioe_router.core.own_offers import OwnOffer, ask_at
from ioe_router.core.parts import Parts
from ioe_router.core.reservation_moves import moved_event
from ioe_router.model.clock import Now
from ioe_router.model.ids import NodeId
from ioe_router.model.routing import Flow
from ioe_router.model.slot import Slot


def tell_changes(parts: Parts, now: Now, out: Outbox) -> None:
    """Whatever follows from the books as a call has left them."""
    dispatch_cut_slots(parts, now, out)
    republish_shifted_offers(parts, now)
    publish_curve(parts, now)
    take_up_limits(parts)
    publish_link_states(parts)


def tell_moves(parts: Parts, out: Outbox) -> None:
    """Tell the host what reservations have done in this call."""
    for move in parts.reservations.moves():
        out.emit(moved_event(move))


def tell_standing(parts: Parts, neighbor: NodeId, now: Now, out: Outbox) -> None:
    """What stands with a neighbour beside paths and offers: it may have missed any of it."""
    parts.zone.neighbor_up(neighbor, now, out)
    parts.releases.neighbor_up(neighbor, now, out)
    parts.settlement.neighbor_up(neighbor, out)
    parts.curtailments.neighbor_up(neighbor, now, out)


def repeat_refused(parts: Parts, now: Now, out: Outbox) -> None:
    """Tell everything once more to those who refused some of it for a while."""
    for neighbor in parts.repeats.due(now):
        parts.routing.repeat(neighbor, out)
        tell_standing(parts, neighbor, now, out)


def publish(parts: Parts, stated: PublishOffer, now: Now) -> None:
    """Publish what is left of an own offer."""
    offer = parts.own_offers.state(stated)
    runs = parts.own_offers.remaining_runs(offer, stated.first_slot)
    published = parts.routing.publish_own(replace(stated, runs=runs), now)
    offer.visible = published is not None
    offer.published = published or offer.published


def republish_shifted_offers(parts: Parts, now: Now) -> None:
    """Tell offers again of which much was sold, or came back, in a slot that is open for trade."""
    for offer in parts.own_offers.changed():
        if any(_has_shifted(parts, offer, slot, now) for slot in offer.taken):
            publish(parts, offer.stated, now)


def _has_shifted(parts: Parts, offer: OwnOffer, slot: Slot, now: Now) -> bool:
    slot_s = parts.config.parameters.slot_s
    told = None if offer.published is None else ask_at(offer.published, slot, slot_s)
    if told is None or phase_of(parts.config.parameters, slot, now) >= Phase.CLOSED:
        return False
    free_j = parts.own_offers.free_j(offer, slot)
    told_j = told.energy_j if offer.visible else 0
    return free_j * 2 <= told_j or free_j > 2 * told_j


def publish_curve(parts: Parts, now: Now) -> None:
    """Offer the domain's supply to other domains anew, as far as there is room among the own offers."""
    for stated in parts.aggregation.due(now):
        visible = {one.stated.offer_no for one in parts.own_offers.all() if one.visible}
        if stated.offer_no in visible or len(visible) < parts.config.limits.offers_per_origin:
            publish(parts, stated, now)


def dispatch_cut_slots(parts: Parts, now: Now, out: Outbox) -> None:
    """Set-points that are out already follow what was cut since."""
    for slot in parts.curtailments.changed_slots():
        if phase_of(parts.config.parameters, slot, now) in (Phase.CLOSED, Phase.RUNNING):
            parts.fib.dispatch(slot, parts.supply.booked(slot), parts.sweeps.reactive_vars(slot), out)


def take_up_limits(parts: Parts) -> None:
    """Give ledgers that are open already, restored ones among them, the limits of a new envelope."""
    if parts.zone.limits_changed():
        for port in parts.ports.all():
            for slot in port.calendar.slots():
                parts.ports.ledger(port, slot)


def publish_link_states(parts: Parts) -> None:
    """Hand the load of every own link that has changed to link state; only its keeper may speak of it."""
    for port in parts.ports.all():
        if parts.evidence.latest(port.link) is None:
            continue  # after a restart there are books before the handshake has proved the link
        if port.keeper and not port.attestation.body.access:
            for slot, ledger in port.calendar.changed():
                parts.routing.publish_link_state(port.link, slot, _load(ledger))
        else:
            port.calendar.changed()


def _load(ledger: SlotLedger) -> LinkLoad:
    flow = Flow.UNSPECIFIED if ledger.net_j == 0 else Flow.DOWN if ledger.net_j > 0 else Flow.UP
    return LinkLoad(
        net_flow=flow,
        net_energy_j=abs(ledger.net_j),
        residual_down_j=ledger.free_j(Flow.DOWN),
        residual_up_j=ledger.free_j(Flow.UP),
    )
