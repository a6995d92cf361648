"""Mutually authenticated TLS with the node identity checked (SPEC section 5).

A server trusts the CA certificates of its configured neighbours, all of them
at once, so TLS alone does not tell which neighbour called: `identify_client`
traces the presented chain back to one pinned CA.  A dialler trusts the CA of
exactly the neighbour it wants and asks for that neighbour's name, so there a
finished handshake is the proof.

The server's certificate is asked for at every handshake.  That is how a new
leaf comes into use without a restart, and it is the only sign gRPC gives of a
connection that never gets as far as a stream; `handshakes` counts them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Final

import grpc
from cryptography import x509

from ioe_router.adapters.certificates import Caller, Leaf, pem, tls_name, trace_chain
from ioe_router.model.ids import NodeId

TLS_VERSION: Final = b"TLSv1.3"
MESSAGE_BYTES_MAX: Final = 1_048_576  # one frame (SPEC section 5)
METADATA_BYTES_MAX: Final = 8_192
STREAMS_MAX: Final = 64
PING_INTERVAL_MIN_MS: Final = 500  # a neighbour that pings more often is sent away (SPEC section 5)
_BACKOFF_MIN_MS: Final = 500
_BACKOFF_MAX_MS: Final = 15_000

Option = tuple[str, int | str]


class ServerIdentity:
    """What the listening side presents and whom it trusts. `leaf` may be replaced at any time."""

    def __init__(self, leaf: Leaf, pinned: Mapping[NodeId, x509.Certificate]) -> None:
        self._pinned = dict(pinned)
        self._lock = threading.Lock()
        self._leaf = leaf
        self._fresh = False
        self._handshakes = 0

    @property
    def handshakes(self) -> int:
        """TLS handshakes begun on the port, finished or not, garbage included."""
        with self._lock:
            return self._handshakes

    def replace_leaf(self, leaf: Leaf) -> None:
        """Present another leaf from the next handshake on."""
        with self._lock:
            self._leaf, self._fresh = leaf, True

    @property
    def pinned(self) -> Mapping[NodeId, x509.Certificate]:
        """Whom the listening side trusts at this moment."""
        with self._lock:
            return dict(self._pinned)

    def forget(self, neighbor: NodeId) -> None:
        """Trust a node no longer, from the next handshake on."""
        with self._lock:
            self._pinned.pop(neighbor, None)
            self._fresh = True

    def credentials(self) -> grpc.ServerCredentials:
        """Credentials for `add_secure_port`; a client without a certificate of a neighbour is turned away."""
        return grpc.dynamic_ssl_server_credentials(
            self._configuration(),
            self._on_handshake,  # type: ignore[arg-type]  # the stub forgets that None means "no change"
            require_client_authentication=True,
        )

    def _configuration(self) -> grpc.ServerCertificateConfiguration:
        roots = b"".join(pem(ca) for ca in self._pinned.values())
        return grpc.ssl_server_certificate_configuration([(self._leaf.key_pem, self._leaf.chain_pem)], roots)

    def _on_handshake(self) -> grpc.ServerCertificateConfiguration | None:
        """Called by gRPC on a thread of its own; None keeps the present configuration."""
        with self._lock:
            self._handshakes += 1
            if not self._fresh:
                return None
            self._fresh = False
            return self._configuration()


def identify_client(
    auth_context: Mapping[str, Iterable[bytes]], pinned: Mapping[NodeId, x509.Certificate], utc_s: int
) -> Caller | str:
    """Which configured neighbour is behind a stream, or a sentence on why it is none."""
    version = _first(auth_context, "ssl_tls_version")
    if version != TLS_VERSION:
        return f"{version.decode(errors='replace') or 'no TLS'} was negotiated; TLS 1.3 is required"
    leaf = _first(auth_context, "x509_pem_cert")
    return trace_chain(leaf, _first(auth_context, "x509_pem_cert_chain"), pinned, utc_s)


def _first(auth_context: Mapping[str, Iterable[bytes]], name: str) -> bytes:
    return next(iter(auth_context.get(name, ())), b"")


def channel_credentials(leaf: Leaf, ca: x509.Certificate) -> grpc.ChannelCredentials:
    """Credentials for dialling exactly the neighbour whose CA certificate this is."""
    return grpc.ssl_channel_credentials(
        root_certificates=pem(ca), private_key=leaf.key_pem, certificate_chain=leaf.chain_pem
    )


def channel_options(neighbor: NodeId, keepalive_ms: int) -> list[Option]:
    """Options of a channel to one neighbour; see `_keepalive` for `keepalive_ms`."""
    return [
        *_keepalive(keepalive_ms),
        ("grpc.ssl_target_name_override", tls_name(neighbor)),
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.enable_http_proxy", 0),
        ("grpc.enable_retries", 0),
        ("grpc.service_config_disable_resolution", 1),
        ("grpc.initial_reconnect_backoff_ms", _BACKOFF_MIN_MS),
        ("grpc.min_reconnect_backoff_ms", _BACKOFF_MIN_MS * 4),
        ("grpc.max_reconnect_backoff_ms", _BACKOFF_MAX_MS),
    ]


def server_options(keepalive_ms: int) -> list[Option]:
    """Options of the listening server; see `_keepalive` for `keepalive_ms`."""
    return [
        *_keepalive(keepalive_ms),
        ("grpc.so_reuseport", 0),
        ("grpc.http2.min_ping_interval_without_data_ms", PING_INTERVAL_MIN_MS),
        ("grpc.http2.max_ping_strikes", 2),
        ("grpc.max_concurrent_streams", STREAMS_MAX),
        ("grpc.max_metadata_size", METADATA_BYTES_MAX),
        ("grpc.absolute_max_metadata_size", METADATA_BYTES_MAX),  # else gRPC bears twice as much
    ]


def dead_after_ms(keepalive_ms: int) -> int:
    """How long a silent transport lives: three keepalive intervals."""
    return 3 * keepalive_ms


def _keepalive(keepalive_ms: int) -> list[Option]:
    """A ping after one quiet interval, and two more intervals for its answer.

    gRPC answers for the peer's process as long as that runs its transport
    threads.  `ping_timeout` has to be set beside `keepalive_timeout`: its own
    default of a minute wins otherwise.
    """
    answer_ms = dead_after_ms(keepalive_ms) - keepalive_ms
    return [
        ("grpc.keepalive_time_ms", keepalive_ms),
        ("grpc.keepalive_timeout_ms", answer_ms),
        ("grpc.http2.ping_timeout_ms", answer_ms),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
        ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
    ]
