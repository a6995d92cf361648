"""The trace of a run: a running digest over everything that was handed to any router, and the last lines.

Two runs with the same digest have done the same, bit for bit: what a router
answers follows from what it was handed.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from ioe_router.core.inputs import FrameReceived, Input
from ioe_router.model.clock import Now

KEPT_LINES: Final = 40

LineSink = Callable[[str], None]


class Trace:
    """Digest, counts and the last lines of one run."""

    def __init__(self, sink: LineSink | None = None) -> None:
        """`sink` hears every line."""
        self._hash = hashlib.blake2b(digest_size=16)
        self._sink = sink
        self.calls = 0
        self.inputs = 0
        self.frames = 0
        self.last: deque[str] = deque(maxlen=KEPT_LINES)

    def handed(self, at_ns: int, name: str, now: Now, inputs: Sequence[Input]) -> None:
        """A router is handed inputs."""
        self.calls += 1
        self.inputs += len(inputs)
        update = self._hash.update
        update(f"{at_ns} {name} {now.monotonic_ns} {now.utc_ms} {len(inputs)}\n".encode())
        for input_ in inputs:
            if isinstance(input_, FrameReceived):
                self.frames += 1
                update(input_.neighbor)
                update(input_.frame)
            else:
                update(repr(input_).encode())

    def note(self, at_ns: int, text: str) -> None:
        """Something else has happened that a person wants to know."""
        line = f"{at_ns / 1e9:12.3f}  {text}"
        self._hash.update(line.encode())
        self.last.append(line)
        if self._sink is not None:
            self._sink(line)

    def digest(self) -> str:
        """32 hexadecimal digits over everything so far."""
        return self._hash.hexdigest()
