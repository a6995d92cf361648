"""From [agent] to what the node's own agent offers and wants in every slot."""

from __future__ import annotations

from ioe_router.agents.static import StaticNeed, StaticOffer
from ioe_router.daemon.settings import AgentSection
from ioe_router.model.routing import Direction, SourceClass


def offers_of(agent: AgentSection) -> tuple[StaticOffer, ...]:
    """What is offered."""
    return tuple(
        StaticOffer(
            direction=Direction[o.direction.upper()],
            energy_j=o.energy_j,
            price_micro_per_kwh=o.price_micro_per_kwh,
            source=SourceClass[o.source.upper()],
            carbon_mg_per_kwh=o.carbon_mg_per_kwh,
            is_default=o.is_default,
            energy_cap_j=o.energy_cap_j,
        )
        for o in agent.offer
    )


def needs_of(agent: AgentSection) -> tuple[StaticNeed, ...]:
    """What is wanted."""
    return tuple(
        StaticNeed(
            direction=Direction[n.direction.upper()],
            energy_j=n.energy_j,
            price_limit_micro_per_kwh=n.price_limit_micro_per_kwh,
            default_limit_micro_per_kwh=n.default_limit_micro_per_kwh,
            priority=n.priority,
        )
        for n in agent.need
    )
