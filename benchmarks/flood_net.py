"""The network of the flood test on disk: a seller, a router in the middle, a buyer, and bad neighbours.

    west (sells) --- mid (attacked) --- east (buys)
                      |
                     bad nodes, each with a link to mid that both have attested

All of them are made with the command line, as operators would, and run on loopback.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
COMMAND: Final = (sys.executable, "-c", "from ioe_router.cli.main import main; main()")
ENVIRONMENT: Final = {**os.environ, "PYTHONPATH": str(ROOT), "GRPC_VERBOSITY": "NONE"}
NETWORK_ID: Final = "flood"
SLOT_S: Final = 900
OPENING_S: Final = 600  # before a slot of 900 s its first band opens
BANDS_S: Final = 120  # and for so long there are bands
LEAD_S: Final = 25  # from the making of the configurations to the opening
FLOORS: Final = tuple(400_000 - 25_000 * band for band in range(11))  # micro-units per kWh

_NETWORK: Final = f"""
[network]
network_id = "{NETWORK_ID}"
currency = "EUR"
slot_s = {SLOT_S}
reference_price_micro_per_kwh = 150000
floor_micro_per_kwh = {list(FLOORS)}
link_state_steps = 16
voltage_min_micro_pu = 900000
voltage_max_micro_pu = 1100000
voltage_guard_micro_pu = 5000
"""

_TERMS: Final = """
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
    """Make keys, attest all links, write the configurations. RuntimeError: a command has failed."""
    names = ("west", "mid", "east", *bad)
    ports = {name: _free_port() for name in names}
    for name in names:
        (folder / name).mkdir(parents=True)
        _ioe("identity", "new", "--network", NETWORK_ID, "--unencrypted", cwd=folder / name)
    (folder / "terms.toml").write_text(_TERMS)
    for keeper, other in (("west", "mid"), *(("mid", name) for name in ("east", *bad))):
        _attest(folder, keeper, other)
    party = _ioe("identity", "show", cwd=folder / "west").split()[1]
    offset_ms = int((-(OPENING_S + LEAD_S) - time.time()) % SLOT_S * 1_000)
    net = Net(folder=folder, ports=ports, opens_s=time.time() + LEAD_S)
    texts = {name: _node(ports[name], offset_ms) for name in names}
    for name in names[1:]:
        texts[name] += f'[balance]\nparty = "{party}"\n'
    texts["west"] += _neighbor("mid", "west-mid", None) + _OFFER
    texts["mid"] += _neighbor("west", "west-mid", ports["west"])
    for name in names[2:]:
        texts["mid"] += _neighbor(name, f"mid-{name}", None)
        texts[name] += _neighbor("mid", f"mid-{name}", ports["mid"])
    for name, text in texts.items():
        net.config(name).write_text(text)
    return net


def _attest(folder: Path, keeper: str, other: str) -> None:
    file = f"{keeper}-{other}.attestation"
    keys = ("--keys", f"{keeper}/keys", "--network", NETWORK_ID, "--neighbor", f"{other}/keys/node.pub")
    _ioe("link", "attest", *keys, "--terms", "terms.toml", file, cwd=folder)
    _ioe("link", "countersign", "--yes", "--keys", f"{other}/keys", file, cwd=folder)


def _node(port: int, offset_ms: int) -> str:
    return f"""
[node]
keys = "keys"
store = "store"
listen = "127.0.0.1:{port}"
clock_offset_ms = {offset_ms}
keepalive_ms = 5000
log_level = "info"
{_NETWORK}
[connection]
import_w = 40000
export_w = 40000
"""


def _neighbor(name: str, attestation: str, port: int | None) -> str:
    address = f'address = "127.0.0.1:{port}"' if port else ""
    return f"""
[[neighbor]]
node_pub = "../{name}/keys/node.pub"
attestation = "../{attestation}.attestation"
{address}
"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _ioe(*arguments: str, cwd: Path) -> str:
    done = subprocess.run(  # noqa: S603 - our own command
        [*COMMAND, *arguments],
        cwd=cwd,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"ioe {' '.join(arguments)}: {done.stderr}")
    return done.stdout
