"""Vectors of trust domains: ids, the succession of lists, how long certificates count (SPEC section 4.10)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from vector_cast import ALICE, BOB, ISSUED_S, NETWORK, NOW, WEEK_S, signer, wire_bytes
from vector_file import Vector

from ioe_router.codec.root_signing import draft, open_root_signed, signed_by
from ioe_router.codec.signing import Ed25519Signer
from ioe_router.core.domain import Domain
from ioe_router.model.bech32m import domain_text
from ioe_router.model.domain import (
    MemberCertificate,
    Removal,
    RootSigned,
    TrustList,
    domain_id_of,
    in_order,
)
from ioe_router.model.envelope import Envelope, Sealed
from ioe_router.model.errors import ErrorCode

DAY_S = 86_400


def _by_key(names: Sequence[str]) -> list[Ed25519Signer]:
    return sorted((signer(f"root {name}") for name in names), key=lambda one: one.public_key)


ROOTS = _by_key(("one", "two", "three"))
HEIRS = _by_key(("four", "five", "six"))
KEYS = in_order(one.public_key for one in ROOTS)
FIRST = TrustList(
    network_id=NETWORK,
    domain=domain_id_of(NETWORK, 2, KEYS),
    serial=1,
    quorum=2,
    roots=KEYS,
    signers=KEYS[:2],
    removals=(),
    certified_meters=False,
    grace_s=DAY_S,
    issued_utc_s=ISSUED_S,
    expires_utc_s=ISSUED_S + WEEK_S,
)
SECOND = replace(FIRST, serial=2, signers=KEYS[1:])
MEMBER = MemberCertificate(
    network_id=NETWORK,
    domain=FIRST.domain,
    node=ALICE.node,
    serial=3,
    balance_party=BOB.node,
    border=True,
    grid_forming=False,
    signers=KEYS[:2],
    issued_utc_s=ISSUED_S,
    expires_utc_s=ISSUED_S + 30 * DAY_S,
)


def vectors() -> list[Vector]:
    """Ids, lists that follow and lists that do not, certificates and until when they count."""
    return [*_ids(), *_successions(), *_certificates()]


def _signed(body: RootSigned, keys: Sequence[Ed25519Signer] = (*ROOTS, *HEIRS)) -> Envelope:
    envelope = draft(body)
    for one in keys:
        if one.public_key in [named.key for named in body.signers]:
            envelope = signed_by(envelope, one)
    return envelope


def _sealed(body: TrustList) -> Sealed[TrustList]:
    opened = open_root_signed(_signed(body), NETWORK)
    return Sealed(object_id=opened.object_id, body=body, signers=(), envelope=opened.envelope)


def _ids() -> Iterator[Vector]:
    cases = (
        ("two-of-three", NETWORK, 2, KEYS),
        ("one-of-one", NETWORK, 1, KEYS[:1]),
        ("other-quorum", NETWORK, 1, KEYS),
        ("other-network", "n", 2, KEYS),
    )
    for name, network, quorum, keys in cases:
        domain = domain_id_of(network, quorum, keys)
        yield Vector(
            id=f"domain-id-{name}",
            notes="SHA-256('IOE1 domain' || u16 length || network_id || u8 quorum || roots ascending)",
            inputs={"network_id": network, "quorum": quorum, "roots": [one.key.hex() for one in keys]},
            intermediates={"domain": domain.hex(), "text": domain_text(domain)},
        )


def _successions() -> Iterator[Vector]:
    heirs = in_order(one.public_key for one in HEIRS)
    both = in_order(one.public_key for one in (*ROOTS[:2], *HEIRS[:2]))
    one_old = in_order(one.public_key for one in (ROOTS[0], *HEIRS))
    yield _list("next", "the next serial, signed by two of the three roots", SECOND)
    yield _list("again", "the list in force itself has no effect", FIRST)
    yield _list(
        "new-roots",
        "all roots change: a quorum of the old and of the new ones sign",
        replace(SECOND, roots=heirs, signers=both),
    )
    yield _list("gap", "serial 3 after serial 1", replace(SECOND, serial=3), ErrorCode.STALE)
    yield _list("one-root", "signed by one of two", replace(SECOND, signers=KEYS[:1]), ErrorCode.NOT_A_MEMBER)
    yield _list(
        "stolen-key",
        "new roots with one old key",
        replace(SECOND, roots=heirs, signers=one_old),
        ErrorCode.NOT_A_MEMBER,
    )
    yield _list(
        "without-heirs",
        "new roots of which none has signed",
        replace(SECOND, roots=heirs),
        ErrorCode.NOT_A_MEMBER,
    )
    yield _list(
        "second-content",
        "another list with the serial in force",
        replace(FIRST, grace_s=0),
        ErrorCode.EQUIVOCATION,
    )
    yield _list(
        "future", "issued 61 s ahead", replace(SECOND, issued_utc_s=NOW.utc_s + 61), ErrorCode.FROM_FUTURE
    )
    yield _list(
        "before",
        "issued before the list that it follows",
        replace(SECOND, issued_utc_s=ISSUED_S - 1),
        ErrorCode.BROKEN_CHAIN,
    )
    whole = _signed(replace(SECOND, signers=KEYS))
    stripped = replace(whole, signatures=whole.signatures[:2])
    yield _offered(
        "stripped",
        "one of three signatures is taken away; two would be a quorum",
        stripped,
        ErrorCode.BAD_SIGNATURE,
    )
    swapped = replace(whole, signatures=whole.signatures[::-1])
    yield _offered("order", "the signatures in another order", swapped, ErrorCode.BAD_SIGNATURE)
    foreign = replace(FIRST, network_id="other.example")
    yield _offered("network", "a list of another network", _signed(foreign), ErrorCode.NETWORK_MISMATCH)


def _list(name: str, notes: str, body: TrustList, code: ErrorCode | None = None) -> Vector:
    shown: dict[str, object] = {}
    if code is None:
        domain = Domain([_sealed(FIRST)])
        shown = {"taken": domain.take(_sealed(body), NOW), "serial": domain.newest.serial}
    return _offered(name, notes, _signed(body), code, shown)


def _offered(
    name: str, notes: str, envelope: Envelope, code: ErrorCode | None, shown: dict[str, object] | None = None
) -> Vector:
    return Vector(
        id=f"domain-list-{name}",
        notes=notes,
        inputs={
            "network_id": NETWORK,
            "now_utc_s": NOW.utc_s,
            "in_force": wire_bytes(_signed(FIRST)).hex(),
            "offered": wire_bytes(envelope).hex(),
        },
        intermediates=shown or {},
        code=code,
        reqs=("IOE-IDN-310", "IOE-IDN-320"),
    )


def _certificates() -> Iterator[Vector]:
    heirs = in_order(one.public_key for one in HEIRS)
    both = in_order(one.public_key for one in (*ROOTS[:2], *HEIRS[:2]))
    renewed = replace(SECOND, roots=heirs, signers=both, issued_utc_s=ISSUED_S + 100)
    removed = replace(SECOND, removals=(Removal(node=ALICE.node, serial=3),))
    earlier = replace(SECOND, removals=(Removal(node=ALICE.node, serial=2),))
    yield _until("quorum", "two of three roots in force", (FIRST,), MEMBER)
    yield _until("one-root", "one of two", (FIRST,), replace(MEMBER, signers=KEYS[:1]))
    yield _until("old-roots", "of the list before: to the end of the grace", (FIRST, renewed), MEMBER)
    yield _until(
        "older-roots",
        "of the list before that: no more",
        (FIRST, renewed, replace(renewed, serial=3, signers=heirs[:2])),
        MEMBER,
    )
    yield _until("removed", "a removal with its serial", (FIRST, removed), MEMBER)
    yield _until("readmitted", "a removal with a lower serial", (FIRST, earlier), MEMBER)


def _until(name: str, notes: str, lists: tuple[TrustList, ...], body: MemberCertificate) -> Vector:
    domain = Domain([_sealed(one) for one in lists])
    return Vector(
        id=f"domain-member-{name}",
        notes=notes,
        inputs={
            "network_id": NETWORK,
            "lists": [wire_bytes(_signed(one)).hex() for one in lists],
            "certificate": wire_bytes(_signed(body)).hex(),
        },
        intermediates={"vouched_until_utc_s": domain.until_utc_s(body)},
        reqs=("IOE-IDN-350",),
    )
