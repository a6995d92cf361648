"""The published vectors hold for this implementation, which is run from their inputs alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ed25519_curve
import gen_vectors
import pytest
from reference_harness.runners import RUNNERS, run
from vector_ops import OPS

from ioe_router.codec.signing import SMALL_ORDER_Y
from ioe_router.model.bech32m import node_text, parse_node
from ioe_router.model.errors import PeerError
from ioe_router.model.ids import NodeId
from ioe_router.model.pairing_code import parse_code

FOLDER = Path(gen_vectors.TARGET)
GROUPS = sorted(gen_vectors.GROUPS)
Json = dict[str, Any]


def _load(group: str) -> list[Json]:
    vectors: list[Json] = json.loads((FOLDER / f"{group}.json").read_text())["vectors"]
    return vectors


CASES = [pytest.param(one, id=one["id"]) for group in GROUPS for one in _load(group)]


@pytest.mark.parametrize("vector", CASES)
def test_vector(vector: Json) -> None:
    """A valid vector yields its answer; an invalid one is refused with its code."""
    op, inputs, result = vector["op"], vector["inputs"], vector["result"]
    if result["verdict"] == "valid":
        found = run(op, inputs)
        assert found == {name: vector["intermediates"][name] for name in found}
        return
    with pytest.raises(PeerError) as caught:
        run(op, inputs)
    assert caught.value.code.name == result["code"]


def test_every_operation_is_answered_and_asked() -> None:
    """The reference harness knows exactly the operations of the catalogue, and each has a vector."""
    asked = {one["op"] for group in GROUPS for one in _load(group)}
    assert set(RUNNERS) == {op.name for op in OPS} == asked


def test_regeneration_changes_nothing() -> None:
    """The generator writes exactly the files that are in the repository, and no others are there."""
    files = gen_vectors.files()
    assert {path.name for path in FOLDER.glob("*.json")} == set(files)
    for name, content in files.items():
        assert (FOLDER / name).read_bytes() == content


@pytest.mark.parametrize("group", ["ed25519-edge", "malformed"])
def test_negatives_outnumber_positives(group: str) -> None:
    """There are at least three refused vectors for every two accepted ones."""
    verdicts = [one["result"]["verdict"] for one in _load(group)]
    assert verdicts.count("invalid") >= 1.5 * verdicts.count("valid") > 0


def test_small_order_constants_are_those_of_the_curve() -> None:
    """The refused y coordinates are exactly those of the eight points of small order."""
    point = ed25519_curve.torsion()
    assert {point.times(multiple).y for multiple in range(8)} == SMALL_ORDER_Y


def test_what_is_shown_can_be_typed() -> None:
    """Node ids and pairing codes are read back from their text forms."""
    for one in _load("identity"):
        if one["op"] == "identity.node":
            node = NodeId(bytes.fromhex(one["intermediates"]["node"]))
            assert parse_node(node_text(node)) == node
    for one in _load("pairing-code"):
        if one["op"] == "pairing-code.draw":
            assert parse_code(one["intermediates"]["shown"]) == one["intermediates"]["code"]
