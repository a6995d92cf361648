"""Documents are followed word by word, with real daemons, as a new user would in an empty folder."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.documents.reader import Reader
from tests.e2e.node_files import OPENING_S, SLOT_S, free_port
from tests.tidy.product import ROOT

DOCS = ROOT / "docs"
LEAD_S = 45  # from the first command of a document to the opening of a slot, on a busy machine


def _clock() -> dict[str, str]:
    """A clock that stands before an opening, and pings that come soon."""
    wanted = -(OPENING_S + LEAD_S) % SLOT_S
    offset_ms = int((wanted - time.time()) % SLOT_S * 1_000)
    return {"IOE_NODE_CLOCK_OFFSET_MS": str(offset_ms), "IOE_NODE_KEEPALIVE_MS": "1000"}


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """A reader in an empty folder; what it has started ends with the test."""
    ports = {f":{port}": f":{free_port()}" for port in (7443, 7444, 7453, 7480, 7481, 8480)}
    one = Reader(tmp_path, changes=ports, environment=_clock())
    yield one
    one.close()


@pytest.mark.slow
def test_the_tutorial(reader: Reader) -> None:
    """From nothing to a committed reservation, and an orderly end."""
    reader.follow(DOCS / "tutorial.md")


@pytest.mark.slow
@pytest.mark.parametrize("page", sorted(path.stem for path in (DOCS / "howto").glob("*.md")))
def test_how_tos(reader: Reader, page: str) -> None:
    """Every page of instructions holds from its first command to its last."""
    reader.follow(DOCS / "howto" / f"{page}.md")


@pytest.mark.parametrize("page", ["domains", "keys", "looking-glass", "replay"])
def test_other_pages(reader: Reader, page: str) -> None:
    """What operators do with keys, signatures and recordings comes out as it is told."""
    reader.follow(DOCS / f"{page}.md")
