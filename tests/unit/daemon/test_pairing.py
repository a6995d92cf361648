"""What a node accepts from the other side of a pairing, and what it refuses with which code."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID

from ioe_router.adapters.certificates import public_bytes, tls_name
from ioe_router.adapters.keystore import Identity
from ioe_router.daemon.assembly import Plan
from ioe_router.daemon.link_terms import LinkTerms, LossTerms
from ioe_router.daemon.pairing import (
    Guest,
    agreed_link,
    complete_link,
    dial_address,
    own_card,
    read_card,
    read_link,
    stated_link,
)
from ioe_router.model.bech32m import node_text
from ioe_router.model.clock import Now
from ioe_router.model.envelope import Envelope, ObjectType
from ioe_router.model.errors import ErrorCode, PeerError, UsageError
from ioe_router.model.ids import node_id_of
from ioe_router.model.pairing import Card
from tests.unit.daemon.peer_rig import NOW_S, make_node, plan_of, stranger

NOW = Now(0, NOW_S * 1_000)
TERMS = LinkTerms(
    keeper="self",
    kind="radial",
    serial=1,
    rating_down_va=1,
    rating_up_va=1,
    loss=LossTerms(vn_mv=400_000, planning_mv=400_000),
)


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """A node that pairs."""
    make_node(tmp_path / "own")
    return plan_of(tmp_path / "own")


def _card(ca: x509.Certificate, network_id: str = "village", port: int = 7443) -> Card:
    return Card(network_id=network_id, ca_der=ca.public_bytes(serialization.Encoding.DER), port=port)


def _code(card: Card, plan: Plan, at_s: int = NOW_S) -> ErrorCode:
    with pytest.raises(PeerError) as caught:
        read_card(card, plan, at_s)
    return caught.value.code


def test_a_card_names_its_node(plan: Plan) -> None:
    """A sound card of another node of the network is accepted, with the node id of its key."""
    other = stranger()
    assert read_card(_card(other.ca), plan, NOW_S) == Guest(node=other.node, ca=other.ca, port=7443)
    assert own_card(plan) == _card(plan.ca)


def test_another_network_is_refused(plan: Plan) -> None:
    """A card of another network is NETWORK_MISMATCH."""
    assert _code(_card(stranger().ca, "elsewhere"), plan) is ErrorCode.NETWORK_MISMATCH


def test_the_own_identity_is_refused(plan: Plan) -> None:
    """A box that shows this node's own certificate is refused."""
    assert _code(_card(plan.ca), plan) is ErrorCode.IDENTITY_MISMATCH


@pytest.mark.parametrize("at_s", [NOW_S - 86_400, NOW_S + 11 * 365 * 86_400])
def test_a_certificate_out_of_time_is_refused(plan: Plan, at_s: int) -> None:
    """A certificate that is not valid yet, or no longer, is refused."""
    assert _code(_card(stranger().ca), plan, at_s) is ErrorCode.IDENTITY_MISMATCH


def test_garbage_is_refused(plan: Plan) -> None:
    """Bytes that are no certificate are refused."""
    for raw in (b"", b"no certificate", stranger().ca.public_bytes(serialization.Encoding.PEM)):
        assert _code(Card(network_id="village", ca_der=raw, port=1), plan) is ErrorCode.IDENTITY_MISMATCH


def _forge(*, constrained: str | None, ca: bool = True, signer: Ed25519PrivateKey | None = None) -> Card:
    key = Ed25519PrivateKey.generate()
    node = node_id_of(public_bytes(key))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, node_text(node))])
    begins = datetime.fromtimestamp(NOW_S, UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=1 if ca else None), critical=True)
    )
    if constrained is not None:
        names = x509.NameConstraints([x509.DNSName(constrained or tls_name(node))], None)
        builder = builder.add_extension(names, critical=True)
    return _card(builder.sign(signer or key, None))


def test_forged_certificates_are_refused(plan: Plan) -> None:
    """A CA that speaks for others, is none, or is signed by another key is refused; a sound one passes."""
    read_card(_forge(constrained=""), plan, NOW_S)
    for card in (
        _forge(constrained=None),
        _forge(constrained="ioe.internal"),
        _forge(constrained="", ca=False),
        _forge(constrained="", signer=Ed25519PrivateKey.generate()),
    ):
        assert _code(card, plan) is ErrorCode.IDENTITY_MISMATCH


def test_the_link_is_stated_agreed_and_verified(tmp_path: Path) -> None:
    """What one end states and the other signs is the attestation that both verify and keep."""
    (mine, plan), (theirs, other) = _two(tmp_path)
    guest, host = _guest(theirs), _guest(mine)
    half = stated_link(TERMS, guest, plan, mine, NOW)
    assert read_link(half, host, other).keeper == mine.node
    both = agreed_link(half, theirs)
    for reader, seen in ((plan, guest), (other, host)):
        assert complete_link(both, seen, reader, NOW).complete


def test_a_link_of_others_is_refused(tmp_path: Path) -> None:
    """An attestation about another pair, of another type, or not readable is refused with POLICY."""
    (mine, plan), (theirs, other) = _two(tmp_path)
    third = _guest(stranger())
    half = stated_link(TERMS, third, plan, mine, NOW)
    garbled = Envelope(type=ObjectType.LINK_ATTESTATION, signed=b"\xff", signatures=half.signatures)
    hello = Envelope(type=ObjectType.HELLO, signed=half.signed, signatures=half.signatures)
    for link in (half, garbled, hello):
        with pytest.raises(PeerError) as caught:
            read_link(link, _guest(mine), other)
        assert caught.value.code is ErrorCode.POLICY
    with pytest.raises(PeerError) as caught:
        agreed_link(half, theirs)
    assert caught.value.code is ErrorCode.POLICY


def test_a_half_link_is_not_taken_for_a_whole_one(tmp_path: Path) -> None:
    """An answer that holds one signature only is refused, and so is one about another pair."""
    (mine, plan), (theirs, _) = _two(tmp_path)
    half = stated_link(TERMS, _guest(theirs), plan, mine, NOW)
    with pytest.raises(UsageError, match="signed by one end only"):
        complete_link(half, _guest(theirs), plan, NOW)
    third = stranger()
    other = agreed_link(stated_link(TERMS, _guest(third), plan, mine, NOW), third)
    with pytest.raises(UsageError, match="is about another link; pair again"):
        complete_link(other, _guest(theirs), plan, NOW)


def test_who_dialled_dials(tmp_path: Path) -> None:
    """The box that dialled in the pairing dials later; the other one only where that takes no calls."""
    make_node(tmp_path / "open")
    make_node(tmp_path / "closed", port=0)
    takes_calls, takes_none = plan_of(tmp_path / "open"), plan_of(tmp_path / "closed")
    guest = Guest(node=stranger().node, ca=stranger().ca, port=7443)
    assert dial_address("192.0.2.7", guest, takes_calls, dialled=True) == "192.0.2.7:7443"
    assert dial_address("2001:db8::7", guest, takes_calls, dialled=True) == "[2001:db8::7]:7443"
    assert dial_address("192.0.2.7", guest, takes_calls, dialled=False) is None
    assert dial_address("192.0.2.7", guest, takes_none, dialled=False) == "192.0.2.7:7443"


def _guest(identity: Identity) -> Guest:
    return Guest(node=identity.node, ca=identity.ca, port=7443)


def _two(folder: Path) -> tuple[tuple[Identity, Plan], tuple[Identity, Plan]]:
    one, other = make_node(folder / "one"), make_node(folder / "other")
    return (one, plan_of(folder / "one")), (other, plan_of(folder / "other"))
