"""Why a dial failed, in one sentence with the remedy (SPEC section 5).

gRPC says "Socket closed" for most TLS failures.  So after a failed dial the
same address is tried once more with a plain TLS handshake of the standard
library, which names the cause: nobody listens, not TLS, an old protocol
version, an expired certificate, another node's certificate, an unknown
issuer, or a server that hangs up because it does not want us.
"""

from __future__ import annotations

import socket
import ssl
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from cryptography import x509

from ioe_router.adapters.certificates import Leaf, claimed_node, pem, tls_name
from ioe_router.model.bech32m import node_short
from ioe_router.model.ids import NodeId

# OpenSSL's X509_V_ERR_* numbers, see its verification error codes.
_NOT_YET_VALID: Final = 9
_EXPIRED: Final = 10
_SELF_SIGNED: Final = 18
_UNTRUSTED: Final = frozenset({2, 7, _SELF_SIGNED, 19, 20, 21, 24, 47})
_OTHER_NAME: Final = 62
_TIMEOUT_S: Final = 3.0
# What an HTTP/2 client says first: the preface and an empty SETTINGS frame.
_HTTP2_HELLO: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dial:
    """One attempt: whom we wanted, where, and what we presented. `utc_s` is wall time."""

    host: str
    port: int
    neighbor: NodeId
    ca: x509.Certificate
    leaf: Leaf
    utc_s: int

    @property
    def where(self) -> str:
        """The address as people write it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def name(self) -> str:
        """Short name of the neighbour."""
        return node_short(self.neighbor)


def explain_tls_failure(dial: Dial, timeout_s: float = _TIMEOUT_S) -> str:
    """Dial once more without gRPC and say what is wrong. Blocks for up to a few `timeout_s`."""
    if dial.utc_s >= dial.leaf.expires_utc_s:
        return "this node's own TLS certificate has expired; check its clock and renew the operational key"
    try:
        with socket.create_connection((dial.host, dial.port), timeout_s) as plain:
            return _explain_handshake(dial, plain)
    except socket.gaierror:
        return (
            f"the host name {dial.host!r} is not known; correct the neighbour's address or the name service"
        )
    except ConnectionRefusedError:
        return f"nothing listens at {dial.where}; start {dial.name} or correct its address"
    except TimeoutError:
        return (
            f"no answer from {dial.where} in {timeout_s:g} s; check that it is up and the firewalls between"
        )
    except OSError as error:
        return (
            f"{dial.where} cannot be reached ({error.strerror or error}); check the network and the address"
        )


def _explain_handshake(dial: Dial, plain: socket.socket) -> str:
    try:
        with _context(dial).wrap_socket(plain, server_hostname=tls_name(dial.neighbor)) as secure:
            return _explain_silence(dial, secure)
    except ssl.SSLCertVerificationError as error:
        return _explain_certificate(dial, error)
    except ssl.SSLError as error:
        return _explain_alert(dial, error)
    except TimeoutError:
        return f"{dial.where} accepts connections but does not speak TLS; correct the address or the port"
    except (ConnectionError, OSError):
        return f"{dial.where} hung up during the TLS handshake; correct the address or look into its log"


def _explain_silence(dial: Dial, secure: ssl.SSLSocket) -> str:
    """The server passed every check of ours. In TLS 1.3 its verdict on us comes with the first read."""
    by_dates = _explain_dates(dial, secure.getpeercert(binary_form=True))
    try:
        secure.sendall(_HTTP2_HELLO)
        answered = bool(secure.recv(1))
    except ssl.SSLError as error:
        return by_dates or _explain_alert(dial, error)
    except OSError:
        answered = False
    if answered:
        return f"TLS with {dial.name} at {dial.where} works now; the dial will be repeated"
    return by_dates or (
        f"{dial.name} at {dial.where} refused this node's certificate; "
        "add this node's node.pub to its neighbours and check both machines' clocks"
    )


def _explain_dates(dial: Dial, shown: bytes | None) -> str | None:
    """The neighbour's leaf is hours old by its clock: is ours over, or not yet begun, at that time?"""
    if shown is None:
        return None
    theirs, mine = x509.load_der_x509_certificate(shown), x509.load_pem_x509_certificate(dial.leaf.chain_pem)
    refused = f"{dial.name} at {dial.where} refused this node's certificate"
    if mine.not_valid_after_utc <= theirs.not_valid_before_utc:
        return f"{refused}, which has expired by its clock; set this machine's clock and renew the key"
    if mine.not_valid_before_utc >= theirs.not_valid_after_utc:
        return f"{refused}, which is not valid yet by its clock; synchronise the clocks of both machines"
    return None


def _explain_certificate(dial: Dial, error: ssl.SSLCertVerificationError) -> str:
    code = error.verify_code
    if code == _EXPIRED:
        return (
            f"the certificate of {dial.name} at {dial.where} has expired; "
            "it must renew its operational key, or this machine's clock is ahead"
        )
    if code == _NOT_YET_VALID:
        return (
            f"the certificate of {dial.name} at {dial.where} is not valid yet; "
            "the two machines' clocks differ, synchronise them"
        )
    there = _who_is_there(dial)
    if there is not None and there != dial.neighbor:
        return (
            f"wrong identity: {node_short(there)} answers at {dial.where}, not {dial.name}; "
            "correct the address, or configure that node as the neighbour"
        )
    if code == _OTHER_NAME or code in _UNTRUSTED:
        return (
            f"the certificate at {dial.where} is not issued by the pinned CA of {dial.name}; "
            "get its present node.pub from its operator, or somebody is in between"
        )
    return f"the certificate at {dial.where} was refused ({error.verify_message}); ask {dial.name}'s operator"


def _explain_alert(dial: Dial, error: ssl.SSLError) -> str:
    reason = error.reason or ""
    old = "PROTOCOL_VERSION" in reason or "UNSUPPORTED_PROTOCOL" in reason
    if "ALERT" in reason and not old:
        alert = reason.lower().replace("_", " ")
        return (
            f"{dial.name} at {dial.where} refused this node's certificate ({alert}); "
            "add this node's node.pub to its neighbours and check both machines' clocks"
        )
    if old or _speaks_old_tls(dial):
        return f"{dial.where} speaks no TLS 1.3; the neighbour must be brought up to date"
    return f"{dial.where} does not speak TLS; correct the address or the port"


def _speaks_old_tls(dial: Dial) -> bool:
    """Whether a handshake succeeds once TLS 1.2 is all that is asked for; some servers hang up on 1.3."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        suppress(OSError),
        socket.create_connection((dial.host, dial.port), _TIMEOUT_S) as plain,
        context.wrap_socket(plain, server_hostname=tls_name(dial.neighbor)),
    ):
        return True
    return False


def _who_is_there(dial: Dial) -> NodeId | None:
    """Whose certificate is shown at the address; unproved, for the error text only."""
    context = _context(dial)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with suppress(OSError, ValueError), socket.create_connection((dial.host, dial.port), _TIMEOUT_S) as plain:
        with context.wrap_socket(plain, server_hostname=tls_name(dial.neighbor)) as secure:
            shown = secure.getpeercert(binary_form=True)
        return claimed_node(shown) if shown else None
    return None


def _context(dial: Dial) -> ssl.SSLContext:
    """Ask for what gRPC asks for: TLS 1.3, HTTP/2, this one CA, our own leaf."""
    context = ssl.create_default_context(cadata=pem(dial.ca).decode())
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["h2"])
    with tempfile.NamedTemporaryFile() as file:  # the standard library loads keys from files only; mode 0600
        file.write(dial.leaf.key_pem + dial.leaf.chain_pem)
        file.flush()
        context.load_cert_chain(file.name)
    return context
