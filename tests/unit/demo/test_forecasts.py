"""Forecasts by seed: repeatable, of the stated size, smooth, never impossible."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from statistics import fmean, pstdev

import pytest

from ioe_router.community.forecasts import forecast
from ioe_router.scenario import bundled
from ioe_router.scenario.model import AssetKind, Day, Scenario


@pytest.fixture(scope="module")
def village() -> Scenario:
    """The bundled village."""
    return bundled("village")


def long_day(scenario: Scenario, asset: str, slots: int, power_w: int) -> tuple[Scenario, Day]:
    """A made-up day on which one asset runs at constant power, long enough for statistics."""
    day = scenario.days[0]
    flat = {
        name: replace(profile, p_w=(power_w if name == asset else 0,) * slots, q_var=(0,) * slots)
        for name, profile in day.assets.items()
    }
    return scenario, replace(day, slots=slots, assets=flat)


def test_a_seed_draws_the_same_day_again_and_another_seed_another(village: Scenario) -> None:
    """The same seed gives equal figures, another one does not."""
    one = forecast(village, village.days[0], 1)
    assert forecast(village, village.days[0], 1) == one
    assert forecast(village, village.days[0], 2) != one
    assert forecast(village, village.days[1], 1) != one


def test_errors_have_the_stated_size_and_drift(village: Scenario) -> None:
    """Over a long day the error deviates as stated, within a fifth, and changes little from slot to slot."""
    load = next(a for a in village.assets if a.kind is AssetKind.LOAD and a.forecast_error_ppm)
    slots, power_w = 20_000, 100_000
    scenario, day = long_day(village, load.name, slots, power_w)
    errors = [p / power_w - 1 for p in forecast(scenario, day, 1).p_w[load.name]]
    assert pstdev(errors) == pytest.approx(load.forecast_error_ppm / 1e6, rel=0.2)
    assert abs(fmean(errors)) < load.forecast_error_ppm / 1e6 / 3
    steps = [abs(b - a) for a, b in pairwise(errors)]
    apart = [abs(b - a) for a, b in zip(errors, errors[96:], strict=False)]
    assert fmean(steps) < fmean(apart) / 2


def test_no_forecast_is_impossible(village: Scenario) -> None:
    """No power is negative, no source is expected above its nameplate, night stays night."""
    for day in village.days:
        expected = forecast(village, day, 3)
        for asset in village.assets:
            powers = expected.p_w[asset.name]
            assert len(powers) == day.slots
            assert min(powers) >= 0
            if asset.kind is AssetKind.SOLAR:
                assert max(powers) <= asset.p_max_w
                dark = [i for i, p in enumerate(day.assets[asset.name].p_w) if p == 0]
                assert all(powers[i] == 0 for i in dark)


def test_an_asset_without_error_is_known(village: Scenario) -> None:
    """A stated error of zero leaves the true profile."""
    sure = replace(village, assets=tuple(replace(a, forecast_error_ppm=0) for a in village.assets))
    day = village.days[1]
    expected = forecast(sure, day, 1)
    assert all(tuple(expected.p_w[a.name]) == day.assets[a.name].p_w for a in sure.assets)
