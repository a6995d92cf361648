"""Who was turned away from the peer port before a stream stood, from what gRPC writes (SPEC section 5.2).

gRPC tells a server nothing of a TLS handshake that fails; it writes one line to
standard error, if GRPC_VERBOSITY was INFO when it was imported (cli/main.py).
So standard error of the process is read here: gRPC's lines about handshakes
become events of the log, with the cause and the remedy, its other lines are
dropped, and whatever else is written there goes on to where it would have gone.

Anybody can make handshakes fail, as often as he likes: each cause is told at
most once a minute, with how often it has come.
"""

from __future__ import annotations

import io
import os
import re
import sys
import threading
import time
from collections.abc import Callable
from typing import Final

QUIET_S: Final = 60.0
_STDERR: Final = 2
_LINE_BYTES_MAX: Final = 8_192
_GRPC: Final = re.compile(rb"^[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ [\w.]+:\d+\] ")
_HANDSHAKE: Final = re.compile(rb"Handshake failed with error (.*)")
_CAUSES: Final = (
    (rb"certificate has expired", "its certificate has expired; its operator renews the operational key"),
    (rb"not yet valid", "its certificate is not valid yet; one of the two clocks is wrong, synchronise both"),
    (rb"subtree|name constraint", "its certificate is for another node than its issuer may speak for"),
    (rb"unable to get|self.signed|unknown ca|issuer", "no configured neighbour has issued its certificate"),
    (rb"DID_NOT_RETURN_A_CERT", "it presents no certificate; only configured neighbours are served"),
    (rb"NO_SHARED_CIPHER|PROTOCOL|VERSION", "it speaks no TLS 1.3; it has to be brought up to date"),
    (rb"ALERT_CERTIFICATE_EXPIRED", "it takes this node's certificate for expired; check both clocks"),
    (rb"ALERT", "it refuses this node's certificate; give its operator this node's node.pub"),
    (rb"WRONG_VERSION|HTTP_REQUEST|RECORD|UNEXPECTED_MESSAGE|DECODE", "it does not speak TLS"),
)
_OTHER: Final = "the TLS handshake failed"

Told = Callable[[str, int], None]  # cause, how often since it was told


class TransportLog:
    """Stands in front of standard error from `start` to `stop`."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        """`told` is to be set before anybody can call; it is called on a thread of its own."""
        self.told: Told = lambda _cause, _count: None
        self._now_s = now_s
        self._causes: dict[str, tuple[float, int]] = {}  # when it was told, and how often it has come since
        self._reader: threading.Thread | None = None
        self._before: tuple[int, object] | None = None

    def start(self) -> io.TextIOBase:
        """Begin; returns what stands for standard error now, for Python's own writers."""
        reading, writing = os.pipe()
        kept = os.dup(_STDERR)
        self._before = kept, sys.stderr
        # Writers may hold it until the process ends, so nothing closes it.
        stream = os.fdopen(os.dup(kept), "w", buffering=1, closefd=False)
        sys.stderr.flush()
        os.dup2(writing, _STDERR)
        os.close(writing)
        sys.stderr = stream
        self._reader = threading.Thread(target=self._read, args=(reading, kept), daemon=True)
        self._reader.start()
        return stream

    def stop(self) -> None:
        """End: standard error is what it was."""
        if self._before is None or self._reader is None:
            return
        kept, before = self._before
        self._before = None
        sys.stderr.flush()
        sys.stderr = before
        os.dup2(kept, _STDERR)
        self._reader.join(1.0)
        os.close(kept)

    def _read(self, reading: int, kept: int) -> None:
        rest = b""
        while piece := os.read(reading, _LINE_BYTES_MAX):
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                self.take(line, kept)
            if len(rest) > _LINE_BYTES_MAX:
                self.take(rest, kept)
                rest = b""
        os.close(reading)

    def take(self, line: bytes, onward: int) -> None:
        """One line that was written to standard error; what is not gRPC's goes to the descriptor `onward`."""
        if _GRPC.match(line) is None:
            os.write(onward, line + b"\n")
            return
        found = _HANDSHAKE.search(line)
        if found is not None:
            self._note(cause_of(found.group(1)))

    def _note(self, cause: str) -> None:
        now_s = self._now_s()
        told_s, count = self._causes.get(cause, (-QUIET_S, 0))
        if now_s - told_s < QUIET_S:
            self._causes[cause] = told_s, count + 1
            return
        self._causes[cause] = now_s, 0
        self.told(cause, count + 1)


def cause_of(error: bytes) -> str:
    """What gRPC says of a failed handshake, as an operator reads it."""
    for pattern, words in _CAUSES:
        if re.search(pattern, error):
            return words
    return _OTHER
