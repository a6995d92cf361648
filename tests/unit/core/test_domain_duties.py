"""What a node does by its domains: paths, grace, zones, meters, parties, configuration, restart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ioe_router.config import DomainConfig
from ioe_router.model.discovery import Role
from ioe_router.model.domain import TrustList
from ioe_router.model.errors import ErrorCode, UsageError
from ioe_router.model.ids import link_id_of
from tests.unit.core.domain_rig import (
    LINK,
    ME,
    NOW,
    OTHER,
    STRANGER,
    at,
    domains,
    neighbor,
    opened,
    realm,
    refused,
)
from tests.unit.core.routing_rig import START_UTC_S


def test_a_stranger_on_a_path_is_refused() -> None:
    """One node without a certificate of a known domain is enough."""
    ours = realm()
    table = domains(ours.config(ME))
    table.hear_member(opened(ours.admit(OTHER)), NOW)
    with refused(ErrorCode.NOT_A_MEMBER):
        table.check_new((OTHER, STRANGER), NOW)


def test_a_stale_list_goes_on_for_its_grace_and_then_takes_up_nothing_new() -> None:
    """Between the end of a list and the end of its grace everything works; then TRUST_STALE."""
    ends = START_UTC_S + 1_000
    ours = realm(expires_utc_s=ends, grace_s=500)
    table = domains(ours.config(ME))
    table.check_new((ME,), at(ends + 499))
    with refused(ErrorCode.TRUST_STALE):
        table.check_new((ME,), at(ends + 500))
    with refused(ErrorCode.TRUST_STALE):
        table.check_own(at(ends + 500))
    table.hear_list(opened(ours.proceed(expires_utc_s=ends + 5_000)), at(ends + 500))
    table.check_new((ME,), at(ends + 500))


def test_a_stale_domain_elsewhere_stops_its_own_members_only() -> None:
    """What another domain has let run out is refused, and the own members go on."""
    ends = START_UTC_S + 1_000
    ours, theirs = realm(), realm("theirs", expires_utc_s=ends, grace_s=0)
    table = domains(ours.config(ME, theirs))
    table.hear_member(opened(theirs.admit(OTHER)), NOW)
    table.check_new((ME,), at(ends))
    with refused(ErrorCode.TRUST_STALE):
        table.check_new((OTHER,), at(ends))


def test_only_certified_nodes_lead_a_zone() -> None:
    """An operating envelope counts from a member that may form a grid."""
    ours = realm()
    table = domains(ours.config(ME))
    table.hear_member(opened(ours.admit(OTHER, grid_forming=False)), NOW)
    table.check_root(ME)
    for node in (OTHER, STRANGER):
        with refused(ErrorCode.NOT_A_MEMBER):
            table.check_root(node)


def test_a_domain_may_want_certified_meters() -> None:
    """Then the records of a member count only with a certificate of its meter on just this link."""
    ours = realm(certified_meters=True)
    table = domains(ours.config(ME))
    table.hear_member(opened(ours.admit(OTHER)), NOW)
    with refused(ErrorCode.NOT_A_MEMBER):
        table.check_meter(OTHER, LINK, NOW)
    table.hear_meter(opened(ours.meter(OTHER, LINK)), NOW)
    table.check_meter(OTHER, LINK, NOW)
    with refused(ErrorCode.NOT_A_MEMBER):
        table.check_meter(OTHER, link_id_of(OTHER, STRANGER, 0), NOW)
    table.check_meter(STRANGER, LINK, NOW)


def test_a_node_settles_with_the_party_that_its_domain_names() -> None:
    """A certificate that names another party only is a reason to refuse; none at all is not."""
    ours = realm()
    table = domains(ours.config(ME))
    assert table.has_party(STRANGER, ME)
    table.hear_member(opened(ours.admit(OTHER, balance_party=ME)), NOW)
    assert table.has_party(OTHER, ME)
    assert not table.has_party(OTHER, STRANGER)


def test_a_list_that_has_ended_is_told_once() -> None:
    """The operator hears at its end that the next one is missing, before anything is refused."""
    ends = START_UTC_S + 1_000
    ours = realm(expires_utc_s=ends, grace_s=500)
    table = domains(ours.config(ME))
    assert table.next_end_utc_s() == ends
    assert table.overdue(at(ends - 1)) == ()
    assert [one.serial for one in table.overdue(at(ends))] == [1]
    assert table.overdue(at(ends)) == ()
    assert table.next_end_utc_s() != ends


# ------------------------------------------------------------------ configuration


def _unusable() -> dict[str, tuple[DomainConfig, dict[str, Any], str]]:
    ours, theirs = realm(), realm("theirs")
    good = ours.config(ME)
    peer = (neighbor(Role.PEER),)
    return {
        "of another node": (replace(good, member=ours.admit(OTHER)), {}, "of another node"),
        "of another domain": (replace(good, member=theirs.admit(ME)), {}, "name both from one domain"),
        "below the quorum": (
            replace(good, member=ours.sealed(ours.member(ME, 0))),
            {},
            "not signed by a quorum",
        ),
        "another party": (good, {"balance_party": OTHER}, "balance-responsible party"),
        "not a border": (good, {"neighbors": peer}, "admit --duty border"),
        "twice": (replace(good, others=(ours.lists[0],)), {}, "configured twice"),
        "gap": (
            replace(good, lists=(ours.lists[0], ours.sealed(replace(ours.newest, serial=3)))),
            {},
            "lists between",
        ),
    }


@pytest.mark.parametrize("name", sorted(_unusable()))
def test_a_configuration_that_does_not_fit_is_one_sentence(name: str) -> None:
    """Cause and remedy are named before the node starts."""
    stated, changes, words = _unusable()[name]
    with pytest.raises(UsageError, match=words):
        domains(stated, **changes)


def test_a_restored_list_counts_when_it_is_newer_than_the_configured_one() -> None:
    """What an earlier life has taken stands, and an older store does not undo what is configured."""
    ours = realm()
    first = ours.config(ME)
    ours.remove(OTHER)
    table = domains(first)
    table.restore(tuple(opened(one) for one in ours.lists))
    with refused(ErrorCode.NOT_A_MEMBER):
        table.hear_member(opened(ours.admit(OTHER)), NOW)
    table = domains(ours.config(ME))
    table.restore((opened(ours.lists[0]),))
    newest = table.newest(ours.id)
    assert isinstance(newest, TrustList)
    assert newest.serial == 2
