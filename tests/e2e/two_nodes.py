"""Two configured nodes on disk, made with the command line as two operators would."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

SLOT_S = 300
OPENING_S = 270  # before a slot of 300 s hosts are told that it opens
LEAD_S = 20  # scenario seconds between the start of the daemons and an opening

NETWORK = """
[network]
network_id = "pair"
currency = "EUR"
slot_s = 300
reference_price_micro_per_kwh = 150000
floor_micro_per_kwh = [300000, 200000]
link_state_steps = 64
voltage_min_micro_pu = 900000
voltage_max_micro_pu = 1100000
voltage_guard_micro_pu = 5000
"""

TERMS = """
keeper = "self"
kind = "radial"
serial = 1
rating_down_va = 50000
rating_up_va = 50000

[loss]
vn_mv = 400000
planning_mv = 400000
r_micro_ohm = 20000
x_micro_ohm = 8000
"""

SELLER = """
[[agent.offer]]
direction = "supply"
energy_j = 3600000
price_micro_per_kwh = 100000
source = "solar"
"""

BUYER = """
[[agent.need]]
direction = "supply"
energy_j = 1000000
price_limit_micro_per_kwh = 400000
"""


COMMAND = (sys.executable, "-c", "from ioe_router.cli.main import main; main()")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


def ioe(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run one command of the command line to its end."""
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=cwd,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def ioe_ok(*arguments: str, cwd: Path) -> str:
    """The same, and it must succeed."""
    done = ioe(*arguments, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def offset_to_opening_ms() -> int:
    """What to add to UTC so that a slot opens `LEAD_S` seconds from now; never negative."""
    wanted = -(OPENING_S + LEAD_S) % SLOT_S
    return int((wanted - time.time()) % SLOT_S * 1_000)


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
        (folder / name).mkdir()
        ioe_ok("identity", "new", "--network", "pair", cwd=folder / name)
    (folder / "terms.toml").write_text(TERMS)
    attest = (
        "link",
        "attest",
        "--keys",
        "west/keys",
        "--network",
        "pair",
        "--neighbor",
        "east/keys/node.pub",
    )
    ioe_ok(*attest, "--terms", "terms.toml", "link.attestation", cwd=folder)
    ioe_ok("link", "countersign", "--yes", "--keys", "east/keys", "link.attestation", cwd=folder)
    west_id = ioe_ok("identity", "show", cwd=folder / "west").split()[1]
    offset_ms = offset_to_opening_ms() if before_opening else 0
    pair.west.write_text(_config(pair.west_port, "east", None, offset_ms, "") + SELLER)
    pair.east.write_text(
        _config(
            pair.east_port,
            "west",
            pair.west_port,
            offset_ms + east_ahead_ms,
            f'[balance]\nparty = "{west_id}"\n',
        )
        + BUYER
    )
    return pair


def _config(port: int, neighbor: str, neighbor_port: int | None, offset_ms: int, balance: str) -> str:
    address = f'address = "127.0.0.1:{neighbor_port}"' if neighbor_port else ""
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
{balance}
[[neighbor]]
node_pub = "../{neighbor}/keys/node.pub"
attestation = "../link.attestation"
{address}
"""
