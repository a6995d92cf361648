"""The importers convert, and say what they cannot convert."""

from __future__ import annotations

import builtins
import csv
import importlib.util
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import make_scenarios
import pandapower
import pandapower.networks
import pytest

from ioe_router.analysis.powerflow import PowerFlow, SlotInjections
from ioe_router.scenario import ScenarioError, load, load_scenario, write_scenario
from ioe_router.scenario.model import AssetKind, Scenario, ScenarioLinkKind
from ioe_router.scenario.net_conversion import convert_network, slug
from ioe_router.scenario.pandapower_import import import_pandapower
from ioe_router.scenario.simbench_import import find_day, import_simbench, load_simbench

Untyped: TypeAlias = Any  # nets of pandapower
CODE = "1-LV-rural1--1-sw"
HOUR_S = 3_600
needs_simbench = pytest.mark.skipif(
    importlib.util.find_spec("simbench") is None,
    reason="not run: simbench (91 MB of grids) is missing; pip install 'ioe-router[import]'",
)


def stamps_of_2016() -> list[str]:
    """SimBench's stamps: quarter hours of German local time, written down without its offset.

    The clock went forward on 27 March at 01:00 UTC and back on 30 October at 01:00 UTC.
    """
    start = datetime(2015, 12, 31, 23, tzinfo=UTC)
    forward, back = datetime(2016, 3, 27, 1, tzinfo=UTC), datetime(2016, 10, 30, 1, tzinfo=UTC)
    stamps = []
    for row in range(366 * 96):
        at = start + timedelta(minutes=15 * row)
        local = at + timedelta(hours=2 if forward <= at < back else 1)
        stamps.append(local.strftime("%d.%m.%Y %H:%M"))
    return stamps


@pytest.mark.parametrize(
    ("day", "slots", "first_row", "start"),
    [
        ("2016-01-01", 96, 0, datetime(2015, 12, 31, 23, tzinfo=UTC)),
        ("2016-01-15", 96, 14 * 96, datetime(2016, 1, 14, 23, tzinfo=UTC)),
        ("2016-03-27", 92, 86 * 96, datetime(2016, 3, 26, 23, tzinfo=UTC)),
        ("2016-06-15", 96, 166 * 96 - 4, datetime(2016, 6, 14, 22, tzinfo=UTC)),
        ("2016-10-30", 100, 303 * 96 - 4, datetime(2016, 10, 29, 22, tzinfo=UTC)),
        ("2016-12-31", 96, 365 * 96, datetime(2016, 12, 30, 23, tzinfo=UTC)),
    ],
)
def test_local_days_are_found_by_stamp(day: str, slots: int, first_row: int, start: datetime) -> None:
    """Rows of a local day are those of its stamps, also across a change of the clock."""
    stamps = stamps_of_2016()
    found = find_day(stamps, day)
    assert (found.slots, found.first_row) == (slots, first_row)
    assert found.start_utc_s == int(start.timestamp())
    assert stamps[found.first_row].endswith("00:00")


@pytest.mark.parametrize(
    ("day", "words"),
    [("2017-01-01", "profiles run from"), ("2015-12-31", "profiles run from"), ("15.6.", "no date")],
)
def test_days_outside_the_data_are_refused(day: str, words: str) -> None:
    """A day without data, or no day at all, is one clear sentence."""
    with pytest.raises(ScenarioError, match=words):
        find_day(stamps_of_2016(), day)


def test_stamps_in_another_zone_are_refused() -> None:
    """Profiles stamped in UTC are noticed instead of being shifted by an hour or two."""
    start = datetime(2016, 1, 1, tzinfo=UTC)
    stamps = [(start + timedelta(minutes=15 * row)).strftime("%d.%m.%Y %H:%M") for row in range(366 * 96)]
    with pytest.raises(ScenarioError, match="is stamped"):
        find_day(stamps, "2016-06-15")


@dataclass(frozen=True)
class Village:
    """SimBench's net with absolute profiles, and what the importer makes of it."""

    net: Untyped
    profiles: Untyped
    scenario: Scenario


@pytest.fixture(scope="module")
def village() -> Village:
    """Imported once, it takes some seconds."""
    net, profiles = load_simbench(CODE)
    return Village(net, profiles, import_simbench(CODE, ["2016-01-15", "2016-06-15"]))


@needs_simbench
def test_simbench_import_is_a_valid_scenario(village: Village, tmp_path: Path) -> None:
    """What is imported can be written and read, and has every element of the net."""
    write_scenario(village.scenario, tmp_path)
    assert load_scenario(tmp_path) == village.scenario
    kinds = [asset.kind for asset in village.scenario.assets]
    counted = {kind: kinds.count(kind) for kind in set(kinds)}
    assert counted == {
        AssetKind.UTILITY: 1,
        AssetKind.LOAD: 14,
        AssetKind.SOLAR: 8,
        AssetKind.BATTERY: 4,
    }


@needs_simbench
def test_simbench_profiles_are_in_watts_and_in_utc(village: Village) -> None:
    """Noon of 15 June in UTC+2 is row 10 of the UTC day; power is SimBench's in watts."""
    june = village.scenario.days[1]
    noon = list(village.net.profiles["load"]["time"]).index("15.06.2016 12:00")
    slot = (int(datetime(2016, 6, 15, 10, tzinfo=UTC).timestamp()) - june.start_utc_s) // 900
    plant = june.assets["lv1-101-sgen-2"]
    assert plant.p_w[slot] == round(village.profiles["sgen", "p_mw"][1].iloc[noon] * 1e6)
    assert not any(plant.q_var)
    load = june.assets["lv1-101-load-1"]
    assert load.q_var[slot] == round(village.profiles["load", "q_mvar"][0].iloc[noon] * 1e6)


@needs_simbench
@pytest.mark.parametrize(("day_index", "hour"), [(0, 18), (1, 13)])
def test_converted_village_agrees_with_pandapower(village: Village, day_index: int, hour: int) -> None:
    """Voltages and losses of the converted grid are pandapower's, with its tap changer at work.

    pandapower puts half of the iron loss at the low-voltage side of the transformer, a scenario all
    of it at the parent's: 230 W through 0.0147 ohm are 2e-5 of the voltage, and half a percent of
    voltage between the two ends is up to 1 % of those 230 W.
    """
    day = village.scenario.days[day_index]
    slot = hour * 4
    net = village.net
    net.storage["p_mw"] = 0.0
    for table, sign in (("load", -1), ("sgen", 1)):
        for index in net[table].index:
            values = day.assets[slug(net[table].at[index, "name"], "")]
            net[table].loc[index, "p_mw"] = values.p_w[slot] / 1e6
            net[table].loc[index, "q_mvar"] = -sign * values.q_var[slot] / 1e6
    pandapower.runpp(net, trafo_model="pi", tolerance_mva=1e-9)
    p_w = {bus.name: 0 for bus in village.scenario.buses}
    q_var = dict(p_w)
    for asset in village.scenario.assets:
        sign = -1 if asset.kind is AssetKind.LOAD else 1
        p_w[asset.bus] += sign * day.assets[asset.name].p_w[slot]
        q_var[asset.bus] += day.assets[asset.name].q_var[slot]
    (physics,) = PowerFlow(village.scenario).run([SlotInjections(p_w=p_w, q_var=q_var)])
    for index, name in ((i, slug(net.bus.at[i, "name"], "")) for i in net.bus.index):
        volt = physics.voltage_micro_pu[name] / 1e6
        assert volt == pytest.approx(net.res_bus.at[index, "vm_pu"], abs=5e-5)
    loss_w = 1e6 * float(net.res_line.pl_mw.sum() + net.res_trafo.pl_mw.sum())
    assert physics.loss_w == pytest.approx(loss_w, rel=5e-3)


@needs_simbench
def test_unknown_simbench_code_is_refused() -> None:
    """A code that SimBench does not have is one clear sentence."""
    with pytest.raises(ScenarioError, match="no grid of this code"):
        import_simbench("1-LV-rural9--0-sw", ["2016-01-15"])


def test_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the import packages the error says which extra to install."""
    real = builtins.__import__

    def without(name: str, *rest: Untyped) -> Untyped:
        if name.split(".", maxsplit=1)[0] in {"simbench", "pandapower"}:
            raise ImportError(name=name)
        return real(name, *rest)

    monkeypatch.setattr("importlib.import_module", without)
    with pytest.raises(ScenarioError, match=r"pip install 'ioe-router\[import\]'"):
        import_simbench(CODE, ["2016-01-15"])


@needs_simbench
@pytest.mark.slow
def test_bundled_folders_are_what_the_script_makes(tmp_path: Path) -> None:
    """Running tools/make_scenarios.py gives the committed folders byte for byte."""
    assert make_scenarios.main([str(tmp_path)]) == 0
    made = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    root = load.bundled_path("")
    assert made == {path.relative_to(root) for path in root.rglob("*") if path.is_file()}
    for path in made:
        assert (tmp_path / path).read_bytes() == (root / path).read_bytes(), path


# ---- pandapower ----


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
