"""Loss and price arithmetic of a packet, written from SPEC.md section 8 and from nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from ioe_router.model.discovery import LossModel

MILLION = 10**6
TERA = 10**12
KWH_J = 3_600_000


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet on a link: energy entering, at mid-link, and leaving, joules."""

    sent_j: int
    flow_j: int
    received_j: int


def ceil_div(a: int, b: int) -> int:
    """A / b rounded up, also for negative a."""
    return -(-a // b)


def loss_j(model: LossModel, slot_s: int, net_j: int) -> int:
    """L_int of section 8.2."""
    squared = model.planning_mv**2
    a = model.b_ppm * squared * MILLION * slot_s
    b = model.r_micro_ohm * TERA + model.c_pico_per_w * squared
    return ceil_div(a * abs(net_j) + b * net_j**2, TERA * squared * slot_s)


def packet(model: LossModel, slot_s: int, net_j: int, flow_j: int, sense: int) -> Packet:
    """The packet with `flow_j` at mid-link in the sense +1 (DOWN) or -1 (UP), section 8.3."""
    inc = loss_j(model, slot_s, net_j + sense * flow_j) - loss_j(model, slot_s, net_j)
    return Packet(flow_j + ceil_div(inc, 2), flow_j, flow_j - inc // 2)


def received(model: LossModel, slot_s: int, net_j: int, wanted_j: int, sense: int) -> Packet:
    """RECEIVED of section 8.4: what must enter so that `wanted_j` leaves."""
    low, high = 1, 2 * wanted_j + 2
    while low < high:
        middle = (low + high) // 2
        if packet(model, slot_s, net_j, middle, sense).received_j >= wanted_j:
            high = middle
        else:
            low = middle + 1
    found = packet(model, slot_s, net_j, low, sense)
    return Packet(found.sent_j, low, wanted_j)


def sent(model: LossModel, slot_s: int, net_j: int, given_j: int, sense: int) -> Packet:
    """SENT of section 8.4: what leaves when `given_j` enters."""
    low, high = 1, given_j + loss_j(model, slot_s, net_j) + 1
    while low < high:
        middle = (low + high + 1) // 2
        if packet(model, slot_s, net_j, middle, sense).sent_j <= given_j:
            low = middle
        else:
            high = middle - 1
    found = packet(model, slot_s, net_j, low, sense)
    return Packet(given_j, low, found.received_j)


def near_price(far_micro: int, fee_micro: int, one: Packet, *, supply: bool) -> int:
    """The price at the near end, section 8.6."""
    if supply:
        return ceil_div(far_micro * one.sent_j + fee_micro * one.flow_j, one.received_j)
    return (far_micro * one.received_j - fee_micro * one.flow_j) // one.sent_j


def link_rank(model: LossModel, slot_s: int, rating_va: int, fee_micro: int, reference_micro: int) -> int:
    """The rank of a link, section 7.7."""
    half = rating_va * slot_s // 2
    ppm = ceil_div(loss_j(model, slot_s, half) * MILLION, half) if half else MILLION
    return fee_micro + ceil_div(ppm * reference_micro, MILLION) + 1
