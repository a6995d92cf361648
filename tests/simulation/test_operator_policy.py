"""What the operator's rules let in and out of a router, and what it buys by them.

mill --- street --- house      two offers of the mill: sun (no. 1) and fuel (no. 2)
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ioe_router.config import FilterAction, FilterRule, Policy, RouterConfig
from ioe_router.core.events import (
    Booked,
    HoldAnswered,
    NeighborDown,
    OfferLost,
    OriginLost,
    Unbooked,
)
from ioe_router.core.inputs import Drain, PublishOffer, Reconfigure
from ioe_router.core.operation_events import Draining
from ioe_router.core.policy import OperatorPolicy
from ioe_router.core.what_if import what_if
from ioe_router.model.errors import ErrorCode
from ioe_router.model.reservation import ReservationState
from ioe_router.model.routing import Direction, Firmness, OfferRun, SourceClass
from ioe_router.readout.offers import OfferFilter, offer_view
from ioe_router.readout.routes import RouteFilter, route_view
from ioe_router.readout.values import Stage
from tests.simulation.pair import KWH_J, SLOT, Cable, Sim, build

CABLES = (Cable("mill", "street", fee_micro_per_kwh=3_000), Cable("street", "house", fee_micro_per_kwh=4_000))
NO_FUEL = FilterRule(name="no-fuel", action=FilterAction.REJECT, sources=(SourceClass.FUEL,))


def stated(offer_no: int, source: SourceClass, price: int, carbon: int, cap_j: int = 0) -> PublishOffer:
    """An offer of the mill."""
    return PublishOffer(
        offer_no=offer_no,
        direction=Direction.SUPPLY,
        source=source,
        firmness=Firmness.FIRM,
        first_slot=SLOT,
        runs=(OfferRun(slots=2, energy_j=5 * KWH_J, price_micro_per_kwh=price),),
        energy_cap_j=cap_j,
        carbon_mg_per_kwh=carbon,
        is_default=False,
        lifetime_s=36_000,
    )


SUN = stated(1, SourceClass.SOLAR, 90_000, 41_000)
FUEL = stated(2, SourceClass.FUEL, 60_000, 700_000)


def grid(**policies: Policy) -> Sim:
    """The three with these policies, and both offers told as far as they may be."""

    def configure(name: str, config: RouterConfig, _ids: object) -> RouterConfig:
        return replace(config, policy=policies.get(name, Policy()))

    sim = build(*CABLES, configure=configure)
    sim.wire.give(sim.node("mill"), SUN, FUEL)
    sim.wait(5)
    return sim


def known(sim: Sim, name: str) -> list[int]:
    """Numbers of the mill's offers that a node can use."""
    routing = sim.router(name).inspect().routing
    return sorted(sealed.body.offer_no for sealed in routing.offers(Direction.SUPPLY))


def state(sim: Sim, name: str, **policy: Any) -> None:  # noqa: ANN401 - fields of Policy
    """The operator of a node states another policy."""
    config = sim.router(name).inspect().config
    changed = Reconfigure(config=replace(config, policy=Policy(**policy)))
    sim.wire.give(sim.node(name), changed)
    sim.wait(5)


def test_a_rule_keeps_an_offer_out_and_everybody_behind_is_not_told_it() -> None:
    """The street imports no fuel: neither it nor the house can use offer 2, the sun comes through."""
    sim = grid(street=Policy(imports=(NO_FUEL,)))
    assert (known(sim, "street"), known(sim, "house")) == ([1], [1])


def test_what_is_kept_out_is_shown_with_the_rule_that_does_it() -> None:
    """Filtered rows of offers and routes name rule and neighbour, and so does what would be."""
    sim = grid(street=Policy(imports=(NO_FUEL,)))
    parts = sim.router("street").inspect()
    (row,) = offer_view(parts, sim.wire.now, OfferFilter(stage=Stage.FILTERED)).rows()
    assert (row.origin, row.reason.code) == (sim.node("mill"), "POLICY")
    assert row.reason.text.startswith("filtered by import rule 'no-fuel' of neighbour")
    closed = Policy(import_default=FilterAction.REJECT)
    effects = what_if(parts, closed)
    assert {(one.way, one.offer_no) for one in effects} == {("import", None), ("import", 1)}
    assert all(one.after.startswith("filtered by the import default") for one in effects)
    assert {(one.way, one.offer_no) for one in what_if(parts, Policy())} == {("import", 2)}
    (fees,) = what_if(parts, Policy(imports=(NO_FUEL,), fee_max_micro_per_kwh=2_999))
    assert (fees.way, fees.after) == ("buy", "fees of 3000 micro-units per kWh are above fee_max")
    state(sim, "street", import_default=FilterAction.REJECT)
    (route,) = route_view(parts, RouteFilter(stage=Stage.FILTERED)).rows()
    assert route.reason.text.startswith("filtered by the import default of neighbour")


def test_rules_may_change_while_sessions_stand() -> None:
    """Stated, the rule takes the fuel out of both tables; withdrawn, it comes back; no session ends."""
    sim = grid()
    assert known(sim, "house") == [1, 2]
    state(sim, "street", imports=(NO_FUEL,))
    assert (known(sim, "street"), known(sim, "house")) == ([1], [1])
    assert [event.offer_no for event in sim.events("street", OfferLost)] == [2]
    state(sim, "street")
    assert (known(sim, "street"), known(sim, "house")) == ([1, 2], [1, 2])
    assert not sim.events("house", NeighborDown) + sim.events("street", NeighborDown)


def test_an_export_rule_is_about_the_neighbour_that_is_to_be_told() -> None:
    """The street keeps the fuel for itself; when the rule goes the house is told."""
    sim = grid(street=Policy(exports=(NO_FUEL,)))
    assert (known(sim, "street"), known(sim, "house")) == ([1, 2], [1])
    state(sim, "street")
    assert known(sim, "house") == [1, 2]
    state(sim, "street", exports=(NO_FUEL,))
    assert known(sim, "house") == [1]


def test_what_a_new_version_says_is_judged_anew() -> None:
    """An offer whose price rises above the rule's bound is dropped here and behind; it comes back."""
    dear = FilterRule(name="dear", action=FilterAction.REJECT, price_above_micro_per_kwh=100_000)
    sim = grid(street=Policy(imports=(dear,)))
    risen = replace(SUN, runs=(replace(SUN.runs[0], price_micro_per_kwh=120_000),))
    sim.wire.give(sim.node("mill"), risen)
    sim.wait(5)
    assert (known(sim, "street"), known(sim, "house")) == ([2], [2])
    sim.wire.give(sim.node("mill"), SUN)
    sim.wait(5)
    assert (known(sim, "street"), known(sim, "house")) == ([1, 2], [1, 2])


def test_nothing_passes_where_the_default_is_to_reject() -> None:
    """With reject as the default an origin's path passes only for what some rule accepts."""
    sun = FilterRule(name="sun", action=FilterAction.ACCEPT, sources=(SourceClass.SOLAR,))
    sim = grid(street=Policy(imports=(sun,), import_default=FilterAction.REJECT))
    assert known(sim, "house") == [1]
    state(sim, "street", import_default=FilterAction.REJECT)
    assert sim.events("house", OriginLost)
    assert not sim.router("street").inspect().routing.all_paths()
    assert len(sim.router("street").inspect().routing.tables.loc_rib.barred()) == 1


@pytest.mark.parametrize(
    ("name", "policy", "code"),
    [
        ("street", Policy(imports=(NO_FUEL,)), ErrorCode.NO_TRANSIT),
        ("street", Policy(exports=(NO_FUEL,)), ErrorCode.NO_TRANSIT),
        ("mill", Policy(exports=(NO_FUEL,)), ErrorCode.NO_OFFER),
    ],
)
def test_a_label_leads_nowhere_for_an_offer_that_may_not_pass(
    name: str, policy: Policy, code: ErrorCode
) -> None:
    """The house heard of the fuel before the rule: its HOLD over the sun's path is refused where it holds."""
    sim = grid()
    sim.at(645)
    sim.router(name).inspect().routing.policy.state(policy)
    sim.want("house", KWH_J, 80_000)
    sim.at(500)
    assert {event.code for event in sim.events("house", HoldAnswered)} == {code}
    assert not sim.events("house", Booked)


def test_what_is_committed_stays_when_a_rule_comes() -> None:
    """Promises are older than the rule: the packet runs its course."""
    sim = grid()
    sim.at(645)
    sim.want("house", KWH_J, 900_000)
    sim.at(500)
    assert sim.events("house", Booked)
    state(sim, "street", imports=(NO_FUEL,), import_default=FilterAction.REJECT)
    sim.at(-1_000)
    assert not sim.events("house", Unbooked)
    assert sim.states("street") == [ReservationState.COMMITTED]


@pytest.mark.parametrize(
    ("policy", "bought"),
    [
        (Policy(), 2),  # the cheapest
        (Policy(carbon_price_micro_per_kg=100_000), 1),  # 659 g more carbon counts 65 900 micro a kWh
        (Policy(source_premium_micro_per_kwh=((SourceClass.SOLAR, 50_000),)), 1),
        (Policy(source_premium_micro_per_kwh=((SourceClass.SOLAR, 20_000),)), 2),
        (Policy(price_cap_micro_per_kwh=50_000), None),
        (Policy(fee_max_micro_per_kwh=6_999), None),  # 3 000 and 4 000 on the way
        (Policy(fee_max_micro_per_kwh=7_000), 2),
        (Policy(imports=(NO_FUEL,)), 1),
    ],
)
def test_what_the_house_buys_follows_its_policy(policy: Policy, bought: int | None) -> None:
    """Cap and fees are bounds of what is paid; premium and carbon only order what there is to choose from."""
    sim = grid(house=policy)
    sim.at(645)
    sim.want("house", KWH_J, 900_000)
    sim.at(100)
    assert {event.offer_no for event in sim.events("house", Booked)} == ({bought} if bought else set())


def test_of_shared_energy_from_storage_the_reserve_is_never_sold() -> None:
    """A battery of 5 kWh with 3 in reserve sells 2, however many slots it is asked for."""
    sim = build(*CABLES, configure=lambda _n, c, _i: replace(c, policy=Policy(storage_reserve_j=3 * KWH_J)))
    sim.wire.give(sim.node("mill"), stated(1, SourceClass.STORAGE, 90_000, 0, cap_j=5 * KWH_J))
    sim.wait(5)
    sim.at(645)
    sim.want("house", 4 * KWH_J, 900_000)
    sim.at(100)
    sold_j = sum(event.energy_j for event in sim.events("mill", Booked))
    assert 1_900_000 * 3 < sold_j <= 2 * KWH_J


def test_a_verdict_names_rule_and_neighbour() -> None:
    """The words that are shown for a refusal."""
    sim = grid()
    mill = sim.node("mill")
    offer = sim.router("house").inspect().routing.known_offer(mill, 2)
    assert offer is not None
    imports = OperatorPolicy(Policy(imports=(NO_FUEL,))).imports
    verdict = imports.offer(mill, offer.body)
    assert imports.sentence(verdict, mill).startswith("filtered by import rule 'no-fuel' of neighbour ioe1")
    assert not verdict.accepted
    assert imports.path(mill, (mill, Direction.SUPPLY)).accepted


def test_a_node_that_is_drained_takes_on_nothing_and_keeps_what_it_has() -> None:
    """The street's transit ends for new wants; the packet that it carries stays; called off, all is back."""
    sim = grid()
    sim.at(645)
    sim.want("house", KWH_J, 900_000)
    sim.at(500)
    booked = len(sim.events("house", Booked))
    sim.wire.give(sim.node("street"), Drain())
    sim.wait(2)
    assert sim.events("street", Draining)[-1].remaining == booked
    assert known(sim, "house") == []
    sim.want("house", KWH_J, 900_000)
    sim.wait(60)
    assert len(sim.events("house", Booked)) == booked
    assert not sim.events("house", NeighborDown) + sim.events("house", Unbooked)
    sim.wire.give(sim.node("street"), Drain(draining=False))
    sim.wait(5)
    assert known(sim, "house") == [1, 2]
    sim.check_quiet()
