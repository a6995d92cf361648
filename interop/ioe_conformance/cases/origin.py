"""SPEC.md sections 9.2 and 10.5: the target as the origin of an offer that B takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from ioe_conformance.bench import Bench
from ioe_conformance.booking import ENERGY_J, own_booking, price_in
from ioe_conformance.case import Body, case
from ioe_conformance.keys import object_id
from ioe_router.model.errors import ErrorCode, Scope
from ioe_router.model.reservation import Committed, Failed, Grant, Refuse


def sold(id_: str, *, reqs: Sequence[str], attack: str = "") -> Callable[[Body], Body]:
    """A case that buys of the target's own offer."""
    return case(id_, reqs=reqs, attack=attack, phase="book", supports=("own_offer",))


@sold(
    "origin.sells-at-its-ask",
    reqs=["IOE-PRC-050", "IOE-PRC-060", "IOE-RSV-220", "IOE-RSV-310", "IOE-SIG-050"],
)
async def sells_at_its_ask(t: Bench) -> None:
    """The target grants its own offer at its ask, or the floor of the band, and signs COMMITTED once."""
    one = await own_booking(t, req="IOE-PRC-050")
    await one.ask()
    grant = (await one.granted("IOE-PRC-050")).body
    known = price_in(one.own, one.slot, t.clock.slot_s) if one.own else None
    ask = known[1] if known else 0
    floors = t.rig.kit.network.floor_micro_per_kwh
    price = max(ask, floors[one.band]) if one.band < len(floors) else ask
    item = grant.items[0]
    t.check(
        "IOE-PRC-050",
        item.price_micro_per_kwh == price,
        expected=f"{price} micro-units per kWh",
        actual=str(item.price_micro_per_kwh),
    )
    t.check(
        "IOE-PRC-060",
        item.scarcity_micro_per_kwh == price - ask,
        expected=f"scarcity {price - ask}",
        actual=str(item.scarcity_micro_per_kwh),
    )
    t.check(
        "IOE-RSV-220", grant.keeper_entry is None, expected="no entry, for B keeps the link", actual="one"
    )
    await one.take()
    first = await one.at(one.b, Committed)
    t.demand("IOE-RSV-310", first, expected="COMMITTED", actual="none came")
    named = first.body.commit == object_id(one.commit_envelope) if one.commit_envelope else False
    t.check(
        "IOE-SIG-050",
        named and first.body.origin == t.target,
        expected="COMMITTED of the COMMIT",
        actual="other",
    )
    since = one.b.mark()
    await one.take(one.commit_envelope)
    again = await one.at(one.b, Committed, since=since)
    t.check(
        "IOE-RSV-310",
        again and again.envelope == first.envelope,
        expected="the same COMMITTED",
        actual="another",
    )
    one.committed_envelope = first.envelope
    await one.b.send(one.receipt())


@sold("origin.no-more-than-stated", reqs=["IOE-RSV-160", "IOE-RSV-180"])
async def no_more_than_stated(t: Bench) -> None:
    """The target promises no joule of its offer twice, and says what is free."""
    one = await own_booking(t, req="IOE-RSV-160")
    known = price_in(one.own, one.slot, t.clock.slot_s) if one.own else None
    stated = known[0] if known else 0
    one.energies_j = (stated * 3 // 4,)
    other = t.keep(replace(one, reservation=t.fresh_id()))
    await one.ask()
    await one.granted("IOE-RSV-160")
    await other.ask()
    answer = await one.b.expect(object, lambda b: isinstance(b, Grant | Refuse) and other.about(b))
    t.demand("IOE-RSV-160", answer, expected="GRANT or REFUSE", actual="no answer")
    total = sum(
        item.energy_j
        for heard in one.b.all(Grant, lambda g: one.about(g) or other.about(g))
        for item in heard.body.items
    )
    t.check("IOE-RSV-160", total <= stated, expected=f"at most {stated} J together", actual=f"{total} J")
    third = t.keep(replace(one, reservation=t.fresh_id(), energies_j=(ENERGY_J,)))
    await third.ask()
    refused = await third.refused(ErrorCode.NO_ENERGY, req="IOE-RSV-160")
    t.check(
        "IOE-RSV-180",
        refused and all(item.counter_offer_j <= ENERGY_J for item in refused.items),
        expected="counter_offer_j of what is free",
        actual=str(refused and refused.items),
    )


@sold("origin.unknown-offer", reqs=["IOE-RSV-520"])
async def unknown_offer(t: Bench) -> None:
    """A HOLD of an offer number that the target does not have is refused with NO_OFFER."""
    one = await own_booking(t, req="IOE-RSV-520")
    await one.ask(core=one.hold_core(offer_no=4_000))
    refused = await one.refused(ErrorCode.NO_OFFER, req="IOE-RSV-520")
    t.check(
        "IOE-RSV-520", refused and refused.scope is Scope.OFFER, expected="scope OFFER", actual=str(refused)
    )


@sold("origin.newer-version-named", reqs=["IOE-RSV-520"])
async def newer_version_named(t: Bench) -> None:
    """A HOLD that names a version which was never published is refused with OFFER_CHANGED."""
    one = await own_booking(t, req="IOE-RSV-520")
    await one.ask(core=one.hold_core(offer_seq=2**40))
    await one.refused(ErrorCode.OFFER_CHANGED, req="IOE-RSV-520")


@sold("origin.older-version-named", reqs=["IOE-RSV-170"])
async def older_version_named(t: Bench) -> None:
    """A HOLD that names an older version is granted at the present statement."""
    one = await own_booking(t, req="IOE-RSV-170")
    epoch = one.own.epoch - 1 if one.own else 1
    await one.ask(core=one.hold_core(offer_epoch=epoch, offer_seq=1))
    await one.granted("IOE-RSV-170")


@sold("origin.price-limit", reqs=["IOE-PRC-050"])
async def price_limit(t: Bench) -> None:
    """A HOLD whose price limit is below the ask is refused with PRICE_LIMIT."""
    one = await own_booking(t, req="IOE-PRC-050")
    await one.ask(core=one.hold_core(price_limit_micro_per_kwh=1_000))
    await one.refused(ErrorCode.PRICE_LIMIT, req="IOE-PRC-050")


@sold("origin.late-commit-stays-failed", reqs=["IOE-RSV-300", "IOE-RSV-310"])
async def late_commit_stays_failed(t: Bench) -> None:
    """A COMMIT after the target's own deadline fails with HOLD_EXPIRED, and so does it later."""
    one = await own_booking(t, req="IOE-RSV-300")
    await one.ask(hold_ms=1_000)
    grant = await one.granted("IOE-RSV-300")
    await t.pause(grant.body.hold_ms + 200)
    await one.take()
    failed = await one.failed_at_b(ErrorCode.HOLD_EXPIRED, req="IOE-RSV-300")
    since = one.b.mark()
    await one.take(one.commit_envelope)
    again = await one.at(one.b, Failed, since=since)
    t.check(
        "IOE-RSV-310",
        again and failed and again.body.code == failed.body.code,
        expected="the same outcome",
        actual=str(again and again.body),
    )
