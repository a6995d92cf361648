"""The file of a recording: everything that one router was given, and digests of what it answered.

    {"format":"ioe-recording","version":1,"protocol":1,"now":...,"own_key":...,"config":...}
    {"monotonic_ns":...,"utc_ms":...,"inputs":[["SessionUp",{...}],...],"effects":[["SendFrame","<digest>"],...]}
    ...

JSON lines, one per call of the router, gzip when the name ends in `.gz`; bytes
are base64.  Beside its inputs a call carries the entropy that it drew and the
signatures that it made, so that it can be repeated without any secret: the
file holds no key, but it does hold what the node traded, and is as private as
that (SPEC section 3).

Values are converted by their types, so this file names neither inputs nor
effects one by one.  A file that ends in mid-line was cut off by a crash and is
good up to there; any other damage is refused.
"""

from __future__ import annotations

import hashlib
import typing
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from ioe_router.config import RouterConfig
from ioe_router.core.effects import Effect, Emit, Persist
from ioe_router.core.inputs import Input
from ioe_router.model.clock import Now
from ioe_router.model.envelope import Envelope
from ioe_router.model.errors import UsageError

FORMAT: Final = "ioe-recording"
VERSION: Final = 1
_CHUNK: Final = 65_536
_LINE_BYTES_MAX: Final = 256 * 1_048_576
_GZIP_MAGIC: Final = b"\x1f\x8b"
_GZIP_WINDOW: Final = 31

_INPUTS: Final[dict[str, type]] = {kind.__name__: kind for kind in typing.get_args(Input)}


class Head(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """First line: what the router was built from."""

    format: str
    version: int
    protocol: int  # version of SPEC that the router speaks
    now: Now
    own_key: Envelope
    config: RouterConfig


class _Marker(msgspec.Struct, frozen=True):
    """What the first line of every version has."""

    format: str = ""
    version: int = 0


class Call(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One call of the router; `restored` instead of `inputs` when durable records were read back."""

    monotonic_ns: int
    utc_ms: int
    inputs: tuple[tuple[str, msgspec.Raw], ...] = ()  # class and fields
    restored: tuple[Persist, ...] | None = None
    entropy: tuple[bytes, ...] = ()  # in the order in which it was drawn
    signed: tuple[tuple[bytes, bytes], ...] = ()  # SHA-256 of what was signed, signature
    effects: tuple[tuple[str, bytes], ...] = ()  # name, SHA-256
    deadline_ns: int | None = None  # what the router asked for afterwards
    raised: str | None = None  # what it raised instead of answering

    @property
    def now(self) -> Now:
        """The instant that the router was given."""
        return Now(monotonic_ns=self.monotonic_ns, utc_ms=self.utc_ms)


# What msgspec raises for bytes that are no JSON, or not of the class.
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

_encoder: Final = msgspec.json.Encoder()
_call_decoder: Final = msgspec.json.Decoder(Call)
_head_decoder: Final = msgspec.json.Decoder(Head)
_marker_decoder: Final = msgspec.json.Decoder(_Marker)
_input_decoders: Final[dict[str, msgspec.json.Decoder[Input]]] = {
    name: msgspec.json.Decoder(kind) for name, kind in _INPUTS.items()
}


# ------------------------------------------------------------------ to bytes


def line_of(value: Head | Call) -> bytes:
    """A line of the file, with its end."""
    return _encoder.encode(value) + b"\n"


def packed(input_: Input) -> tuple[str, msgspec.Raw]:
    """An input as it stands in a call."""
    return type(input_).__name__, msgspec.Raw(_encoder.encode(input_))


def digest_of(effect: Effect) -> tuple[str, bytes]:
    """What an effect is called, and the SHA-256 of all that it says."""
    name = type(effect).__name__
    if isinstance(effect, Emit):
        name = f"Emit {type(effect.event).__name__}"
    return name, hashlib.sha256(name.encode() + b" " + _encoder.encode(effect)).digest()


# ------------------------------------------------------------------ from bytes


def unpacked(packed_input: tuple[str, msgspec.Raw]) -> Input:
    """The input in a call. UsageError when this version has none of that name or with those fields."""
    name, fields = packed_input
    decoder = _input_decoders.get(name)
    if decoder is None:
        raise UsageError(
            f"the input {name!r} is unknown to this version; replay it with the one that recorded it"
        )
    try:
        found: Input = decoder.decode(fields)
    except _UNREADABLE as error:
        raise UsageError(
            f"the input {name} does not fit this version ({error}); is the file damaged?"
        ) from error
    return found


class RecordingFile:
    """A recording on disk. UsageError when it is none, or one of a newer version."""

    def __init__(self, path: Path) -> None:
        self.cut_off = False  # known once `calls` has come to its end
        self._path = path
        self._lines = _lines(path)
        first = next(self._lines, b"")
        if not first.endswith(b"\n"):
            raise UsageError(f"{path} has no whole first line; it is no recording, or was cut off at once")
        self.head = _head_of(first, path)

    def calls(self) -> Iterator[Call]:
        """The calls in order, once. UsageError at a damaged line that is not the torn last one."""
        for number, line in enumerate(self._lines, start=1):
            if not line.endswith(b"\n"):
                self.cut_off = True
                return
            try:
                yield _call_decoder.decode(line)
            except _UNREADABLE as error:
                raise UsageError(
                    f"{self._path} is damaged in call {number} ({error}); get it again"
                ) from error


def _head_of(line: bytes, path: Path) -> Head:
    try:
        marker = _marker_decoder.decode(line)
    except _UNREADABLE as error:
        raise UsageError(f"{path} is no recording of an energy router; name a file of --record") from error
    if marker.format != FORMAT:
        raise UsageError(f"{path} is no recording of an energy router; name a file of --record")
    if marker.version != VERSION:
        raise UsageError(
            f"{path} is a recording of version {marker.version} and this program reads version {VERSION};"
            " replay it with the program that recorded it"
        )
    try:
        return _head_decoder.decode(line)
    except _UNREADABLE as error:
        raise UsageError(f"{path} is damaged in its first line ({error}); get it again") from error


def _lines(path: Path) -> Iterator[bytes]:
    """Lines with their ends; the last one has none when the file was cut off."""
    rest = b""
    for chunk in _chunks(path):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line + b"\n"
        if len(rest) > _LINE_BYTES_MAX:
            raise UsageError(f"{path} has a line above {_LINE_BYTES_MAX} bytes; it is no recording")
    if rest:
        yield rest


def _chunks(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            unzip = zlib.decompressobj(_GZIP_WINDOW) if file.read(2) == _GZIP_MAGIC else None
            file.seek(0)
            while chunk := file.read(_CHUNK):
                yield chunk if unzip is None else unzip.decompress(chunk)
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}); check its name and mode") from error
    except zlib.error as error:
        raise UsageError(
            f"{path} is damaged: its compressed part cannot be read ({error}); get it again"
        ) from error
