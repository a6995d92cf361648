"""The physical world of the demo: devices that do what they were set to, wires, and meters.

A slot happens twice here (protocol section 10.1): as it was *booked* at the
final gate, and as it *actually* came.  Actually, firm loads follow their true
profiles; flexible loads, batteries and fuelled sources follow their agents'
set-points; a source without fuel that was sold out follows the true sun, and
one that was not is curtailed to what it was set to.  Converters let through
what both their ends were set to, and block when an end says nothing.  A member
whose router is dead takes the fail-safe profile: loads run, sources stop,
batteries rest.

Meters count whole joules.  At every bus what the devices give and take and
what passes the ports balances to the joule: the power flow fixes the ports
towards the leaves, the port towards the slack takes the rest of the bus, and
the slack's own exchange with outside takes the rest of all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ioe_router.agents.assets import DeviceSetpoint
from ioe_router.analysis.powerflow import PowerFlow, SetPoint, SlotInjections, SlotPhysics
from ioe_router.analysis.quantities import DayQuantities, asset_groups, power_w, reactive_by_bus
from ioe_router.analysis.topology import zones
from ioe_router.community.reports import GateReport, PortReading
from ioe_router.model.errors import UsageError
from ioe_router.scenario.model import Asset, AssetKind, Day, Scenario, ScenarioLinkKind

PPM: Final = 1_000_000
SOLD_OUT_J: Final = 3_600  # a source with less than a watt-hour left over counts as sold out
NOTHING: Final = DeviceSetpoint(name="", drawn_j=0, given_j=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceEnergy:
    """What a device took and gave in a slot, joules."""

    drawn_j: int
    given_j: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PhysicalSlot:
    """One slot, booked and actual."""

    index: int
    booked: SlotPhysics
    actual: SlotPhysics
    devices: dict[str, DeviceEnergy]  # every asset; the utility gives what comes from outside
    entering_j: dict[tuple[str, str], int]  # (bus, link) -> metered energy into the link, signed
    stored_j: dict[str, int]  # batteries at the slot's end
    booked_import_j: dict[str, int]  # by bus, signed: what its devices were booked to draw

    def readings(self, bus: str) -> tuple[PortReading, ...]:
        """The port meters of one bus."""
        return tuple(
            PortReading(link=link, imported_j=max(0, -energy), exported_j=max(0, energy))
            for (end, link), energy in self.entering_j.items()
            if end == bus
        )

    def loss_j(self, link: str) -> int:
        """Metered loss of a link."""
        return sum(energy for (_, name), energy in self.entering_j.items() if name == link)


class World:
    """The physics of one day. Slots must come in order: batteries remember."""

    def __init__(self, scenario: Scenario, day: Day, expected: DayQuantities) -> None:
        """`expected` are the forecasts by which the routers booked.

        Raises:
            UsageError: a part of the grid has no voltage reference of its own.
        """
        trees = zones(scenario)
        if len(trees) > 1:
            raise UsageError(
                f"bus {trees[1].reference!r} is reached over CONTROLLED links only, so that nothing holds "
                "its voltage; add a RADIAL link to it"
            )
        self._scenario, self._day, self._expected = scenario, day, expected
        self._slot_s = scenario.market.slot_s
        self._inwards = trees[0].inwards
        self._flow = PowerFlow(scenario)
        self._utility = asset_groups(scenario).utility.name
        self._q_expected = reactive_by_bus(scenario, expected, day.slots)
        actual = DayQuantities(
            p_w={name: asset.p_w for name, asset in day.assets.items()},
            q_var={name: asset.q_var for name, asset in day.assets.items()},
        )
        self._q_actual = reactive_by_bus(scenario, actual, day.slots)
        self._actual_w = {a.name: power_w(actual, a, day.slots) for a in scenario.assets if _has_power(a)}
        self._expected_w = {a.name: power_w(expected, a, day.slots) for a in scenario.assets if _has_power(a)}
        self._stored_j = {a.name: a.start_j for a in asset_groups(scenario).batteries}

    # ------------------------------------------------------------ one slot

    def happen(self, index: int, gates: Mapping[str, GateReport]) -> PhysicalSlot:
        """Let slot `index` happen; `gates` by bus, without those whose routers were dead at the gate."""
        points = {p.name: p for gate in gates.values() for p in gate.devices}
        devices = {
            asset.name: self._device(asset, index, points.get(asset.name), alive=asset.bus in gates)
            for asset in self._scenario.assets
            if asset.name != self._utility
        }
        set_points = self._set_points_j(gates)
        booked_j = self._booked_import_j(index, gates)
        booked, actual = self._flow.run(
            [
                self._injections({b: -j for b, j in booked_j.items()}, set_points, self._q_expected, index),
                self._injections(self._exports_j(devices), set_points, self._q_actual, index),
            ]
        )
        entering = self._meter(actual, devices, set_points)
        outside_j = self._outside_j(entering, devices)
        devices[self._utility] = DeviceEnergy(drawn_j=max(0, -outside_j), given_j=max(0, outside_j))
        return PhysicalSlot(
            index=index,
            booked=booked,
            actual=actual,
            devices=devices,
            entering_j=entering,
            stored_j=dict(self._stored_j),
            booked_import_j=booked_j,
        )

    # ------------------------------------------------------------ devices

    def _device(self, asset: Asset, index: int, point: DeviceSetpoint | None, *, alive: bool) -> DeviceEnergy:
        point = point if point is not None and alive else NOTHING
        if asset.kind is AssetKind.BATTERY:
            return self._battery(asset, point)
        available_j = self._actual_w[asset.name][index] * self._slot_s
        if asset.kind is AssetKind.LOAD:
            return DeviceEnergy(drawn_j=available_j, given_j=0)
        if asset.kind is AssetKind.FLEXIBLE:
            return DeviceEnergy(drawn_j=min(point.drawn_j, available_j), given_j=0)
        expected_j = self._expected_w[asset.name][index] * self._slot_s
        sold_out = asset.kind is not AssetKind.CHP and 0 < expected_j <= point.given_j + SOLD_OUT_J
        given_j = available_j if sold_out and alive else min(available_j, point.given_j)
        return DeviceEnergy(drawn_j=0, given_j=given_j)

    def _battery(self, asset: Asset, point: DeviceSetpoint) -> DeviceEnergy:
        """What the agent set, as far as the cells and the converter allow."""
        stored_j, most_j = self._stored_j[asset.name], asset.p_max_w * self._slot_s
        room_j = (asset.capacity_j - stored_j) * PPM // asset.charge_efficiency_ppm
        drawn_j = min(point.drawn_j, most_j, max(0, room_j))
        given_j = min(point.given_j, most_j, stored_j * asset.discharge_efficiency_ppm // PPM)
        taken_j = -(-given_j * PPM // asset.discharge_efficiency_ppm)
        self._stored_j[asset.name] = stored_j + drawn_j * asset.charge_efficiency_ppm // PPM - taken_j
        return DeviceEnergy(drawn_j=drawn_j, given_j=given_j)

    def _exports_j(self, devices: Mapping[str, DeviceEnergy]) -> dict[str, int]:
        exports = {bus.name: 0 for bus in self._scenario.buses}
        for asset in self._scenario.assets:
            energy = devices.get(asset.name)
            if energy is not None:
                exports[asset.bus] += energy.given_j - energy.drawn_j
        return exports

    # ------------------------------------------------------------ what was booked

    def _booked_import_j(self, index: int, gates: Mapping[str, GateReport]) -> dict[str, int]:
        """Booked net draw of each bus's devices; a dead member counts with its expected firm load."""
        booked: dict[str, int] = {}
        for bus in self._scenario.buses:
            gate = gates.get(bus.name)
            if gate is not None:
                booked[bus.name] = gate.imported_j - gate.exported_j
            else:
                booked[bus.name] = self._slot_s * sum(
                    self._expected_w[a.name][index]
                    for a in self._scenario.assets
                    if a.bus == bus.name and a.kind is AssetKind.LOAD
                )
        return booked

    def _set_points_j(self, gates: Mapping[str, GateReport]) -> dict[str, tuple[int, int]]:
        """Energy entering every CONTROLLED link at (parent, child); (0, 0) unless both ends have set it."""
        said = {(gate.bus, port.link): port.entering_j for gate in gates.values() for port in gate.ports}
        points = {}
        for link in self._scenario.links:
            if link.kind is ScenarioLinkKind.CONTROLLED:
                ends = said.get((link.parent, link.name)), said.get((link.child, link.name))
                points[link.name] = (0, 0) if ends[0] is None or ends[1] is None else (ends[0], ends[1])
        return points

    # ------------------------------------------------------------ wires and meters

    def _injections(
        self,
        exports_j: Mapping[str, int],
        set_points_j: Mapping[str, tuple[int, int]],
        reactive: Mapping[str, list[int]],
        index: int,
    ) -> SlotInjections:
        return SlotInjections(
            p_w={b: j / self._slot_s for b, j in exports_j.items() if b != self._scenario.slack},
            q_var={bus: q[index] for bus, q in reactive.items()},
            set_points={
                name: SetPoint(parent_w=parent / self._slot_s, child_w=child / self._slot_s)
                for name, (parent, child) in set_points_j.items()
            },
        )

    def _meter(
        self,
        actual: SlotPhysics,
        devices: Mapping[str, DeviceEnergy],
        set_points_j: Mapping[str, tuple[int, int]],
    ) -> dict[tuple[str, str], int]:
        """Energy into each link at each end, so that every bus but the slack balances to the joule."""
        entering: dict[tuple[str, str], int] = {}
        rest_j = self._exports_j(devices)
        for link in self._scenario.links:
            if link.kind is ScenarioLinkKind.CONTROLLED:
                entering[link.parent, link.name], entering[link.child, link.name] = set_points_j[link.name]
            else:
                power_w = actual.links[link.name].p_parent_w
                entering[link.parent, link.name] = round(power_w * self._slot_s)
        for (bus, _), energy in entering.items():
            rest_j[bus] -= energy
        for link in self._inwards:
            entering[link.child, link.name] = rest_j[link.child]
        return entering

    def _outside_j(self, entering: Mapping[tuple[str, str], int], devices: Mapping[str, DeviceEnergy]) -> int:
        """What comes from outside at the slack: all that leaves the bus less what its other devices give."""
        slack = self._scenario.slack
        leaving = sum(energy for (bus, _), energy in entering.items() if bus == slack)
        return leaving - self._exports_j(devices)[slack]


def _has_power(asset: Asset) -> bool:
    return asset.kind not in (AssetKind.BATTERY, AssetKind.UTILITY)
