"""What happens to a node in its lives: behind NAT, upgraded beside older ones, moved to another machine."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e import node_files
from tests.e2e.daemons import Daemon, wait_for
from tests.e2e.node_files import ENVIRONMENT, ioe, ioe_ok
from tests.e2e.two_nodes import Pair, make_pair

_MINOR = """
import dataclasses
from ioe_router.core import hello, session

made = hello.own_hello

def own_hello(*arguments, **named):
    return dataclasses.replace(made(*arguments, **named), {terms})

session.own_hello = own_hello
"""
OLDER = "features=0"  # before RESUME
NEWER = "version_max=2, features=hello.RESUME | 1 << 57 | 1 << 63"  # two versions, and features yet to come


@pytest.fixture(autouse=True)
def _lead(monkeypatch: pytest.MonkeyPatch) -> None:
    """The daemons of a busy machine need longer to be in session before the slot opens."""
    monkeypatch.setattr(node_files, "LEAD_S", 60)


def _version(folder: Path, name: str, terms: str) -> dict[str, str]:
    """An environment in which a daemon is of another minor version of the protocol (SPEC section 15)."""
    place = folder / name
    place.mkdir()
    (place / "sitecustomize.py").write_text(_MINOR.format(terms=terms))
    return {**ENVIRONMENT, "PYTHONPATH": f"{place}:{ENVIRONMENT['PYTHONPATH']}"}


def _booked(pair: Pair, west: Daemon, east: Daemon) -> None:
    wait_for(lambda: bool(west.said("Booked")) and bool(east.said("Booked")), within_s=200)
    listed = ioe_ok("show", "reservations", "--config", str(pair.east), "-o", "jsonl", cwd=pair.folder)
    assert "COMMITTED" in listed


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_node_that_can_only_dial_out(tmp_path: Path, start: Callable[..., Daemon]) -> None:
    """With no port to listen on the buyer books, and finds its neighbour again after that was killed."""
    pair = make_pair(tmp_path, before_opening=True)
    text = pair.east.read_text()
    pair.east.write_text(text.replace(f'listen = "127.0.0.1:{pair.east_port}"', 'listen = ""'))
    west, east = start(pair.west), start(pair.east)
    wait_for(lambda: bool(east.said("Started")))
    assert east.said("Started")[0]["port"] == 0
    _booked(pair, west, east)
    west.process.kill()
    west.process.wait()
    wait_for(lambda: bool(east.said("NeighborDown")))
    again = start(pair.west)
    wait_for(lambda: len(east.said("NeighborUp")) == 2, within_s=90)
    assert not east.said("Unbooked") + again.said("Unbooked")
    assert (again.stop(), east.stop()) == (0, 0)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_two_minor_versions_side_by_side(tmp_path: Path, start: Callable[..., Daemon]) -> None:
    """An older and a newer node trade; the older one is upgraded in place and keeps what it has promised."""
    pair = make_pair(tmp_path, before_opening=True)
    older = _version(tmp_path, "older", OLDER)
    newer = _version(tmp_path, "newer", NEWER)
    west, east = start(pair.west, environment=older), start(pair.east, environment=newer)
    _booked(pair, west, east)
    assert west.stop() == 0
    upgraded = start(pair.west, environment=newer)
    wait_for(lambda: len(east.said("NeighborUp")) == 2, within_s=90)
    assert upgraded.said("Restored")
    kept = ioe_ok("show", "reservations", "--config", str(pair.west), "-o", "jsonl", cwd=pair.folder)
    assert "COMMITTED" in kept
    assert not east.said("Unbooked") + upgraded.said("Unbooked")
    wait_for(lambda: len(east.said("OfferLearned")) >= 2)
    assert (upgraded.stop(), east.stop()) == (0, 0)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_node_is_backed_up_and_restored_elsewhere(tmp_path: Path, start: Callable[..., Daemon]) -> None:
    """Backed up while it runs, lost with its folder, restored from keys, file and backup: promises stand."""
    pair = make_pair(tmp_path, before_opening=True)
    west, east = start(pair.west), start(pair.east)
    _booked(pair, west, east)
    saved = tmp_path / "saved"
    saved.mkdir()
    ioe_ok("store", "backup", "store", str(saved / "store.db"), cwd=pair.west.parent)
    shutil.copytree(pair.west.parent / "keys", saved / "keys")
    shutil.copy(pair.west, saved / "node.toml")
    west.process.kill()
    west.process.wait()
    shutil.rmtree(pair.west.parent)
    # in place, for attestations are named relative to it; the folder is empty as on another machine
    pair.west.parent.mkdir()
    shutil.copytree(saved / "keys", pair.west.parent / "keys")
    shutil.copy(saved / "node.toml", pair.west)
    (pair.west.parent / "store").mkdir(mode=0o700)
    shutil.copy(saved / "store.db", pair.west.parent / "store" / "store.db")
    checked = ioe("store", "check", "store", cwd=pair.west.parent)
    assert checked.returncode == 0, checked.stderr
    restored = start(pair.west)
    wait_for(lambda: len(east.said("NeighborUp")) == 2, within_s=90)
    kept = ioe_ok("show", "reservations", "--config", str(pair.west), "-o", "jsonl", cwd=pair.folder)
    assert "COMMITTED" in kept
    assert not restored.said("StoreOutdated") + east.said("Unbooked")
    assert (restored.stop(), east.stop()) == (0, 0)
