"""What gRPC is told about connections: sizes, counts, times, each with its reason (SPEC sections 5 and 14.3).

These bound what can be done to a node before a frame reaches the router: by
strangers, who never get beyond TLS, and by neighbours that misuse HTTP/2.
gRPC has no limit on connections per address; the firewall of the host has.
"""

from __future__ import annotations

from typing import Final

from ioe_router.adapters.certificates import tls_name
from ioe_router.model.ids import NodeId

MESSAGE_BYTES_MAX: Final = 1_048_576  # one frame
METADATA_BYTES_MAX: Final = 8_192
STREAMS_MAX: Final = 8  # one carries the session; the rest are for one that is just ending or refused
CONNECTIONS_SPARE: Final = 256  # connections that are in their handshakes, above two per neighbour
HANDSHAKE_MAX_MS: Final = 10_000  # from accept to the end of TLS and the HTTP/2 settings
WINDOW_BYTES: Final = 65_536
PING_INTERVAL_MIN_MS: Final = 500  # a neighbour that pings more often is sent away
_IDENTITY_ONLY: Final = 1  # the bit of "no compression"
_BACKOFF_MIN_MS: Final = 500
_BACKOFF_MAX_MS: Final = 15_000

Option = tuple[str, int | str]


def channel_options(neighbor: NodeId, keepalive_ms: int) -> list[Option]:
    """Options of a channel to one neighbour; see `_keepalive` for `keepalive_ms`."""
    return [
        *_both_ends(keepalive_ms),
        ("grpc.ssl_target_name_override", tls_name(neighbor)),
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.enable_http_proxy", 0),
        ("grpc.enable_retries", 0),
        ("grpc.service_config_disable_resolution", 1),
        ("grpc.initial_reconnect_backoff_ms", _BACKOFF_MIN_MS),
        ("grpc.min_reconnect_backoff_ms", _BACKOFF_MIN_MS * 4),
        ("grpc.max_reconnect_backoff_ms", _BACKOFF_MAX_MS),
    ]


def server_options(keepalive_ms: int, neighbors: int) -> list[Option]:
    """Options of the listening server for so many neighbours; see `_keepalive` for `keepalive_ms`."""
    return [
        *_both_ends(keepalive_ms),
        ("grpc.so_reuseport", 0),
        # Its default is two minutes: a stranger that says nothing would hold a connection for so long.
        # It runs until the client's HTTP/2 settings have come, so that TLS alone does not stop it.
        ("grpc.server_handshake_timeout_ms", HANDSHAKE_MAX_MS),
        # Each open connection takes memory and a descriptor; what is above this is closed at accept.
        ("grpc.max_allowed_incoming_connections", 2 * neighbors + CONNECTIONS_SPARE),
        ("grpc.http2.min_ping_interval_without_data_ms", PING_INTERVAL_MIN_MS),
        ("grpc.http2.max_ping_strikes", 2),
        # Streams that were reset count until they are cleaned up, so that opening and
        # resetting at once (CVE-2023-44487) keeps few of them busy; excess is refused, not queued.
        ("grpc.max_concurrent_streams", STREAMS_MAX),
        ("grpc.http.overload_protection", 1),
        # One stream a read: other connections of the same thread come in between.
        ("grpc.http2.max_requests_per_read", 1),
        # A session has one small header block; the soft and the hard limit are the same.
        ("grpc.max_metadata_size", METADATA_BYTES_MAX),
        ("grpc.absolute_max_metadata_size", METADATA_BYTES_MAX),
    ]


def dead_after_ms(keepalive_ms: int) -> int:
    """How long a silent transport lives: three keepalive intervals."""
    return 3 * keepalive_ms


def _both_ends(keepalive_ms: int) -> list[Option]:
    return [
        *_keepalive(keepalive_ms),
        ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
        ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
        # A compressed frame is refused: nothing small may become large on the way in.
        ("grpc.compression_enabled_algorithms_bitset", _IDENTITY_ONLY),
        # The window of a stream stays small instead of growing with the bandwidth: what a
        # neighbour can pile up while we do not read is one message and this.
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", WINDOW_BYTES),
    ]


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
    ]
