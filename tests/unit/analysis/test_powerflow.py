"""The power flow against closed forms and against pandapower."""

from __future__ import annotations

import cmath
import math
from dataclasses import replace
from typing import Any, TypeAlias

import pytest

from ioe_router.analysis.powerflow import (
    PowerFlow,
    PowerFlowError,
    SetPoint,
    SlotInjections,
    SlotPhysics,
    joules,
)
from ioe_router.scenario.model import Scenario, ScenarioLink, ScenarioLinkKind
from tests.unit.analysis import grids

RELATIVE = 1e-6
Untyped: TypeAlias = Any  # what pandas and pandapower hand out


def one_slot(scenario: Scenario, **injections: Untyped) -> SlotPhysics:
    """The steady state of a single slot."""
    return PowerFlow(scenario).run([SlotInjections(**injections)])[0]


def test_two_bus_line_matches_the_closed_form() -> None:
    """A line with a constant-power load has the voltage of the quadratic equation of its circle diagram."""
    physics = one_slot(
        grids.scenario([grids.bus("a"), grids.bus("b")], [grids.link("a", "b")]),
        p_w={"b": -20_000},
        q_var={"b": 5_000},
    )
    r, x, v1, p, q = 0.1, 0.05, 400.0, 20_000.0, 5_000.0
    half = v1**2 / 2 - (r * p + x * q)
    v2_squared = half + math.sqrt(half**2 - (r**2 + x**2) * (p**2 + q**2))
    loss = r * (p**2 + q**2) / v2_squared
    link = physics.links["a-b"]
    assert physics.voltage_micro_pu["b"] == round(math.sqrt(v2_squared) / v1 * 1e6)
    assert link.loss_w == pytest.approx(loss, rel=RELATIVE)
    assert link.p_parent_w == pytest.approx(p + loss, rel=RELATIVE)
    assert link.p_child_w == pytest.approx(-p, rel=RELATIVE)
    assert physics.slack_p_w == pytest.approx(p + loss, rel=RELATIVE)


def test_unloaded_transformer_loses_its_iron_and_shows_its_tap() -> None:
    """At no load the transformer draws iron and magnetising power and the child sits at the tap's voltage."""
    transformer = grids.link("a", "b", iron_w=250.0, magnetising_var=900, tap=1.025)
    physics = one_slot(grids.scenario([grids.bus("a"), grids.bus("b")], [transformer]), p_w={})
    assert physics.voltage_micro_pu["b"] == 1_025_000
    assert physics.slack_p_w == pytest.approx(250.0, rel=RELATIVE)
    assert physics.slack_q_var == pytest.approx(900.0, rel=RELATIVE)
    assert physics.links["a-b"].loss_w == pytest.approx(250.0, rel=RELATIVE)


def test_loaded_transformer_matches_a_fixed_point_by_hand() -> None:
    """Impedance stands on the child's side of the tap."""
    transformer = grids.link("a", "b", iron_w=100.0, tap=0.95)
    physics = one_slot(
        grids.scenario([grids.bus("a"), grids.bus("b")], [transformer]),
        p_w={"b": -30_000},
        q_var={"b": 8_000},
    )
    z, open_circuit, power = complex(0.1, 0.05), 400 * 0.95, complex(30_000, 8_000)
    voltage = complex(open_circuit)
    for _ in range(200):
        voltage = open_circuit - z * (power / voltage).conjugate()
    copper = z.real * abs(power / voltage) ** 2
    assert physics.voltage_micro_pu["b"] == round(abs(voltage) / 400 * 1e6)
    assert physics.links["a-b"].loss_w == pytest.approx(100 + copper, rel=RELATIVE)


def test_set_points_of_a_controlled_link_move_power_and_lose_their_difference() -> None:
    """A converter link is two injections: what one end takes and the other gives, its loss between them."""
    converter = grids.link("b", "c", kind=ScenarioLinkKind.CONTROLLED, b_ppm=10_000)
    grid = grids.scenario(
        [grids.bus("a"), grids.bus("b"), grids.bus("c")],
        [grids.link("a", "b"), grids.link("a", "c"), converter],
    )
    physics = one_slot(
        grid, p_w={"b": 10_000, "c": -9_800}, set_points={"b-c": SetPoint(parent_w=10_000, child_w=-9_800)}
    )
    assert physics.links["b-c"].loss_w == 200
    assert physics.links["a-b"].p_parent_w == pytest.approx(0, abs=1e-3)
    assert physics.links["a-c"].p_parent_w == pytest.approx(0, abs=1e-3)


def test_loading_uses_the_rating_of_the_direction_of_flow() -> None:
    """The same power loads a link by the rating of the direction in which it flows."""
    asymmetric = replace(grids.link("a", "b"), rating_down_va=40_000, rating_up_va=10_000)
    flow = PowerFlow(grids.scenario([grids.bus("a"), grids.bus("b")], [asymmetric]))
    down, up = flow.run([SlotInjections(p_w={"b": -10_000}), SlotInjections(p_w={"b": 10_000})])
    assert 250_000 < down.links["a-b"].loading_ppm < 270_000
    assert up.links["a-b"].loading_ppm == 1_000_000
    assert up.max_loading_ppm == 1_000_000


def test_a_zone_behind_converters_balances_at_its_own_reference() -> None:
    """Buses that only CONTROLLED links reach form a zone whose mismatch is reported, not hidden."""
    converter = grids.link("a", "b", kind=ScenarioLinkKind.CONTROLLED)
    grid = grids.scenario([grids.bus("a"), grids.bus("b"), grids.bus("c")], [converter, grids.link("b", "c")])
    physics = one_slot(grid, p_w={"c": -1_000}, set_points={"a-b": SetPoint(parent_w=1_000, child_w=-1_000)})
    assert physics.mismatch_p_w["b"] == pytest.approx(physics.links["b-c"].loss_w, rel=1e-6)
    assert physics.slack_p_w == pytest.approx(1_000)


def test_an_impossible_slot_is_named() -> None:
    """More power than the line can carry gives one sentence with the slot's number."""
    flow = PowerFlow(grids.scenario([grids.bus("a"), grids.bus("b")], [grids.link("a", "b")]))
    with pytest.raises(PowerFlowError, match="in slot 1: the injections exceed"):
        flow.run([SlotInjections(p_w={"b": -1_000}), SlotInjections(p_w={"b": -5_000_000})])


@pytest.mark.parametrize(
    ("injections", "message"),
    [
        ({"p_w": {"z": 1}}, "bus 'z'"),
        ({"p_w": {}, "set_points": {"a-b": SetPoint(parent_w=1, child_w=-1)}}, "takes no set-point"),
    ],
)
def test_unknown_names_are_refused(injections: dict[str, Untyped], message: str) -> None:
    """A bus that does not exist, or a set-point for a passive line, is a caller's mistake."""
    with pytest.raises(ValueError, match=message):
        one_slot(grids.scenario([grids.bus("a"), grids.bus("b")], [grids.link("a", "b")]), **injections)


def test_an_ideal_switch_is_refused_with_its_remedy() -> None:
    """A RADIAL link without impedance cannot be solved and the message says what to do."""
    with pytest.raises(ValueError, match="join its two buses"):
        PowerFlow(grids.scenario([grids.bus("a"), grids.bus("b")], [grids.link("a", "b", r_ohm=0, x_ohm=0)]))


def test_joules_round_half_to_even() -> None:
    """A mean power becomes whole joules by the named rounding."""
    assert [joules(0.5, 1), joules(1.5, 1), joules(1000.0004, 900), joules(-2.5, 1)] == [0, 2, 900_000, -2]


# ---------------------------------------------------------------- second opinion


def pandapower_net(scenario: Scenario, slot: SlotInjections) -> Untyped:
    """The same grid for pandapower: lines as lines, transformers as ideal tap, impedance and shunts."""
    pp = pytest.importorskip("pandapower")
    net = pp.create_empty_network(sn_mva=1.0)
    vn_kv = {b.name: _bus_kv(scenario, b.name) for b in scenario.buses}
    number = {b.name: pp.create_bus(net, vn_kv[b.name], name=b.name) for b in scenario.buses}
    pp.create_ext_grid(net, number[scenario.slack], vm_pu=scenario.market.slack_voltage_micro_pu * 1e-6)
    for link in scenario.links:
        if link.kind is ScenarioLinkKind.RADIAL:
            _add_branch(pp, net, link, number, vn_kv)
    for name, power_w in slot.p_w.items():
        pp.create_load(net, number[name], p_mw=-power_w * 1e-6, q_mvar=slot.q_var.get(name, 0) * 1e-6)
    pp.runpp(net, tolerance_mva=1e-12, max_iteration=50, trafo_model="pi", calculate_voltage_angles=False)
    return net


def _bus_kv(scenario: Scenario, name: str) -> float:
    """Nominal voltage: that of the link above, or below for the slack of a transformer (20 kV)."""
    above = [k for k in scenario.links if k.child == name and k.kind is ScenarioLinkKind.RADIAL]
    if above:
        return above[0].vn_mv * 1e-6
    below = next(k for k in scenario.links if k.parent == name)
    return 20.0 if below.iron_milli_w else below.vn_mv * 1e-6


def _add_branch(
    pp: Untyped, net: Untyped, link: ScenarioLink, number: dict[str, int], vn_kv: dict[str, float]
) -> None:
    vn = link.vn_mv * 1e-6
    parent, child = number[link.parent], number[link.child]
    if not link.iron_milli_w:
        capacitance_nf = link.charging_var / (vn * 1e3) ** 2 / (2 * math.pi * 50) * 1e9
        pp.create_line_from_parameters(
            net, parent, child, 1.0, link.r_micro_ohm * 1e-6, link.x_micro_ohm * 1e-6, capacitance_nf, 1e3
        )
        return
    z = complex(link.r_micro_ohm, link.x_micro_ohm) * 1e-6
    sn_mva = 1.0
    pp.create_transformer_from_parameters(
        net,
        parent,
        child,
        sn_mva=sn_mva,
        vn_hv_kv=vn_kv[link.parent] * 1e6 / link.tap_ratio_ppm,
        vn_lv_kv=vn,
        vk_percent=abs(z) / vn**2 * sn_mva * 100,
        vkr_percent=z.real / vn**2 * sn_mva * 100,
        pfe_kw=0,
        i0_percent=0,
    )
    pp.create_shunt(net, parent, p_mw=link.iron_milli_w * 1e-9, q_mvar=link.magnetising_var * 1e-6)


def assert_agrees(scenario: Scenario, slot: SlotInjections) -> None:
    """Voltages and every branch's ends agree with pandapower to 1e-6 relative."""
    physics = one_slot(scenario, p_w=slot.p_w, q_var=slot.q_var)
    net = pandapower_net(scenario, slot)
    for i, b in enumerate(scenario.buses):
        assert physics.voltage_micro_pu[b.name] == pytest.approx(net.res_bus.vm_pu[i] * 1e6, abs=0.51)
    lines = [k for k in scenario.links if k.kind is ScenarioLinkKind.RADIAL and not k.iron_milli_w]
    for i, line in enumerate(lines):
        ours, theirs = physics.links[line.name], net.res_line.loc[i]
        assert ours.p_parent_w == pytest.approx(theirs.p_from_mw * 1e6, rel=RELATIVE, abs=1e-3)
        assert ours.q_child_var == pytest.approx(theirs.q_to_mvar * 1e6, rel=RELATIVE, abs=1e-3)
        assert ours.loss_w == pytest.approx(theirs.pl_mw * 1e6, rel=RELATIVE, abs=1e-3)
    assert physics.slack_p_w == pytest.approx(net.res_ext_grid.p_mw[0] * 1e6, rel=RELATIVE)
    assert physics.slack_q_var == pytest.approx(net.res_ext_grid.q_mvar[0] * 1e6, rel=RELATIVE)


def case33bw() -> tuple[Scenario, SlotInjections]:
    """Baran and Wu's feeder with its own loads, ties open."""
    networks = pytest.importorskip("pandapower.networks")
    net = networks.case33bw()
    lines = net.line[net.line.in_service]
    names = [f"n{i:02d}" for i in net.bus.index]
    scenario = grids.scenario(
        [grids.bus(n) for n in names],
        [
            grids.link(
                names[row.from_bus],
                names[row.to_bus],
                r_ohm=row.r_ohm_per_km * row.length_km,
                x_ohm=row.x_ohm_per_km * row.length_km,
                vn_v=12_660,
                charging_var=1000,
            )
            for row in lines.itertuples()
        ],
    )
    p_w = {names[row.bus]: -round(row.p_mw * 1e6) for row in net.load.itertuples()}
    q_var = {names[row.bus]: round(row.q_mvar * 1e6) for row in net.load.itertuples()}
    return scenario, SlotInjections(p_w=p_w, q_var=q_var)


def test_case33bw_agrees_with_pandapower() -> None:
    """On the 33-bus feeder at full load both programs see the same voltages, flows and losses."""
    scenario, slot = case33bw()
    assert_agrees(scenario, slot)


def test_case33bw_loses_what_the_literature_says() -> None:
    """The published 202.7 kW at full load, within the charging we added."""
    scenario, slot = case33bw()
    physics = one_slot(scenario, p_w=slot.p_w, q_var=slot.q_var)
    assert physics.loss_w == pytest.approx(202_700, rel=2e-2)
    assert min(physics.voltage_micro_pu.values()) == pytest.approx(913_000, rel=2e-3)


def test_a_batch_equals_its_slots_one_by_one() -> None:
    """Slots do not influence each other."""
    scenario, slot = case33bw()
    flow = PowerFlow(scenario)
    slots = [
        SlotInjections(p_w={k: v * part // 4 for k, v in slot.p_w.items()}, q_var=slot.q_var)
        for part in range(5)
    ]
    together = flow.run(slots)
    for one, alone in zip(together, (flow.run([s])[0] for s in slots), strict=True):
        assert one.loss_w == pytest.approx(alone.loss_w, rel=1e-9)
        assert one.voltage_micro_pu == alone.voltage_micro_pu


def rural_low_voltage_grid() -> tuple[Scenario, SlotInjections, Untyped]:
    """SimBench's small village: its transformer and lines, and the injections of its study case."""
    pytest.importorskip("pandapower")
    simbench = pytest.importorskip(
        "simbench", reason="simbench (91 MB of grids) is only needed to import scenarios"
    )
    net = simbench.get_simbench_net("1-LV-rural1--1-sw")
    names = {i: f"n{i:02d}" for i in net.bus.index}
    trafo = net.trafo.iloc[0]
    lines = [_line(row, names) for row in net.line[net.line.in_service].itertuples()]
    oriented = _orient(names[trafo.lv_bus], lines)
    order = sorted(names, key=lambda i: i != trafo.hv_bus)
    scenario = grids.scenario([grids.bus(names[i]) for i in order], [_transformer(trafo, names), *oriented])
    p_w = dict.fromkeys((names[i] for i in order), 0)
    q_var = dict(p_w)
    for row in net.load.itertuples():
        p_w[names[row.bus]] -= round(row.p_mw * 1e6)
        q_var[names[row.bus]] += round(row.q_mvar * 1e6)
    for row in net.sgen.itertuples():
        p_w[names[row.bus]] += round(row.p_mw * 1e6 * 0.3)
    return scenario, SlotInjections(p_w=p_w, q_var=q_var), net


def _line(row: Untyped, names: dict[int, str]) -> ScenarioLink:
    return grids.link(
        names[row.from_bus],
        names[row.to_bus],
        r_ohm=row.r_ohm_per_km * row.length_km,
        x_ohm=row.x_ohm_per_km * row.length_km,
        charging_var=round(2 * math.pi * 50 * row.c_nf_per_km * 1e-9 * row.length_km * 400**2),
    )


def _transformer(trafo: Untyped, names: dict[int, str]) -> ScenarioLink:
    z_base = trafo.vn_lv_kv**2 / trafo.sn_mva
    r = trafo.vkr_percent / 100 * z_base
    z = trafo.vk_percent / 100 * z_base
    magnetising_mva = trafo.i0_percent / 100 * trafo.sn_mva
    return grids.link(
        names[trafo.hv_bus],
        names[trafo.lv_bus],
        r_ohm=r,
        x_ohm=math.sqrt(z**2 - r**2),
        iron_w=trafo.pfe_kw * 1e3,
        magnetising_var=round(math.sqrt(magnetising_mva**2 - (trafo.pfe_kw * 1e-3) ** 2) * 1e6),
        tap=1.025,
    )


def _orient(root: str, lines: list[ScenarioLink]) -> list[ScenarioLink]:
    """Lines turned so that each parent is nearer the transformer."""
    reached, left, found = {root}, list(lines), []
    while left:
        here = next(k for k in left if k.parent in reached or k.child in reached)
        left.remove(here)
        if here.parent not in reached:
            here = replace(here, parent=here.child, child=here.parent)
        reached.add(here.child)
        found.append(here)
    return found


@pytest.mark.slow
def test_a_village_grid_agrees_with_pandapower() -> None:
    """With transformer, tap, iron and cable charging both programs agree on the SimBench village."""
    scenario, slot, _ = rural_low_voltage_grid()
    assert_agrees(scenario, slot)


@pytest.mark.slow
def test_our_transformer_is_close_to_the_t_circuit() -> None:
    """Iron at the parent's end, not in the middle of the winding, changes the loss by less than 0.5 %."""
    pp = pytest.importorskip("pandapower")
    scenario, slot, net = rural_low_voltage_grid()
    net.trafo["tap_changer_type"] = "Ratio"
    net.trafo["tap_pos"] = 0
    physics = PowerFlow(
        grids.scenario(
            scenario.buses,
            [replace(k, tap_ratio_ppm=1_000_000) for k in scenario.links],
        )
    ).run([slot])[0]
    net.load = net.load.iloc[0:0]
    net.sgen = net.sgen.iloc[0:0]
    net.storage = net.storage.iloc[0:0]
    net.ext_grid["vm_pu"] = 1.0
    net.bus["tag"] = [f"n{i:02d}" for i in net.bus.index]
    for i, tag in net.bus.tag.items():
        pp.create_load(net, i, p_mw=-slot.p_w[tag] * 1e-6, q_mvar=slot.q_var[tag] * 1e-6)
    pp.runpp(net, trafo_model="t", calculate_voltage_angles=False)
    theirs = (net.res_line.pl_mw.sum() + net.res_trafo.pl_mw.sum()) * 1e6
    assert physics.loss_w == pytest.approx(theirs, rel=5e-3)
    for i, tag in net.bus.tag.items():
        assert physics.voltage_micro_pu[tag] == pytest.approx(net.res_bus.vm_pu[i] * 1e6, abs=50)


def test_phasor_sum_of_a_three_bus_feeder() -> None:
    """Two lines in a row: a forward sweep of phasors from the computed end voltage reaches the slack's."""
    grid = grids.scenario(
        [grids.bus("a"), grids.bus("b"), grids.bus("c")], [grids.link("a", "b"), grids.link("b", "c")]
    )
    physics = one_slot(grid, p_w={"b": 4_000, "c": -12_000}, q_var={"b": -500, "c": 3_000})
    z, end = complex(0.1, 0.05), physics.voltage_micro_pu["c"] * 1e-6 * 400
    at_c = complex(12_000, 3_000)
    voltage_b = end + z * (at_c / end).conjugate()
    at_b = voltage_b * ((at_c / end).conjugate()).conjugate() + complex(-4_000, -500)
    voltage_a = voltage_b + z * (at_b / voltage_b).conjugate()
    assert abs(voltage_a) == pytest.approx(400, rel=1e-6)
    assert cmath.phase(voltage_a) != 0
