"""As much HTTP/2 over TLS as is needed to see what gRPC hides (RFC 9113): settings, pings, resets.

Everything here blocks; cases call it with `asyncio.to_thread`.
"""

from __future__ import annotations

import socket
import ssl
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography import x509

from ioe_conformance.kitdir import Kit
from ioe_router.adapters.certificates import Leaf, pem, tls_name

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
END_HEADERS: Final = 0x4
ACK: Final = 0x1
MAX_CONCURRENT_STREAMS, MAX_HEADER_LIST_SIZE = 3, 6
SESSION: Final = "/ioe.v1.PeerService/Session"
_HEAD_BYTES: Final = 9


@dataclass(frozen=True, slots=True)
class Received:
    """One frame from the other side."""

    kind: int
    flags: int
    stream: int
    payload: bytes


def frame(kind: int, payload: bytes = b"", *, flags: int = 0, stream: int = 0) -> bytes:
    """The bytes of a frame."""
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def headers(stream: int, path: str = SESSION, **more: str) -> bytes:
    """The beginning of a call, written out without any compression of headers."""
    fields = {
        ":method": "POST",
        ":scheme": "https",
        ":path": path,
        ":authority": "peer",
        "content-type": "application/grpc",
        "te": "trailers",
        **{name.replace("_", "-"): value for name, value in more.items()},
    }
    block = b"".join(b"\x00" + _text(name) + _text(value) for name, value in fields.items())
    return frame(HEADERS, block, flags=END_HEADERS, stream=stream)


def message(stream: int, raw: bytes, *, compressed: bool = False) -> bytes:
    """One gRPC message."""
    return frame(DATA, bytes([compressed]) + len(raw).to_bytes(4) + raw, stream=stream)


def _text(text: str) -> bytes:
    raw = text.encode("ascii")
    return bytes([len(raw)]) + raw


@dataclass(slots=True)
class Connection:
    """A TLS connection to the target's peer port. OSError when the target refuses the handshake."""

    address: str
    kit: Kit
    leaf: Leaf | None  # None: without a certificate
    version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    patience_s: float = 5.0
    _socket: ssl.SSLSocket = field(init=False)
    _held: bytes = field(init=False, default=b"")

    def __post_init__(self) -> None:
        """Shake hands; the target's certificate has to be good for its name."""
        context = ssl.create_default_context(cadata=pem(self.kit.target_ca).decode())
        context.minimum_version = context.maximum_version = self.version
        context.set_alpn_protocols(["h2"])
        if self.leaf is not None:
            with tempfile.NamedTemporaryFile() as file:
                file.write(self.leaf.key_pem + self.leaf.chain_pem)
                file.flush()
                context.load_cert_chain(file.name)
        host, _, port = self.address.rpartition(":")
        plain = socket.create_connection((host.strip("[]"), int(port)), self.patience_s)
        try:
            self._socket = context.wrap_socket(plain, server_hostname=tls_name(self.kit.target))
        except OSError:
            plain.close()
            raise
        self._socket.settimeout(self.patience_s)

    def chain(self) -> list[x509.Certificate]:
        """The certificates that the target has shown, leaf first."""
        inner: Any = self._socket._sslobj  # type: ignore[attr-defined]  # public from Python 3.13 on
        return [x509.load_der_x509_certificate(_der(one)) for one in inner.get_unverified_chain()]

    def begin(self) -> None:
        """The preface and an empty SETTINGS."""
        self.send(PREFACE + frame(SETTINGS))

    def send(self, data: bytes) -> bool:
        """Send bytes; False when the other side has hung up."""
        try:
            self._socket.sendall(data)
        except OSError:
            return False
        return True

    def frames(self, within_s: float) -> Iterator[Received]:
        """What comes until the other side hangs up, or the time is over."""
        end = time.monotonic() + within_s
        while (left := end - time.monotonic()) > 0:
            self._socket.settimeout(left)
            head = self._take(_HEAD_BYTES)
            payload = None if head is None else self._take(int.from_bytes(head[:3]))
            if head is None or payload is None:
                return
            yield Received(head[3], head[4], int.from_bytes(head[5:]) & 0x7FFF_FFFF, payload)

    def hung_up(self, within_s: float) -> float | None:
        """After how many seconds the other side hung up; None when it did not."""
        begun = time.monotonic()
        for _ in self.frames(within_s):
            pass
        passed = time.monotonic() - begun
        return passed if passed < within_s else None

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take(self, count: int) -> bytes | None:
        while len(self._held) < count:
            try:
                more = self._socket.recv(65_536)
            except OSError:
                return None
            if not more:
                return None
            self._held += more
        taken, self._held = self._held[:count], self._held[count:]
        return taken


def _der(one: Any) -> bytes:
    """The bytes of what the ssl module calls a certificate."""
    return one if isinstance(one, bytes) else ssl.PEM_cert_to_DER_cert(one.public_bytes())
