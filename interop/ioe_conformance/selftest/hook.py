"""The hook of the reference router: `python -m ioe_conformance.selftest.hook FOLDER`, as CONTRACT.md has it.

FOLDER is that of `reference.Reference`; the process is known by its `pid` file.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from ioe_conformance.errors import KitError
from ioe_conformance.selftest.reference import launch, wait_for_port

_STOPS_S: Final = 20.0


def _end(target: Path, how: int) -> None:
    """Signal the process, and return when it is gone."""
    number = int((target / "pid").read_text())
    os.kill(number, how)
    end = time.monotonic() + _STOPS_S
    while _lives(number) and time.monotonic() < end:
        time.sleep(0.05)


def _lives(number: int) -> bool:
    """Whether it runs; a process that has ended and is not waited for does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{number}/status").read_text()
    except OSError:
        return False


def main() -> int:
    """Answer one question on stdin."""
    folder = Path(sys.argv[1])
    target, asked = folder / "target", json.loads(sys.stdin.read())["do"]
    try:
        if asked in {"restart", "stop", "kill"}:
            _end(target, signal.SIGKILL if asked == "kill" else signal.SIGTERM)
        if asked in {"restart", "start"}:
            launch(target)
            wait_for_port((target / "address").read_text())
    except (OSError, ValueError, KitError, subprocess.SubprocessError) as error:
        print(json.dumps({"done": False, "why": str(error)}))
        return 0
    print(json.dumps({"done": True}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
