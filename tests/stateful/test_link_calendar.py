"""The ledger of a link against a plain dictionary of packets."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from ioe_router.core.calendar import LinkCalendar, LiveEntry, PacketKey, SlotLimits
from ioe_router.core.loss import Increment, LinkModel
from ioe_router.model.errors import UsageError
from ioe_router.model.ids import ReservationId
from ioe_router.model.routing import Direction, Flow
from ioe_router.model.slot import Slot
from tests.links import loss_model

LOSS = loss_model(x_ohm=0)
SLOTS = st.sampled_from([Slot(0), Slot(900), Slot(1800)])
FLOWS = st.sampled_from([Flow.DOWN, Flow.UP])
ENERGIES = st.integers(1, 1_000)


class Packet:
    """What the naive model knows of a packet."""

    def __init__(self, slot: Slot, flow: Flow, increment: Increment) -> None:
        self.slot = slot
        self.flow = flow
        self.increment = increment

    @property
    def gross_j(self) -> int:
        """What it takes of its direction's limit."""
        return max(self.increment.sent_j, self.increment.received_j)


class CalendarMachine(RuleBasedStateMachine):
    """Books, withdraws, re-limits and forgets in any order."""

    booked = Bundle("booked")

    @initialize(linear=st.integers(0, 100), square=st.integers(0, 1), scale=st.integers(2_000, 9_000))
    def begin(self, linear: int, square: int, scale: int) -> None:
        """A link that loses up to a third."""
        self.model = LinkModel(linear=linear, square=square, scale=scale, slot_s=900, loss=LOSS)
        self.calendar = LinkCalendar(self.model)
        self.packets: dict[PacketKey, Packet] = {}
        self.limits: dict[Slot, SlotLimits] = {}
        self.numbers: list[int] = []

    @rule(slot=SLOTS, down=st.integers(0, 2_000), up=st.integers(0, 2_000))
    def set_limits(self, slot: Slot, down: int, up: int) -> None:
        """Limits may change at any time, also below what is booked."""
        self.limits[slot] = SlotLimits(down_j=down, up_j=up)
        self.calendar.open(slot, self.limits[slot])

    @rule(target=booked, slot=SLOTS, energy=ENERGIES, flow=FLOWS, by_receipt=st.booleans())
    def book(self, slot: Slot, energy: int, flow: Flow, by_receipt: bool) -> PacketKey:
        """Admit and enter a packet."""
        number = self.calendar.next_number()
        self.numbers.append(number)
        key = (ReservationId(number.to_bytes(16)), 1, 1)
        if slot not in self.limits:
            assert self.calendar.ledger(slot) is None
            return key
        ledger = self.calendar.open(slot, self.limits[slot])
        admit = self.calendar.admit_received if by_receipt else self.calendar.admit_sent
        increment = admit(ledger, energy, flow)
        if increment is not None:
            assert max(increment.sent_j, increment.received_j) <= self.limits[slot].of(flow) - self.gross(
                slot, flow
            )
            ledger.enter(key, LiveEntry(number=number, flow=flow, increment=increment))
            self.packets[key] = Packet(slot, flow, increment)
        return key

    @rule(key=booked)
    def book_twice(self, key: PacketKey) -> None:
        """A live packet cannot be entered again."""
        packet = self.packets.get(key)
        if packet is not None:
            ledger = self.calendar.open(packet.slot, self.limits[packet.slot])
            with pytest.raises(UsageError):
                ledger.enter(key, LiveEntry(number=0, flow=packet.flow, increment=packet.increment))

    @rule(key=booked, price=st.integers(-100, 100))
    def price(self, key: PacketKey, price: int) -> None:
        """A price changes nothing but the price."""
        packet = self.packets.get(key)
        if packet is not None:
            ledger = self.calendar.open(packet.slot, self.limits[packet.slot])
            ledger.price(key, price, Direction.SUPPLY)
            assert ledger.entries[key].price_micro_per_kwh == price

    @rule(key=consumes(booked), times=st.integers(1, 2))
    def withdraw(self, key: PacketKey, times: int) -> None:
        """Leaving works once and is harmless when repeated."""
        packet = self.packets.pop(key, None)
        slots = [packet.slot] if packet is not None else list(self.limits)
        for turn in range(times):
            for slot in slots:
                gone = self.calendar.open(slot, self.limits[slot]).withdraw(key)
                assert (gone is not None) == (packet is not None and turn == 0)

    @rule(slot=SLOTS)
    def forget(self, slot: Slot) -> None:
        """Past slots go, with all that is in them."""
        self.calendar.forget_before(slot)
        self.limits = {s: limits for s, limits in self.limits.items() if s >= slot}
        self.packets = {key: packet for key, packet in self.packets.items() if packet.slot >= slot}

    def gross(self, slot: Slot, flow: Flow) -> int:
        """Gross use in the naive model."""
        return sum(p.gross_j for p in self.packets.values() if p.slot == slot and p.flow is flow)

    @invariant()
    def ledgers_are_sums_of_packets(self) -> None:
        """Net energy and gross use of each slot are what the dictionary says."""
        if not hasattr(self, "calendar"):
            return
        assert self.calendar.slots() == tuple(sorted(self.limits))
        for slot in self.limits:
            ledger = self.calendar.ledger(slot)
            assert ledger is not None
            ledger.check()
            here = {key: packet for key, packet in self.packets.items() if packet.slot == slot}
            assert ledger.entries.keys() == here.keys()
            net = sum(p.increment.flow_j * (1 if p.flow is Flow.DOWN else -1) for p in here.values())
            assert ledger.net_j == net
            for flow in (Flow.DOWN, Flow.UP):
                assert ledger.used_j(flow) == self.gross(slot, flow)
                room = self.limits[slot].of(flow) - self.gross(slot, flow)
                assert ledger.free_j(flow) == max(0, room)

    @invariant()
    def numbers_rise(self) -> None:
        """The keeper never gives a line number twice."""
        if hasattr(self, "numbers"):
            assert self.numbers == sorted(set(self.numbers))


CalendarMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestCalendar = CalendarMachine.TestCase
