"""As much HTTP/2 over TLS as an attacker needs: a connection, and frames of its own making (RFC 9113)."""

from __future__ import annotations

import socket
import ssl
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509

from ioe_router.adapters.certificates import Leaf, parse_ca, pem, tls_name

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 1, 3, 4, 6, 7
END_HEADERS: Final = 0x4
MAX_CONCURRENT_STREAMS, MAX_HEADER_LIST_SIZE = 3, 6
PATIENCE_S: Final = 15.0
SILENCE_S: Final = 2.0
_HEAD_BYTES: Final = 9


@dataclass(frozen=True, slots=True)
class Received:
    """One frame from the other side."""

    kind: int
    stream: int
    payload: bytes


def frame(kind: int, payload: bytes = b"", *, flags: int = 0, stream: int = 0) -> bytes:
    """The bytes of a frame."""
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def headers(stream: int, path: str) -> bytes:
    """The beginning of a call, written out without any compression."""
    fields = {
        ":method": "POST",
        ":scheme": "https",
        ":path": path,
        ":authority": "peer",
        "content-type": "application/grpc",
        "te": "trailers",
    }
    block = b"".join(b"\x00" + _text(name) + _text(value) for name, value in fields.items())
    return frame(HEADERS, block, flags=END_HEADERS, stream=stream)


def _text(text: str) -> bytes:
    raw = text.encode("ascii")
    return bytes([len(raw)]) + raw


@dataclass(slots=True)
class Connection:
    """A connection to a peer port that has said its preface and an empty SETTINGS."""

    port: int
    me: Leaf
    ca: x509.Certificate  # of whom is called
    version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    _socket: ssl.SSLSocket = field(init=False)
    _held: bytes = field(init=False, default=b"")

    def __post_init__(self) -> None:
        """Shake hands with the certificate of a neighbour. OSError: refused."""
        node, _ = parse_ca(pem(self.ca), "the certificate of who is called")
        context = ssl.create_default_context(cadata=pem(self.ca).decode())
        context.minimum_version = context.maximum_version = self.version
        context.set_alpn_protocols(["h2"])
        with tempfile.NamedTemporaryFile() as file:
            file.write(self.me.key_pem + self.me.chain_pem)
            file.flush()
            context.load_cert_chain(file.name)
        plain = socket.create_connection(("127.0.0.1", self.port), PATIENCE_S)
        try:
            self._socket = context.wrap_socket(plain, server_hostname=tls_name(node))
        except OSError:
            plain.close()
            raise
        self._socket.settimeout(PATIENCE_S)
        self.send(PREFACE + frame(SETTINGS))

    def send(self, data: bytes) -> bool:
        """Send bytes; False when the other side has hung up."""
        try:
            self._socket.sendall(data)
        except OSError:
            return False
        return True

    def frames(self) -> Iterator[Received]:
        """What comes, until the other side hangs up or is silent."""
        while (head := self._take(_HEAD_BYTES)) is not None:
            payload = self._take(int.from_bytes(head[:3]))
            if payload is None:
                return
            yield Received(head[3], int.from_bytes(head[5:]) & 0x7FFF_FFFF, payload)

    def settings(self) -> dict[int, int]:
        """What the other side allows, by the first SETTINGS that it sends."""
        found = next(one for one in self.frames() if one.kind == SETTINGS)
        pairs = [found.payload[at : at + 6] for at in range(0, len(found.payload), 6)]
        return {int.from_bytes(pair[:2]): int.from_bytes(pair[2:]) for pair in pairs}

    def hush(self) -> None:
        """From now on a short silence is the end."""
        self._socket.settimeout(SILENCE_S)

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

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
