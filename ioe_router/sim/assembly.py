"""From a scenario to hosts and wires: keys, attestations, configurations, agents. All from one seed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from ioe_router.codec.signing import Signer, Verify
from ioe_router.community.devices import make_agent
from ioe_router.community.domain import community_domain, root_keys
from ioe_router.community.excerpt import first_quantities, first_slots
from ioe_router.community.forecasts import forecast
from ioe_router.community.layout import (
    LinkPlace,
    attestation_of,
    epoch_start_utc_s,
    places,
    router_config,
)
from ioe_router.community.ledger import Ledger
from ioe_router.community.planning import area_forecast, base_case
from ioe_router.community.scenarios import read_scenario
from ioe_router.community.world import World
from ioe_router.config import RouterConfig
from ioe_router.core.entropy import EntropySource
from ioe_router.model.clock import Now
from ioe_router.model.envelope import Envelope
from ioe_router.model.errors import UsageError
from ioe_router.model.ids import LinkId, NodeId, link_id_of
from ioe_router.router import Router
from ioe_router.scenario.model import Day, Scenario
from ioe_router.sim.grids import buses_of, random_scenario
from ioe_router.sim.host import Blueprint, Seat
from ioe_router.sim.keys import SeededEntropy, SimIdentity, attest, identity_of
from ioe_router.sim.notary import Notary

KEEPALIVE_MS: Final = 20_000
KEY_LIFETIME_S: Final = 3 * 86_400


def scenario_of(name: str, seed: int) -> Scenario:
    """A bundled scenario, a folder, or a random community such as `random20`."""
    buses = buses_of(name)
    return read_scenario(name) if buses is None else random_scenario(seed, buses)


@dataclass(frozen=True, slots=True, kw_only=True)
class Community:
    """Everything that a run is built from."""

    scenario: Scenario
    day: Day
    start_utc_s: int
    identities: dict[str, SimIdentity]
    places: tuple[LinkPlace, ...]
    links: dict[LinkId, str]
    blueprints: dict[str, Blueprint]
    world: World
    notary: Notary

    def names(self) -> dict[NodeId, str]:
        """Buses by node."""
        return {identity.node: name for name, identity in self.identities.items()}


RouterMaker = Callable[..., Router]


def assemble(
    scenario: Scenario, seed: int, slots: int, *, trusting: bool, make_router: RouterMaker = Router
) -> Community:
    """Keys, configurations and agents for the first `slots` of the first day. UsageError: not that many."""
    whole = scenario.days[0]
    if slots > whole.slots:
        raise UsageError(f"{scenario.name} has {whole.slots} slots a day, not {slots}; ask for fewer")
    day, expected = first_slots(whole, slots), forecast(scenario, whole, seed)
    start_s = epoch_start_utc_s(scenario, day)
    notary = Notary(scenario.market.network_id, trusting=trusting)
    identities = {
        bus.name: _overheard(
            identity_of(seed, bus.name, scenario.market.network_id, start_s - 60, KEY_LIFETIME_S), notary
        )
        for bus in scenario.buses
    }
    base = base_case(scenario, whole, expected)
    cut = first_quantities(expected, slots)
    area = area_forecast(scenario, day, cut, base)
    nodes = {name: identity.node for name, identity in identities.items()}
    envelopes = _attestations(scenario, base.planning_mv, identities, start_s)
    domain = community_domain(scenario, nodes, _roots(seed, notary), start_s - 60)
    mine = places(scenario)

    def seat(bus: str) -> Callable[[], Seat]:
        return lambda: Ledger(make_agent(scenario, day, bus, cut, area), day, scenario.market.slot_s)

    blueprints = {
        bus.name: Blueprint(
            config=_config(router_config(scenario, day, bus.name, nodes, envelopes, domain[bus.name])),
            router=_maker(identities[bus.name], notary.judge, make_router),
            seat=seat(bus.name),
            entropy=_entropy(seed, bus.name),
        )
        for bus in scenario.buses
    }
    return Community(
        scenario=scenario,
        day=day,
        start_utc_s=start_s,
        identities=identities,
        places=mine,
        links={link_id_of(nodes[p.keeper], nodes[p.other], 0): p.link.name for p in mine},
        blueprints=blueprints,
        world=World(scenario, day, cut),
        notary=notary,
    )


def _roots(seed: int, notary: Notary) -> tuple[Signer, ...]:
    return tuple(
        notary.signer_of_identity(root)
        for root in root_keys(lambda name: hashlib.sha256(f"{name} {seed}".encode()).digest())
    )


def _overheard(identity: SimIdentity, notary: Notary) -> SimIdentity:
    return replace(
        identity,
        signer=notary.signer(identity.signer, identity.node),
        identity=notary.signer_of_identity(identity.identity),
    )


def _config(config: RouterConfig) -> RouterConfig:
    return replace(config, timers=replace(config.timers, keepalive_ms=KEEPALIVE_MS))


def _entropy(seed: int, bus: str) -> Callable[[int], EntropySource]:
    return lambda epoch: SeededEntropy(f"{seed}|{bus}|{epoch}|".encode())


def _maker(
    identity: SimIdentity, judge: Verify, make_router: RouterMaker
) -> Callable[[RouterConfig, EntropySource, Now], Router]:
    def make(config: RouterConfig, entropy: EntropySource, now: Now) -> Router:
        return make_router(
            config, own_key=identity.own_key, signer=identity.signer, entropy=entropy, now=now, judge=judge
        )

    return make


def _attestations(
    scenario: Scenario, planning_mv: dict[str, int], identities: dict[str, SimIdentity], start_s: int
) -> dict[str, Envelope]:
    nodes = {name: identity.node for name, identity in identities.items()}
    return {
        place.link.name: attest(
            attestation_of(scenario, place, planning_mv[place.link.name], nodes, start_s - 60),
            identities[place.keeper],
            identities[place.other],
        )
        for place in places(scenario)
    }
