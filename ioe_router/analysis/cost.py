"""Community cost, gaps and excess loss: the one definition everybody uses.

Protocol section 10.3: purchases from outside (imbalance included) - sales to
outside + marginal cost of own sources + bid value of flexible demand not
served + (start - end battery energy) x reference price.  Fees count only where
a figure says so.  Firm demand not served is not priced here: it is reported
beside the cost, as joules.

All arithmetic is exact: energies and prices are integers, sums are formed in
joule x micro per kWh, and each part is rounded once, half to even, to whole
micro-units.  Gaps are parts per million, rounded once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from ioe_router.scenario.model import AssetKind, Day, Scenario

JOULES_PER_KWH: Final = 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DayEnergy:
    """What a day took, however it came about: metered, booked or computed. Joules.

    `import_j`, `export_j`: exchanged with outside at the slack, per slot, the
    loss of the transformer included.  `source_j`: produced by own sources, by
    asset.  `flexible_unserved_j`: wanted but not served, by asset.  Battery
    energies are what the stores hold.  `unserved_j`: firm demand not served.
    `fees_micro`: wheeling fees paid inside the community.
    """

    import_j: Sequence[int]
    export_j: Sequence[int]
    source_j: Mapping[str, int]
    flexible_unserved_j: Mapping[str, int]
    battery_start_j: Mapping[str, int]
    battery_end_j: Mapping[str, int]
    unserved_j: int
    loss_j: int
    fees_micro: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CommunityCost:
    """The parts of a community's day, each in micro-units and rounded once."""

    purchases_micro: int
    sales_micro: int
    sources_micro: int
    flexible_micro: int  # bid value of flexible demand that was not served
    battery_micro: int  # positive: the stores ended emptier than they began
    fees_micro: int

    @property
    def without_fees_micro(self) -> int:
        """The cost in which fees are a transfer between members."""
        return (
            self.purchases_micro
            - self.sales_micro
            + self.sources_micro
            + self.flexible_micro
            + self.battery_micro
        )

    @property
    def with_fees_micro(self) -> int:
        """The cost in which fees are spent."""
        return self.without_fees_micro + self.fees_micro


def community_cost(scenario: Scenario, day: Day, energy: DayEnergy) -> CommunityCost:
    """The cost of a day by the definition above.

    Raises:
        ValueError: the day and the energies differ in slots, or an asset is
            named under a heading that its kind does not belong to.
    """
    if not len(energy.import_j) == len(energy.export_j) == day.slots:
        raise ValueError(f"import_j and export_j need one entry for each of the day's {day.slots} slots")
    prices = _prices_by_asset(scenario)
    reference = scenario.market.reference_price_micro_per_kwh
    drawn_j = sum(energy.battery_start_j.values()) - sum(energy.battery_end_j.values())
    return CommunityCost(
        purchases_micro=amount_micro(_weighted(energy.import_j, day.retail_micro_per_kwh)),
        sales_micro=amount_micro(_weighted(energy.export_j, day.feed_in_micro_per_kwh)),
        sources_micro=amount_micro(_valued(energy.source_j, prices, "source_j")),
        flexible_micro=amount_micro(_valued(energy.flexible_unserved_j, prices, "flexible_unserved_j")),
        battery_micro=amount_micro(drawn_j * reference),
        fees_micro=energy.fees_micro,
    )


def amount_micro(joule_micro_per_kwh: int) -> int:
    """Micro-units of a sum of joules x micro per kWh, rounded half to even."""
    return round(Fraction(joule_micro_per_kwh, JOULES_PER_KWH))


def gap_ppm(value: int, reference: int) -> int:
    """How far `value` lies above `reference`, in parts per million of its size.

    Raises:
        ValueError: the reference is zero and the value is not.
    """
    if value == reference:
        return 0
    if reference == 0:
        raise ValueError("a gap relative to zero has no size: report the difference itself")
    return round(Fraction(1_000_000 * (value - reference), abs(reference)))


def gain_gap_ppm(cost_micro: int, optimum_micro: int, utility_only_micro: int) -> int:
    """The part of what could be gained over `utility_only` that was not gained.

    Raises:
        ValueError: there was nothing to gain.
    """
    if utility_only_micro <= optimum_micro:
        raise ValueError("the utility-only cost is not above the optimum: there is nothing to gain")
    return round(Fraction(1_000_000 * (cost_micro - optimum_micro), utility_only_micro - optimum_micro))


def excess_loss_ppm(loss_j: int, optimum_loss_j: int) -> int:
    """Loss above the optimum's, in parts per million of the optimum's."""
    return gap_ppm(loss_j, optimum_loss_j)


@dataclass(frozen=True, slots=True, kw_only=True)
class LossError:
    """Distance of the protocol's loss from that of the AC power flow, both without sign."""

    worst_slot_ppm: int
    day_ppm: int


def loss_error(protocol_j: Sequence[int], ac_j: Sequence[int]) -> LossError:
    """Compare losses slot by slot; below a joule of AC loss a slot is measured against one joule.

    Raises:
        ValueError: the two have different numbers of slots, or none.
    """
    if len(protocol_j) != len(ac_j) or not ac_j:
        raise ValueError("losses are compared slot by slot: give both for the same slots, at least one")
    slots = (_distance_ppm(ours, ac) for ours, ac in zip(protocol_j, ac_j, strict=True))
    return LossError(worst_slot_ppm=max(slots), day_ppm=_distance_ppm(sum(protocol_j), sum(ac_j)))


def _distance_ppm(ours: int, ac: int) -> int:
    return round(Fraction(1_000_000 * abs(ours - ac), max(ac, 1)))


def _weighted(energies_j: Sequence[int], prices: Sequence[int]) -> int:
    return sum(energy * price for energy, price in zip(energies_j, prices, strict=True))


def _prices_by_asset(scenario: Scenario) -> dict[str, dict[str, int]]:
    own = (AssetKind.LOAD, AssetKind.BATTERY, AssetKind.UTILITY, AssetKind.FLEXIBLE)
    return {
        "source_j": {a.name: a.price_micro_per_kwh for a in scenario.assets if a.kind not in own},
        "flexible_unserved_j": {
            a.name: a.price_micro_per_kwh for a in scenario.assets if a.kind is AssetKind.FLEXIBLE
        },
    }


def _valued(energies_j: Mapping[str, int], prices: dict[str, dict[str, int]], heading: str) -> int:
    total = 0
    for name, energy in energies_j.items():
        if name not in prices[heading]:
            raise ValueError(f"asset {name!r} does not belong under {heading}: its kind is another one")
        total += energy * prices[heading][name]
    return total
