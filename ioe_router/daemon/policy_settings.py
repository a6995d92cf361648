"""From [policy] to the policy of a router: names of neighbours and sources become what the core knows.

A rule may call a neighbour by its name (neighbor.name, else the name of its file) or by its
node id; one that nobody answers to is refused with the nearest name, for such a rule would
silently do nothing.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from ioe_router.config import FilterAction, FilterRule, Policy
from ioe_router.daemon.settings import FilterSection, PolicySection
from ioe_router.model.bech32m import parse_node
from ioe_router.model.errors import UsageError
from ioe_router.model.ids import NodeId
from ioe_router.model.routing import Direction, SourceClass


def policy_of(section: PolicySection, named: Mapping[str, NodeId]) -> Policy:
    """What the section states; `named` has the neighbours. UsageError names a rule that cannot be."""
    return Policy(
        imports=_rules(section.import_filter, "import_filter", named),
        import_default=FilterAction(section.import_default),
        exports=_rules(section.export_filter, "export_filter", named),
        export_default=FilterAction(section.export_default),
        price_cap_micro_per_kwh=section.price_cap_micro_per_kwh,
        fee_max_micro_per_kwh=section.fee_max_micro_per_kwh,
        source_premium_micro_per_kwh=tuple(
            (SourceClass[name.upper()], premium)
            for name, premium in sorted(section.source_premium_micro_per_kwh.items())
        ),
        carbon_price_micro_per_kg=section.carbon_price_micro_per_kg,
        storage_reserve_j=section.battery_reserve_j,
    )


def _rules(
    sections: tuple[FilterSection, ...], way: str, named: Mapping[str, NodeId]
) -> tuple[FilterRule, ...]:
    names = [one.name for one in sections]
    for name in names:
        if not name or names.count(name) > 1:
            raise UsageError(f"policy.{way} {name!r} has no name of its own; give every rule another")
    return tuple(_rule(one, f"policy.{way} {one.name!r}", named) for one in sections)


def _rule(section: FilterSection, what: str, named: Mapping[str, NodeId]) -> FilterRule:
    return FilterRule(
        name=section.name,
        action=FilterAction(section.action),
        neighbors=tuple(_neighbor(name, what, named) for name in section.neighbor),
        origins=tuple(_node(text, what) for text in section.origin),
        direction=None if section.direction is None else Direction[section.direction.upper()],
        sources=tuple(SourceClass[name.upper()] for name in section.source),
        is_default=section.is_default,
        price_above_micro_per_kwh=section.price_above_micro_per_kwh,
        price_below_micro_per_kwh=section.price_below_micro_per_kwh,
        carbon_above_mg_per_kwh=section.carbon_above_mg_per_kwh,
        carbon_below_mg_per_kwh=section.carbon_below_mg_per_kwh,
    )


def _neighbor(text: str, what: str, named: Mapping[str, NodeId]) -> NodeId:
    if text in named:
        return named[text]
    if text.startswith("ioe1"):
        return _node(text, what)
    near = difflib.get_close_matches(text, named, n=1)
    advice = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(named)) or 'none'}"
    raise UsageError(f"{what} names the neighbour {text!r}, which there is not; {advice}")


def _node(text: str, what: str) -> NodeId:
    try:
        return parse_node(text)
    except UsageError as error:
        raise UsageError(f"{what}: {error}") from error
