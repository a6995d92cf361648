"""What the clock makes a node do about a slot, step by step (SPEC sections 9 and 11).

OPENING           tell the host, with the loss supply it has to buy
PROVISIONAL_GATE  start the sweeps on what is booked
CORRECTION        from here on the supply is what the sweeps found
FINAL_GATE        publish set-points, tell the host what its devices are booked for
END               old slots are forgotten after the settlement window
"""

from __future__ import annotations

from ioe_router.core.events import SlotClosed, SlotOpening
from ioe_router.core.fib import devices_import_j
from ioe_router.core.key_changes import forget_revocations
from ioe_router.core.outbox import Outbox
from ioe_router.core.parts import Parts
from ioe_router.core.reconfiguration import forget_former
from ioe_router.core.slots import Step
from ioe_router.model.clock import Now
from ioe_router.model.parameters import SETTLEMENT_SLOTS
from ioe_router.model.slot import Slot

KEPT_SLOTS = SETTLEMENT_SLOTS


def take_steps(parts: Parts, now: Now, out: Outbox) -> None:
    """Everything that the calendar of slots has due."""
    for slot, step in parts.slots.due(now):
        _take(parts, slot, step, now, out)


def _take(parts: Parts, slot: Slot, step: Step, now: Now, out: Outbox) -> None:
    match step:
        case Step.OPENING:
            out.emit(SlotOpening(slot=slot, supply_j=parts.supply.open(slot)))
        case Step.PROVISIONAL_GATE:
            parts.sweeps.start(slot, parts.supply.booked(slot), now, out)
        case Step.CORRECTION:
            parts.supply.correct(slot, parts.sweeps.swept_loss_j(slot))
        case Step.FINAL_GATE:
            _dispatch(parts, slot, out)
        case Step.START:
            pass
        case Step.END:
            _forget(parts, Slot(slot - KEPT_SLOTS * parts.config.parameters.slot_s), now, out)


def _dispatch(parts: Parts, slot: Slot, out: Outbox) -> None:
    booked = parts.supply.booked(slot)
    parts.fib.dispatch(slot, booked, parts.sweeps.reactive_vars(slot), out)
    imported_j = devices_import_j(booked)
    out.emit(SlotClosed(slot=slot, imported_j=max(0, imported_j), exported_j=max(0, -imported_j)))


def _forget(parts: Parts, slot: Slot, now: Now, out: Outbox) -> None:
    for port in parts.ports.all():
        port.calendar.forget_before(slot)
    parts.own_offers.forget_before(slot)
    parts.desk.forget_before(slot)
    parts.cover.forget_before(slot)
    parts.supply.forget_before(slot)
    parts.sweeps.forget_before(slot)
    parts.settlement.forget_before(slot)
    parts.imbalance.forget_before(slot)
    parts.promises.forget(now, slot, out)
    forget_revocations(parts, now, out)
    forget_former(parts, out)
