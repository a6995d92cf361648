"""Mutually authenticated TLS with the node identity checked (SPEC section 5).

A server trusts the CA certificates of its configured neighbours, all of them
at once, so TLS alone does not tell which neighbour called: `identify_client`
traces the presented chain back to one pinned CA.  A dialler trusts the CA of
exactly the neighbour it wants and asks for that neighbour's name, so there a
finished handshake is the proof.

gRPC has no option for the least TLS version, and a dialler is not told which
one was taken.  But the cipher suites of TLS 1.2 can be chosen, those of TLS 1.3
cannot: with none left but one for pre-shared keys, which nobody has, nothing
older than TLS 1.3 comes to an end, in either direction (adapters/__init__.py: gRPC
reads that when it is imported).

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

from ioe_router.adapters.certificates import Caller, Leaf, pem, trace_chain
from ioe_router.model.ids import NodeId

TLS_VERSION: Final = b"TLSv1.3"


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

    def trust(self, neighbor: NodeId, ca: x509.Certificate) -> None:
        """Trust a node, from the next handshake on."""
        with self._lock:
            self._pinned[neighbor] = ca
            self._fresh = True

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
    version = first_of(auth_context, "ssl_tls_version")
    if version != TLS_VERSION:
        return f"{version.decode(errors='replace') or 'no TLS'} was negotiated; TLS 1.3 is required"
    leaf = first_of(auth_context, "x509_pem_cert")
    return trace_chain(leaf, first_of(auth_context, "x509_pem_cert_chain"), pinned, utc_s)


def first_of(auth_context: Mapping[str, Iterable[bytes]], name: str) -> bytes:
    """The first value of a property of the transport, empty when it has none."""
    return next(iter(auth_context.get(name, ())), b"")


def channel_credentials(leaf: Leaf, ca: x509.Certificate) -> grpc.ChannelCredentials:
    """Credentials for dialling exactly the neighbour whose CA certificate this is."""
    return grpc.ssl_channel_credentials(
        root_certificates=pem(ca), private_key=leaf.key_pem, certificate_chain=leaf.chain_pem
    )
