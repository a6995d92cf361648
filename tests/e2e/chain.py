"""Three configured nodes in a row on disk: `west` sells, `mid` lets pass, `east` buys many small portions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.e2e.two_nodes import TERMS, free_port, ioe_ok, offset_to_opening_ms

FLOORS = tuple(400_000 - 25_000 * band for band in range(11))  # micro-units per kWh
NEEDS = 44
NEED_J = 50_000

NETWORK = f"""
[network]
network_id = "chain"
currency = "EUR"
slot_s = 300
reference_price_micro_per_kwh = 150000
floor_micro_per_kwh = {list(FLOORS)}
link_state_steps = 16
voltage_min_micro_pu = 900000
voltage_max_micro_pu = 1100000
voltage_guard_micro_pu = 5000
"""

OFFER = """
[[agent.offer]]
direction = "supply"
energy_j = 3600000
price_micro_per_kwh = 100000
source = "solar"
"""


def _need(place: int) -> str:
    """A portion whose limit lets it trade in a band of its own, so that trade goes on through all bands."""
    limit = FLOORS[place % len(FLOORS)] + 10_000
    return f"""
[[agent.need]]
direction = "supply"
energy_j = {NEED_J}
price_limit_micro_per_kwh = {limit}
"""


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
        (folder / name).mkdir()
        ioe_ok("identity", "new", "--network", "chain", cwd=folder / name)
    (folder / "terms.toml").write_text(TERMS)
    for keeper, other in (("west", "mid"), ("mid", "east")):
        keys = ("--keys", f"{keeper}/keys", "--network", "chain", "--neighbor", f"{other}/keys/node.pub")
        ioe_ok("link", "attest", *keys, "--terms", "terms.toml", f"{keeper}.attestation", cwd=folder)
        ioe_ok("link", "countersign", "--yes", "--keys", f"{other}/keys", f"{keeper}.attestation", cwd=folder)
    party = ioe_ok("identity", "show", cwd=folder / "west").split()[1]
    offset_ms = offset_to_opening_ms()
    west, mid, east = (_node(ports[name], offset_ms) for name in NAMES)
    balance = f'[balance]\nparty = "{party}"\n'
    chain = Chain(folder)
    chain.config("west").write_text(west + _neighbor("mid", "west", None) + OFFER)
    chain.config("mid").write_text(
        mid + balance + _neighbor("west", "west", ports["west"]) + _neighbor("east", "mid", None)
    )
    needs = "".join(map(_need, range(NEEDS)))
    chain.config("east").write_text(east + balance + _neighbor("mid", "mid", ports["mid"]) + needs)
    return chain


def _node(port: int, offset_ms: int) -> str:
    return f"""
[node]
keys = "keys"
store = "store"
listen = "127.0.0.1:{port}"
clock_offset_ms = {offset_ms}
keepalive_ms = 1000
log_level = "debug"
{NETWORK}
[connection]
import_w = 20000
export_w = 20000
"""


def _neighbor(name: str, keeper: str, port: int | None) -> str:
    address = f'address = "127.0.0.1:{port}"' if port else ""
    return f"""
[[neighbor]]
node_pub = "../{name}/keys/node.pub"
attestation = "../{keeper}.attestation"
{address}
"""
