"""What a refusal is said to mean is what the registry says, and every word of a reason is explained."""

from __future__ import annotations

import re

import operator_pages

from ioe_router.control.meanings import MEANINGS, REMEDIES
from ioe_router.model.errors import ErrorCode
from tests.tidy.product import PRODUCT, ROOT

ROW = re.compile(r"^\| \d+ \| ([A-Z_]+) \| ([^|]+) \|", re.MULTILINE)


def test_meanings_are_those_of_the_registry() -> None:
    """Every registered code has the meaning of SPEC section 13.2, word for word."""
    registry = (ROOT / "SPEC.md").read_text(encoding="utf-8").split("<!-- registry: ErrorCode -->", 1)[1]
    table = registry.split("\n\n", 1)[0]
    stated = {name: says.strip() for name, says in ROW.findall(table)}
    assert {code.name: says for code, says in MEANINGS.items()} == stated
    assert set(MEANINGS) == set(ErrorCode) - {ErrorCode.UNSPECIFIED}
    assert set(REMEDIES) <= set(MEANINGS)


def test_every_word_of_a_reason_is_explained() -> None:
    """The words that read-outs use beside registered codes are those of the reference page."""
    sources = "".join(
        path.read_text(encoding="utf-8")
        for folder in ("readout", "control")
        for path in sorted((PRODUCT / folder).glob("*.py"))
    )
    used = set(re.findall(r'(?:code=|_untold\(to, )"([a-z_]+)"', sources))
    assert used == set(operator_pages.REASON_WORDS)
