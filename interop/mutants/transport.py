"""Defects of frames, streams and TLS (SPEC section 5)."""

from __future__ import annotations

from typing import Final

from mutants.mutant import Mutant, mutant
from mutants.patching import Edit

SESSIONS: Final = "core.session:Sessions"
OPTIONS: Final = "adapters.channel_options:server_options"

MUTANTS: Final[tuple[Mutant, ...]] = (
    mutant(
        "frame-signatures-optional",
        "A frame signature may be missing, or superfluous.",
        Edit("codec.frames:_judge", "if needed != (frame.signature is not None):", "if False:"),
        kills="encoding.frame-signature-missing transport.superfluous-frame-signature",
    ),
    mutant(
        "frames-not-verified",
        "Signatures of frames are not verified.",
        Edit(
            "codec.frames:verify_frame",
            "if not judge(frame.signature, frame_input(network_id, frame.session, frame.seq, frame.envelopes)):",
            "if False:",
        ),
        kills="transport.frame-signature-flipped",
    ),
    mutant(
        "frames-of-any-key",
        "A frame may be signed with any key.",
        Edit("codec.frames:verify_frame", "if frame.signature.key != neighbor_key:", "if False:"),
        kills="transport.frame-of-another-key",
    ),
    mutant(
        "frames-in-any-order",
        "Frames need not be numbered without gaps.",
        Edit(f"{SESSIONS}.check_frame", "if frame.seq != session.received_seq + 1:", "if False:"),
        kills="transport.frame-number-gap transport.frame-repeated",
    ),
    mutant(
        "frames-of-any-session",
        "A frame may name another session.",
        Edit(f"{SESSIONS}.check_frame", "if frame.session not in allowed:", "if False:"),
        kills="transport.frame-of-another-session",
    ),
    mutant(
        "bad-objects-end-sessions",
        "A refused object ends the session.",
        Edit(
            "router:Router._refuse",
            "answer = Answer.TELL if account is None else account.refused(error, self._now.monotonic_ns)",
            "answer = Answer.CLOSE",
        ),
        kills="transport.one-bad-object-among-good",
    ),
    mutant(
        "many-streams-of-one",
        "A second stream of a neighbour takes the place of the first.",
        Edit(
            "adapters.peer_table:PeerTable.refusal",
            "code = refusal(self.node, neighbor, stands=self.is_live(neighbor), dial_is_out=is_out)",
            "code = None",
        ),
        kills="transport.second-stream-refused",
    ),
    mutant(
        "openings-without-end",
        "Streams may be opened as often as one likes.",
        Edit("adapters.openings:Openings.allows", "return budget.take(1, now_ns) == 0", "return True"),
        kills="transport.openings-bounded",
    ),
    mutant(
        "many-streams",
        "A connection may have a thousand streams.",
        Edit(
            OPTIONS, '("grpc.max_concurrent_streams", STREAMS_MAX)', '("grpc.max_concurrent_streams", 1_000)'
        ),
        kills="transport.bounds-of-streams",
    ),
    mutant(
        "long-metadata",
        "Request metadata may be long.",
        Edit(
            OPTIONS, '("grpc.max_metadata_size", METADATA_BYTES_MAX)', '("grpc.max_metadata_size", 100_000)'
        ),
        Edit(
            OPTIONS,
            '("grpc.absolute_max_metadata_size", METADATA_BYTES_MAX)',
            '("grpc.absolute_max_metadata_size", 100_000)',
        ),
        kills="transport.long-metadata-refused transport.bounds-of-streams",
    ),
    mutant(
        "large-messages",
        "A message may have 16 MiB.",
        Edit(
            "adapters.channel_options:_both_ends",
            '("grpc.max_receive_message_length", MESSAGE_BYTES_MAX)',
            '("grpc.max_receive_message_length", 1 << 24)',
        ),
        Edit("codec.frames:decode_frame", "if len(data) > FRAME_BYTES:", "if False:"),
        kills="encoding.frame-too-large",
    ),
    mutant(
        "pings-are-abuse",
        "Whoever pings twice a second is sent away.",
        Edit(
            OPTIONS,
            '("grpc.http2.min_ping_interval_without_data_ms", PING_INTERVAL_MIN_MS)',
            '("grpc.http2.min_ping_interval_without_data_ms", 60_000)',
        ),
        kills="transport.pings-tolerated",
    ),
    mutant(
        "silence-is-fine",
        "A silent transport is neither pinged nor ended.",
        Edit(
            "adapters.channel_options:_keepalive",
            '("grpc.keepalive_time_ms", keepalive_ms)',
            '("grpc.keepalive_time_ms", 600_000)',
        ),
        kills="transport.target-pings-and-gives-up",
    ),
    mutant(
        "endless-tls-handshakes",
        "A connection may say nothing for two minutes.",
        Edit(
            OPTIONS,
            '("grpc.server_handshake_timeout_ms", HANDSHAKE_MAX_MS)',
            '("grpc.server_handshake_timeout_ms", 120_000)',
        ),
        kills="transport.silent-handshake",
    ),
    mutant(
        "no-client-certificates",
        "Whoever shows no certificate is served like the first neighbour.",
        Edit(
            "adapters.tls:ServerIdentity.credentials",
            "require_client_authentication=True",
            "require_client_authentication=False",
        ),
        kills="transport.client-certificate-demanded transport.stranger-refused transport.expired-leaf",
    ),
    mutant(
        "another-service",
        "Calls of any method are served.",
        Edit(
            "adapters.peer_server:_Unknown.service",
            "self._server.unknown_calls += 1",
            "return grpc.unary_unary_rpc_method_handler(lambda _request, _context: b'')",
        ),
        kills="transport.unknown-method",
    ),
    mutant(
        "dead-streams-stay",
        "A stream that was cut keeps its place.",
        Edit("adapters.peer_table:PeerTable.serve", "del self._streams[neighbor]", "pass"),
        kills="transport.back-after-a-cut",
    ),
    mutant(
        "leaf-of-two-names",
        "The leaf names another node, too.",
        Edit(
            "adapters.certificates:issue_leaf",
            "[x509.DNSName(tls_name(node))]",
            "[x509.DNSName(tls_name(node)), x509.DNSName('x.' + tls_name(node))]",
        ),
        kills="transport.certificates-shown",
    ),
    mutant(
        "no-proof",
        "A HELLO is not answered with a proof.",
        Edit(f"{SESSIONS}.hello", "if proof is not None:", "if False:"),
        kills="transport.session-served",
    ),
)
