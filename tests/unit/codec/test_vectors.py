"""The published vectors hold for this implementation, which is run from their inputs alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ed25519_curve
import gen_vectors
import jsonschema
import pytest
import vector_ledger
from ioe_conformance.vector_check import expanded
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
    content = json.loads((FOLDER / f"{group}.json").read_text())
    return [{**one, "inputs": expanded(one["inputs"], content["shared"])} for one in content["vectors"]]


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
    ledger = gen_vectors.LEDGER.read_text(encoding="utf-8")
    assert vector_ledger.updated(ledger, gen_vectors.ids(files)) == ledger


def test_an_id_is_never_used_for_something_else() -> None:
    """An id that is gone stays in the ledger; neither it nor another operation's id can be taken again."""
    ledger = vector_ledger.updated("", {"a": "identity.node", "b": "identity.link"})
    ledger = vector_ledger.updated(ledger, {"b": "identity.link", "c": "frame"})
    assert ledger == "a identity.node retired\nb identity.link\nc frame\n"
    with pytest.raises(vector_ledger.IdReused, match="a is retired"):
        vector_ledger.updated(ledger, {"a": "identity.node"})
    with pytest.raises(vector_ledger.IdReused, match="c belongs to frame"):
        vector_ledger.updated(ledger, {"c": "envelope"})


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_files_keep_their_schema(path: Path) -> None:
    """Every file is as its JSON Schema says, and a vector is about an operation of its own file."""
    name = "manifest" if path.name == gen_vectors.MANIFEST else "vectors"
    schema = json.loads((FOLDER.parent / "schema" / f"{name}.schema.json").read_text())
    content = json.loads(path.read_text())
    jsonschema.validate(content, schema, cls=jsonschema.Draft202012Validator)
    assert {one["op"] for one in content.get("vectors", ())} == set(content.get("ops", ()))


@pytest.mark.parametrize("group", ["ed25519-edge", "malformed"])
def test_negatives_outnumber_positives(group: str) -> None:
    """There are at least three refused vectors for every two accepted ones."""
    verdicts = [one["result"]["verdict"] for one in _load(group)]
    assert verdicts.count("invalid") >= 1.5 * verdicts.count("valid") > 0


def test_negatives_outnumber_positives_over_all() -> None:
    """Of all vectors together at least three are refused for every two that are taken."""
    manifest = json.loads((FOLDER / gen_vectors.MANIFEST).read_text())
    assert manifest["invalid"] >= 1.5 * manifest["valid"] > 0


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
