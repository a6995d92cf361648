"""A configured node in a folder, and identities of others, for tests of pairing."""

from __future__ import annotations

from pathlib import Path

from ioe_router.adapters.keystore import Identity, create_identity, make_identity
from ioe_router.daemon.assembly import Plan, read_plan

NOW_S = 1_795_334_400
CONFIG = """
[node]
keys = "keys"
store = "store"
listen = "127.0.0.1:{port}"
[network]
network_id = "village"
currency = "EUR"
slot_s = 300
reference_price_micro_per_kwh = 150000
floor_micro_per_kwh = [300000, 200000]
link_state_steps = 64
voltage_min_micro_pu = 900000
voltage_max_micro_pu = 1100000
voltage_guard_micro_pu = 5000
[connection]
import_w = 20000
export_w = 20000
"""


def make_node(folder: Path, port: int = 7443) -> Identity:
    """Keys and node.toml of a node in this folder."""
    folder.mkdir(exist_ok=True)
    (folder / "node.toml").write_text(CONFIG.format(port=port))
    return create_identity(folder / "keys", wall_utc_s=NOW_S)


def plan_of(folder: Path) -> Plan:
    """What `ioe config check` reads."""
    return read_plan(folder / "node.toml")


def stranger() -> Identity:
    """Somebody else."""
    return make_identity(NOW_S)
