"""A vendor's codec harness: a command that answers one line of JSON with one line of JSON.

interop/vectors/README.md describes the lines.  The command is asked one
question at a time, so that a crash or a hang belongs to the vector that was
asked; it is then started anew for the next one.  What it writes to stderr goes
to the terminal.
"""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import threading
from collections.abc import Mapping, Sequence
from typing import IO, Any, Final

LINE_BYTES_MAX: Final = 4 * 1024 * 1024


class HarnessMissing(Exception):
    """The command cannot be started."""


class HarnessFailed(Exception):
    """The command gave no answer to one question; it may be asked the next one."""


class Harness:
    """A running command. `wait_s` is how long one answer may take."""

    def __init__(self, command: Sequence[str], wait_s: float) -> None:
        """Nothing is started before the first question."""
        self._command = tuple(command)
        self._wait_s = wait_s
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: queue.Queue[bytes] = queue.Queue()
        self._reader: threading.Thread | None = None
        self.broke_down = 0  # how often it crashed, hung, or said something that is no answer

    def ask(self, question: Mapping[str, object]) -> Mapping[str, Any]:
        """The answer to one question. HarnessMissing, HarnessFailed."""
        try:
            return self._ask(question)
        except HarnessFailed:
            self.broke_down += 1
            self.close()
            raise

    def _ask(self, question: Mapping[str, object]) -> Mapping[str, Any]:
        process = self._running()
        if process.stdin is None:
            raise HarnessFailed("it has no standard input")
        try:
            process.stdin.write(json.dumps(question).encode() + b"\n")
            process.stdin.flush()
        except OSError:
            raise HarnessFailed(f"it ended ({_ending(process)}) before it was asked") from None
        try:
            line = self._lines.get(timeout=self._wait_s)
        except queue.Empty:
            raise HarnessFailed(f"no answer within {self._wait_s:g} s") from None
        if not line:
            raise HarnessFailed(f"it ended ({_ending(process)}) instead of answering")
        return _parsed(line, question)

    def close(self) -> None:
        """End the command."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            with contextlib.suppress(OSError):  # it is gone, and what was still to be written with it
                process.stdin.close()
        try:
            process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._reader is not None:
            self._reader.join(timeout=2)
        if process.stdout is not None:
            process.stdout.close()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            try:
                self._process = subprocess.Popen(
                    self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=-1
                )
            except OSError as error:
                raise HarnessMissing(f"{self._command[0]} cannot be started: {error.strerror}") from None
            self._lines = queue.Queue()
            self._reader = threading.Thread(
                target=_pump, args=(self._process.stdout, self._lines), daemon=True
            )
            self._reader.start()
        return self._process


def _pump(stdout: IO[bytes], lines: queue.Queue[bytes]) -> None:
    """Hand over line by line; an empty line stands for the end."""
    while line := stdout.readline(LINE_BYTES_MAX):
        lines.put(line)
        if lines.qsize() > 1:
            break  # two lines for one question: it floods, and is read no further
    lines.put(b"")


def _ending(process: subprocess.Popen[bytes]) -> str:
    try:
        code = process.wait(timeout=2)
    except subprocess.TimeoutExpired:
        return "output closed"
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _parsed(line: bytes, question: Mapping[str, object]) -> Mapping[str, Any]:
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        raise HarnessFailed(f"no JSON: {line[:80]!r}") from None
    if not isinstance(answer, dict) or answer.get("id") != question["id"]:
        raise HarnessFailed(f"no answer to {question['id']}: {line[:80]!r}")
    return answer
