"""The importer of SimBench grids finds days, converts, and agrees with the grid it was given."""

from __future__ import annotations

import builtins
import importlib.util
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
from ioe_router.scenario.model import AssetKind, Scenario
from ioe_router.scenario.net_conversion import slug
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
