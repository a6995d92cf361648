"""What a node tells and accepts when it pairs (SPEC section 6.1.6): its own card, the other's, the link."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from ioe_router.adapters.attestation import AttestationFile, attest, countersign, open_attestation, stated
from ioe_router.adapters.certificates import UNREADABLE, parse_ca, pem, tls_name
from ioe_router.adapters.keystore import Identity
from ioe_router.adapters.peer_server import split_address
from ioe_router.daemon.assembly import Plan
from ioe_router.daemon.link_terms import LinkTerms, attestation_of
from ioe_router.model.bech32m import node_short
from ioe_router.model.clock import Now
from ioe_router.model.discovery import LinkAttestation
from ioe_router.model.envelope import Envelope, ObjectType
from ioe_router.model.errors import ErrorCode, PeerError, UsageError
from ioe_router.model.ids import NodeId
from ioe_router.model.pairing import Card


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """Who is behind a card."""

    node: NodeId
    ca: x509.Certificate
    port: int


def own_card(plan: Plan) -> Card:
    """What this node says about itself."""
    return Card(
        network_id=plan.parameters.network_id,
        ca_der=plan.ca.public_bytes(serialization.Encoding.DER),
        port=split_address(plan.settings.node.listen)[1],
    )


def read_card(card: Card, plan: Plan, wall_utc_s: int) -> Guest:
    """Who a card is of. PeerError: NETWORK_MISMATCH, IDENTITY_MISMATCH, CONFLICT (is in node.toml)."""
    if card.network_id != plan.parameters.network_id:
        raise PeerError(ErrorCode.NETWORK_MISMATCH, f"the other box is in the network {card.network_id!r}")
    try:
        ca = x509.load_der_x509_certificate(card.ca_der)
        node, _ = parse_ca(pem(ca), "the certificate of the other box")
        _refuse_odd(ca, node, wall_utc_s)
    except (UsageError, *UNREADABLE) as error:
        raise PeerError(ErrorCode.IDENTITY_MISMATCH, str(error) or "it is not self-issued") from error
    if node == plan.node:
        raise PeerError(ErrorCode.IDENTITY_MISMATCH, "the other box has the identity of this one")
    if any(one.node == node and one.paired is None for one in plan.neighbors):
        raise PeerError(ErrorCode.CONFLICT, f"{node_short(node)} is a [[neighbor]] of node.toml already")
    return Guest(node=node, ca=ca, port=card.port)


def _refuse_odd(ca: x509.Certificate, node: NodeId, wall_utc_s: int) -> None:
    """ValueError and its like unless this is a CA certificate as SPEC 5.2 describes it, in force now."""
    ca.verify_directly_issued_by(ca)
    constraint = ca.extensions.get_extension_for_class(x509.NameConstraints)
    names = constraint.value.permitted_subtrees or []
    if not constraint.critical or [one.value for one in names] != [tls_name(node)]:
        raise ValueError("its names are not constrained to its own node")
    if not ca.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
        raise ValueError("it is no CA certificate")
    begins, ends = ca.not_valid_before_utc.timestamp(), ca.not_valid_after_utc.timestamp()
    if not begins <= wall_utc_s < ends:
        raise ValueError("it is not valid now")


def stated_link(terms: LinkTerms, guest: Guest, plan: Plan, mine: Identity, now: Now) -> Envelope:
    """The attestation of the link to a guest, with this node's signature. UsageError for bad terms."""
    network_id = plan.parameters.network_id
    body = attestation_of(terms, mine=plan.node, neighbor=guest.node, network_id=network_id, utc_s=now.utc_s)
    return attest(body, mine).attestation


def read_link(link: Envelope, guest: Guest, plan: Plan) -> LinkAttestation:
    """What a guest states about the link. PeerError (POLICY) when it is not about this one."""
    if link.type is not ObjectType.LINK_ATTESTATION:
        raise PeerError(ErrorCode.POLICY, f"a {link.type.name} instead of an attestation")
    try:
        body = stated(AttestationFile(attestation=link))
    except UsageError as error:
        raise PeerError(ErrorCode.POLICY, str(error)) from error
    if {body.keeper, body.other} != {plan.node, guest.node} or body.network_id != plan.parameters.network_id:
        raise PeerError(ErrorCode.POLICY, "the link that was stated is not the one between the two boxes")
    return body


def agreed_link(link: Envelope, mine: Identity) -> Envelope:
    """The attestation with both signatures. PeerError (POLICY) when the first does not hold."""
    try:
        return countersign(AttestationFile(attestation=link), mine)[0].attestation
    except UsageError as error:
        raise PeerError(ErrorCode.POLICY, str(error)) from error


def complete_link(link: Envelope, guest: Guest, plan: Plan, now: Now) -> AttestationFile:
    """An attestation that both have signed, verified. UsageError when it does not hold."""
    file = AttestationFile(attestation=link)
    where = f"the attestation of the link to {node_short(guest.node)}"
    sealed = open_attestation(file, plan.parameters.network_id, now, where)
    if {sealed.body.keeper, sealed.body.other} != {plan.node, guest.node}:
        raise UsageError(f"{where} is about another link; pair again")
    return file


def dial_address(host: str, guest: Guest, plan: Plan, *, dialled: bool) -> str | None:
    """Where this node will dial the guest, None when the guest dials (SPEC section 6.1.6)."""
    takes_calls = split_address(plan.settings.node.listen)[1] != 0
    if guest.port == 0 or (takes_calls and not dialled):
        return None
    return f"[{host}]:{guest.port}" if ":" in host else f"{host}:{guest.port}"
