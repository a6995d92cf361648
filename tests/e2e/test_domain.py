"""Two daemons in a domain: they meet as members, and a signed removal in a file of one ends it at both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ioe_router.adapters.keystore import load_ca
from ioe_router.model.bech32m import node_text
from tests.e2e.daemons import Daemon, wait_for
from tests.e2e.node_files import ioe_ok
from tests.e2e.two_nodes import Pair, make_pair

TABLE = '[domain]\ntrust = "../v.trust"\nmember = "../{name}.member"\n'


def ioe(folder: Path, *arguments: str) -> None:
    """Run a command in the folder of the two nodes; it has to succeed."""
    ioe_ok(*arguments, cwd=folder)


def both_sign(folder: Path, file: str) -> None:
    """The second operator adds a signature."""
    ioe(folder, "domain", "sign", "--root", "ops2", "--yes", file)


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """Two nodes of one domain, which two operators have founded together."""
    made = make_pair(tmp_path)
    for number in (1, 2):
        ioe(tmp_path, "domain", "key", "--root", f"ops{number}")
    init = ("domain", "init", "--root", "ops1", "--root-pub", "ops2/root.pub", "--quorum", "2")
    ioe(tmp_path, *init, "--network", "pair", "v.trust")
    both_sign(tmp_path, "v.trust")
    party = node_text(load_ca(_keys(tmp_path, "west"))[0])
    for name in ("west", "east"):
        pub = str(_keys(tmp_path, name) / "node.pub")
        admit = ("domain", "admit", "--root", "ops1", "--trust", "v.trust", "--node", pub)
        ioe(tmp_path, *admit, "--party", party, "--duty", "grid-forming", f"{name}.member")
        both_sign(tmp_path, f"{name}.member")
    for name, config in (("west", made.west), ("east", made.east)):
        config.write_text(config.read_text() + TABLE.format(name=name))
    return made


def _keys(folder: Path, name: str) -> Path:
    return next((folder / name).rglob("node.pub")).parent


@pytest.fixture
def running(pair: Pair) -> Iterator[tuple[Daemon, Daemon]]:
    """Both daemons."""
    daemons = (Daemon(pair.west), Daemon(pair.east))
    yield daemons
    for daemon in daemons:
        if daemon.process.poll() is None:
            daemon.stop()


@pytest.mark.timeout(300)
def test_a_signed_removal_ends_the_session_and_keeps_it_ended(
    pair: Pair, running: tuple[Daemon, Daemon]
) -> None:
    """Members meet; a list that removes one takes effect at once, without a restart, and for good."""
    west, east = running
    wait_for(lambda: west.said("NeighborUp") and east.said("NeighborUp"))
    expelled = str(_keys(pair.folder, "east") / "node.pub")
    ioe(pair.folder, "domain", "remove", "--root", "ops1", "--node", expelled, "v.trust")
    both_sign(pair.folder, "v.trust")
    wait_for(lambda: west.said("MembershipEnded"))
    wait_for(lambda: any(line.get("code") == "NOT_A_MEMBER" for line in west.said("NeighborDown")))
    wait_for(lambda: len(west.said("NeighborDown")) > 1 or len(west.said("PeerFault")) > 1)
    assert len(west.said("NeighborUp")) == 1
