"""AC power flow of a scenario: what the booked or metered injections do physically.

The judge of every loss, voltage and loading the routers claim (protocol
section 10.1).  It knows nothing of packets: per slot it takes what each bus
exports and consumes and the set-points of the CONTROLLED links, and returns
the steady state of the RADIAL zones, computed by power-grid-model.

    bus parent                                     bus child
      |---+--[1 : tap]----- r + jx ----------+------|
          |                                  |
        iron, magnetising,                 charging/2
        charging/2

Every bus is given one common base voltage and every impedance is scaled to it,
so only per-unit voltages are seen; powers do not change by that.  Impedances
stand on the child's side of the tap.  Shunts are not entered in the branches
but at the buses, and are added to the ends of their link afterwards, so that
loss = power entering at both ends holds link by link.  CONTROLLED links are
two injections; their set-points carry no reactive power.

Sign convention: power at a link's end is positive when it enters the link.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import power_grid_model as pgm
from numpy.typing import NDArray
from power_grid_model.errors import PowerGridError  # type: ignore[attr-defined] # re-exported there

from ioe_router.analysis.topology import zones
from ioe_router.scenario.model import Scenario, ScenarioLink, ScenarioLinkKind

FloatArray = NDArray[np.float64]
Table = NDArray[np.void]  # one row per component, columns by name

_BASE_V: Final = 1000.0
_STIFF_SOURCE_VA: Final = 1e20  # the references have no inner impedance
_TOLERANCE_PU: Final = 1e-10


class PowerFlowError(ValueError):
    """No steady state exists for these injections; the message names the slots."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPoint:
    """Power entering a CONTROLLED link at either end, watts; the sum is the converter's loss."""

    parent_w: float
    child_w: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotInjections:
    """What one slot does to the grid. Buses and links not named stand at zero.

    `p_w`: net export of the bus, generation minus consumption, without links.
    `q_var`: reactive power consumed at the bus.  `set_points`: CONTROLLED links.
    """

    p_w: Mapping[str, float]
    q_var: Mapping[str, float] = field(default_factory=dict)
    set_points: Mapping[str, SetPoint] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkPhysics:
    """One link in one slot; powers are positive when they enter the link at that end.

    `loading_ppm`: larger apparent power of the two ends over the rating of the
    direction in which active power flows.
    """

    p_parent_w: float
    q_parent_var: float
    p_child_w: float
    q_child_var: float
    loss_w: float
    loading_ppm: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotPhysics:
    """The steady state of one slot.

    `slack_p_w`, `slack_q_var`: drawn from outside at the slack bus, on top of
    what the injections name there (negative: fed back).  `mismatch_p_w` is the
    same for zones without the slack, by reference bus: what their set-points
    left unbalanced.
    """

    links: dict[str, LinkPhysics]
    voltage_micro_pu: dict[str, int]
    slack_p_w: float
    slack_q_var: float
    mismatch_p_w: dict[str, float]

    @property
    def loss_w(self) -> float:
        """Loss of all links, watts."""
        return sum(link.loss_w for link in self.links.values())

    @property
    def max_loading_ppm(self) -> int:
        """Loading of the most loaded link."""
        return max((link.loading_ppm for link in self.links.values()), default=0)


def joules(power_w: float, slot_s: int) -> int:
    """Energy of a mean power over a slot, rounded half to even to whole joules."""
    return round(power_w * slot_s)


class PowerFlow:
    """The power flow of one scenario; built once, run for any number of slots.

    Raises:
        ValueError: the RADIAL links close a loop, or one has neither r nor x.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._slack_pu = scenario.market.slack_voltage_micro_pu * 1e-6
        self._buses = tuple(bus.name for bus in scenario.buses)
        self._bus_index = {name: i for i, name in enumerate(self._buses)}
        self._references = tuple(zone.reference for zone in zones(scenario))
        self._links = scenario.links
        self._radial = tuple(i for i, k in enumerate(scenario.links) if k.kind is ScenarioLinkKind.RADIAL)
        self._controlled = {
            k.name: i for i, k in enumerate(scenario.links) if k.kind is ScenarioLinkKind.CONTROLLED
        }
        self._parent = np.array([self._bus_index[k.parent] for k in scenario.links], dtype=np.int64)
        self._child = np.array([self._bus_index[k.child] for k in scenario.links], dtype=np.int64)
        self._rating_va = np.array(
            [(k.rating_down_va, k.rating_up_va) for k in scenario.links], dtype=np.float64
        )
        self._shunts = _LinkShunts(scenario.links)
        self._model = pgm.PowerGridModel(self._input())

    @property
    def references(self) -> tuple[str, ...]:
        """The bus that balances each zone; the first is the slack."""
        return self._references

    def run(self, injections: Sequence[SlotInjections]) -> tuple[SlotPhysics, ...]:
        """The steady state of every slot, in order.

        Raises:
            ValueError: a bus or link is named that the scenario does not have.
            PowerFlowError: no steady state exists in some slot.
        """
        if not injections:
            return ()
        set_points = self._set_point_array(injections)
        consumed_p, consumed_q = self._consumption(injections, set_points)
        output = self._solve(consumed_p, consumed_q)
        return self._physics(output, set_points)

    # ------------------------------------------------------------ the model

    def _input(self) -> dict[str, Table]:
        buses = len(self._buses)
        node = pgm.initialize_array("input", "node", buses)
        node["id"] = np.arange(buses)
        node["u_rated"] = _BASE_V
        load = pgm.initialize_array("input", "sym_load", buses)
        load["id"] = buses + np.arange(buses)
        load["node"] = node["id"]
        load["status"] = 1
        load["type"] = pgm.LoadGenType.const_power
        load["p_specified"] = 0.0
        load["q_specified"] = 0.0
        tables = {"node": node, "sym_load": load, "source": self._sources(2 * buses)}
        offset = 2 * buses + len(self._references)
        tables["shunt"] = self._shunt_table(offset)
        tables["generic_branch"] = self._branches(offset + buses)
        return tables

    def _sources(self, first_id: int) -> Table:
        source = pgm.initialize_array("input", "source", len(self._references))
        source["id"] = first_id + np.arange(len(self._references))
        source["node"] = [self._bus_index[name] for name in self._references]
        source["status"] = 1
        source["u_ref"] = self._slack_pu
        source["sk"] = _STIFF_SOURCE_VA
        return source

    def _shunt_table(self, first_id: int) -> Table:
        g_w = np.zeros(len(self._buses))
        b_var = np.zeros(len(self._buses))
        np.add.at(g_w, self._parent, self._shunts.parent_p_w)
        np.add.at(b_var, self._parent, self._shunts.parent_q_var)
        np.add.at(b_var, self._child, self._shunts.child_q_var)
        shunt = pgm.initialize_array("input", "shunt", len(self._buses))
        shunt["id"] = first_id + np.arange(len(self._buses))
        shunt["node"] = np.arange(len(self._buses))
        shunt["status"] = 1
        shunt["g1"] = g_w / _BASE_V**2
        shunt["b1"] = -b_var / _BASE_V**2
        return shunt

    def _branches(self, first_id: int) -> Table:
        radial = [self._links[i] for i in self._radial]
        branch = pgm.initialize_array("input", "generic_branch", len(radial))
        branch["id"] = first_id + np.arange(len(radial))
        branch["from_node"] = self._parent[list(self._radial)]
        branch["to_node"] = self._child[list(self._radial)]
        branch["from_status"] = 1
        branch["to_status"] = 1
        branch["r1"] = [_on_base(link, link.r_micro_ohm) for link in radial]
        branch["x1"] = [_on_base(link, link.x_micro_ohm) for link in radial]
        branch["g1"] = 0.0
        branch["b1"] = 0.0
        branch["k"] = [1e6 / link.tap_ratio_ppm for link in radial]
        branch["theta"] = 0.0
        branch["sn"] = 1e6
        return branch

    # ------------------------------------------------------------ one batch

    def _set_point_array(self, injections: Sequence[SlotInjections]) -> FloatArray:
        """Watts entering at (parent, child) of every link, shape (slots, links, 2)."""
        entering = np.zeros((len(injections), len(self._links), 2))
        for slot, wanted in enumerate(injections):
            for name, point in wanted.set_points.items():
                if name not in self._controlled:
                    raise ValueError(
                        f"{name!r} is no CONTROLLED link of this scenario: it takes no set-point"
                    )
                entering[slot, self._controlled[name]] = (point.parent_w, point.child_w)
        return entering

    def _consumption(
        self, injections: Sequence[SlotInjections], set_points: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        p = np.zeros((len(injections), len(self._buses)))
        q = np.zeros_like(p)
        for slot, wanted in enumerate(injections):
            for bus, power_w in wanted.p_w.items():
                p[slot, self._index_of(bus)] = -power_w
            for bus, power_var in wanted.q_var.items():
                q[slot, self._index_of(bus)] = power_var
        for i in self._controlled.values():
            p[:, self._parent[i]] += set_points[:, i, 0]
            p[:, self._child[i]] += set_points[:, i, 1]
        return p, q

    def _index_of(self, bus: str) -> int:
        if bus not in self._bus_index:
            raise ValueError(f"the injections name bus {bus!r}, which the scenario does not have")
        return self._bus_index[bus]

    def _solve(self, consumed_p: FloatArray, consumed_q: FloatArray) -> dict[str, Table]:
        update = pgm.initialize_array("update", "sym_load", consumed_p.shape)
        update["id"] = len(self._buses) + np.arange(len(self._buses))
        update["p_specified"] = consumed_p
        update["q_specified"] = consumed_q
        try:
            output = self._model.calculate_power_flow(
                update_data={"sym_load": update},
                error_tolerance=_TOLERANCE_PU,
                threading=-1,  # measured: one thread is fastest for grids of this size
                output_component_types=["node", "source", "generic_branch"],
            )
        except PowerGridError as error:
            raise PowerFlowError(_explain(error)) from None
        return {str(name.value): table for name, table in output.items()}

    def _physics(self, output: dict[str, Table], set_points: FloatArray) -> tuple[SlotPhysics, ...]:
        u_pu = np.asarray(output["node"]["u_pu"], dtype=np.float64)
        ends = self._ends(output["generic_branch"], u_pu, set_points)
        loading_ppm = self._loading_ppm(ends)
        micro_pu = np.rint(u_pu * 1e6).astype(np.int64).tolist()
        source_p = np.asarray(output["source"]["p"], dtype=np.float64).tolist()
        source_q = np.asarray(output["source"]["q"], dtype=np.float64).tolist()
        rows = ends.tolist()
        return tuple(
            SlotPhysics(
                links=_link_physics(self._links, rows[slot], loading_ppm[slot]),
                voltage_micro_pu=dict(zip(self._buses, micro_pu[slot], strict=True)),
                slack_p_w=source_p[slot][0],
                slack_q_var=source_q[slot][0],
                mismatch_p_w=dict(zip(self._references[1:], source_p[slot][1:], strict=True)),
            )
            for slot in range(u_pu.shape[0])
        )

    def _ends(self, branch: Table, u_pu: FloatArray, set_points: FloatArray) -> FloatArray:
        """(P parent, Q parent, P child, Q child) of every link, shape (slots, links, 4)."""
        ends = np.zeros((*set_points.shape[:2], 4))
        ends[:, :, 0] = set_points[:, :, 0]
        ends[:, :, 2] = set_points[:, :, 1]
        for column, name in enumerate(("p_from", "q_from", "p_to", "q_to")):
            ends[:, list(self._radial), column] = branch[name]
        parent_v2 = u_pu[:, self._parent] ** 2
        child_v2 = u_pu[:, self._child] ** 2
        ends[:, :, 0] += self._shunts.parent_p_w * parent_v2
        ends[:, :, 1] += self._shunts.parent_q_var * parent_v2
        ends[:, :, 3] += self._shunts.child_q_var * child_v2
        return ends

    def _loading_ppm(self, ends: FloatArray) -> list[list[int]]:
        apparent = np.maximum(np.hypot(ends[..., 0], ends[..., 1]), np.hypot(ends[..., 2], ends[..., 3]))
        downwards = ends[..., 0] >= ends[..., 2]
        rating = np.where(downwards, self._rating_va[:, 0], self._rating_va[:, 1])
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(apparent == 0.0, 0.0, apparent / rating)
        ppm: list[list[int]] = np.ceil(np.minimum(share, 1e9) * 1e6 - 1e-3).astype(np.int64).tolist()
        return ppm


class _LinkShunts:
    """What each link draws across its ends at nominal voltage; CONTROLLED links draw nothing here."""

    def __init__(self, links: Sequence[ScenarioLink]) -> None:
        passive = np.array([link.kind is ScenarioLinkKind.RADIAL for link in links], dtype=np.float64)
        charging = passive * np.array([link.charging_var for link in links], dtype=np.float64)
        magnetising = passive * np.array([link.magnetising_var for link in links], dtype=np.float64)
        self.parent_p_w: FloatArray = passive * np.array([link.iron_milli_w * 1e-3 for link in links])
        self.parent_q_var: FloatArray = magnetising - charging / 2
        self.child_q_var: FloatArray = -charging / 2


def _on_base(link: ScenarioLink, micro_ohm: int) -> float:
    if link.r_micro_ohm == 0 and link.x_micro_ohm == 0:
        raise ValueError(
            f"RADIAL link {link.name!r} has neither resistance nor reactance: "
            "join its two buses, or give it the impedance of its switch"
        )
    return micro_ohm * 1e-6 * (_BASE_V / (link.vn_mv * 1e-3)) ** 2


def _link_physics(
    links: Sequence[ScenarioLink], ends: list[list[float]], loading_ppm: list[int]
) -> dict[str, LinkPhysics]:
    return {
        link.name: LinkPhysics(
            p_parent_w=row[0],
            q_parent_var=row[1],
            p_child_w=row[2],
            q_child_var=row[3],
            loss_w=row[0] + row[2],
            loading_ppm=ppm,
        )
        for link, row, ppm in zip(links, ends, loading_ppm, strict=True)
    }


def _explain(error: PowerGridError) -> str:
    slots = getattr(error, "failed_scenarios", None)
    where = f" in slot {', '.join(str(int(s)) for s in slots)}" if slots is not None and len(slots) else ""
    return (
        f"the AC power flow finds no steady state{where}: "
        "the injections exceed what the RADIAL links can carry; lower them or correct the link data"
    )
