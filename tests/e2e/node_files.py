"""Keys, attested links and configuration files of daemons, made with the command line as operators would."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

SLOT_S = 300
OPENING_S = 270  # before a slot of 300 s hosts are told that it opens
LEAD_S = 20  # scenario seconds between the start of the daemons and an opening

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


def make_identity(folder: Path, name: str, network: str) -> None:
    """A folder for a node, with new keys."""
    (folder / name).mkdir()
    ioe_ok("identity", "new", "--unencrypted", "--network", network, cwd=folder / name)


def attest_link(folder: Path, keeper: str, other: str, network: str, attestation: str) -> None:
    """Both ends sign the terms of a link."""
    (folder / "terms.toml").write_text(TERMS)
    keys = ("--keys", f"{keeper}/keys", "--network", network, "--neighbor", f"{other}/keys/node.pub")
    ioe_ok("link", "attest", *keys, "--terms", "terms.toml", attestation, cwd=folder)
    ioe_ok("link", "countersign", "--yes", "--keys", f"{other}/keys", attestation, cwd=folder)


def node_text(
    network: str,
    floors: Sequence[int],
    port: int,
    offset_ms: int,
    *,
    slot_s: int = SLOT_S,
    keepalive_ms: int = 1_000,
    connection_w: int = 20_000,
    log_level: str = "debug",
) -> str:
    """The configuration of a node but for its neighbours; `floors` in micro-units per kWh."""
    return f"""
[node]
keys = "keys"
store = "store"
listen = "127.0.0.1:{port}"
clock_offset_ms = {offset_ms}
keepalive_ms = {keepalive_ms}
log_level = "{log_level}"

[network]
network_id = "{network}"
currency = "EUR"
slot_s = {slot_s}
reference_price_micro_per_kwh = 150000
floor_micro_per_kwh = {list(floors)}
link_state_steps = 16
voltage_min_micro_pu = 900000
voltage_max_micro_pu = 1100000
voltage_guard_micro_pu = 5000

[connection]
import_w = {connection_w}
export_w = {connection_w}
"""


def balance_text(folder: Path, party: str) -> str:
    """Deviations are settled with this node."""
    node = ioe_ok("identity", "show", cwd=folder / party).split()[1]
    return f'[balance]\nparty = "{node}"\n'


def neighbor_text(name: str, attestation: str, port: int | None) -> str:
    """A neighbour in a folder beside; it is dialled where a port is given."""
    address = f'address = "127.0.0.1:{port}"' if port else ""
    return f"""
[[neighbor]]
node_pub = "../{name}/keys/node.pub"
attestation = "../{attestation}"
{address}
"""


def need_text(energy_j: int, limit_micro_per_kwh: int) -> str:
    """A want of the host in every slot."""
    return f"""
[[agent.need]]
direction = "supply"
energy_j = {energy_j}
price_limit_micro_per_kwh = {limit_micro_per_kwh}
"""
