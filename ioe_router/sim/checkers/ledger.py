"""A keeper numbers every line once, and charges each packet the loss that it causes (SPEC section 8).

The loss of a link is computed here once more, with fractions, from the
attestation alone.  A packet that is entered at a net energy F with d at
mid-link costs L(F + d) - L(F), half of it at each end, the odd joule at the
sending end: what is sent covers its half, what is received leaves it out.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil

from ioe_router.core.calendar import PacketKey
from ioe_router.model.discovery import LossModel
from ioe_router.model.ids import LinkId
from ioe_router.model.routing import Flow
from ioe_router.model.slot import Slot
from ioe_router.sim.checkers.verdict import require
from ioe_router.sim.checkers.watch import Change, Touched
from ioe_router.sim.host import Host

Lines = dict[PacketKey, int]  # numbers of live packets


def loss_j(model: LossModel, net_j: int, slot_s: int) -> int:
    """L of a slot: b*E + (R/V^2 + c) * E^2 / T, rounded up to whole joules."""
    energy = abs(net_j)
    share = Fraction(model.b_ppm, 10**6) * energy
    square = Fraction(model.r_micro_ohm, model.planning_mv**2) + Fraction(model.c_pico_per_w, 10**12)
    return ceil(share + square * energy * energy / slot_s)


class Ledgers:
    """What keepers have entered."""

    def __init__(self, slot_s: int) -> None:
        """Nothing is entered."""
        self._slot_s = slot_s
        self._live: dict[tuple[LinkId, Slot], Lines] = {}
        self._used: dict[LinkId, dict[int, PacketKey]] = {}

    def after(self, host: Host, change: Change) -> None:
        """Judge the ledgers that a host keeps and has touched."""
        for touched in change.touched:
            if touched.port.keeper:
                self._check(host, touched, reborn=change.reborn)

    def _check(self, host: Host, touched: Touched, *, reborn: bool) -> None:
        place = (touched.port.link, touched.slot)
        before = self._live.get(place, {})
        entries = touched.ledger.entries
        after = self._live[place] = {key: entry.number for key, entry in entries.items()}
        fresh = [key for key, number in after.items() if before.get(key) != number]
        for key in fresh:
            self._check_number(host, touched, key, entries[key].number)
        gone = [key for key in before if key not in after]
        if len(fresh) == 1 and not gone and not reborn:
            self._check_loss(host, touched, fresh[0])

    def _check_number(self, host: Host, touched: Touched, key: PacketKey, number: int) -> None:
        owner = self._used.setdefault(touched.port.link, {}).setdefault(number, key)
        where = f"link {touched.port.link.hex()[:8]}, line {number}"
        told = f"{where}: used for {owner[0].hex()[:8]} and {key[0].hex()[:8]}"
        require(owner == key, host, told)

    def _check_loss(self, host: Host, touched: Touched, key: PacketKey) -> None:
        entry = touched.ledger.entries[key]
        if entry.uncut is not None:
            return
        model, d_j = touched.port.attestation.body.loss, entry.increment.flow_j
        entered_j = d_j if entry.flow is Flow.DOWN else -d_j
        if touched.ledger.net_j - touched.before[0] != entered_j:
            return  # a packet was cut in the same call; which of the two came first does not show
        after_j = touched.ledger.net_j - _replaced_j(host, touched, key)
        before_j = after_j - entered_j
        costs_j = loss_j(model, after_j, self._slot_s) - loss_j(model, before_j, self._slot_s)
        sent_j, received_j = d_j + ceil(Fraction(costs_j, 2)), d_j - costs_j // 2
        booked = entry.increment
        covered = booked.sent_j >= sent_j and booked.received_j <= received_j
        told = f"{booked.sent_j} J for {booked.received_j} J, its loss asks for {sent_j} J for {received_j} J"
        where = f"slot {touched.slot}, link {touched.port.link.hex()[:8]}, line {entry.number}"
        require(covered, host, f"{where}: {told}")


def _replaced_j(host: Host, touched: Touched, key: PacketKey) -> int:
    """Net energy of what this packet's reservation is to replace: it is admitted as if that had gone."""
    assert host.router is not None  # noqa: S101 - looked at alive
    record = host.router.inspect().reservations.get(key[0], key[1])
    named = None if record is None else record.core.body.replaces
    return sum(
        entry.increment.flow_j if entry.flow is Flow.DOWN else -entry.increment.flow_j
        for other, entry in touched.ledger.entries.items()
        if named is not None and other[0] == named
    )
