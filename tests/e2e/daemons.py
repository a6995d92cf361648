"""Running daemons and waiting for what they say."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.e2e.node_files import COMMAND, ENVIRONMENT


class Daemon:
    """A running `ioe run` with its log."""

    def __init__(
        self, config: Path, before: Sequence[str] = (), environment: Mapping[str, str] = ENVIRONMENT
    ) -> None:
        """Start it; `before` is a command that starts others, such as `ip netns exec HOST`."""
        self.log_path = config.with_suffix(f".{time.monotonic_ns()}.log")
        with self.log_path.open("w") as log:
            self.process = subprocess.Popen(
                [*before, *COMMAND, "run", "--config", str(config)], env=environment, stderr=log
            )

    def lines(self) -> list[dict[str, object]]:
        """The JSON lines so far; a last sentence that is no JSON is left out."""
        text = self.log_path.read_text()
        return [json.loads(line) for line in text.splitlines() if line.startswith("{") and line.endswith("}")]

    def said(self, event: str) -> list[dict[str, object]]:
        """The lines of one event."""
        return [line for line in self.lines() if line["event"] == event]

    def stop(self) -> int:
        """End it as an operator would, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


def wait_for(condition: Callable[[], object], within_s: float = 60) -> None:
    """Wait for a condition; the bound only ends a failing test."""
    end = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("the condition did not come true")
        time.sleep(0.1)
