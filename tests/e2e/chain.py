"""Three configured nodes in a row on disk: `west` sells, `mid` lets pass, `east` buys many small portions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.e2e.node_files import (
    SELLER,
    attest_link,
    balance_text,
    free_port,
    make_identity,
    need_text,
    neighbor_text,
    node_text,
    offset_to_opening_ms,
)

FLOORS = tuple(400_000 - 25_000 * band for band in range(11))  # micro-units per kWh
NEEDS = 44
NEED_J = 50_000


def _need(place: int) -> str:
    """A portion whose limit lets it trade in a band of its own, so that trade goes on through all bands."""
    return need_text(NEED_J, FLOORS[place % len(FLOORS)] + 10_000)


@dataclass(frozen=True)
class Chain:
    """Folders of the three nodes."""

    folder: Path

    def config(self, name: str) -> Path:
        """Configuration of a node."""
        return self.folder / name / "node.toml"

    def store(self, name: str) -> Path:
        """The file with a node's promises."""
        return self.folder / name / "store" / "store.db"


NAMES = ("west", "mid", "east")


def make_chain(folder: Path) -> Chain:
    """Make keys, attest both links, write the configurations; their clock stands before a slot's opening."""
    ports = {name: free_port() for name in NAMES}
    for name in NAMES:
        make_identity(folder, name, "chain")
    for keeper, other in (("west", "mid"), ("mid", "east")):
        attest_link(folder, keeper, other, "chain", f"{keeper}.attestation")
    balance = balance_text(folder, "west")
    offset_ms = offset_to_opening_ms()  # last: a command takes seconds on a busy machine
    west, mid, east = (node_text("chain", FLOORS, ports[name], offset_ms) for name in NAMES)
    to_west = neighbor_text("west", "west.attestation", ports["west"])
    to_mid = neighbor_text("mid", "mid.attestation", ports["mid"])
    chain = Chain(folder)
    chain.config("west").write_text(west + neighbor_text("mid", "west.attestation", None) + SELLER)
    chain.config("mid").write_text(mid + balance + to_west + neighbor_text("east", "mid.attestation", None))
    chain.config("east").write_text(east + balance + to_mid + "".join(map(_need, range(NEEDS))))
    return chain
