"""Every kind of fault in a scenario folder is found, placed and given a remedy."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ioe_router.scenario import Finding, ScenarioError, load_scenario, validate

TINY = Path(__file__).parents[2] / "scenarios" / "tiny"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the tiny scenario that a test may spoil."""
    copy = tmp_path / "tiny"
    shutil.copytree(TINY, copy)
    return copy


def replace(folder: Path, file: str, old: str, new: str) -> None:
    """Exchange the only occurrence of `old`."""
    path = folder / file
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times in {file}"
    path.write_text(text.replace(old, new), encoding="utf-8")


LINKS = "links.csv"
BUSES = "buses.csv"
ASSETS = "assets.csv"
PRICES = "prices.csv"
HEADER = "scenario.toml"
PROFILE = "profiles/day-1.csv"

# what is spoilt: file, old text, new text; then where the finding points and a word of it
SPOILT: list[tuple[str, str, str, str, int, str, str]] = [
    # scenario.toml
    (HEADER, 'name = "tiny"', 'name = "tiny', HEADER, 2, "", "malformed TOML"),
    (HEADER, "format = 1", "format = 2", HEADER, 1, "format", "format 2 is not known"),
    (HEADER, 'title = "Two houses on one feeder"\n', "", HEADER, 0, "title", "missing"),
    (HEADER, 'slack = "grid"', 'slak = "grid"', HEADER, 5, "slak", 'did you mean "slack"'),
    (HEADER, 'slack = "grid"', 'slack = "gird"', HEADER, 0, "slack", 'did you mean "grid"'),
    (HEADER, 'name = "tiny"', 'name = "Tiny town"', HEADER, 2, "name", "not a valid name"),
    (HEADER, "slot_s = 900", "slot_s = 600", HEADER, 10, "market.slot_s", "no slot length"),
    (HEADER, "slot_s = 900", "slot_min = 15", HEADER, 10, "market.slot_min", "give the value in s"),
    (HEADER, "slot_s = 900", "slot_s = 900.5", HEADER, 10, "market.slot_s", "not an integer"),
    (HEADER, "slot_s = 900", "slot_s = true", HEADER, 10, "market.slot_s", "not an integer"),
    (HEADER, '"EUR"', '"Euro"', HEADER, 9, "market.currency", "ISO 4217"),
    (HEADER, "600000, 400000", "400000, 600000", HEADER, 18, "market.floor_micro_per_kwh", "descend"),
    (HEADER, "600000, 400000", "400000, 400000", HEADER, 18, "market.floor_micro_per_kwh", "descend"),
    (HEADER, "1000000, 600000", '"high"', HEADER, 18, "market.floor_micro_per_kwh", "not an integer"),
    (
        HEADER,
        "slack_voltage_micro_pu = 1000000",
        "slack_voltage_micro_pu = 1099000",
        HEADER,
        16,
        "market.slack_voltage_micro_pu",
        "not inside the voltage band",
    ),
    (
        HEADER,
        "forecast_margin_ppm = 0",
        "forecast_margin_ppm = -1",
        HEADER,
        17,
        "market.forecast_margin_ppm",
        "neg",
    ),
    (HEADER, "[[days]]", "[[day]]", HEADER, 0, "days", "there is no day"),
    (HEADER, "slots = 2", "slots = 0", HEADER, 28, "days.slots", "out of range"),
    (HEADER, "slots = 2", "slots = 3", PRICES, 0, "slot_start_utc_s", "2 rows here and 3 slots"),
    (HEADER, "1465948800", "1465948801", HEADER, 26, "days.start_utc_s", "not aligned"),
    (HEADER, '"day-1"', '"../day"', HEADER, 26, "days.label", "not a valid name"),
    # tables as such
    (BUSES, "grid,Utility,0", 'grid,"Utility,0', BUSES, 5, "", "malformed CSV"),
    (BUSES, "grid,Utility,0", "grid,Utility,0,0", BUSES, 2, "", "7 cells and the header 6"),
    (BUSES, "name,title,x,y", "name,title,x,x", BUSES, 1, "x", "occurs twice"),
    (BUSES, "title,", "titel,", BUSES, 1, "titel", 'did you mean "title"'),
    (BUSES, "export_limit_w", "export_limit_kw", BUSES, 1, "export_limit_kw", 'unit "kw"'),
    (BUSES, "export_limit_w", "export_limit", BUSES, 1, "export_limit", "no unit"),
    (LINKS, "charging_var,", "charging_kvar,", LINKS, 1, "charging_var", "column is missing"),
    # buses and links
    (BUSES, "200,-60", "200.5,-60", BUSES, 4, "x", "not an integer"),
    (BUSES, "200,60,15000", "200,60,", BUSES, 5, "import_limit_w", "is empty"),
    (BUSES, "200,60,15000", "200,60,-15000", BUSES, 5, "import_limit_w", "is negative"),
    (BUSES, "house-b,House", "house-a,House", BUSES, 5, "name", "name of line 4 too"),
    (LINKS, "radial,40000,40000", "radial,-40000,40000", LINKS, 2, "rating_down_va", "is negative"),
    (LINKS, "20000,8000", "0,0", LINKS, 3, "r_micro_ohm", "zero impedance"),
    (LINKS, "line-a,square,house-a", "line-a,square,house-c", LINKS, 3, "child", "there is no bus"),
    (LINKS, "line-a,square,house-a", "line-a,square,square", LINKS, 3, "child", "same bus"),
    (LINKS, "house-b,controlled", "house-b,control", LINKS, 5, "kind", 'did you mean "controlled"'),
    (LINKS, "house-b,controlled", "house-b,radial", LINKS, 5, "child", "form no tree"),
    (LINKS, "square,house-b,radial", "square,house-b,controlled", BUSES, 5, "name", "CONTROLLED links only"),
    (LINKS, "line-a,square,house-a", "line-a,house-a,square", LINKS, 3, "child", "form no tree"),
    (LINKS, "trafo,grid,square", "trafo,square,grid", LINKS, 2, "child", "slack bus"),
    (LINKS, ",8,1000000,0,0,", ",8,1000000,500,0,", LINKS, 4, "b_ppm", "RADIAL link has no b_ppm"),
    (LINKS, "1000000,10000,", "990000,10000,", LINKS, 5, "tap_ratio_ppm", "no tap ratio"),
    (LINKS, ",6,1000000", ",6,10000", LINKS, 3, "tap_ratio_ppm", "out of range"),
    # assets
    (ASSETS, "house-b,flexible", "house-b,flexibel", ASSETS, 7, "kind", 'did you mean "flexible"'),
    (ASSETS, "house-b,flexible", "house-z,flexible", ASSETS, 7, "bus", "there is no bus"),
    (
        ASSETS,
        "grid,utility,40000,,380000",
        "grid,chp,40000,90000,0",
        ASSETS,
        0,
        "kind",
        "no asset of kind utility",
    ),
    (ASSETS, "house-b,load,8000", "house-b,utility,8000", ASSETS, 6, "kind", "second utility"),
    (ASSETS, "Utility,grid", "Utility,square", ASSETS, 2, "bus", "put it at the slack bus"),
    (ASSETS, "28800000,7200000", "28800000,28800001", ASSETS, 5, "start_j", "above its capacity"),
    (ASSETS, "28800000,7200000", "28800000,3500000", ASSETS, 5, "start_j", "below its reserve"),
    (ASSETS, "950000,950000", "1000001,950000", ASSETS, 5, "charge_efficiency_ppm", "out of range"),
    (ASSETS, "950000,950000", "950000,0", ASSETS, 5, "discharge_efficiency_ppm", "zero or empty"),
    (ASSETS, "load,5000,", "load,5000,7", ASSETS, 3, "price_micro_per_kwh", "does not use"),
    (ASSETS, "solar,9000", "solar,", ASSETS, 4, "p_max_w", "zero or empty"),
    (ASSETS, "load-b,House B", "load-a,House B", ASSETS, 6, "name", "name of line 3 too"),
    # prices and profiles
    (PRICES, "1465949700,320000", "1465949701,320000", PRICES, 3, "slot_start_utc_s", "not aligned"),
    (
        PRICES,
        "1465949700,320000,80000",
        "1465949700,320000,330000",
        PRICES,
        3,
        "feed_in_micro_per_kwh",
        "above",
    ),
    (PRICES, "1465949700", "1465950600", PRICES, 3, "slot_start_utc_s", "belongs to no day"),
    (PROFILE, "solar-a.p_w", "solar-b.p_w", PROFILE, 1, "solar-a.p_w", "profile column is missing"),
    (PROFILE, "load-a.q_var", "load-a.q_kvar", PROFILE, 1, "load-a.q_kvar", 'unit "kvar"'),
    (PROFILE, "load-a.q_var", "battery-a.p_w", PROFILE, 1, "battery-a.p_w", "unknown column"),
    (
        PROFILE,
        "1465949700",
        "1465950600",
        PROFILE,
        3,
        "slot_start_utc_s",
        "step from the row above is 1800 s",
    ),
    (PROFILE, "1465949700", "1465949701", PROFILE, 3, "slot_start_utc_s", "not aligned"),
    (PROFILE, "1465948800", "1465947900", PROFILE, 2, "slot_start_utc_s", "begins at"),
    (PROFILE, ",8000,", ",80000,", PROFILE, 2, "solar-a.p_w", "above the asset's p_max_w"),
    (PROFILE, ",8000,", ",-8000,", PROFILE, 2, "solar-a.p_w", "is negative"),
    (PROFILE, ",8000,", ",8e3,", PROFILE, 2, "solar-a.p_w", "not an integer"),
]


@pytest.mark.parametrize(
    ("file", "old", "new", "at_file", "at_line", "field", "words"),
    SPOILT,
    ids=[f"{index}-{case[5] or case[6]}" for index, case in enumerate(SPOILT)],
)
def test_fault_is_found_where_it_is(
    folder: Path, file: str, old: str, new: str, at_file: str, at_line: int, field: str, words: str
) -> None:
    """A spoilt cell or line gives a finding that names file, line and field, and says why."""
    replace(folder, file, old, new)
    findings = validate(folder)
    hits = [f for f in findings if (f.file, f.field) == (at_file, field) and words in str(f)]
    assert hits, "\n".join(map(str, findings))
    assert hits[0].line == at_line
    assert hits[0].cause
    assert hits[0].remedy


def test_disconnected_bus_is_found(folder: Path) -> None:
    """A bus that no link reaches is named."""
    with (folder / BUSES).open("a", encoding="utf-8") as file:
        file.write("island,Island,0,0,1000,1000\n")
    (finding,) = validate(folder)
    assert (finding.file, finding.line) == (BUSES, 6)
    assert 'bus "island" is not connected' in finding.cause


def test_a_ring_of_radial_links_is_found(folder: Path) -> None:
    """RADIAL links that form a ring away from the slack are findings and end the search."""
    with (folder / BUSES).open("a", encoding="utf-8") as file:
        file.write("p,P,0,0,1,1\nq,Q,0,0,1,1\n")
    tail = "radial,9,9,1,1,400000,0,0,0,1000000,0,0,0,0\n"
    with (folder / LINKS).open("a", encoding="utf-8") as file:
        file.write(f"a,p,q,{tail}b,q,p,{tail}")
    causes = [finding.cause for finding in validate(folder)]
    assert any('bus "p" is not connected' in cause for cause in causes)


def remove_folder(folder: Path) -> None:
    """Leave nothing at all."""
    shutil.rmtree(folder)


def remove(name: str) -> Callable[[Path], None]:
    """Leave one file out."""
    return lambda folder: (folder / name).unlink()


def write(name: str, content: bytes) -> Callable[[Path], None]:
    """Replace one file's bytes."""

    def spoil(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return spoil


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (remove_folder, "there is no such folder"),
        (remove(HEADER), "the file is missing"),
        (remove(PROFILE), "the file is missing"),
        (remove("LICENSE"), "the file is missing"),
        (write("ATTRIBUTION.md", b" \n"), "the file is empty"),
        (write(BUSES, b""), "the file is empty"),
        (write(BUSES, b"\xff\xfe\x00"), "not UTF-8"),
        (write(HEADER, b"\x80"), "not UTF-8"),
        (write(HEADER, b""), "the key is missing"),
    ],
)
def test_missing_or_unreadable_file(folder: Path, spoil: Callable[[Path], None], words: str) -> None:
    """A file that is absent, empty or no text is a finding, not a traceback."""
    spoil(folder)
    assert any(words in finding.cause for finding in validate(folder))


def test_all_faults_are_reported_together(folder: Path) -> None:
    """Faults in several files are all found in one run, and the error carries every one."""
    replace(folder, HEADER, '"EUR"', '"Euro"')
    replace(folder, LINKS, "20000,8000", "0,0")
    replace(folder, ASSETS, "950000,950000", "950000,0")
    replace(folder, PROFILE, ",8000,", ",80000,")
    findings = validate(folder)
    assert {finding.file for finding in findings} == {HEADER, LINKS, ASSETS, PROFILE}
    with pytest.raises(ScenarioError) as caught:
        load_scenario(folder)
    assert caught.value.findings == findings
    assert len(str(caught.value).splitlines()) == len(findings)


def test_one_bad_cell_brings_no_followers(folder: Path) -> None:
    """A number that cannot be read is one finding; the row's other uses stay known."""
    replace(folder, BUSES, "200,60,15000", "200,60,many")
    assert len(validate(folder)) == 1


def test_finding_is_one_sentence() -> None:
    """A finding prints as place, field, cause and remedy on one line."""
    finding = Finding(file="a.csv", line=3, field="x", cause="it is odd", remedy="make it even")
    assert str(finding) == "a.csv:3: x: it is odd; make it even."
