"""The community of deploy/community on loopback: its own files, a port for each node instead of a host."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.community.make import PEER_PORT, names
from tests.e2e.node_files import (
    ENVIRONMENT,
    LEAD_S,
    OPENING_S,
    SLOT_S,
    free_port,
    offset_to_opening_ms,
)

NAMES: Final = tuple(names())
_MAKE: Final = Path(__file__).parents[2] / "deploy" / "community" / "make.py"


@dataclass(frozen=True)
class Community:
    """What was made: the configuration of each node, and the first slot that opens after they start."""

    configs: dict[str, Path]
    slot_utc_s: int


def make_on_loopback(folder: Path, more_lead_s: int = 0) -> Community:
    """Make it with make.py.

    Clocks are set so that a slot opens `more_lead_s` later than `node_files.LEAD_S` says: five daemons
    need longer to start than two.
    """
    command = [sys.executable, str(_MAKE), str(folder), "--unencrypted"]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    ports = {name: free_port() for name in NAMES}
    offset_ms = (offset_to_opening_ms() - 1_000 * more_lead_s) % (1_000 * SLOT_S)
    slot_s = time.time() + offset_ms / 1_000 + LEAD_S + more_lead_s + OPENING_S
    head = f"[node]\nclock_offset_ms = {offset_ms}\nkeepalive_ms = 1000\n"
    configs = {name: folder / name / "node.toml" for name in NAMES}
    for name, config in configs.items():
        lines = config.read_text().splitlines(keepends=True)
        kept = [line for line in lines if not line.startswith(("passphrase =", "health =", "metrics ="))]
        text = "".join(kept).replace("[node]\n", head, 1)
        text = text.replace(f"0.0.0.0:{PEER_PORT}", f"127.0.0.1:{ports[name]}")
        for other, port in ports.items():
            text = text.replace(f'"{other}:{PEER_PORT}"', f'"127.0.0.1:{port}"')
        config.write_text(text)
    return Community(configs=configs, slot_utc_s=round(slot_s / SLOT_S) * SLOT_S)


def glass_text(folder: Path, port: int, more: str, keys: dict[str, str] | None = None) -> str:
    """lg.toml for the whole community."""
    text = f'[looking_glass]\nlisten = "127.0.0.1:{port}"\ntitle = "Community of five"\n{more}\n'
    for name in NAMES:
        text += f'[[node]]\nname = "{title(name)}"\ncontrol = "unix:{folder}/{name}/run/view.sock"\n'
        if keys and name in keys:
            text += f'key_sha256 = "{keys[name]}"\n'
    return text


def title(name: str) -> str:
    """A node's name as people call it."""
    return name.replace("-", " ").capitalize()
