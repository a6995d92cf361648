"""Two domains, a1 - a2 | b1 - b2, for tests of what crosses the border."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ioe_router.config import RouterConfig, Transit
from ioe_router.core.inputs import BringDomain
from ioe_router.model.discovery import Role
from ioe_router.model.envelope import Envelope
from ioe_router.model.ids import NodeId
from ioe_router.model.routing import Direction
from ioe_router.sim.keys import SimIdentity
from tests.realm import Realm
from tests.simulation.pair import (
    PARAMETERS,
    START_UTC_S,
    Cable,
    Configure,
    Sim,
    build,
)

COUNTERPART = {
    Role.PEER: Role.PEER,
    Role.PROVIDER: Role.CUSTOMER,
    Role.CUSTOMER: Role.PROVIDER,
    Role.SIBLING: Role.SIBLING,
}
CHAIN = (("a1", "a2"), ("a2", "b1"), ("b1", "b2"))
Adjust = Callable[[str, RouterConfig], RouterConfig]


class Two:
    """The two domains, and what each node is told of them."""

    def __init__(self, **fields: int | bool) -> None:
        """`fields` change the first list of A."""
        self.realms = {
            "a": Realm("a", PARAMETERS.network_id, START_UTC_S - 3_600, **fields),
            "b": Realm("b", PARAMETERS.network_id, START_UTC_S - 3_600),
        }
        self.party: NodeId | None = None

    def configure(
        self,
        *,
        b1_is: Role = Role.PEER,
        transit: Transit | None = None,
        adjust: Adjust | None = None,
    ) -> Configure:
        """`b1_is` says what b1 is to a2; `transit` is what each border lets across."""

        def one(name: str, config: RouterConfig, ids: dict[str, SimIdentity]) -> RouterConfig:
            names = {identity.node: other for other, identity in ids.items()}
            neighbors = []
            for neighbor in config.neighbors:
                other = names[neighbor.node]
                crosses = other[0] != name[0]
                role = (b1_is if name == "a2" else COUNTERPART[b1_is]) if crosses else Role.SIBLING
                neighbors.append(replace(neighbor, role=role, transit=transit if crosses else None))
            mine = self.realms[name[0]]
            others = [realm for key, realm in self.realms.items() if key != name[0]]
            party = config.balance_party or config.node
            border = any(n.role is not Role.SIBLING for n in neighbors)
            made = replace(
                config,
                neighbors=tuple(neighbors),
                domain=mine.config(config.node, *others, border=border, balance_party=party),
            )
            return made if adjust is None else adjust(name, made)

        return one


def chain(two: Two, configure: Configure | None = None, *, connect: bool = True) -> Sim:
    """The chain of the drawing, a1 selling at the one end."""
    cables = [Cable(one, other, r_micro_ohm=0) for one, other in CHAIN]
    sim = build(*cables, configure=configure or two.configure(), connect=connect)
    if connect:
        sim.offer("a1", 100_000)
        sim.offer("a2", 120_000)
        sim.wait(5)
    return sim


def reached(sim: Sim, name: str) -> set[str]:
    """Whose offers a node knows."""
    names = {identity.node: other for other, identity in sim.ids.items()}
    return {names[o.body.origin] for o in sim.router(name).inspect().routing.offers(Direction.SUPPLY)}


def established(sim: Sim, one: str, other: str) -> bool:
    """Whether a session stands, seen from both ends."""
    return all(
        sim.router(here).inspect().sessions.established(sim.node(there))
        for here, there in ((one, other), (other, one))
    )


def bring(sim: Sim, name: str, *envelopes: Envelope) -> None:
    """The operator of a node brings these in."""
    sim.wire.give(sim.node(name), BringDomain(envelopes=envelopes))
    sim.wire.settle()


# ------------------------------------------------------------------ what crosses
