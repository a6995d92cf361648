"""Two recorded daemons that trade: what each process did is repeated from its file alone."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from ioe_router.adapters.recording import RecordingFile
from ioe_router.adapters.replayer import Replayer
from tests.e2e.node_files import COMMAND, ENVIRONMENT, ioe, ioe_ok
from tests.e2e.two_nodes import make_pair

NAMES = ("west", "east")
WITHIN_S = 120.0


def _said(log: Path, event: str) -> bool:
    lines = [line for line in log.read_text().splitlines() if line.startswith("{") and line.endswith("}")]
    return any(json.loads(line)["event"] == event for line in lines)


@pytest.mark.slow
def test_two_daemons_are_repeated_from_their_recordings(tmp_path: Path) -> None:
    """A day's first reservation between two processes replays without difference, one of them killed."""
    pair = make_pair(tmp_path, before_opening=True)
    logs = [tmp_path / f"{name}.log" for name in NAMES]
    files = [tmp_path / "west.jsonl", tmp_path / "east.jsonl.gz"]
    running = []
    try:
        for config, log, file in zip((pair.west, pair.east), logs, files, strict=True):
            with log.open("w") as stderr:
                arguments = [*COMMAND, "run", "--config", str(config), "--record", str(file)]
                running.append(subprocess.Popen(arguments, env=ENVIRONMENT, stderr=stderr))
        end = time.monotonic() + WITHIN_S
        while not all(_said(log, "Booked") for log in logs):
            assert time.monotonic() < end, "no reservation was made"
            time.sleep(0.1)
        running[0].kill()
        running[1].send_signal(signal.SIGTERM)
        assert running[1].wait(30) == 0
    finally:
        for process in running:
            process.kill()
            process.wait()
    for file in files:
        assert "are the same as recorded" in ioe_ok("replay", str(file), cwd=tmp_path)
        recording = RecordingFile(file)
        calls = list(Replayer(recording.head).replay(recording.calls()))
        assert any(name == "Emit Booked" for call in calls for name, _ in call.call.effects)
    again = ioe("run", "--config", str(pair.west), "--record", str(files[0]), cwd=tmp_path)
    assert again.returncode == 4
    assert again.stderr.strip().endswith("west.jsonl exists already; name another file or move it away")
