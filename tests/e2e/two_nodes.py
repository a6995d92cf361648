"""Two configured nodes on disk, made with the command line as two operators would."""

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

FLOORS = (300_000, 200_000)  # micro-units per kWh


@dataclass(frozen=True)
class Pair:
    """Folders and ports of the two nodes: `west` sells and keeps the link, `east` buys."""

    folder: Path
    west_port: int
    east_port: int

    @property
    def west(self) -> Path:
        """Configuration of the seller."""
        return self.folder / "west" / "node.toml"

    @property
    def east(self) -> Path:
        """Configuration of the buyer."""
        return self.folder / "east" / "node.toml"


def make_pair(folder: Path, *, before_opening: bool = False, east_ahead_ms: int = 0) -> Pair:
    """Make keys, attest the link, write both configurations; the clock may stand before a slot's opening."""
    pair = Pair(folder=folder, west_port=free_port(), east_port=free_port())
    for name in ("west", "east"):
        make_identity(folder, name, "pair")
    attest_link(folder, "west", "east", "pair", "link.attestation")
    balance = balance_text(folder, "west")
    offset_ms = offset_to_opening_ms() if before_opening else 0  # last: a command takes seconds
    west = node_text("pair", FLOORS, pair.west_port, offset_ms)
    east = node_text("pair", FLOORS, pair.east_port, offset_ms + east_ahead_ms)
    pair.west.write_text(west + neighbor_text("east", "link.attestation", None) + SELLER)
    to_west = neighbor_text("west", "link.attestation", pair.west_port)
    pair.east.write_text(east + balance + to_west + need_text(1_000_000, 400_000))
    return pair
