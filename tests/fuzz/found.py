"""What a fuzzer has found, kept for good: bytes that crashed a reader once, each with what it did then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Found:
    """Bytes for one target, and what came of them before it was mended."""

    target: str
    name: str
    data: bytes
    was: str


DEEP: Final = 2_000
_ODD_KEY: Final = b"""-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK3VwBCIEIByehzP1pxm5i8ArHkxH9oiSKdqkQNtQtRCXoZII62xX
-----END PRIVATE KEY-----
"""  # of an algorithm that nobody knows: one bit of the number for Ed25519 is another
_ROW: Final = b"\x00"  # the first row of the store

FOUND: Final = (
    Found("settings", "brackets without end", b"a = " + b"[" * DEEP, "RecursionError of tomllib"),
    Found("settings", "digits without end", b"a = " + b"9" * 5_000, "ValueError of int() out of tomllib"),
    Found("parameters", "brackets without end", b"a = " + b"[" * DEEP, "RecursionError of tomllib"),
    Found("rows", "brackets without end", _ROW + b"[" * DEEP, "RecursionError of json"),
    Found("envelope-json", "brackets without end", b"[" * DEEP, "RecursionError of json"),
    Found("recording", "brackets without end", b'{"a":' * DEEP + b"\n", "RecursionError of msgspec"),
    Found(
        "recording",
        "a head that is no text",
        b'{"format":"ioe-recording","version":1,"protocol":1,"a":"\xa9"}\n',
        "UnicodeDecodeError of msgspec, for a field of the head that it skips",
    ),
    Found("domain", "a root key of unknown kind", b"\x03" + _ODD_KEY, "UnsupportedAlgorithm of cryptography"),
    Found("trust", "an identity key of unknown kind", b"\x04" + _ODD_KEY, "the same, found beside it"),
)
