"""A router that writes down what it is given, so that any run can be repeated bit by bit.

It is a `Router` like any other; whoever owns one need not know.  What it draws
and signs passes through a tap on its way, because entropy and signatures
are the only things that a router takes from outside besides its inputs.

A call that raises is recorded, too: that is the one that will be looked for.
When the file cannot be written any more, recording ends with a notice and the
router goes on: a full disk must not stop a node that only wanted to be watched.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from ioe_router.adapters.files import PRIVATE_MODE
from ioe_router.adapters.recording import FORMAT, VERSION, Call, Head, digest_of, line_of, packed
from ioe_router.codec.signing import Signer, Verify, verify
from ioe_router.config import RouterConfig
from ioe_router.core import hello
from ioe_router.core.effects import Effect, Persist
from ioe_router.core.entropy import EntropySource
from ioe_router.core.inputs import Input
from ioe_router.model.clock import Now
from ioe_router.model.discovery import OperationalKey
from ioe_router.model.envelope import Sealed
from ioe_router.model.errors import UsageError
from ioe_router.router import Router

_ZIP_FLUSH_CALLS: Final = 64  # compressed files are flushed this often, plain ones after every call
_ZIP_LEVEL: Final = 1

Sink = Callable[[bytes], None]


class RecordedRouter(Router):
    """A router whose calls go into `sink` line by line, the head first."""

    def __init__(
        self,
        config: RouterConfig,
        *,
        own_key: Sealed[OperationalKey],
        signer: Signer,
        entropy: EntropySource,
        now: Now,
        sink: Sink,
        judge: Verify = verify,
    ) -> None:
        """Arguments of `Router`, and where the lines go."""
        self._tap = _Tap(signer, entropy)
        self._sink = sink
        super().__init__(config, own_key=own_key, signer=self._tap, entropy=self._tap, now=now, judge=judge)
        head = Head(
            format=FORMAT,
            version=VERSION,
            protocol=hello.VERSION,
            now=now,
            own_key=own_key.envelope,
            config=config,
        )
        sink(line_of(head))

    def add_signer(self, signer: Signer) -> None:
        """As `Router.add_signer`; what it signs is written down, too."""
        super().add_signer(_Tapped(self._tap, signer))

    def handle_all(self, inputs: Sequence[Input], now: Now) -> tuple[Effect, ...]:
        """As `Router.handle_all`, written down whether it answers or raises."""
        try:
            effects = super().handle_all(inputs, now)
        except Exception as error:  # whatever it is, the call that raised it is what a replay is for
            self._note(inputs, now, raised=f"{type(error).__name__}: {error}")
            raise
        self._note(inputs, now, effects=effects)
        return effects

    def restore(self, records: Sequence[Persist], now: Now) -> None:
        """As `Router.restore`, written down whether it answers or raises."""
        try:
            super().restore(records, now)
        except Exception as error:  # as in handle_all
            self._note((), now, restored=tuple(records), raised=f"{type(error).__name__}: {error}")
            raise
        self._note((), now, restored=tuple(records))

    def _note(
        self,
        inputs: Sequence[Input],
        now: Now,
        *,
        restored: tuple[Persist, ...] | None = None,
        effects: tuple[Effect, ...] = (),
        raised: str | None = None,
    ) -> None:
        entropy, signed = self._tap.drain()
        call = Call(
            monotonic_ns=now.monotonic_ns,
            utc_ms=now.utc_ms,
            inputs=tuple(packed(input_) for input_ in inputs),
            restored=restored,
            entropy=entropy,
            signed=signed,
            effects=tuple(digest_of(effect) for effect in effects),
            deadline_ns=self.next_deadline_ns(),
            raised=raised,
        )
        self._sink(line_of(call))


class _Tap:
    """Stands between a router and its signer and entropy, and remembers what passed since it was drained."""

    def __init__(self, signer: Signer, entropy: EntropySource) -> None:
        self.public_key: Final = signer.public_key
        self._signer = signer
        self._source = entropy
        self._tokens: list[bytes] = []
        self._signed: list[tuple[bytes, bytes]] = []

    def token(self, size: int) -> bytes:
        """`size` bytes of the source."""
        drawn = self._source.token(size)
        self._tokens.append(drawn)
        return drawn

    def sign(self, data: bytes) -> bytes:
        """The signer's signature of `data`."""
        return self.overhear(self._signer, data)

    def overhear(self, signer: Signer, data: bytes) -> bytes:
        """Have a signer sign, and remember it."""
        signature = signer.sign(data)
        self._signed.append((hashlib.sha256(data).digest(), signature))
        return signature

    def drain(self) -> tuple[tuple[bytes, ...], tuple[tuple[bytes, bytes], ...]]:
        """What was drawn and signed since the last time."""
        drained = tuple(self._tokens), tuple(self._signed)
        self._tokens, self._signed = [], []
        return drained


class _Tapped:
    """The signer of a later key of the same node, behind the same tap."""

    def __init__(self, tap: _Tap, signer: Signer) -> None:
        self.public_key: Final = signer.public_key
        self._tap = tap
        self._signer = signer

    def sign(self, data: bytes) -> bytes:
        """The signer's signature of `data`."""
        return self._tap.overhear(self._signer, data)


class FileSink:
    """Writes lines into a new file of the owner's; gzip when its name ends in `.gz`.

    UsageError when the file exists or cannot be made.  `on_failure` hears one
    sentence when writing fails later; then nothing more is written.
    """

    def __init__(self, path: Path, on_failure: Callable[[str], None]) -> None:
        self._path = path
        self._on_failure = on_failure
        self._lines = 0
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_MODE)
        except FileExistsError as error:
            raise UsageError(f"recording {path} exists already; name another file or move it away") from error
        except OSError as error:
            raise UsageError(
                f"recording {path} cannot be made ({error.strerror}); check its directory"
            ) from error
        self._raw = os.fdopen(descriptor, "wb")
        self._zipped = path.suffix == ".gz"
        self._file: io.BufferedIOBase | None = self._raw
        if self._zipped:
            self._file = gzip.GzipFile(fileobj=self._raw, mode="wb", compresslevel=_ZIP_LEVEL, mtime=0)

    def __call__(self, line: bytes) -> None:
        """Write a line; it has left this process when the call returns, or within 64 calls under gzip."""
        if self._file is None:
            return
        try:
            self._file.write(line)
            if not self._zipped or self._lines % _ZIP_FLUSH_CALLS == 0:
                self._file.flush()
                self._raw.flush()
            self._lines += 1
        except OSError as error:
            self._give_up(error)

    def close(self) -> None:
        """Write what is left and let go of the file."""
        file, self._file = self._file, None
        try:
            if file is not None:
                file.close()
            self._raw.close()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self._file = None
        self._on_failure(f"recording {self._path} ends here ({error.strerror}); the node goes on without it")
