r"""Operators that change their minds all day: neighbours, fees, transit and rules, while energy is traded.

mill --- street --- house
|        |  \       |
+---- square +--- shed
"""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from ioe_router.config import FilterAction, FilterRule, Policy, RouterConfig, Transit
from ioe_router.core.inputs import Reconfigure
from ioe_router.core.session_fsm import SessionState
from ioe_router.model.routing import Direction, SourceClass
from tests.simulation.pair import KWH_J, Cable, Sim, build

CABLES = (
    Cable("mill", "street", fee_micro_per_kwh=9_000),
    Cable("street", "house", fee_micro_per_kwh=9_000),
    Cable("mill", "square", fee_micro_per_kwh=9_000),
    Cable("square", "street", fee_micro_per_kwh=9_000),
    Cable("street", "shed", fee_micro_per_kwh=9_000),
    Cable("house", "shed", fee_micro_per_kwh=9_000),
)
NO_SUN = FilterRule(name="no-sun", action=FilterAction.REJECT, sources=(SourceClass.SOLAR,))
CHANGES = 40


def changed(config: RouterConfig, full: RouterConfig, dice: random.Random) -> RouterConfig:
    """The configuration after one whim of its operator."""
    neighbors = list(config.neighbors)
    match dice.randrange(6):
        case 0 if neighbors:
            neighbors.pop(dice.randrange(len(neighbors)))
        case 1:
            neighbors = list(full.neighbors)
        case 2 if neighbors:
            place = dice.randrange(len(neighbors))
            neighbors[place] = replace(neighbors[place], fee_micro_per_kwh=dice.randrange(9_000))
        case 3 if neighbors:
            place = dice.randrange(len(neighbors))
            neighbors[place] = replace(neighbors[place], transit=dice.choice((Transit.NONE, Transit.PAID)))
        case 4:
            rules = dice.choice(((), (NO_SUN,)))
            default = dice.choice((FilterAction.ACCEPT, FilterAction.ACCEPT, FilterAction.REJECT))
            return replace(config, policy=Policy(imports=rules, export_default=default))
        case _:
            return replace(config, policy=Policy(exports=dice.choice(((), (NO_SUN,)))))
    return replace(config, neighbors=tuple(neighbors))


def reconnect(sim: Sim) -> None:
    """Diallers try again: every cable whose two ends have each other as neighbours and no session."""
    for cable in CABLES:
        one, other = sim.node(cable.keeper), sim.node(cable.other)
        ends = ((cable.keeper, other), (cable.other, one))
        parts = [(sim.router(name).inspect(), neighbor) for name, neighbor in ends]
        if all(
            neighbor in here.evidence.neighborhood and here.sessions.state(neighbor) is SessionState.IDLE
            for here, neighbor in parts
        ):
            sim.wire.connect(one, other)
    sim.wire.settle()


@pytest.mark.parametrize("seed", range(6))
def test_whatever_operators_change_the_books_hold_and_the_network_comes_back(seed: int) -> None:
    """After every change all ledgers are sound; once all is as it was, everybody is reached again."""
    dice = random.Random(seed)
    sim = build(*CABLES)
    names = sorted(sim.ids)
    full = {name: sim.router(name).inspect().config for name in names}
    sim.offer("mill", 90_000, 20 * KWH_J)
    sim.offer("square", 95_000, 20 * KWH_J)
    sim.at(645)
    for number in range(CHANGES):
        name = dice.choice(names)
        config = changed(sim.router(name).inspect().config, full[name], dice)
        sim.wire.give(sim.node(name), Reconfigure(config=config))
        sim.wait(dice.choice((0, 1, 3)))
        if number % 4 == 0:
            sim.want(dice.choice(("house", "shed")), KWH_J // 2, 900_000)
        if number % 3 == 0:
            reconnect(sim)
        sim.check()
    for name in names:
        sim.wire.give(sim.node(name), Reconfigure(config=full[name]))
    sim.wire.settle()
    reconnect(sim)
    sim.wait(30)
    reconnect(sim)
    sim.wait(30)
    sim.check()
    for name in names:
        routing = sim.router(name).inspect().routing
        states = sim.router(name).inspect().sessions
        assert all(states.state(n.node) is SessionState.ESTABLISHED for n in full[name].neighbors)
        origins = {sealed.body.origin for sealed in routing.offers(Direction.SUPPLY)}
        assert origins == {sim.node("mill"), sim.node("square")} - {sim.node(name)}, name
        assert not routing.tables.loc_rib.barred()
