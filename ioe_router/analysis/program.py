"""The convex program behind `optimum`: variables, constraints, scaling, solution.

Power is counted in multiples of `base_w`, the largest exchange of a bus, and
each link's flow once more in multiples of what its surroundings can ask of it,
so that a lamp's cable and the feeder's head look alike to the solver:

    F = reach * (down - up),   L = kappa * square_bound + b * reach * (down + up),
    square_bound >= (down - up)^2,   kappa = k * base * reach^2

Money is counted in what base_w costs in one slot at the scenario's reference
price.  The vanishing prices that break ties stand at the top; they steer and
are not part of any figure reported.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import cvxpy
import numpy as np
from numpy.typing import NDArray

from ioe_router.analysis.linkmodel import LinkModel
from ioe_router.analysis.quantities import AssetGroups, DayQuantities, asset_groups, power_w
from ioe_router.analysis.topology import zones
from ioe_router.scenario.model import Asset, Day, Scenario, ScenarioLinkKind

FloatArray = NDArray[np.float64]
Expression: TypeAlias = Any  # cvxpy builds its functions at import time, out of mypy's sight
cp: Any = cvxpy

LOSS_TIES: Final = (
    1e-4,
    1e-2,
)  # of the reference price, per energy lost; the second if losses came out loose
FLOW_TIE: Final = 1e-6  # per energy moved over a link or through a battery
TOLERANCES: Final = (1e-7, 1e-6)  # the second is tried where the first is not reached
_LOOSE: Final = 1e-6  # of the base: more slack than this in a link's loss is loose
_LEAST_REACH: Final = 1e-3  # of the base


class OptimumError(ValueError):
    """The day has no optimum; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """Powers in watts, arrays of shape (assets of the group or links, slots)."""

    flow_w: FloatArray  # mid-link, parent to child positive
    flow_loss_w: FloatArray
    produced_w: FloatArray
    unserved_w: FloatArray
    served_w: FloatArray
    charge_w: FloatArray
    discharge_w: FloatArray
    stored_j: FloatArray  # at the end of each slot
    import_w: FloatArray
    export_w: FloatArray


class Program:
    """One day as a convex program."""

    def __init__(self, scenario: Scenario, day: Day, quantities: DayQuantities, model: LinkModel) -> None:
        self._scenario, self._day, self._model = scenario, day, model
        self._groups = asset_groups(scenario)
        self._load_w = _profiles(self._groups.loads, quantities, day.slots)
        self._wanted_w = _profiles(self._groups.flexible, quantities, day.slots)
        self._available_w = _profiles(self._groups.sources, quantities, day.slots)
        exchange = _exchange_by_bus(scenario, self._groups, self._load_w, self._wanted_w, self._available_w)
        self._base_w = max(1.0, 4 * float(model.standing_w.max(initial=0.0)), *exchange.values())
        self._reach = _reaches(scenario, exchange, self._base_w)
        self._variables()

    def _variables(self) -> None:
        slots, links = self._day.slots, len(self._scenario.links)
        groups = self._groups

        def powers(count: int) -> Expression:
            return cp.Variable((max(count, 1), slots), nonneg=True)

        self._down, self._up, self._square_bound = powers(links), powers(links), powers(links)
        self._produced, self._unserved = powers(len(groups.sources)), powers(len(groups.loads))
        self._served = powers(len(groups.flexible))
        self._charge, self._discharge = powers(len(groups.batteries)), powers(len(groups.batteries))
        self._stored = powers(len(groups.batteries))  # base x slot
        self._import, self._export = powers(1), powers(1)
        self._flow = cp.multiply(self._reach, self._down - self._up)
        kappa = self._model.k_per_w * self._base_w * self._reach**2
        moved = cp.multiply(self._reach, self._down + self._up)
        self._moved = moved
        self._loss = cp.multiply(kappa, self._square_bound) + cp.multiply(self._model.b, moved)

    # ------------------------------------------------------------ constraints

    def _constraints(self, *, netting: bool) -> list[Expression]:
        return [
            *self._link_constraints(netting=netting),
            *self._asset_constraints(),
            *self._battery_constraints(),
            *self._bus_constraints(),
        ]

    def _link_constraints(self, *, netting: bool) -> list[Expression]:
        lossy = (self._model.k_per_w > 0).astype(np.float64)
        half_standing = self._model.standing_w / 2
        down = np.maximum(self._model.limit_down_w - half_standing, 0.0) / self._base_w
        up = np.maximum(self._model.limit_up_w - half_standing, 0.0) / self._base_w
        bounds = [
            cp.multiply(lossy, cp.square(self._down - self._up)) <= self._square_bound,
            self._flow + self._loss / 2 <= down,
            -self._flow + self._loss / 2 <= up,
        ]
        if not netting:
            bounds.append(cp.multiply(self._reach, self._down) <= down)
            bounds.append(cp.multiply(self._reach, self._up) <= up)
        return bounds

    def _asset_constraints(self) -> list[Expression]:
        base = self._base_w
        bounds = [
            self._produced <= self._available_w / base,
            self._unserved <= self._load_w / base,
            self._served <= self._wanted_w / base,
        ]
        nameplate_w = self._groups.utility.p_max_w
        if nameplate_w:
            bounds += [self._import <= nameplate_w / base, self._export <= nameplate_w / base]
        return bounds

    def _battery_constraints(self) -> list[Expression]:
        batteries = self._groups.batteries
        if not batteries:
            return [self._charge == 0, self._discharge == 0, self._stored == 0]
        unit_j = self._base_w * self._scenario.market.slot_s
        power = _column([b.p_max_w for b in batteries]) / self._base_w
        start = _column([b.start_j for b in batteries]) / unit_j
        least = np.minimum(_column([b.reserve_j for b in batteries]) / unit_j, start)
        all_day = np.ones((1, self._day.slots))
        into = _column([b.charge_efficiency_ppm * 1e-6 for b in batteries]) * all_day
        out_of = _column([1e6 / b.discharge_efficiency_ppm for b in batteries]) * all_day
        change = cp.multiply(into, self._charge) - cp.multiply(out_of, self._discharge)
        return [
            self._charge <= power,
            self._discharge <= power,
            self._stored[:, :1] == start + change[:, :1],
            self._stored[:, 1:] == self._stored[:, :-1] + change[:, 1:],
            self._stored >= least,
            self._stored <= _column([b.capacity_j for b in batteries]) / unit_j,
        ]

    def _bus_constraints(self) -> list[Expression]:
        buses = self._scenario.buses
        members = self._members_export()
        at_slack = np.array([[float(bus.name == self._scenario.slack)] for bus in buses])
        leaving = _incidence(self._scenario)
        lost = (self._loss + self._model.standing_w / self._base_w) / 2
        balance = (
            members + at_slack @ (self._import - self._export) == leaving @ self._flow + abs(leaving) @ lost
        )
        inside = [i for i, bus in enumerate(buses) if bus.name != self._scenario.slack]
        if not inside:
            return [balance]
        most_in = _column([buses[i].import_limit_w for i in inside]) / self._base_w
        most_out = _column([buses[i].export_limit_w for i in inside]) / self._base_w
        return [balance, members[inside, :] <= most_out, -members[inside, :] <= most_in]

    def _members_export(self) -> Expression:
        """Production minus consumption of the assets at every bus, the utility left out."""
        scenario, groups, base = self._scenario, self._groups, self._base_w
        return (
            _placement(scenario, groups.sources) @ self._produced
            + _placement(scenario, groups.loads) @ (self._unserved - self._load_w / base)
            - _placement(scenario, groups.flexible) @ self._served
            + _placement(scenario, groups.batteries) @ (self._discharge - self._charge)
        )

    # ------------------------------------------------------------ objective

    def _objective(self, *, with_fees: bool, loss_tie: float) -> Expression:
        market, day, groups = self._scenario.market, self._day, self._groups
        unit = abs(market.reference_price_micro_per_kwh) or max(1, *map(abs, day.retail_micro_per_kwh))
        cost = self._traded(np.array([day.retail_micro_per_kwh]) / unit, self._import)
        cost -= self._traded(np.array([day.feed_in_micro_per_kwh]) / unit, self._export)
        cost += self._traded(_asset_prices(groups.sources) / unit, self._produced)
        cost -= self._traded(_asset_prices(groups.flexible) / unit, self._served)
        cost += market.unserved_micro_per_kwh / unit * cp.sum(self._unserved)
        cost -= market.reference_price_micro_per_kwh / unit * cp.sum(self._stored[:, -1])
        if with_fees:
            cost += self._fees() / unit
        moved = cp.sum(self._moved) + cp.sum(self._charge + self._discharge)
        return cost + loss_tie * cp.sum(self._loss) + FLOW_TIE * moved

    def _fees(self) -> Expression:
        links = self._scenario.links
        down = _column([link.fee_down_micro_per_kwh for link in links]) * self._reach
        up = _column([link.fee_up_micro_per_kwh for link in links]) * self._reach
        return self._traded(down, self._down) + self._traded(up, self._up)

    def _traded(self, price: FloatArray, power: Expression) -> Expression:
        return cp.sum(cp.multiply(np.broadcast_to(price, power.shape), power))

    # ------------------------------------------------------------ solution

    def solve(self, *, with_fees: bool, netting: bool) -> Solution:
        """The optimal powers.

        Raises:
            OptimumError: no schedule keeps all limits, or the solver gave up.
        """
        constraints = self._constraints(netting=netting)
        firm, firmer = LOSS_TIES
        solution = self._solve(self._objective(with_fees=with_fees, loss_tie=firm), constraints)
        if self._slack_w(solution) > _LOOSE * self._base_w:
            solution = self._solve(self._objective(with_fees=with_fees, loss_tie=firmer), constraints)
        return solution

    def _solve(self, objective: Expression, constraints: list[Expression]) -> Solution:
        problem = cp.Problem(cp.Minimize(objective), constraints)
        for tolerance in TOLERANCES:
            if _solved(problem, tolerance):
                return self._solution()
        raise OptimumError(
            f"the optimum of this day was not found (the solver says {problem.status or 'nothing'}): "
            "check that every link's limit leaves room for the standing loss behind it"
        )

    def _slack_w(self, solution: Solution) -> float:
        return float(np.max(solution.flow_loss_w - self._model.flow_loss_w(solution.flow_w), initial=0.0))

    def _solution(self) -> Solution:
        base = self._base_w

        def watts(power: Expression) -> FloatArray:
            return np.asarray(power.value, dtype=np.float64) * base

        return Solution(
            flow_w=watts(self._flow),
            flow_loss_w=watts(self._loss),
            produced_w=watts(self._produced),
            unserved_w=watts(self._unserved),
            served_w=watts(self._served),
            charge_w=watts(self._charge),
            discharge_w=watts(self._discharge),
            stored_j=watts(self._stored) * self._scenario.market.slot_s,
            import_w=watts(self._import)[0],
            export_w=watts(self._export)[0],
        )


def _solved(problem: Expression, tolerance: float) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "may be inaccurate": the status says so too
            problem.solve(
                solver=cp.CLARABEL, tol_gap_abs=tolerance, tol_gap_rel=tolerance, tol_feas=tolerance
            )
    except cp.SolverError:
        return False
    return bool(problem.status == cp.OPTIMAL)


def _column(values: list[int] | list[float]) -> FloatArray:
    return np.array(values, dtype=np.float64).reshape(-1, 1)


def _profiles(assets: tuple[Asset, ...], quantities: DayQuantities, slots: int) -> FloatArray:
    """Powers of a group, one row of zeros where the group is empty."""
    rows = [power_w(quantities, asset, slots) for asset in assets] or [(0,) * slots]
    return np.array(rows, dtype=np.float64)


def _asset_prices(assets: tuple[Asset, ...]) -> FloatArray:
    return _column([asset.price_micro_per_kwh for asset in assets] or [0])


def _placement(scenario: Scenario, assets: tuple[Asset, ...]) -> FloatArray:
    index = {bus.name: i for i, bus in enumerate(scenario.buses)}
    at = np.zeros((len(scenario.buses), max(len(assets), 1)))
    for column, asset in enumerate(assets):
        at[index[asset.bus], column] = 1.0
    return at


def _incidence(scenario: Scenario) -> FloatArray:
    index = {bus.name: i for i, bus in enumerate(scenario.buses)}
    leaving = np.zeros((len(scenario.buses), len(scenario.links)))
    for column, link in enumerate(scenario.links):
        leaving[index[link.parent], column] = 1.0
        leaving[index[link.child], column] = -1.0
    return leaving


def _exchange_by_bus(
    scenario: Scenario, groups: AssetGroups, load: FloatArray, wanted: FloatArray, available: FloatArray
) -> dict[str, float]:
    """The most that the assets of each bus can exchange, watts."""
    most = {bus.name: 0.0 for bus in scenario.buses}
    for assets, powers in ((groups.loads, load), (groups.flexible, wanted), (groups.sources, available)):
        for asset, row in zip(assets, powers, strict=False):
            most[asset.bus] += float(row.max())
    for battery in groups.batteries:
        most[battery.bus] += battery.p_max_w
    return most


def _reaches(scenario: Scenario, exchange: dict[str, float], base_w: float) -> FloatArray:
    """A typical flow of every link in multiples of the base: what hangs below it, else the base."""
    below = {bus: power / base_w for bus, power in exchange.items()}
    reach = {link.name: 1.0 for link in scenario.links}
    for link in scenario.links:
        if link.kind is ScenarioLinkKind.CONTROLLED:
            below[link.parent] += 1.0
            below[link.child] += 1.0
    for zone in zones(scenario):
        for link in zone.inwards:
            reach[link.name] = max(below[link.child], _LEAST_REACH)
            below[link.parent] += below[link.child]
    return _column([reach[link.name] for link in scenario.links])
