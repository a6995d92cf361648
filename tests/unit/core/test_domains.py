"""Trust domains: who is believed, until when, and what is refused (SPEC section 4.10)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ioe_router.codec.root_signing import draft, missing, open_root_signed, signed_by
from ioe_router.model.discovery import Role
from ioe_router.model.domain import RootKey
from ioe_router.model.errors import ErrorCode, UsageError
from tests.realm import DAY_S
from tests.unit.core.domain_rig import (
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


def test_the_next_list_is_taken_with_a_quorum_of_the_one_before() -> None:
    """A list with the next serial, signed by two of three roots, is in force from then on."""
    ours = realm()
    table = domains(ours.config(ME))
    taken = table.hear_list(opened(ours.proceed(1, 2)), NOW)
    assert taken is not None
    assert (taken.serial, taken.expelled) == (2, ())
    newest = table.newest(ours.id)
    assert newest is not None
    assert newest.serial == 2
    assert table.hear_list(opened(ours.lists[1]), NOW) is None
    assert table.hear_list(opened(ours.lists[0]), NOW) is None


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"serial": 3}, ErrorCode.STALE),
        ({"serial": 1, "grace_s": 1}, ErrorCode.EQUIVOCATION),
        ({"issued_utc_s": START_UTC_S + 61}, ErrorCode.FROM_FUTURE),
        ({"issued_utc_s": START_UTC_S - 61}, ErrorCode.BROKEN_CHAIN),
    ],
)
def test_a_list_out_of_turn_is_refused(change: dict[str, Any], code: ErrorCode) -> None:
    """Gaps, second contents of one serial, and instants that do not fit are refused with their code."""
    ours = realm()
    table = domains(ours.config(ME))
    with refused(code):
        table.hear_list(opened(ours.sealed(replace(ours.following(), **change))), NOW)
    newest = table.newest(ours.id)
    assert newest == ours.newest


def test_one_root_of_three_is_not_believed() -> None:
    """A list signed by fewer than the quorum of the list before is refused, however well it is signed."""
    ours = realm()
    table = domains(ours.config(ME))
    with refused(ErrorCode.NOT_A_MEMBER):
        table.hear_list(opened(ours.sealed(ours.following(2))), NOW)


def test_a_thief_cannot_replace_the_roots() -> None:
    """New roots that sign for themselves, with one old root, do not come into force."""
    ours, thieves = realm(), realm("thieves")
    table = domains(ours.config(ME))
    keys = [ours.roots[0], *thieves.roots]
    signers = tuple(RootKey(key=key) for key in sorted(one.public_key for one in keys))
    body = replace(ours.following(), roots=thieves.newest.roots, signers=signers)
    with refused(ErrorCode.NOT_A_MEMBER):
        table.hear_list(opened(ours.sealed(body, keys)), NOW)


def test_a_list_needs_its_own_quorum_too() -> None:
    """A quorum cannot name new roots that have not signed: nobody could speak for the domain any more."""
    ours, heirs = realm(), realm("heirs")
    table = domains(ours.config(ME))
    with refused(ErrorCode.NOT_A_MEMBER):
        table.hear_list(opened(ours.sealed(ours.following(roots=heirs.newest.roots))), NOW)


def test_the_first_list_gives_the_domain_its_id() -> None:
    """A first list under the id of another domain is refused when it is configured."""
    ours = realm()
    forged = replace(realm("thieves").newest, domain=ours.id)
    with pytest.raises(UsageError, match="does not give its domain's id"):
        domains(replace(ours.config(ME), lists=(realm("thieves").sealed(forged),)))


def test_a_list_of_an_unknown_domain_has_no_effect() -> None:
    """What concerns nobody here is neither taken nor refused."""
    ours, theirs = realm(), realm("theirs")
    table = domains(ours.config(ME))
    assert table.hear_list(opened(theirs.lists[0]), NOW) is None
    assert not table.hear_member(opened(theirs.admit(OTHER)), NOW)


# ------------------------------------------------------------------ what roots sign


def test_a_signature_cannot_be_stripped() -> None:
    """An object without the signature of each key that it names is refused, though a quorum is left."""
    ours = realm(quorum=1)
    whole = ours.sealed(ours.following(0, 1, 2))
    assert opened(whole).body.serial == 2
    with refused(ErrorCode.BAD_SIGNATURE):
        opened(replace(whole, signatures=whole.signatures[:2]))


def test_roots_sign_in_any_order_and_once() -> None:
    """Two operators sign a draft one after the other; the file says who is still missing."""
    ours = realm()
    envelope = draft(ours.following(0, 2))
    assert set(missing(envelope)) == {ours.roots[0].public_key, ours.roots[2].public_key}
    envelope = signed_by(envelope, ours.roots[2])
    assert missing(envelope) == (ours.roots[0].public_key,)
    with pytest.raises(UsageError, match="signed it already"):
        signed_by(envelope, ours.roots[2])
    with pytest.raises(UsageError, match="not among the signers"):
        signed_by(envelope, ours.roots[1])
    assert opened(signed_by(envelope, ours.roots[0])).body == ours.following(0, 2)


def test_an_object_of_another_network_is_named_so() -> None:
    """The lists of a laboratory are no lists of the live network."""
    with refused(ErrorCode.NETWORK_MISMATCH):
        open_root_signed(realm().lists[0], "live")


# ------------------------------------------------------------------ members


def test_a_removed_member_belongs_no_more_and_an_older_certificate_does_not_help() -> None:
    """A removal expels at once, keeps the certificate out, and a new admission needs a higher serial."""
    ours = realm()
    table = domains(ours.config(ME))
    assert table.hear_member(opened(ours.admit(OTHER)), NOW)
    table.check_new((OTHER,), NOW)
    taken = table.hear_list(opened(ours.remove(OTHER)), NOW)
    assert taken is not None
    assert taken.expelled == (OTHER,)
    with refused(ErrorCode.NOT_A_MEMBER):
        table.check_new((OTHER,), NOW)
    with refused(ErrorCode.NOT_A_MEMBER):
        table.hear_member(opened(ours.admit(OTHER)), NOW)
    assert table.hear_member(opened(ours.admit(OTHER, serial=2)), NOW)
    table.check_new((OTHER,), NOW)


def test_a_certificate_ends_with_its_time() -> None:
    """At its end a member is let go, once."""
    ours = realm()
    table = domains(ours.config(ME))
    ends = START_UTC_S + 500
    table.hear_member(opened(ours.admit(OTHER, expires_utc_s=ends)), NOW)
    assert table.next_end_utc_s() == ends
    assert table.due(at(ends - 1)) == ()
    with refused(ErrorCode.NOT_A_MEMBER):
        table.check_new((OTHER,), at(ends))
    assert table.due(at(ends)) == (OTHER,)
    assert table.due(at(ends)) == ()


def test_certificates_of_old_roots_count_for_the_grace() -> None:
    """After a change of all roots, what the old ones have certified lives for the grace of the new list."""
    ours, heirs = realm(), realm("heirs")
    table = domains(ours.config(ME))
    table.hear_member(opened(ours.admit(OTHER)), NOW)
    both = [*ours.roots[:2], *heirs.roots[:2]]
    signers = tuple(RootKey(key=key) for key in sorted(one.public_key for one in both))
    body = replace(
        ours.following(), roots=heirs.newest.roots, signers=signers, grace_s=DAY_S, issued_utc_s=START_UTC_S
    )
    taken = table.hear_list(opened(ours.sealed(body, both)), NOW)
    assert taken is not None
    assert taken.expelled == ()
    assert table.due(at(START_UTC_S + DAY_S - 1)) == ()
    assert set(table.due(at(START_UTC_S + DAY_S))) == {ME, OTHER}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"serial": 2, "border": True}, ErrorCode.EQUIVOCATION),
        ({"serial": 3, "issued_utc_s": START_UTC_S + 61}, ErrorCode.FROM_FUTURE),
        ({"serial": 3, "expires_utc_s": START_UTC_S}, ErrorCode.EXPIRED),
    ],
)
def test_a_certificate_that_does_not_fit_is_refused(fields: dict[str, Any], code: ErrorCode) -> None:
    """Second contents of one serial, the future and the past are refused with their code."""
    ours = realm()
    table = domains(ours.config(ME))
    assert table.hear_member(opened(ours.admit(OTHER, serial=2)), NOW)
    assert not table.hear_member(opened(ours.admit(OTHER, serial=1)), NOW)
    with refused(code):
        table.hear_member(opened(ours.admit(OTHER, **fields)), NOW)


def test_one_root_admits_nobody() -> None:
    """A certificate below the quorum is refused."""
    ours = realm()
    table = domains(ours.config(ME))
    with refused(ErrorCode.NOT_A_MEMBER):
        table.hear_member(opened(ours.sealed(ours.member(OTHER, 1))), NOW)


# ------------------------------------------------------------------ neighbours and paths


@pytest.mark.parametrize(
    ("role", "claims", "border", "code"),
    [
        (Role.SIBLING, "ours", False, None),
        (Role.PEER, "theirs", True, None),
        (Role.CUSTOMER, "theirs", True, None),
        (Role.SIBLING, "theirs", True, ErrorCode.DOMAIN_MISMATCH),
        (Role.PEER, "ours", True, ErrorCode.DOMAIN_MISMATCH),
        (Role.SIBLING, None, False, ErrorCode.DOMAIN_MISMATCH),
        (Role.PEER, "unknown", True, ErrorCode.DOMAIN_MISMATCH),
        (Role.PEER, "theirs", False, ErrorCode.NOT_A_MEMBER),
    ],
)
def test_role_and_domain_go_together(
    role: Role, claims: str | None, border: bool, code: ErrorCode | None
) -> None:
    """A sibling is of the own domain, everybody else a border of another one that is known."""
    realms = {name: realm(name) for name in ("ours", "theirs", "unknown")}
    table = domains(realms["ours"].config(ME, realms["theirs"]))
    claimed = b"" if claims is None else realms[claims].id
    if claims is not None:
        table.hear_member(opened(realms[claims].admit(OTHER, border=border)), NOW)
    if code is None:
        table.check_neighbor(neighbor(role), claimed, NOW)
        return
    with refused(code):
        table.check_neighbor(neighbor(role), claimed, NOW)


def test_a_neighbour_without_certificate_is_no_sibling() -> None:
    """To name the domain is not enough."""
    ours = realm()
    with refused(ErrorCode.NOT_A_MEMBER):
        domains(ours.config(ME)).check_neighbor(neighbor(Role.SIBLING), ours.id, NOW)


def test_half_a_domain_is_none() -> None:
    """A node without domain refuses a neighbour that has one, and asks nothing of others."""
    table = domains(None)
    table.check_neighbor(neighbor(Role.PEER), b"", NOW)
    table.check_new((STRANGER,), NOW)
    table.check_root(STRANGER)
    with refused(ErrorCode.DOMAIN_MISMATCH):
        table.check_neighbor(neighbor(Role.SIBLING), realm().id, NOW)
