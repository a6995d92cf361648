"""Writing and reading a scenario are inverse."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ioe_router.scenario import (
    ScenarioError,
    bundled,
    bundled_names,
    load_scenario,
    validate,
    write_scenario,
)
from ioe_router.scenario.model import AssetDay, AssetKind, Scenario

TINY = Path(__file__).parents[2] / "scenarios" / "tiny"


def test_tiny_survives(tmp_path: Path) -> None:
    """The handmade scenario is read, written and read again without a difference."""
    scenario = load_scenario(TINY)
    write_scenario(scenario, tmp_path)
    assert load_scenario(tmp_path) == scenario


@pytest.mark.parametrize("name", bundled_names())
def test_bundled_survive_byte_for_byte(name: str, tmp_path: Path) -> None:
    """Writing a bundled scenario gives the very files it was read from."""
    source = Path(load_scenario.__code__.co_filename).parents[1] / "scenarios" / name
    write_scenario(bundled(name), tmp_path)
    written = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    assert written == {path.relative_to(source) for path in source.rglob("*") if path.is_file()}
    for path in written:
        assert (tmp_path / path).read_bytes() == (source / path).read_bytes(), path


def with_chp(scenario: Scenario, p_w: tuple[int, ...]) -> Scenario:
    """The scenario with a cogeneration plant at house-b."""
    solar = next(asset for asset in scenario.assets if asset.kind is AssetKind.SOLAR)
    plant = replace(solar, name="chp-b", bus="house-b", kind=AssetKind.CHP, forecast_error_ppm=0)
    day = scenario.days[0]
    profile = AssetDay(p_w=p_w, q_var=(0,) * day.slots)
    days = (replace(day, assets=day.assets | {"chp-b": profile}),)
    return replace(scenario, assets=(*scenario.assets, plant), days=days)


@pytest.mark.parametrize("p_w", [(9_000, 9_000), (9_000, 0)])
def test_chp_availability_survives(p_w: tuple[int, ...], tmp_path: Path) -> None:
    """A CHP is available at its rated power unless its column says otherwise."""
    scenario = with_chp(load_scenario(TINY), p_w)
    write_scenario(scenario, tmp_path)
    assert load_scenario(tmp_path) == scenario


# no surrogates, no control characters; and not only blanks, because a title must say something
PRINTABLE = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=40)


@given(title=PRINTABLE, text=PRINTABLE, price=st.integers(-(10**12), 10**12))
def test_any_text_survives(
    title: str, text: str, price: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Quotes, commas, backslashes and other scripts in titles, and negative prices, survive."""
    scenario = load_scenario(TINY)
    bus = replace(scenario.buses[1], title=title)
    day = replace(
        scenario.days[0],
        retail_micro_per_kwh=(price, price),
        feed_in_micro_per_kwh=(price - 1, price),
    )
    changed = replace(
        scenario,
        title=title,
        description=text,
        buses=(scenario.buses[0], bus, *scenario.buses[2:]),
        days=(day,),
    )
    folder = tmp_path_factory.mktemp("any")
    write_scenario(changed, folder)
    assert validate(folder) == ()
    assert load_scenario(folder) == changed


def test_unknown_bundled_name_is_refused() -> None:
    """A misspelt bundled name is answered with the nearest one."""
    with pytest.raises(ScenarioError, match='did you mean "village"'):
        bundled("vilage")
