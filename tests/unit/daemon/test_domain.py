"""A running node takes up what its operators put into the files of its domain."""

from __future__ import annotations

from pathlib import Path

from ioe_router.adapters.domain_files import write_certificate, write_trust
from ioe_router.codec.root_signing import draft
from ioe_router.core.inputs import BringDomain, Input
from ioe_router.daemon.domain import DomainWatch
from ioe_router.daemon.reporting import Log
from ioe_router.daemon.settings import DomainSection
from ioe_router.model.ids import NodeId
from tests.realm import Realm

ME, OTHER = NodeId(b"m" * 32), NodeId(b"o" * 32)
ISSUED_S = 1_700_000_000


class Taker:
    """A node that remembers what it was given."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.given: list[Input] = []

    def submit(self, command: Input) -> None:
        """Remember an input."""
        self.given.append(command)


def test_new_lists_and_certificates_are_handed_over_once(tmp_path: Path) -> None:
    """A complete list is brought in at the next look, a draft and a damaged file are not."""
    realm, node = Realm("r", "net", ISSUED_S), Taker()
    trust, member = tmp_path / "r.trust", tmp_path / "me.member"
    write_trust(trust, realm.lists)
    write_certificate(member, realm.admit(ME))
    watch = DomainWatch(DomainSection(trust="r.trust", member="me.member"), tmp_path, node, Log("error"))
    watch.look()
    watch.look()
    assert node.given == []

    write_trust(trust, [*realm.lists, draft(realm.following())])
    watch.look()
    assert [one.envelopes for one in node.given if isinstance(one, BringDomain)] == [tuple(realm.lists)]
    node.given.clear()
    realm.remove(OTHER)
    write_trust(trust, realm.lists)
    watch.look()
    watch.look()
    assert node.given == [BringDomain(envelopes=tuple(realm.lists))]

    node.given.clear()
    renewed = realm.admit(ME, serial=2)
    write_certificate(member, renewed)
    trust.write_text("{")
    watch.look()
    assert node.given == [BringDomain(envelopes=(renewed,))]
