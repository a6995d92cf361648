"""One slot's record, from what the nodes said and what the world did.

The books of a slot balance when what went into the community is what was
delivered plus what the links' loss accounts hold: on each link the loss that
packets carried, the loss that its two ends bought, and their two shares of
what is left.  Both ends' figures are used, and where they differ the difference
counts as imbalance.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from ioe_router.community.layout import LinkPlace, places
from ioe_router.community.reports import GateReport, LinkBooked
from ioe_router.community.world import PPM, PhysicalSlot
from ioe_router.core.loss import amount_micro
from ioe_router.demo.coordinator import DayFacts
from ioe_router.demo.record import BusSlot, LinkSlot, PriceRange, SlotRecord
from ioe_router.demo.tally import Packet, Tally
from ioe_router.model.errors import ErrorCode
from ioe_router.model.routing import Direction
from ioe_router.model.settlement import Deviation, ImbalanceRecord
from ioe_router.scenario.model import AssetKind, Scenario

_SOURCES = (AssetKind.SOLAR, AssetKind.WIND, AssetKind.HYDRO, AssetKind.GEOTHERMAL, AssetKind.CHP)
_LOADS = (AssetKind.LOAD, AssetKind.FLEXIBLE)


def slot_records(facts: DayFacts, tally: Tally) -> tuple[SlotRecord, ...]:
    """All slots that were run."""
    return tuple(_SlotBooks(facts, tally, index).record() for index in range(len(facts.physical)))


class _SlotBooks:
    """Everything about one slot."""

    def __init__(self, facts: DayFacts, tally: Tally, index: int) -> None:
        self._facts, self._tally, self._index = facts, tally, index
        self._scenario: Scenario = facts.plan.scenario
        self._slot_s = self._scenario.market.slot_s
        self._slot = facts.day.start_utc_s + index * self._slot_s
        self._physical: PhysicalSlot = facts.physical[index]
        self._gates: dict[str, GateReport] = facts.gates[index]
        self._packets = [p for p in tally.packets.get(self._slot, ()) if p.booked.initiator and p.kept]

    def record(self) -> SlotRecord:
        physical, answers = self._physical, self._tally.answers.get(self._slot, ())
        utility = physical.devices[self._utility()]
        refused = Counter(a.code.name for _, a in answers if not a.granted_j)
        drawn_j = sum(energy.drawn_j for energy in physical.devices.values())
        return SlotRecord(
            slot=self._slot,
            links=tuple(self._link(place) for place in places(self._scenario)),
            buses=tuple(self._bus(bus.name) for bus in self._scenario.buses),
            energy_j=self._energy_j(),
            outside_import_j=utility.given_j,
            outside_export_j=utility.drawn_j,
            delivered_j=drawn_j,
            loss_j=sum(physical.loss_j(link.name) for link in self._scenario.links),
            loss_booked_j=-sum(physical.booked_import_j.values()),
            loss_booked_ac_j=round(physical.booked.loss_w * self._slot_s),
            price=price_range(self._packets),
            traded_j=sum(p.kept_j for p in self._packets),
            scarcity_micro=sum(
                amount_micro(p.booked.scarcity_micro_per_kwh, p.kept_j) for p in self._packets
            ),
            holds_attempted=len(answers),
            holds_refused=dict(refused),
            reservations=len({p.booked.reservation for p in self._packets}),
            epochs=len({said.at_ms for said, _ in answers}),
            stored_j=dict(physical.stored_j),
            books_imbalance_j=self._books_imbalance_j(),
            obligations_imbalance_micro=self._obligations_imbalance_micro(),
            overloads=self._overloads(),
            voltage_violations=self._voltage_violations(),
        )

    def _utility(self) -> str:
        return next(a.name for a in self._scenario.assets if a.kind is AssetKind.UTILITY)

    def _energy_j(self) -> dict[str, int]:
        given: dict[str, int] = defaultdict(int)
        for asset in self._scenario.assets:
            if asset.kind not in _LOADS:
                given[asset.kind.value] += self._physical.devices[asset.name].given_j
        return dict(given)

    # ------------------------------------------------------------ links

    def _link(self, place: LinkPlace) -> LinkSlot:
        link, physical = place.link, self._physical
        booked = self._booked(place)
        down_j = (booked.down_sent_j + booked.down_received_j) // 2
        up_j = (booked.up_sent_j + booked.up_received_j) // 2
        limits = booked.limit_down_j // self._slot_s, booked.limit_up_j // self._slot_s
        if not place.keeper_is_parent:
            down_j, up_j, limits = up_j, down_j, limits[::-1]
        parent_j = physical.entering_j[link.parent, link.name]
        child_j = physical.entering_j[link.child, link.name]
        said = self._tally.settled.get((self._slot, link.name), {})
        return LinkSlot(
            link=link.name,
            flow_j=(parent_j - child_j) // 2,
            loss_j=parent_j + child_j,
            loading_ppm=physical.actual.links[link.name].loading_ppm,
            loading_booked_ppm=physical.booked.links[link.name].loading_ppm,
            booked_down_j=down_j,
            booked_up_j=up_j,
            limit_down_w=limits[0],
            limit_up_w=limits[1],
            settled=len(said) == 2 and all(one.agreed for one in said.values()),  # noqa: PLR2004 - both ends
        )

    def _booked(self, place: LinkPlace) -> LinkBooked:
        gate = self._gates.get(place.keeper)
        name = place.link.name
        for booked in gate.links if gate is not None else ():
            if booked.link == name:
                return booked
        return LinkBooked(
            link=name,
            limit_down_j=0,
            limit_up_j=0,
            down_sent_j=0,
            down_received_j=0,
            up_sent_j=0,
            up_received_j=0,
        )

    def _overloads(self) -> int:
        states = (self._physical.booked, self._physical.actual)
        return sum(
            any(state.links[link.name].loading_ppm > PPM for state in states) for link in self._scenario.links
        )

    # ------------------------------------------------------------ buses

    def _bus(self, bus: str) -> BusSlot:
        physical = self._physical
        given: dict[AssetKind, int] = defaultdict(int)
        drawn: dict[AssetKind, int] = defaultdict(int)
        unserved_j = 0
        for asset in self._scenario.assets:
            if asset.bus == bus:
                energy = physical.devices[asset.name]
                given[asset.kind] += energy.given_j
                drawn[asset.kind] += energy.drawn_j
                if asset.kind is AssetKind.FLEXIBLE:
                    wanted_w = self._facts.day.assets[asset.name].p_w[self._index]
                    unserved_j += wanted_w * self._slot_s - energy.drawn_j
        net_j = sum(energy for (end, _), energy in physical.entering_j.items() if end == bus)
        return BusSlot(
            bus=bus,
            voltage_micro_pu=physical.actual.voltage_micro_pu[bus],
            voltage_booked_micro_pu=physical.booked.voltage_micro_pu[bus],
            produced_j=sum(given[kind] for kind in _SOURCES),
            consumed_j=sum(drawn[kind] for kind in _LOADS),
            charged_j=drawn[AssetKind.BATTERY],
            discharged_j=given[AssetKind.BATTERY],
            imported_j=max(0, -net_j),
            exported_j=max(0, net_j),
            flexible_unserved_j=unserved_j,
            firm_not_booked_j=self._firm_not_booked_j(bus),
        )

    def _firm_not_booked_j(self, bus: str) -> int:
        """What the bus's devices are expected to draw above what is booked for them."""
        expected = self._facts.expected.p_w
        firm_j = self._slot_s * sum(
            expected[a.name][self._index]
            for a in self._scenario.assets
            if a.bus == bus and a.kind is AssetKind.LOAD
        )
        gate = self._gates.get(bus)
        if gate is None:
            return firm_j
        if bus == self._scenario.slack:
            return 0
        set_j = sum(point.drawn_j - point.given_j for point in gate.devices)
        return max(0, firm_j + set_j - (gate.imported_j - gate.exported_j))

    def _voltage_violations(self) -> int:
        market = self._scenario.market
        low, high = market.voltage_min_micro_pu, market.voltage_max_micro_pu
        return sum(
            not all(low <= v <= high for v in pair)
            for pair in zip(
                self._physical.booked.voltage_micro_pu.values(),
                self._physical.actual.voltage_micro_pu.values(),
                strict=True,
            )
        )

    # ------------------------------------------------------------ the books

    def _books_imbalance_j(self) -> int:
        """Energy in - delivered - what the links' loss accounts hold; differences between ends add to it."""
        devices = self._physical.devices.values()
        into_links_j = sum(energy.given_j - energy.drawn_j for energy in devices)
        apart_j = 0
        for place in places(self._scenario):
            accounts = self._tally.accounts.get((self._slot, place.link.name), {})
            keeper, other = accounts.get(place.keeper), accounts.get(place.other)
            if keeper is None or other is None:  # a dead end holds no account: only the meters are left
                into_links_j -= self._physical.loss_j(place.link.name)
                continue
            held_j = keeper.carried_j + sum(one.supply_j + one.own_j for one in (keeper, other))
            into_links_j -= held_j
            apart_j += abs(keeper.carried_j - other.carried_j) + abs(keeper.metered_j - other.metered_j)
        return abs(into_links_j) + apart_j

    def _obligations_imbalance_micro(self) -> int:
        """What the ends of each link, and each member and its party, say about each other, added up."""
        total = 0
        for place in places(self._scenario):
            said = self._tally.settled.get((self._slot, place.link.name), {}).values()
            if len(said) == 2:  # noqa: PLR2004 - both ends
                total += abs(sum(one.owed_to_us_micro - one.owed_by_us_micro for one in said))
        for bus in self._facts.nodes:
            said_by = self._tally.imbalances.get((self._slot, bus), {})
            amounts = [paid_micro(record) for record in said_by.values()]
            if len(amounts) == 2:  # noqa: PLR2004 - the member and its party
                total += abs(amounts[0] - amounts[1])
        return total


def price_range(packets: Iterable[Packet]) -> PriceRange | None:
    """Prices of bought energy; sales at the feed-in price are not among them."""
    bought = [p for p in packets if p.booked.direction is Direction.SUPPLY and p.kept_j]
    if not bought:
        return None
    energy_j = sum(one.kept_j for one in bought)
    prices = [one.booked.price_micro_per_kwh for one in bought]
    return PriceRange(
        mean_micro_per_kwh=sum(one.booked.price_micro_per_kwh * one.kept_j for one in bought) // energy_j,
        min_micro_per_kwh=min(prices),
        max_micro_per_kwh=max(prices),
    )


def paid_micro(record: ImbalanceRecord) -> int:
    """What the member pays to its party; negative: what it gets."""
    return record.amount_micro if record.deviation is Deviation.SHORT else -record.amount_micro


def ended_because(code: ErrorCode) -> str:
    """The reason for an end, as the record writes it."""
    return "released" if code is ErrorCode.UNSPECIFIED else code.name.lower()
