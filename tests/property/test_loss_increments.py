"""The arithmetic of losses, prices and admission, for any link and any order of packets."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ioe_router.core.booked import booked_link
from ioe_router.core.calendar import LinkCalendar, PacketKey, SlotLedger, SlotLimits
from ioe_router.core.loss import (
    J_PER_KWH,
    Increment,
    LinkModel,
    amount_micro,
    halves,
    price_after_link,
    price_before_link,
    signed,
    usable_w,
)
from ioe_router.model.ids import LinkId, ReservationId
from ioe_router.model.routing import Flow
from tests.links import committed, loss_model

SLOT_S = 900
RATED_J = 40_000 * SLOT_S
FLOWS = st.sampled_from([Flow.DOWN, Flow.UP])
LOSS = loss_model(r_ohm=0.3, x_ohm=0.08, iron_w=50, planning=0.99)


def model(linear: int, square: int, scale: int) -> LinkModel:
    """L_int(E) = ceil((linear E + square E^2) / scale)."""
    return LinkModel(linear=linear, square=square, scale=scale, slot_s=SLOT_S, loss=LOSS)


# A real link: at most 5 % linear, and at most a third of 40 kW lost at 40 kW.
REAL = st.builds(model, st.integers(0, 5 * 10**9), st.integers(0, 900), st.just(10**11))
# Tiny energies on a bad link: the rounding is a large part of every packet.
ROUGH = st.builds(model, st.integers(0, 100), st.integers(0, 2), st.integers(500, 1_000))
# No link at all: beyond what an impedance can carry, where more input gives less output.
ABSURD = st.builds(model, st.integers(0, 3_000), st.integers(0, 50), st.integers(1, 1_000))
SMALL = st.integers(1, 60)
SMALL_NET = st.integers(-40, 40)
ENERGIES = st.one_of(SMALL, st.integers(1, RATED_J))
NETS = st.one_of(SMALL_NET, st.integers(-RATED_J, RATED_J))


def key(number: int) -> PacketKey:
    """A packet key for each number."""
    return ReservationId(number.to_bytes(16)), 1, 1


def enter(ledger: SlotLedger, number: int, increment: Increment, flow: Flow) -> None:
    """Book a packet."""
    ledger.enter(key(number), committed(number, flow, increment))


# ------------------------------------------------------------------ increments


@given(REAL, NETS, ENERGIES, FLOWS)
def test_a_packet_pays_just_its_increment(link: LinkModel, net: int, energy: int, flow: Flow) -> None:
    """What enters less what leaves is the increment; its halves differ by the odd joule, the sender's."""
    entry = link.entry(net, energy, flow)
    increment = link.loss_j(net + signed(energy, flow)) - link.loss_j(net)
    assert entry.sent_j - entry.received_j == increment
    assert (entry.sent_j - energy) - (energy - entry.received_j) == increment % 2


@given(st.one_of(REAL, ROUGH, ABSURD), st.integers(-RATED_J, RATED_J))
def test_the_loss_is_the_ceiling_of_the_exact_loss(link: LinkModel, net: int) -> None:
    """L_int is never below the exact loss, less than a joule above, the same both ways, 0 for nothing."""
    exact = link.linear * abs(net) + link.square * net * net
    assert 0 <= link.loss_j(net) * link.scale - exact < link.scale
    assert link.loss_j(net) == link.loss_j(-net)
    assert link.loss_j(0) == 0


@given(
    st.one_of(REAL, ROUGH),
    st.lists(st.tuples(st.booleans(), st.integers(0, 9), ENERGIES, FLOWS), max_size=30),
)
def test_increments_telescope_and_books_balance(
    link: LinkModel, steps: list[tuple[bool, int, int, Flow]]
) -> None:
    """After any sequence of entries and withdrawals the charged increments sum to L_int of the net energy,
    and what the live packets do not carry is the link's loss account, to the joule.
    """
    ledger = SlotLedger(SlotLimits(down_j=10**15, up_j=10**15))
    charged = 0
    for entering, number, energy, flow in steps:
        if entering and key(number) not in ledger.entries:
            increment = link.entry(ledger.net_j, energy, flow)
            charged += increment.sent_j - increment.received_j
            enter(ledger, number, increment, flow)
        elif not entering:
            before = ledger.net_j
            gone = ledger.withdraw(key(number))
            if gone is not None:
                charged += link.loss_j(ledger.net_j) - link.loss_j(before)
    ledger.check()
    assert charged == link.loss_j(ledger.net_j)
    booked = booked_link(LinkId(bytes(16)), ledger, keeper=True, supply_j=0)
    account = link.loss_j(ledger.net_j) - booked.carried_loss_j
    entering_j = booked.down_sent_j + booked.up_sent_j
    assert entering_j == booked.down_received_j + booked.up_received_j + booked.carried_loss_j
    assert booked.carried_loss_j + account == link.loss_j(booked.net_j)


@given(st.one_of(REAL, ROUGH), st.lists(st.tuples(st.booleans(), ENERGIES, FLOWS), max_size=20))
def test_rounding_never_creates_energy(link: LinkModel, wanted: list[tuple[bool, int, Flow]]) -> None:
    """However packets are asked for, together they give out no more than they take in less the loss."""
    calendar = LinkCalendar(link)
    ledger = SlotLedger(SlotLimits(down_j=RATED_J, up_j=RATED_J))
    for number, (by_receipt, energy, flow) in enumerate(wanted):
        admit = calendar.admit_received if by_receipt else calendar.admit_sent
        increment = admit(ledger, energy, flow)
        if increment is not None:
            enter(ledger, number, increment, flow)
    booked = booked_link(LinkId(bytes(16)), ledger, keeper=True, supply_j=0)
    assert booked.carried_loss_j >= link.loss_j(ledger.net_j) >= 0


# ------------------------------------------------------------------ admission


@given(
    st.one_of(REAL, ROUGH, ABSURD),
    st.integers(0, 500),
    st.integers(0, 500),
    st.lists(st.tuples(st.booleans(), st.integers(1, 700), FLOWS), max_size=12),
)
def test_admission_never_exceeds_limits_nor_what_was_asked(
    link: LinkModel, down: int, up: int, wanted: list[tuple[bool, int, Flow]]
) -> None:
    """Gross use per direction stays inside its limit; a packet never exceeds the request, nor is it empty."""
    calendar = LinkCalendar(link)
    ledger = SlotLedger(SlotLimits(down_j=down, up_j=up))
    for number, (by_receipt, energy, flow) in enumerate(wanted):
        admit = calendar.admit_received if by_receipt else calendar.admit_sent
        increment = admit(ledger, energy, flow)
        if increment is None:
            continue
        assert (increment.received_j if by_receipt else increment.sent_j) <= energy
        assert min(increment.flow_j, increment.sent_j, increment.received_j) > 0
        enter(ledger, number, increment, flow)
        ledger.check()
        assert ledger.used_down_j <= down
        assert ledger.used_up_j <= up


@settings(max_examples=400)
@given(ROUGH, SMALL_NET, st.integers(1, 30), st.integers(0, 60), FLOWS, st.booleans())
def test_admission_grants_the_most_that_fits(
    link: LinkModel, net: int, energy: int, room: int, flow: Flow, by_receipt: bool
) -> None:
    """What is granted short of the request is the largest that fits, found by trying every packet."""
    calendar = LinkCalendar(link)
    ledger = SlotLedger(SlotLimits(down_j=room, up_j=room), net_j=net)
    admit = calendar.admit_received if by_receipt else calendar.admit_sent
    found = admit(ledger, energy, flow)
    fitting = [
        entry
        for entry in (link.entry(net, d, flow) for d in range(1, 400))
        if max(entry.sent_j, entry.received_j) <= room and min(entry.sent_j, entry.received_j) > 0
    ]
    port = "received_j" if by_receipt else "sent_j"
    best = max((getattr(entry, port) for entry in fitting if getattr(entry, port) <= energy), default=0)
    assert (0 if found is None else getattr(found, port)) >= best


@given(ROUGH, SMALL_NET, st.integers(1, 40), FLOWS)
def test_for_received_is_the_smallest_packet_that_delivers(
    link: LinkModel, net: int, received: int, flow: Flow
) -> None:
    """No smaller packet delivers as much, by trying them all; the remainder is never negative."""
    found = link.for_received(net, received, flow, 400)
    delivered = {d: link.entry(net, d, flow) for d in range(1, 401)}
    smallest = next(d for d, entry in delivered.items() if entry.received_j >= received)
    assert found is not None
    assert (found.flow_j, found.sent_j) == (smallest, delivered[smallest].sent_j)
    assert found.received_j == received


@given(ROUGH, SMALL_NET, st.integers(0, 40), FLOWS)
def test_for_sent_is_the_largest_packet_that_can_be_fed(
    link: LinkModel, net: int, sent: int, flow: Flow
) -> None:
    """No larger packet gets by with as much, by trying them all; the remainder is never negative."""
    found = link.for_sent(net, sent, flow)
    largest = max((d for d in range(1, 400) if link.entry(net, d, flow).sent_j <= sent), default=0)
    assert (0 if found is None else found.flow_j) == largest
    if found is not None:
        assert found.sent_j == sent
        assert found.received_j == link.entry(net, largest, flow).received_j


@given(REAL, NETS, ENERGIES, FLOWS)
def test_forth_and_back_lose_at_most_the_rounding(link: LinkModel, net: int, energy: int, flow: Flow) -> None:
    """Feeding what a delivery needs delivers it again, and at most two joules more."""
    delivery = link.for_received(net, energy, flow, 4 * energy + 4)
    assert delivery is not None
    again = link.for_sent(net, delivery.sent_j, flow)
    assert again is not None
    assert 0 <= again.received_j - energy <= 2


# ------------------------------------------------------------------ money


PRICES = st.integers(-(10**6), 10**7)
FEES = st.integers(0, 10**6)


@given(REAL, NETS, ENERGIES, FLOWS, PRICES, FEES)
def test_a_hop_never_loses_money_on_energy_it_passes_on(
    link: LinkModel, net: int, energy: int, flow: Flow, price: int, fee: int
) -> None:
    """In both directions of trade what a hop is owed covers what it owes and its fee, and not a micro more
    per kWh than needed.
    """
    entry = link.entry(net, energy, flow)
    if entry.received_j <= 0 or entry.sent_j <= 0:
        return
    fee_micro = fee * entry.flow_j // J_PER_KWH
    after = price_after_link(price, entry, fee)
    paid = amount_micro(price, entry.sent_j)
    assert amount_micro(after, entry.received_j) >= paid + fee_micro
    assert (after - 1) * entry.received_j < price * entry.sent_j + fee * entry.flow_j
    before = price_before_link(price, entry, fee)
    earned = amount_micro(price, entry.received_j)
    assert amount_micro(before, entry.sent_j) + fee_micro <= earned
    assert (before + 1) * entry.sent_j > price * entry.received_j - fee * entry.flow_j


@given(st.integers(0, 10**12), st.booleans())
def test_halves_make_the_whole(energy: int, first: bool) -> None:
    """Both halves add up and differ by at most the odd joule, which goes where it is said."""
    one, other = halves(energy, odd_to_first=first)
    assert one + other == energy
    assert (one - other if first else other - one) == energy % 2


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(500_000, 1_000_000))
def test_usable_power_and_reactive_power_stay_inside_the_rating(rating: int, var: int, lowest: int) -> None:
    """P^2 + Q^2 never exceeds the rating at the lowest voltage; one watt more would, or Q alone does."""
    active = usable_w(rating, var, lowest)
    apparent = rating * lowest // 1_000_000
    if active:
        assert active**2 + var**2 <= apparent**2
    assert (active + 1) ** 2 + var**2 > apparent**2
