"""The stranger of the flood test: it has made up an identity and never gets beyond TLS.

TLS 1.3 lets a client speak before its certificate has been judged, so what it
sends goes out behind the handshake and is dropped with it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import struct
import tempfile
import threading
import time
from collections import Counter
from typing import Final

from ioe_router.adapters.certificates import Leaf
from ioe_router.adapters.channel_options import MESSAGE_BYTES_MAX
from ioe_router.adapters.keystore import make_identity, make_operational
from ioe_router.adapters.peer_server import METHOD, SERVICE
from ioe_router.codec.bound_rules import ENVELOPE_BYTES
from tests.attacks.http2 import PREFACE, SETTINGS, frame, headers

PATH: Final = f"/{SERVICE}/{METHOD}"
DATA: Final = 0
SLOW_LINES: Final = 200
NEST: Final = 16_000
VARINT_BITS, VARINT_MORE = 0x7F, 0x80


def dial(port: int, leaf: Leaf) -> ssl.SSLSocket:
    """TLS 1.3 to the port with a certificate of one's own, whoever answers."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    with tempfile.NamedTemporaryFile() as file:
        file.write(leaf.key_pem + leaf.chain_pem)
        file.flush()
        context.load_cert_chain(file.name)
    plain = socket.create_connection(("127.0.0.1", port), 5)
    try:
        return context.wrap_socket(plain)
    except OSError:
        plain.close()
        raise


def stranger_leaf() -> Leaf:
    """A certificate of a node that nobody knows."""
    now_s = int(time.time())
    identity = make_identity(now_s)
    return make_operational(
        identity, network_id="flood", serial=1, issued_utc_s=now_s, wall_utc_s=now_s, lifetime_s=86_400
    ).leaf(now_s)


def stranger(kind: str, port: int, end_s: float) -> Counter[str]:
    """Flood until the end, on four threads."""
    sent: Counter[str] = Counter()
    work = {"slow": drip, "reset": hang_up}.get(kind, shake_and_send)
    leaf, payload = stranger_leaf(), blind_payload(kind)
    threads = [threading.Thread(target=work, args=(port, end_s, sent, leaf, payload)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sent


def blind_payload(kind: str) -> bytes:
    """What a stranger sends behind its handshake: a call with a message of its kind."""
    body = b""
    if kind in ("forged", "ids"):
        body = os.urandom(4_096)
    elif kind == "oversized":
        body = bytes(4 * MESSAGE_BYTES_MAX)
    elif kind == "nested":
        body = nested()
    message = b"\0" + len(body).to_bytes(4) + body
    parts = [message[at : at + 16_384] for at in range(0, len(message), 16_384)]
    call = headers(1, PATH) + b"".join(frame(DATA, part, stream=1) for part in parts)
    return PREFACE + frame(SETTINGS) + call


def shake_and_send(port: int, end_s: float, sent: Counter[str], leaf: Leaf, payload: bytes) -> None:
    """Connect, finish the own half of the handshake, send, be refused, again."""
    while time.monotonic() < end_s:
        with contextlib.suppress(OSError), dial(port, leaf) as line:
            sent["handshakes"] += 1
            line.sendall(payload)
            line.settimeout(5)
            while line.recv(65_536):
                sent["answers"] += 1


def drip(port: int, end_s: float, sent: Counter[str], _leaf: Leaf, _payload: bytes) -> None:
    """Hold many connections open with a byte a second of a handshake that never ends."""
    lines: list[socket.socket] = []
    while time.monotonic() < end_s:
        while len(lines) < SLOW_LINES // 4:
            try:
                lines.append(socket.create_connection(("127.0.0.1", port), 5))
                sent["connections"] += 1
            except OSError:
                break
        for line in tuple(lines):
            try:
                line.sendall(b"\x16")
            except OSError:
                lines.remove(line)
        time.sleep(1)


def hang_up(port: int, end_s: float, sent: Counter[str], _leaf: Leaf, _payload: bytes) -> None:
    """Connect and reset at once."""
    while time.monotonic() < end_s:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as line:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sent["connections"] += 1


def nested() -> bytes:
    """As deep as an envelope can be: each message holds the next as its first field."""
    inner = b""
    while len(inner) < ENVELOPE_BYTES - NEST:
        inner = b"\x0a" + _varint(len(inner)) + inner
    return inner


def _varint(number: int) -> bytes:
    out = b""
    while number > VARINT_BITS:
        out += bytes([number & VARINT_BITS | VARINT_MORE])
        number >>= 7
    return out + bytes([number])
