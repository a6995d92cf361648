"""Whatever is signed by whom: only a quorum moves a domain (SPEC section 4.10)."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from ioe_router.core.domain import Domain
from ioe_router.model.clock import Now
from ioe_router.model.domain import RootKey, TrustList, domain_id_of, in_order
from ioe_router.model.envelope import Envelope, ObjectType, Sealed
from ioe_router.model.errors import PeerError
from ioe_router.model.ids import object_id_of

ISSUED_S = 1_700_000_000
NOW = Now(0, (ISSUED_S + 60) * 1000)
KEYS = tuple(bytes([number]) * 32 for number in range(1, 9))
SOME = st.sets(st.sampled_from(KEYS), min_size=1, max_size=5)


def sealed(body: TrustList) -> Sealed[TrustList]:
    """As the codec hands a list over: whoever it names has signed it."""
    signed = repr(body).encode()
    envelope = Envelope(type=ObjectType.TRUST_LIST, signed=signed, signatures=())
    return Sealed(object_id=object_id_of(signed), body=body, signers=(), envelope=envelope)


def first(roots: tuple[RootKey, ...], quorum: int) -> TrustList:
    """The list that a domain begins with."""
    return TrustList(
        network_id="p",
        domain=domain_id_of("p", quorum, roots),
        serial=1,
        quorum=quorum,
        roots=roots,
        signers=roots,
        removals=(),
        certified_meters=False,
        grace_s=1_000,
        issued_utc_s=ISSUED_S,
        expires_utc_s=ISSUED_S + 10_000,
    )


STEP = st.tuples(SOME, st.integers(1, 5), SOME, st.integers(0, 3))


@settings(max_examples=300)
@given(begin=SOME, quorum=st.integers(1, 5), moves=st.lists(STEP, max_size=8))
def test_a_domain_moves_by_its_quorum_alone(
    begin: set[bytes], quorum: int, moves: list[tuple[set[bytes], int, set[bytes], int]]
) -> None:
    """Of any lists that anybody proposes, exactly those with the next serial and both quorums are taken."""
    quorum = min(quorum, len(begin))
    domain = Domain([sealed(first(in_order(begin), quorum))])
    roots, serial = begin, 1
    for proposed, asked, signers, serial_offered in moves:
        wanted = min(asked, len(proposed))
        body = replace(
            domain.newest,
            serial=serial_offered + serial - 1 or 1,
            roots=in_order(proposed),
            quorum=wanted,
            signers=in_order(signers),
        )
        good = (
            body.serial == serial + 1 and len(signers & roots) >= quorum and len(signers & proposed) >= wanted
        )
        try:
            taken = domain.take(sealed(body), NOW)
        except PeerError:
            taken = False
        assert taken is good
        if good:
            roots, quorum, serial = proposed, wanted, body.serial
        assert (domain.newest.roots, domain.newest.serial) == (in_order(roots), serial)
