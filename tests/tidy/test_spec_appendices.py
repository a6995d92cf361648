"""The appendices of SPEC.md and the tests that it names are those of this repository."""

from __future__ import annotations

import re

import make_spec_session as worked
import spec_appendices
import spec_blocks

from ioe_router.codec.frames import decode_frame
from ioe_router.model.envelope import ObjectType
from tests.tidy.product import ROOT

SPEC = ROOT / "SPEC.md"


def test_appendices_are_current() -> None:
    """The worked session and the index in SPEC.md are what the scripts write today."""
    text = SPEC.read_text(encoding="utf-8")
    assert spec_blocks.update_parts(SPEC, spec_appendices.parts(text), check=True) == []


def test_the_worked_session_tells_an_offer_with_its_path() -> None:
    """In the worked session both sides are established, and an attested path comes before its offer."""
    dialler, listener, frames = worked.play()
    assert dialler.sessions.established(dialler.peer)
    assert listener.sessions.established(listener.peer)
    told = [envelope.type for _, data in frames for envelope in decode_frame(data).envelopes]
    order = (ObjectType.LINK_ATTESTATION, ObjectType.PATH_ADVERT, ObjectType.OFFER)
    assert [kind for kind in told if kind in order] == list(order)


def test_tests_that_the_specification_names_exist() -> None:
    """Every test file, test function and vector file named in SPEC.md is there."""
    text = SPEC.read_text(encoding="utf-8")
    tests = re.findall(r"`([a-z_]+/test_\w+\.py)(?:::(\w+))?`", text)
    vectors = re.findall(r"`vectors/([\w-]+\.json)`", text)
    assert tests
    assert vectors
    for file, function in tests:
        found = [one / file for one in (ROOT / "tests" / "unit", ROOT / "tests") if (one / file).is_file()]
        assert found, f"SPEC.md names {file}, which does not exist"
        named = not function or f"def {function}(" in found[0].read_text(encoding="utf-8")
        assert named, f"SPEC.md names {file}::{function}, which does not exist"
    for file in vectors:
        assert list((ROOT / "interop" / "vectors").rglob(file)), f"SPEC.md names {file}, which does not exist"
