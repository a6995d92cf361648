"""Held and committed energy stays inside what the link can carry, and every booked joule has an owner.

On each link, slot and direction, at the keeper: the gross sum of the live
entries is at most the attested rating times the slot, and it never grows
beyond the limit in force.  The mirror at the other end may still have a line
whose end the keeper knows (a hold that ran out there, a RELEASE on its way),
beside one that the keeper has admitted in its place; so of a mirror each line
is judged, and at the gate that it is the keeper's (agreement.py).  Each live
entry belongs to a reservation that is alive at this node and runs over this
link: no capacity leaks.

The limit is worked out here once more, from the attestation, the zone's
operating envelope and the forecast margin.
"""

from __future__ import annotations

from math import isqrt
from typing import Final

from ioe_router.core.calendar import SlotLedger
from ioe_router.core.reservation import Reservation
from ioe_router.core.reservation_fsm import ENDED
from ioe_router.model.grid import EnvelopeLine
from ioe_router.model.ids import ReservationId
from ioe_router.model.reservation import ReservationState
from ioe_router.model.routing import Flow
from ioe_router.model.slot import Slot
from ioe_router.sim.checkers.verdict import require
from ioe_router.sim.checkers.watch import Change, Touched
from ioe_router.sim.host import Host

DIRECTIONS = (Flow.DOWN, Flow.UP)
_MILLION: Final = 1_000_000


def check_capacity(host: Host, change: Change, slot_s: int) -> None:
    """Judge the ledgers that a call has changed."""
    for touched in change.touched:
        _check_total(host, touched)
        if touched.port.keeper:
            _check_sums(host, touched, slot_s, reborn=change.reborn)
        else:
            _check_lines(host, touched, slot_s)
        _check_owners(host, touched)


def _check_total(host: Host, touched: Touched) -> None:
    gross = _gross_j(host, touched.ledger)
    for flow in DIRECTIONS:
        where = f"slot {touched.slot}, link {touched.port.link.hex()[:8]} {flow.name}"
        same = gross[flow] == touched.ledger.used_j(flow)
        require(same, host, f"{where}: the ledger's sum differs from its entries")


def _check_sums(host: Host, touched: Touched, slot_s: int, *, reborn: bool) -> None:
    assert host.router is not None  # noqa: S101 - looked at alive
    port, ledger, slot = touched.port, touched.ledger, touched.slot
    rating = port.attestation.body
    most_va = {Flow.DOWN: rating.rating_down_va, Flow.UP: rating.rating_up_va}
    gross = _gross_j(host, ledger)
    line = _envelope_line(host, touched)
    before = {Flow.DOWN: touched.before[1], Flow.UP: touched.before[2]}
    for flow in DIRECTIONS:
        where = f"slot {slot}, link {port.link.hex()[:8]} {flow.name}"
        fits = gross[flow] <= most_va[flow] * slot_s
        require(fits, host, f"{where}: {gross[flow]} J booked above the rating")
        if gross[flow] > before[flow] and not reborn:  # what is restored was admitted before
            require(line is not None or not port.radial, host, f"{where}: admitted without an envelope")
            most_j = _most_j(host, most_va[flow], line, flow, slot_s)
            told = f"{where}: {gross[flow]} J admitted above the limit {most_j} J"
            require(gross[flow] <= most_j, host, told)


def _check_lines(host: Host, touched: Touched, slot_s: int) -> None:
    rating = touched.port.attestation.body
    for entry in touched.ledger.entries.values():
        most_va = rating.rating_down_va if entry.flow is Flow.DOWN else rating.rating_up_va
        energy_j = max(entry.increment.sent_j, entry.increment.received_j)
        where = f"slot {touched.slot}, link {touched.port.link.hex()[:8]} {entry.flow.name}"
        require(energy_j <= most_va * slot_s, host, f"{where}: a line of {energy_j} J is above the rating")


def _envelope_line(host: Host, touched: Touched) -> EnvelopeLine | None:
    assert host.router is not None  # noqa: S101
    sealed = host.router.inspect().zone.envelope(touched.slot)
    lines = () if sealed is None or not touched.port.radial else sealed.body.lines
    return next((line for line in lines if line.link == touched.port.link), None)


def _most_j(host: Host, rating_va: int, line: EnvelopeLine | None, flow: Flow, slot_s: int) -> int:
    """Most energy of a slot: rating at the lowest voltage beside the reactive flow, envelope, margin."""
    config = host.blueprint.config
    apparent_va = rating_va * config.parameters.voltage_min_micro_pu // _MILLION
    reactive_var = 0 if line is None else line.reactive_var
    most_w = isqrt(max(0, apparent_va**2 - reactive_var**2))
    if line is not None:
        most_w = min(most_w, line.down_w if flow is Flow.DOWN else line.up_w)
    return most_w * slot_s * (_MILLION - config.forecast_margin_ppm) // _MILLION


def _gross_j(host: Host, ledger: SlotLedger) -> dict[Flow, int]:
    """What counts against the limits; of a reservation and the one whose place it takes the larger."""
    batches: dict[tuple[Flow, ReservationId, int], int] = {}
    for (reservation, version, _), entry in ledger.entries.items():
        batch = (entry.flow, reservation, version)
        energy_j = max(entry.increment.sent_j, entry.increment.received_j)
        batches[batch] = batches.get(batch, 0) + energy_j
    gross = {flow: sum(j for batch, j in batches.items() if batch[0] is flow) for flow in DIRECTIONS}
    assert host.router is not None  # noqa: S101
    table = host.router.inspect().reservations
    for (flow, reservation, version), energy_j in batches.items():
        record = table.get(reservation, version)
        named = None if record is None else record.core.body.replaces
        if named is not None:
            old_j = (j for batch, j in batches.items() if batch[0] is flow and batch[1] == named)
            gross[flow] -= min(energy_j, sum(old_j))
    return gross


def _check_owners(host: Host, touched: Touched) -> None:
    assert host.router is not None  # noqa: S101
    table = host.router.inspect().reservations
    for reservation, version, index in touched.ledger.entries:
        record = table.get(reservation, version)
        where = f"slot {touched.slot}, link {touched.port.link.hex()[:8]}"
        name = f"{reservation.hex()[:8]} v{version}"
        if record is None:
            require(False, host, f"{where}: capacity is booked for {name}, which is not known here")
            return
        alive = record.state not in ENDED and index not in record.refused
        stands_in = record.state is ReservationState.RELEASED and _leads_to_origin(record, touched)
        told = f"{where}: capacity is still booked for {name}, which is {record.state.name}"
        require(alive or stands_in, host, told)
        ours = any(leg.port.link == touched.port.link for leg in record.legs())
        require(ours, host, f"{where}: {name} is booked on a link that it does not cross")


def _leads_to_origin(record: Reservation, touched: Touched) -> bool:
    """Where a release has not been confirmed yet, the line toward the origin stays (SPEC section 10)."""
    leg = record.toward_origin
    return leg is not None and leg.port.link == touched.port.link


def check_no_leak(host: Host, slots: tuple[Slot, ...]) -> None:
    """At the end: what is booked is just what committed reservations have, no more and no less."""
    assert host.router is not None  # noqa: S101
    parts = host.router.inspect()
    for record in parts.reservations.all():
        if record.state in ENDED:
            continue
        for leg in record.legs():
            for index in record.accepted:
                slot = record.slots[index]
                ledger = leg.port.calendar.ledger(slot)
                booked = ledger is not None and leg.key(index) in ledger.entries
                name = f"{record.key[0].hex()[:8]} v{record.key[1]}"
                require(
                    booked or slot not in slots,
                    host,
                    f"slot {slot}: {name} is {record.state.name} but packet {index} is not on the ledger",
                )
