"""Paired neighbours as files: written whole, read like [[neighbor]] tables, removed for good."""

from __future__ import annotations

from pathlib import Path

import pytest

from ioe_router.adapters.attestation import AttestationFile, attest_both
from ioe_router.adapters.keystore import Identity
from ioe_router.daemon.errors import ConfigRefused
from ioe_router.daemon.link_terms import LinkTerms, LossTerms, attestation_of
from ioe_router.daemon.peer_files import PeerFile, find_peer, read_peers, remove_peer, write_peer
from ioe_router.daemon.peer_watch import PeerWatch
from ioe_router.model.bech32m import node_short, node_text
from ioe_router.model.errors import UsageError
from tests.unit.daemon.peer_rig import NOW_S, make_node, plan_of, stranger

LOSS = LossTerms(vn_mv=400_000, planning_mv=400_000)
TERMS = LinkTerms(keeper="self", kind="radial", serial=1, rating_down_va=1, rating_up_va=1, loss=LOSS)


def _link(one: Identity, other: Identity) -> AttestationFile:
    body = attestation_of(TERMS, mine=one.node, neighbor=other.node, network_id="village", utc_s=NOW_S)
    return attest_both(body, one, other)


def _write(
    folder: Path,
    other: Identity,
    name: str | None = None,
    address: str | None = None,
    link: AttestationFile | None = None,
) -> PeerFile:
    return write_peer(folder, other.ca, other.node, name=name, address=address, link=link, utc_s=NOW_S)


def test_a_paired_box_is_a_neighbour_of_the_configuration(tmp_path: Path) -> None:
    """A peer with a link is read like a [[neighbor]]; one without is known, and no neighbour yet."""
    own, linked, unlinked = make_node(tmp_path / "own"), stranger(), stranger()
    peers = tmp_path / "own" / "peers"
    _write(peers, linked, "east", "192.0.2.1:7443", _link(own, linked))
    _write(peers, unlinked)
    plan = plan_of(tmp_path / "own")
    assert [(n.node, n.paired, n.section.address) for n in plan.neighbors] == [
        (linked.node, "east", "192.0.2.1:7443")
    ]
    assert [peer.name for peer in plan.unlinked] == [node_short(unlinked.node)]


def test_pairing_again_keeps_what_the_operator_wrote(tmp_path: Path) -> None:
    """A second pairing of the same two renews the files and keeps name, link, role, fee and address."""
    own, other = stranger(), stranger()
    _write(tmp_path, other, "east", "192.0.2.1:7443", _link(own, other))
    text = (tmp_path / "east.toml").read_text()
    edited = text.replace("sibling", "customer") + "fee_micro_per_kwh = 7\n"
    (tmp_path / "east.toml").write_text(edited)
    for address, expected in ((None, "192.0.2.1:7443"), ("192.0.2.9:7443", "192.0.2.9:7443")):
        again = _write(tmp_path, other, address=address)
        assert (again.name, again.has_link) == ("east", True)
        section = again.section
        assert (section.role, section.fee_micro_per_kwh, section.address) == ("customer", 7, expected)


def test_names_are_checked(tmp_path: Path) -> None:
    """A name that is taken, or that could be a path, is refused in one sentence, and nothing is written."""
    _write(tmp_path, stranger(), "east")
    with pytest.raises(UsageError, match=r"the name 'east' belongs to .* give another with --name"):
        _write(tmp_path, stranger(), "east")
    for name in ("../east", "East", "a" * 33, "e.toml"):
        with pytest.raises(UsageError, match="cannot name a peer"):
            _write(tmp_path, stranger(), name)
    assert [peer.name for peer in read_peers(tmp_path)] == ["east"]


def test_another_name_for_the_same_box_is_refused(tmp_path: Path) -> None:
    """One box has one name."""
    other = stranger()
    _write(tmp_path, other, "east")
    with pytest.raises(UsageError, match="is paired as 'east' already"):
        _write(tmp_path, other, "west")


def test_a_peer_is_found_by_name_or_node_id(tmp_path: Path) -> None:
    """Name, node id and the beginning of a node id find one peer; nothing else does."""
    other = stranger()
    _write(tmp_path, other, "east")
    _write(tmp_path, stranger(), "west")
    for text in ("east", node_text(other.node), node_short(other.node)):
        assert find_peer(tmp_path, text).node == other.node
    for text in ("ioe1", "north", ""):
        with pytest.raises(UsageError, match="paired are: east, west"):
            find_peer(tmp_path, text)


def test_a_removed_peer_leaves_nothing(tmp_path: Path) -> None:
    """Removing a peer takes all its files away and no others."""
    own, other = stranger(), stranger()
    peer = _write(tmp_path, other, "east", None, _link(own, other))
    _write(tmp_path, stranger(), "west")
    remove_peer(peer)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["west.node.pub", "west.toml"]


def test_damaged_files_are_named(tmp_path: Path) -> None:
    """A peer file that is no TOML, has an unknown option or no certificate is one sentence with its path."""
    _write(tmp_path, stranger(), "east")
    path = tmp_path / "east.toml"
    good = path.read_text()
    for text, sentence in (("x", "is not valid TOML"), (good + "adress = 1\n", "did you mean 'address'")):
        path.write_text(text)
        with pytest.raises(ConfigRefused, match=f"east.toml.*{sentence}"):
            read_peers(tmp_path)
    path.write_text(good)
    (tmp_path / "east.node.pub").unlink()
    with pytest.raises(UsageError, match=r"east\.node\.pub does not exist"):
        read_peers(tmp_path)


def test_a_running_node_notices_every_change_of_the_folder(tmp_path: Path) -> None:
    """Who is added, edited or removed is told once each; nothing is told while nothing changes."""
    own, other = make_node(tmp_path / "own"), stranger()
    peers = tmp_path / "own" / "peers"
    peer = _write(peers, other, "east", None, _link(own, other))
    told: list[None] = []
    watch = PeerWatch(peers, lambda: told.append(None))
    watch.look()
    assert told == []
    remove_peer(peer)
    _write(peers, stranger(), "west")
    watch.look()
    watch.look()
    assert len(told) == 1
    (peers / "west.toml").write_text((peers / "west.toml").read_text() + "fee_micro_per_kwh = 7\n")
    watch.look()
    assert len(told) == 2
