"""The importer of pandapower nets converts, and says what it cannot convert."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pandapower
import pandapower.networks
import pytest

from ioe_router.scenario import ScenarioError
from ioe_router.scenario.model import Scenario, ScenarioLinkKind
from ioe_router.scenario.net_conversion import convert_network
from ioe_router.scenario.pandapower_import import import_pandapower

Untyped: TypeAlias = Any  # nets of pandapower


def small_net() -> Untyped:
    """A transformer, a line, an open line across, two loads."""
    net = pandapower.create_empty_network()
    high = pandapower.create_bus(net, 20.0, name="High")
    low = pandapower.create_bus(net, 0.4, name="Low")
    far = pandapower.create_bus(net, 0.4, name="Far")
    pandapower.create_ext_grid(net, high)
    pandapower.create_transformer(net, high, low, "0.25 MVA 20/0.4 kV", name="Trafo")
    pandapower.create_line(net, far, low, 0.2, "NAYY 4x150 SE", name="Cable")
    tie = pandapower.create_line(net, low, far, 0.3, "NAYY 4x150 SE", name="Tie")
    net.line.loc[tie, "in_service"] = False
    pandapower.create_load(net, far, 0.010, 0.004, name="Shop")
    pandapower.create_load(net, low, 0.005, 0.0, name="Lamp")
    return net


ASSETS = """
format = 1
name = "small"
title = "Small"
description = "Two loads."

[market]
network_id = "small.test"
currency = "EUR"
slot_s = 900
reference_price_micro_per_kwh = 100000
unserved_micro_per_kwh = 3000000
voltage_min_micro_pu = 900000
voltage_max_micro_pu = 1100000
voltage_guard_micro_pu = 5000
slack_voltage_micro_pu = 1000000
forecast_margin_ppm = 0
floor_micro_per_kwh = [400000, 200000, 20000]

[attribution]
source = "test"
licence = "Apache-2.0"
text = "test"

[[days]]
label = "one"
start_utc_s = 1465948800
slots = 2

[[days]]
label = "two"
start_utc_s = 1466035200
slots = 1

[prices]
retail_micro_per_kwh = 300000
feed_in_micro_per_kwh = 80000

[[assets]]
name = "utility"
title = "Utility"
bus = "high"
kind = "utility"
p_max_w = 250000

[[links]]
name = "tie"
rating_down_va = 20000
rating_up_va = 10000
fee_up_micro_per_kwh = 7

[[buses]]
name = "far"
title = "Corner shop"
"""
PROFILES = """slot_start_utc_s,shop.p_w,lamp.p_w,lamp.q_var
1465948800,10000,5000,10
1465949700,5000,0,0
1466035200,2000,1000,-3
"""


@dataclass(frozen=True)
class Inputs:
    """Paths of the three inputs."""

    net: Path
    profiles: Path
    assets: Path

    def convert(self) -> Scenario:
        """What the importer makes of them."""
        return import_pandapower(self.net, self.profiles, self.assets)


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    """The three files of the small net."""
    net, profiles, assets = (tmp_path / name for name in ("net.json", "p.csv", "a.toml"))
    pandapower.to_json(small_net(), str(net))
    profiles.write_text(PROFILES, encoding="utf-8")
    assets.write_text(ASSETS, encoding="utf-8")
    return Inputs(net, profiles, assets)


def test_pandapower_import(inputs: Inputs) -> None:
    """Tree, tie, corrections, power factor and days come out as the three files say."""
    scenario = inputs.convert()
    links = {link.name: link for link in scenario.links}
    assert [(k.parent, k.child) for k in scenario.links[:2]] == [("low", "far"), ("high", "low")]
    assert links["tie"].kind is ScenarioLinkKind.CONTROLLED
    assert (links["tie"].rating_down_va, links["tie"].rating_up_va) == (20_000, 10_000)
    assert links["tie"].fee_up_micro_per_kwh == 7
    assert links["cable"].r_micro_ohm == round(0.208 * 0.2 * 1e6)
    assert links["cable"].rating_up_va == math.floor(math.sqrt(3) * 400 * 270)
    assert links["trafo"].rating_down_va == 250_000
    assert [bus.title for bus in scenario.buses] == ["High", "Low", "Corner shop"]
    one, two = scenario.days
    assert one.assets["shop"].p_w == (10_000, 5_000)
    assert one.assets["shop"].q_var == (4_000, 2_000)
    assert two.assets["lamp"].q_var == (-3,)


def edit(path: Path, old: str, new: str) -> None:
    """Exchange the only occurrence of `old`."""
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("assets", 'kind = "utility"', 'kind = "utilty"', 'did you mean "utility"'),
        ("assets", 'bus = "high"', 'bus = "hi"', 'there is no bus "hi"'),
        ("assets", "p_max_w = 250000", "p_max_kw = 250", 'unit "kw"'),
        ("assets", "p_max_w = 250000", "capacity_j = 5", "does not use capacity_j"),
        ("assets", 'name = "tie"', 'name = "tye"', 'did you mean "tie"'),
        ("assets", 'name = "far"', 'name = "fear"', 'did you mean "far"'),
        ("assets", "retail_micro_per_kwh = 300000\n", "", "retail_micro_per_kwh"),
        ("assets", "rating_down_va = 20000", "rating_down_va = -5", "is negative"),
        ("assets", "[prices]", "[prices", "malformed TOML"),
        ("profiles", "shop.p_w", "shoe.p_w", "shop.p_w: the profile column is missing"),
        ("profiles", "1465949700", "1465949800", "not aligned"),
        ("profiles", "1466035200,2000", "1466035200,lots", "not an integer"),
        ("profiles", "10000,5000,10", "20000,5000,10", "above the asset's p_max_w"),
        ("net", "pandapowerNet", "somethingElse", "no pandapower net"),
    ],
)
def test_faulty_inputs_are_refused(inputs: Inputs, file: str, old: str, new: str, words: str) -> None:
    """A fault in any of the three files is named, without a traceback of somebody else's."""
    path: Path = getattr(inputs, file)
    if file == "net":
        path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    else:
        edit(path, old, new)
    with pytest.raises(ScenarioError) as caught:
        inputs.convert()
    assert words in str(caught.value)


@pytest.mark.parametrize("name", ["net", "profiles", "assets"])
def test_absent_inputs_are_refused(inputs: Inputs, name: str) -> None:
    """A file that is not there is one clear sentence."""
    path: Path = getattr(inputs, name)
    path.unlink()
    with pytest.raises(ScenarioError) as caught:
        inputs.convert()
    assert len(caught.value.findings) == 1
    assert path.name in str(caught.value)


def close_tie(net: Untyped) -> None:
    """Make a ring."""
    net.line["in_service"] = True


def second_grid(net: Untyped) -> None:
    """Feed the net from two sides."""
    pandapower.create_ext_grid(net, 2)


def add_shunt(net: Untyped) -> None:
    """An element that a scenario has no place for."""
    pandapower.create_shunt(net, 1, 0.01)


@pytest.mark.parametrize(
    ("change", "words"),
    [(close_tie, "form a mesh"), (second_grid, "2 external grids"), (add_shunt, "shunt")],
)
def test_nets_beyond_a_scenario_are_refused(change: Callable[[Untyped], None], words: str) -> None:
    """A mesh, a second feed or an unknown element is named instead of being dropped."""
    net = small_net()
    change(net)
    with pytest.raises(ScenarioError, match=words):
        convert_network(net, "net.json", ties=True)


def test_open_switches_and_bus_couplers() -> None:
    """A line open at a switch is a tie; buses joined by a closed switch are one bus."""
    net = small_net()
    net.line["in_service"] = True
    pandapower.create_switch(net, 1, 1, et="l", closed=False)
    extra = pandapower.create_bus(net, 0.4, name="Coupled")
    pandapower.create_switch(net, 2, extra, et="b", closed=True)
    network = convert_network(net, "net.json", ties=True)
    assert [link.name for link in network.links if link.kind == "controlled"] == ["tie"]
    assert network.bus_of[extra] == "far"
    assert [bus.name for bus in network.buses] == ["high", "low", "far"]
    without = convert_network(net, "net.json", ties=False)
    assert "tie" not in [link.name for link in without.links]


def test_twin_transformers_become_one_link() -> None:
    """Two equal transformers side by side are one link of twice the rating and half the impedance."""
    (single,) = (k for k in convert_network(small_net(), "n", ties=False).links if k.name == "trafo")
    net = small_net()
    pandapower.create_transformer(net, 0, 1, "0.25 MVA 20/0.4 kV", name="Twin")
    (merged,) = (k for k in convert_network(net, "n", ties=False).links if k.name == "trafo")
    assert merged.rating_down_va == 2 * single.rating_down_va
    assert merged.iron_milli_w == 2 * single.iron_milli_w
    assert abs(2 * merged.r_micro_ohm - single.r_micro_ohm) <= 1


def test_a_line_without_rating_needs_one(inputs: Inputs) -> None:
    """A net that calls its lines unlimited is refused until a rating is stated."""
    net = small_net()
    net.line["max_i_ka"] = 99_999.0
    pandapower.to_json(net, str(inputs.net))
    with pytest.raises(ScenarioError, match='no rating for "cable"'):
        inputs.convert()
    with inputs.assets.open("a", encoding="utf-8") as file:
        file.write("\n[network]\ndefault_rating_va = 90000\n")
    assert {link.rating_up_va for link in inputs.convert().links} == {90_000, 10_000, 250_000}


def test_profiles_may_be_in_any_column_order(inputs: Inputs) -> None:
    """Columns are found by name."""
    rows = list(csv.reader(PROFILES.splitlines()))
    before = inputs.convert()
    text = "\n".join(",".join(reversed(row)) for row in rows)
    inputs.profiles.write_text(text + "\n", encoding="utf-8")
    assert inputs.convert() == before
