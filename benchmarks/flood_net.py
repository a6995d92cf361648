"""The network of the flood test on disk: a seller, a router in the middle, a buyer, and bad neighbours.

    west (sells) --- mid (attacked) --- east (buys)
                      |
                     bad nodes, each with a link to mid that both have attested

All of them are made with the command line, as operators would, and run on loopback.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.e2e import node_files

ENVIRONMENT: Final = {**node_files.ENVIRONMENT, "GRPC_VERBOSITY": "NONE"}
NETWORK_ID: Final = "flood"
SLOT_S: Final = 900
OPENING_S: Final = 600  # before a slot of 900 s its first band opens
BANDS_S: Final = 120  # and for so long there are bands
LEAD_S: Final = 25  # from the making of the configurations to the opening
FLOORS: Final = tuple(400_000 - 25_000 * band for band in range(11))  # micro-units per kWh

_OFFER: Final = """
[[agent.offer]]
direction = "supply"
energy_j = 36000000
price_micro_per_kwh = 100000
source = "solar"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Net:
    """Folders, ports and the slot that is traded."""

    folder: Path
    ports: dict[str, int]
    opens_s: float  # wall time at which the first band opens

    def config(self, name: str) -> Path:
        """Configuration of a node."""
        return self.folder / name / "node.toml"


def make_net(folder: Path, bad: tuple[str, ...]) -> Net:
    """Make keys, attest all links, write the configurations. AssertionError: a command has failed."""
    names = ("west", "mid", "east", *bad)
    ports = {name: node_files.free_port() for name in names}
    for name in names:
        node_files.make_identity(folder, name, NETWORK_ID)
    for keeper, other in (("west", "mid"), *(("mid", name) for name in ("east", *bad))):
        node_files.attest_link(folder, keeper, other, NETWORK_ID, f"{keeper}-{other}.attestation")
    party = node_files.balance_text(folder, "west")
    offset_ms = int((-(OPENING_S + LEAD_S) - time.time()) % SLOT_S * 1_000)
    net = Net(folder=folder, ports=ports, opens_s=time.time() + LEAD_S)
    texts = {
        name: node_files.node_text(
            NETWORK_ID,
            FLOORS,
            port,
            offset_ms,
            slot_s=SLOT_S,
            keepalive_ms=5_000,
            connection_w=40_000,
            log_level="info",
        )
        for name, port in ports.items()
    }
    for name in names[1:]:
        texts[name] += party
    texts["west"] += node_files.neighbor_text("mid", "west-mid.attestation", None) + _OFFER
    texts["mid"] += node_files.neighbor_text("west", "west-mid.attestation", ports["west"])
    for name in names[2:]:
        texts["mid"] += node_files.neighbor_text(name, f"mid-{name}.attestation", None)
        texts[name] += node_files.neighbor_text("mid", f"mid-{name}.attestation", ports["mid"])
    for name, text in texts.items():
        net.config(name).write_text(text)
    return net
