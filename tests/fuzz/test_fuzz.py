"""The fuzzer itself: its targets hold for a short run, old finds stay mended, a planted bug is found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ioe_router.codec import wire
from tests.fuzz import readers
from tests.fuzz.all_targets import TARGETS
from tests.fuzz.choices import Choices
from tests.fuzz.engine import Crashes, drawn
from tests.fuzz.found import FOUND, Found
from tests.fuzz.mutation import fields_of, message_of
from tests.fuzz.session import recorded

RUNS = 40


@pytest.mark.parametrize("name", TARGETS)
def test_a_short_run_finds_nothing(name: str, tmp_path: Path) -> None:
    """All seeds and some changes of them: refused with the declared error, or taken."""
    crashes = Crashes(tmp_path, name)
    target = TARGETS[name]
    seeds = len(target.seeds())
    assert drawn(target, crashes, seed=1, runs=seeds + RUNS, seconds=1e9) == seeds + RUNS
    assert crashes.places == {}


@pytest.mark.parametrize("found", FOUND, ids=lambda found: f"{found.target}: {found.name}")
def test_what_crashed_once_is_refused(found: Found) -> None:
    """Bytes that a fuzzer has found do no harm any more."""
    TARGETS[found.target].run(found.data)


def test_a_store_whose_schema_is_no_text_is_refused() -> None:
    """SQLite quotes the file when it complains, and the driver fails over the quote: found by bytes."""
    name = b"tablerecordrecord"
    whole = readers.store_file_seeds()[0]
    assert name in whole
    TARGETS["store"].run(whole.replace(name, b"tablerec\xacrdrecord"))


@pytest.mark.parametrize(("name", "runs"), [("wire", 900), ("handle", 250)])
def test_a_planted_bug_is_found(
    name: str, runs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that loses its temper over a field that stands twice is found within a few hundred runs."""
    sound: Callable[[wire.Shape, str], Exception] = wire._malformed

    def loses_its_temper(shape: wire.Shape, what: str) -> Exception:
        if what.endswith("twice"):
            raise ZeroDivisionError(what)
        return sound(shape, what)

    monkeypatch.setattr(wire, "_malformed", loses_its_temper)
    crashes = Crashes(tmp_path, name)
    drawn(TARGETS[name], crashes, seed=2, runs=runs, seconds=1e9)
    assert any(place.startswith("ZeroDivisionError") for place in crashes.places)
    assert list(tmp_path.glob(f"{name}-*")), "the bytes are kept"


def test_a_message_taken_apart_is_put_together_again() -> None:
    """The mutator's own reader and writer agree with each other on everything that was said."""
    for said in recorded().said.values():
        for one in said:
            fields = fields_of(one.signed)
            assert fields is not None
            assert message_of(fields) == one.signed


def test_the_session_holds_most_types() -> None:
    """What is taken apart is a session with more than twenty types of object, at seven moments."""
    assert len(recorded().said) > 20
    assert len(recorded().moments) == 7


def test_equal_bytes_are_equal_choices() -> None:
    """Choices depend on nothing but the bytes, and go on when these are used up."""
    one, two = Choices(b"\x05\x03abc"), Choices(b"\x05\x03abc")
    assert [one.below(4), one.number(), one.below(9)] == [two.below(4), two.number(), two.below(9)]
    assert one.done
    assert one.octet() == 0
