"""[policy]: what becomes of it, and how a rule that would do nothing is refused."""

from __future__ import annotations

import pytest

from ioe_router.config import FilterAction
from ioe_router.daemon.config_text import example
from ioe_router.daemon.errors import ConfigRefused
from ioe_router.daemon.policy_settings import policy_of
from ioe_router.daemon.settings import parse_settings
from ioe_router.model.bech32m import node_text
from ioe_router.model.errors import UsageError
from ioe_router.model.ids import NodeId
from ioe_router.model.routing import Direction, SourceClass

EAST = NodeId(bytes(range(32)))


def test_rules_become_what_the_core_knows() -> None:
    """Names become node ids, words become the core's enums; order is kept; premiums are sorted."""
    text = example().replace("origin = []", f'origin = ["{node_text(EAST)}"]', 1)
    policy = policy_of(parse_settings(text, "x").policy, {"east": EAST})
    (rule,) = policy.imports
    assert (rule.name, rule.action, rule.neighbors) == ("no-coal", FilterAction.REJECT, (EAST,))
    assert (rule.origins, rule.direction, rule.sources) == ((EAST,), Direction.SUPPLY, (SourceClass.FUEL,))
    assert (rule.price_above_micro_per_kwh, rule.carbon_above_mg_per_kwh) == (300_000, 500_000)
    assert policy.source_premium_micro_per_kwh == ((SourceClass.FUEL, -20_000), (SourceClass.SOLAR, 10_000))
    assert (policy.storage_reserve_j, policy.fee_max_micro_per_kwh) == (7_200_000, 30_000)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (('neighbor = ["east"]', 'neighbor = ["eats"]'), "which there is not; did you mean 'east'?"),
        (('name = "no-coal"', 'name = ""'), "has no name of its own"),
        (("origin = []", 'origin = ["nobody"]'), "policy.import_filter 'no-coal': "),
    ],
)
def test_a_rule_that_would_do_nothing_is_refused(change: tuple[str, str], sentence: str) -> None:
    """One sentence with the rule and the nearest name."""
    settings = parse_settings(example().replace(*change, 1), "x")
    with pytest.raises(UsageError) as caught:
        policy_of(settings.policy, {"east": EAST})
    assert sentence in str(caught.value)


def test_a_source_that_there_is_not_is_refused_with_its_line() -> None:
    """An unknown word in a rule names file and line."""
    with pytest.raises(ConfigRefused, match=r"^x:\d+: policy.import_filter\[0\].source\[0\]: invalid enum"):
        parse_settings(example().replace('source = ["fuel"]', 'source = ["coal"]', 1), "x")
