"""What gRPC writes about failed handshakes becomes sentences, seldom enough; the rest passes or not."""

from __future__ import annotations

import os

import pytest

from ioe_router.daemon.transport_log import QUIET_S, TransportLog, cause_of

HEAD = b"I1122 15:26:18.668247   27152 ssl_transport_security.cc:2563] "
VERIFY = b"SSL_ERROR_SSL: error:1000007d:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED: "


def test_a_flood_of_handshakes_is_one_line_a_minute() -> None:
    """A cause is told at once, then at most once a minute with how often it has come; causes do not mix."""
    now, told = [0.0], []
    log = TransportLog(now_s=lambda: now[0])
    log.told = lambda cause, count: told.append((cause[:15], count))
    unknown = HEAD + b"Handshake failed with error " + VERIFY + b"unable to get local issuer certificate"
    for _ in range(1_000):
        log.take(unknown, -1)
    log.take(unknown.replace(b"unable to get local issuer certificate", b"certificate has expired"), -1)
    now[0] = QUIET_S
    log.take(unknown, -1)
    assert told == [("no configured n", 1), ("its certificate", 1), ("no configured n", 1_000)]


def test_what_is_not_grpcs_goes_on() -> None:
    """A line of somebody else's reaches standard error as it was; gRPC's other lines are dropped."""
    reading, writing = os.pipe()
    log = TransportLog()
    log.take(HEAD + b"something about a connection", writing)
    log.take(b'{"event": "Started"}', writing)
    os.close(writing)
    assert os.read(reading, 1_000) == b'{"event": "Started"}\n'
    os.close(reading)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (VERIFY + b"certificate is not yet valid", "not valid yet"),
        (VERIFY + b"permitted subtree violation", "for another node than its issuer"),
        (b"SSL_ERROR_SSL: error:1000010b:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER", "TLS"),
        (
            b"SSL_ERROR_SSL: error:100000c0:SSL routines:OPENSSL_internal:PEER_DID_NOT_RETURN_A_CERTIFICATE",
            "no cert",
        ),
        (b"something new", "the TLS handshake failed"),
    ],
)
def test_each_cause_has_its_sentence(error: bytes, words: str) -> None:
    """What the library calls an error is told as what is wrong with the caller."""
    assert words in cause_of(error)
