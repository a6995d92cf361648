"""What a node's agent knows about its own devices: forecasts, costs, limits.

These values are the agent's own, free of any file format: a gateway fills them
from its devices, the demo from a scenario.  Powers are watts, energies joules,
prices micro-units per kWh at the node's own port.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ioe_router.model.routing import SourceClass
from ioe_router.model.slot import Slot

Series = Callable[[Slot], int]  # forecast of a mean power (W) or reactive power (var) in a slot

PPM = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FlexibleLoad:
    """Consumption that is served only when energy costs no more than its bid."""

    name: str
    bid_micro_per_kwh: int
    forecast_w: Series


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Production up to a forecast, at a marginal price."""

    name: str
    source: SourceClass
    price_micro_per_kwh: int
    carbon_mg_per_kwh: int
    forecast_w: Series

    @property
    def fuelled(self) -> bool:
        """Whether running it costs fuel, so that cheaper energy from outside replaces it."""
        return self.source is SourceClass.FUEL


@dataclass(frozen=True, slots=True, kw_only=True)
class Battery:
    """A battery; efficiencies apply once to what goes in and once to what comes out."""

    name: str
    power_w: int
    capacity_j: int
    reserve_j: int
    start_j: int
    charge_ppm: int
    discharge_ppm: int
    carbon_mg_per_kwh: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnDevices:
    """All devices of one node."""

    firm_w: Series
    reactive_var: Series
    flexible: tuple[FlexibleLoad, ...]
    sources: tuple[Source, ...]
    batteries: tuple[Battery, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSetpoint:
    """What one device does in a slot, joules at the node's port; loads and charging draw, the others give."""

    name: str
    drawn_j: int
    given_j: int
