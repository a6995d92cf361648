"""What the members expect of a day: the truth with an error that is drawn by seed.

The error of an asset drifts smoothly over the day: a Gaussian process of first
order with the standard deviation that the scenario states and a memory of
`MEMORY_S`.  Draws come from SHA-256 over (seed, day, asset, slot), so that they
are the same on every machine, in every process and in any order, and so that
the agents and the optimum "with the same forecasts" see the same figures.
"""

from __future__ import annotations

import hashlib
import math
from statistics import NormalDist
from typing import Final

from ioe_router.analysis.quantities import DayQuantities
from ioe_router.scenario.model import Asset, AssetKind, Day, Scenario

MEMORY_S: Final = 3 * 3_600
_PPM: Final = 1_000_000
_STANDARD: Final = NormalDist()
_CLIP: Final = 3.0  # standard deviations beyond which nobody's forecast errs
_NO_PROFILE: Final = (AssetKind.BATTERY, AssetKind.UTILITY, AssetKind.CHP)


def forecast(scenario: Scenario, day: Day, seed: int) -> DayQuantities:
    """The day as its members expect it: powers in W, reactive powers in var, by asset and slot."""
    p_w: dict[str, tuple[int, ...]] = {}
    q_var: dict[str, tuple[int, ...]] = {}
    for asset in scenario.assets:
        actual = day.assets[asset.name]
        if asset.kind in _NO_PROFILE:
            p_w[asset.name], q_var[asset.name] = actual.p_w, actual.q_var
            continue
        factors = _factors(scenario, day, asset, seed)
        p_w[asset.name] = tuple(
            _bounded(asset, round(p * f)) for p, f in zip(actual.p_w, factors, strict=True)
        )
        q_var[asset.name] = tuple(round(q * f) for q, f in zip(actual.q_var, factors, strict=True))
    return DayQuantities(p_w=p_w, q_var=q_var)


def _bounded(asset: Asset, power_w: int) -> int:
    """No forecast is negative, and no source is expected above its nameplate."""
    if asset.kind in (AssetKind.LOAD, AssetKind.FLEXIBLE):
        return max(0, power_w)
    return max(0, min(power_w, asset.p_max_w))


def _factors(scenario: Scenario, day: Day, asset: Asset, seed: int) -> tuple[float, ...]:
    """1 + relative error of each slot."""
    deviation = asset.forecast_error_ppm / _PPM
    if not deviation:
        return (1.0,) * day.slots
    kept = math.exp(-scenario.market.slot_s / MEMORY_S)
    fresh = math.sqrt(1 - kept * kept)
    factors: list[float] = []
    state = 0.0
    for slot in range(day.slots):
        draw = _draw(f"{seed}|{day.label}|{asset.name}|{slot}")
        state = draw if slot == 0 else kept * state + fresh * draw
        factors.append(1 + deviation * max(-_CLIP, min(_CLIP, state)))
    return tuple(factors)


def _draw(name: str) -> float:
    """A standard normal number that belongs to `name`."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
    return _STANDARD.inv_cdf((number + 0.5) / 2**64)
