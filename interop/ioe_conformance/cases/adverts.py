"""SPEC.md section 7: offers, paths, what is told to whom."""

from __future__ import annotations

from dataclasses import replace

from ioe_conformance.bench import Bench, Codes, entries_of
from ioe_conformance.case import case
from ioe_conformance.keys import FEE_MAX_MICRO, attested, framed, link_between, object_id
from ioe_conformance.paths import ENERGY_J, PRICE_MICRO, Told
from ioe_conformance.timers import timers
from ioe_router.model.envelope import ObjectType
from ioe_router.model.errors import ErrorCode
from ioe_router.model.routing import (
    Direction,
    LinkState,
    Offer,
    OfferRun,
    OfferWithdrawal,
    PathAdvert,
    PathWithdrawal,
)


@case(
    "adverts.path-and-offer-go-on", reqs=["IOE-ADV-160", "IOE-ADV-340", "IOE-SIG-010"], supports=["transit"]
)
async def path_and_offer_go_on(t: Bench) -> None:
    """A path and an offer of a sibling go on to another sibling, the offer's bytes unchanged."""
    a, b = await t.session("a"), await t.session("b")
    told, since = t.path("a"), b.mark()
    offer = t.offer(told.origin)
    await t.tell(a, told, offer)
    path = await t.told_path(b, told.origin.node, since=since)
    t.demand("IOE-ADV-160", path, expected="the path is told to B", actual="it was not")
    if path is not None:
        entries = entries_of(path.body)
        ours = path.body.entries[: len(told.entries)] == told.entries
        t.check("IOE-SIG-010", ours, expected="the entries of the path as they came", actual="they differ")
        t.check(
            "IOE-ADV-160",
            len(entries) == len(told.entries) + 1 and entries[-1].previous == told.hash,
            expected="one more entry, which continues the path hash",
            actual=f"{len(entries)} entries, previous {entries[-1].previous.hex()[:16]}",
        )
    heard = await t.told_offer(b, told.origin.node, since=since)
    t.demand("IOE-ADV-340", heard, expected="the offer is told to B", actual="it was not")
    if heard is not None and path is not None:
        t.check(
            "IOE-SIG-010",
            heard.envelope == offer,
            expected="the offer as it was signed",
            actual="other bytes",
        )
        t.check(
            "IOE-ADV-340",
            b.log.index(path) < b.log.index(heard),
            expected="path before offer",
            actual="the offer came first",
        )


# ------------------------------------------------------------------ paths that do not hold


async def _path_refused(t: Bench, told: Told, codes: Codes, *, teller: str = "a") -> None:
    """A path is refused with its code, and nothing of it goes on."""
    a, b = await t.session(teller), await t.session("b")
    since = b.mark()
    await t.refused(a, *told.all, code=codes, req="IOE-ADV-200")
    await t.refused(a, t.offer(told.origin), code=ErrorCode.NO_PATH, req="IOE-ADV-095")
    if t.rig.pics.supports["transit"]:
        await t.nothing_told(b, a, told.origin.node, req="IOE-ADV-200", since=since)
    await t.fence(a, req="IOE-ADV-200")


_PATH = ["IOE-ADV-200", "IOE-ADV-095"]


@case("adverts.path-back-to-its-node", reqs=_PATH, attack="loop")
async def path_back_to_its_node(t: Bench) -> None:
    """A path that leads through the target already is refused with LOOP."""
    a, b = await t.session("a"), await t.session("b")
    told = t.path("a")
    await t.tell(a, told, t.offer(told.origin))
    heard = await t.told_path(b, told.origin.node)
    t.demand("IOE-ADV-200", heard, expected="the path at B", actual="it did not come")
    if heard is None:
        return
    await t.refused(b, *t.extended(heard, "b"), code=ErrorCode.LOOP, req="IOE-ADV-200")
    await t.refused(
        b, t.offer(told.origin, seq=7, direction=Direction.DEMAND), code=ErrorCode.NO_PATH, req="IOE-ADV-095"
    )
    await t.fence(b, req="IOE-ADV-200")


@case("adverts.node-twice-on-path", reqs=_PATH, attack="loop")
async def node_twice_on_path(t: Bench) -> None:
    """A path on which a node stands twice is refused with LOOP."""
    x, y = t.node(), t.node()
    await _path_refused(t, t.path("a", x, y, x), ErrorCode.LOOP)


@case("adverts.hop-left-out", reqs=_PATH, attack="cut and paste")
async def hop_left_out(t: Bench) -> None:
    """A path from which a hop was cut out is refused with BROKEN_CHAIN."""
    told = t.path("a", t.node(), t.node())
    cut = replace(told, entries=(told.entries[0], told.entries[2]))
    await _path_refused(t, cut, ErrorCode.BROKEN_CHAIN)


@case("adverts.hops-exchanged", reqs=_PATH, attack="cut and paste")
async def hops_exchanged(t: Bench) -> None:
    """A path whose first two entries are exchanged is refused with BROKEN_CHAIN."""
    told = t.path("a", t.node(), t.node())
    first, second, third = told.entries
    await _path_refused(t, replace(told, entries=(second, first, third)), ErrorCode.BROKEN_CHAIN)


@case("adverts.tail-of-another-path", reqs=_PATH, attack="cut and paste")
async def tail_of_another_path(t: Bench) -> None:
    """The last entry of one path under the first of another is refused with BROKEN_CHAIN."""
    origin = t.node()
    one, other = t.path("a", origin), t.path("a", origin, changes={0: {"fee_micro_per_kwh": 7}})
    await _path_refused(t, replace(one, entries=(other.entries[0], one.entries[1])), ErrorCode.BROKEN_CHAIN)


@case("adverts.previous-hash-wrong", reqs=_PATH)
async def previous_hash_wrong(t: Bench) -> None:
    """An entry whose previous hash is not that of the path so far is refused with BROKEN_CHAIN."""
    await _path_refused(t, t.path("a", changes={1: {"previous": bytes(32)}}), ErrorCode.BROKEN_CHAIN)


@case("adverts.position-wrong", reqs=_PATH)
async def position_wrong(t: Bench) -> None:
    """An entry with another position than its place is refused with BROKEN_CHAIN."""
    await _path_refused(t, t.path("a", changes={1: {"position": 2}}), ErrorCode.BROKEN_CHAIN)


@case("adverts.origin-changes", reqs=_PATH, attack="hijack")
async def origin_changes(t: Bench) -> None:
    """A path whose second entry names another origin is refused with BROKEN_CHAIN."""
    await _path_refused(t, t.path("a", changes={1: {"origin": t.node().node}}), ErrorCode.BROKEN_CHAIN)


@case("adverts.direction-changes", reqs=_PATH)
async def direction_changes(t: Bench) -> None:
    """A path whose second entry is of the other direction is refused with BROKEN_CHAIN."""
    await _path_refused(t, t.path("a", changes={1: {"direction": Direction.DEMAND}}), ErrorCode.BROKEN_CHAIN)


@case("adverts.first-hop-not-origin", reqs=_PATH, attack="hijack")
async def first_hop_not_origin(t: Bench) -> None:
    """A path that begins at another node than its origin is refused with BROKEN_CHAIN."""
    x, y = t.node(), t.node()
    told = t.path("a", x, changes={0: {"origin": y.node}, 1: {"origin": y.node}})
    await _path_refused(t, told, ErrorCode.BROKEN_CHAIN)


@case("adverts.for-somebody-else", reqs=_PATH, attack="copied path")
async def for_somebody_else(t: Bench) -> None:
    """A path whose last entry is for another neighbour than the target is refused."""
    a_b = attested(t.tester("a").keys, t.tester("b").keys, t.clock.utc_s() - 60)
    changes = {1: {"next_node": t.tester("b").node, "attestation": object_id(a_b)}}
    told = t.path("a", changes=changes)
    told = replace(told, evidence=(*told.evidence, a_b))
    await _path_refused(t, told, ErrorCode.NOT_FOR_ME)


@case("adverts.told-by-another", reqs=_PATH, attack="copied path")
async def told_by_another(t: Bench) -> None:
    """A path whose last hop is B, told by A, is refused with BROKEN_CHAIN."""
    told = t.path("b")
    certificate = t.tester("b").keys.certificate
    told = replace(told, evidence=(*told.evidence, certificate))
    await _path_refused(t, told, ErrorCode.BROKEN_CHAIN)


@case("adverts.unknown-link", reqs=_PATH, attack="invented link")
async def unknown_link(t: Bench) -> None:
    """A path over a link whose attestation was not told is refused with UNKNOWN_LINK."""
    told = t.path("a", t.node(), t.node())
    keys_alone = tuple(one for one in told.evidence if one.type is ObjectType.OPERATIONAL_KEY)
    await _path_refused(t, replace(told, evidence=keys_alone), ErrorCode.UNKNOWN_LINK)


@case("adverts.link-of-others", reqs=_PATH, attack="invented link")
async def link_of_others(t: Bench) -> None:
    """A path over the attested link of other nodes is refused with UNKNOWN_LINK."""
    x, y = t.node(), t.node()
    link = attested(x, y, t.clock.utc_s() - 60)
    told = t.path("a", changes={0: {"attestation": object_id(link)}})
    told = replace(told, evidence=(*told.evidence, x.certificate, y.certificate, link))
    await _path_refused(t, told, ErrorCode.UNKNOWN_LINK)


@case("adverts.fee-above-attested", reqs=_PATH, attack="lying")
async def fee_above_attested(t: Bench) -> None:
    """A fee above the attested maximum of the link is refused with FEE_ABOVE_ATTESTED."""
    wrong = {0: {"fee_micro_per_kwh": FEE_MAX_MICRO + 1}}
    await _path_refused(t, t.path("a", changes=wrong), ErrorCode.FEE_ABOVE_ATTESTED)


@case("adverts.path-expired", reqs=_PATH, attack="zombie")
async def path_expired(t: Bench) -> None:
    """A path of which an entry has ended is refused with EXPIRED."""
    old = {0: {"not_after_utc_s": t.clock.utc_s() - 1}}
    await _path_refused(t, t.path("a", changes=old), ErrorCode.EXPIRED)


@case("adverts.path-outlives-key", reqs=_PATH)
async def path_outlives_key(t: Bench) -> None:
    """An entry that is valid for longer than the key that signs it is refused with OUT_OF_BOUNDS."""
    long = {0: {"not_after_utc_s": t.clock.utc_s() + 100_000}}
    await _path_refused(t, t.path("a", changes=long), ErrorCode.OUT_OF_BOUNDS)


@case("adverts.entry-forged", reqs=["IOE-ADV-200", "IOE-ADV-095"], attack="forgery")
async def entry_forged(t: Bench) -> None:
    """A path with an entry that its hop has not signed is refused with WRONG_SIGNER."""
    told, thief = t.path("a"), t.node()
    first = thief.sign(told.entries[0].type, told.entries[0].signed)
    forged = replace(told, entries=(first, told.entries[1]), evidence=(*told.evidence, thief.certificate))
    await _path_refused(t, forged, ErrorCode.WRONG_SIGNER)


@case("adverts.too-many-hops", reqs=["IOE-ADV-200"], attack="flood")
async def too_many_hops(t: Bench) -> None:
    """A path of 33 entries is refused with OUT_OF_BOUNDS or PATH_TOO_LONG."""
    a = await t.session("a")
    told = t.path("a", *(t.node() for _ in range(31)))
    first = told.entries[0]
    advert = framed(PathAdvert(entries=(first, *told.entries)))
    await t.refused(a, advert, code=(ErrorCode.OUT_OF_BOUNDS, ErrorCode.PATH_TOO_LONG), req="IOE-ADV-200")
    await t.fence(a, req="IOE-ADV-200")


@case("adverts.longest-path", reqs=["IOE-LIM-070", "IOE-ADV-320"])
async def longest_path(t: Bench) -> None:
    """A path of 32 links is taken, and not told on, for it would be one too long."""
    a, b = await t.session("a"), await t.session("b")
    told, mark, since = t.path("a", *(t.node() for _ in range(31))), a.mark(), b.mark()
    await t.tell(a, told, t.offer(told.origin))
    await t.fence(a, req="IOE-LIM-070")
    fault = await a.fault_on(told.advert, mark, within_ms=0)
    t.check("IOE-LIM-070", fault is None, expected="no Fault", actual=f"{fault and fault.body.text}")
    if t.rig.pics.supports["transit"]:
        await t.nothing_told(b, a, told.origin.node, req="IOE-ADV-320", since=since)


# ------------------------------------------------------------------ roles


@case("adverts.peer-without-mark", reqs=["IOE-ADV-200"], own="c", attack="leak")
async def peer_without_mark(t: Bench) -> None:
    """A path of a peer that is not marked for customers only is refused with POLICY."""
    s = await t.established()
    told = t.path("c", changes={1: {"only_to_customers": False}})
    await t.refused(s, *told.all, code=ErrorCode.POLICY, req="IOE-ADV-200")
    await t.fence(s, req="IOE-ADV-200")


@case("adverts.peer-leaks", reqs=["IOE-ADV-200"], own="c", attack="leak")
async def peer_leaks(t: Bench) -> None:
    """A path of a peer that was for customers only before it came to the peer is refused with POLICY."""
    s = await t.established()
    told = t.path("c", changes={0: {"only_to_customers": True}})
    await t.refused(s, *told.all, code=ErrorCode.POLICY, req="IOE-ADV-200")
    await t.fence(s, req="IOE-ADV-200")


@case("adverts.no-transit-for-peers", reqs=["IOE-ADV-320", "IOE-ADV-330"], own="c", attack="leak")
async def no_transit_for_peers(t: Bench) -> None:
    """A peer without transit is told no path and no offer of others, while a sibling is."""
    s, a, b = await t.established(), await t.session("a"), await t.session("b")
    told = t.path("a")
    await t.tell(a, told, t.offer(told.origin))
    t.demand(
        "IOE-ADV-320",
        await t.told_path(b, told.origin.node) or not t.rig.pics.supports["transit"],
        expected="the path at the sibling B",
        actual="it did not come",
    )
    await t.fence(s, req="IOE-ADV-320")
    others = [one for one in s.all(PathAdvert) if entries_of(one.body)[0].origin != t.target]
    t.check(
        "IOE-ADV-320", not others, expected="own paths of the target alone", actual=f"{len(others)} others"
    )
    offers = s.all(Offer, lambda one: one.origin != t.target)
    t.check(
        "IOE-ADV-330", not offers, expected="own offers of the target alone", actual=f"{len(offers)} others"
    )


@case(
    "adverts.own-path",
    reqs=["IOE-ADV-185", "IOE-ADV-180", "IOE-ADV-170", "IOE-ADV-340"],
    own="c",
    supports=["own_offer"],
)
async def own_path(t: Bench) -> None:
    """The target's own path is right for a peer: marked, in time, within the attested fee."""
    s = await t.established()
    path = await t.told_path(s, t.target)
    t.demand("IOE-ADV-340", path, expected="the target's own path", actual="it did not come")
    offer = await t.told_offer(s, t.target)
    if path is None or offer is None:
        return
    entry, now_s = entries_of(path.body)[-1], t.clock.utc_s()
    t.check(
        "IOE-ADV-340", s.log.index(path) < s.log.index(offer), expected="path before offer", actual="after"
    )
    t.check("IOE-ADV-185", entry.only_to_customers, expected="only_to_customers for a peer", actual="no mark")
    t.check(
        "IOE-ADV-180",
        now_s < entry.not_after_utc_s <= now_s + timers()["path_lifetime_s"].most + 60,
        expected="a validity within the largest path lifetime",
        actual=f"{entry.not_after_utc_s - now_s} s from now",
    )
    fee = entry.fee_micro_per_kwh
    t.check("IOE-ADV-170", fee <= FEE_MAX_MICRO, expected=f"a fee up to {FEE_MAX_MICRO}", actual=str(fee))


@case("adverts.own-offer", reqs=["IOE-ADV-020", "IOE-CNV-080", "IOE-ADV-030"], supports=["own_offer"])
async def own_offer(t: Bench) -> None:
    """The target's own offer keeps its bounds: lifetime, aligned slots, number of slots."""
    a = await t.session("a")
    heard = await t.told_offer(a, t.target)
    t.demand("IOE-ADV-020", heard, expected="the target's own offer", actual="it did not come")
    if heard is None:
        return
    body = heard.body
    lifetime = body.expires_utc_s - body.issued_utc_s
    most = timers()["offer_lifetime_max_s"].most
    t.check(
        "IOE-ADV-020", 0 < lifetime <= most, expected=f"a lifetime up to {most} s", actual=f"{lifetime} s"
    )
    slot_s = t.rig.kit.network.slot_s
    t.check(
        "IOE-CNV-080",
        body.first_slot_utc_s % slot_s == 0,
        expected=f"a first slot at a multiple of {slot_s}",
        actual=str(body.first_slot_utc_s),
    )
    slots = sum(one.slots for one in body.runs)
    t.check("IOE-ADV-030", 1 <= slots <= 192, expected="1 to 192 slots", actual=str(slots))


# ------------------------------------------------------------------ offers


@case("adverts.offer-replaced", reqs=["IOE-ADV-360", "IOE-ADV-010"], supports=["transit"])
async def offer_replaced(t: Bench) -> None:
    """A version with a higher seq replaces an offer at everybody who was told the one before."""
    a, b = await t.session("a"), await t.session("b")
    told = t.path("a")
    await t.tell(a, told, t.offer(told.origin))
    first = await t.told_offer(b, told.origin.node)
    t.demand("IOE-ADV-360", first, expected="the offer at B", actual="it did not come")
    await a.send(t.offer(told.origin, seq=2))
    second = await t.told_offer(b, told.origin.node, lambda o: o.seq == 2)
    t.check("IOE-ADV-360", second, expected="the next version at B", actual="it did not come")
    t.check("IOE-ADV-010", second, expected="a replacement by a higher seq", actual="none")


@case("adverts.reduction-goes-at-once", reqs=["IOE-ADV-380"], supports=["transit"])
async def reduction_goes_at_once(t: Bench) -> None:
    """A version with a worse price goes on without delay."""
    a, b = await t.session("a"), await t.session("b")
    told = t.path("a")
    await t.tell(a, told, t.offer(told.origin))
    t.demand("IOE-ADV-380", await t.told_offer(b, told.origin.node), expected="the offer at B", actual="none")
    worse = (OfferRun(slots=4, energy_j=ENERGY_J, price_micro_per_kwh=PRICE_MICRO + 1),)
    await a.send(t.offer(told.origin, seq=2, runs=worse))
    came = await t.told_offer(b, told.origin.node, lambda o: o.seq == 2)
    t.check("IOE-ADV-380", came, expected="the worse version at B", actual="it did not come")


@case("adverts.older-version-ignored", reqs=["IOE-ADV-070", "IOE-SIG-280"], attack="replay")
async def older_version_ignored(t: Bench) -> None:
    """A version with a lower (epoch, seq) has no effect and makes no Fault."""
    a, b = await t.session("a"), await t.session("b")
    told, mark = t.path("a"), a.mark()
    newer, older = t.offer(told.origin, seq=5), t.offer(told.origin, seq=4)
    past = t.offer(told.origin, seq=9, epoch=t.rig.epoch - 1_000)
    since = b.mark()
    await t.tell(a, told, newer, older, past)
    await t.fence(a, req="IOE-ADV-070")
    faults = [one for old in (older, past) if (one := await a.fault_on(old, mark, within_ms=0))]
    t.check("IOE-ADV-070", not faults, expected="no Fault", actual=f"{[f.body.text for f in faults]}")
    if t.rig.pics.supports["transit"]:
        heard = await t.told_offer(b, told.origin.node, since=since)
        t.check("IOE-SIG-280", heard and heard.body.seq == 5, expected="seq 5 at B", actual=f"{heard}")
        await t.nothing_told(b, a, t.node().node, req="IOE-SIG-280", since=since)
        seen = {one.body.seq for one in b.all(Offer, lambda o: o.origin == told.origin.node, since=since)}
        t.check("IOE-SIG-280", seen == {5}, expected="no other version at B", actual=str(seen))


@case("adverts.equivocation", reqs=["IOE-SIG-290", "IOE-ADV-080"], attack="equivocation")
async def equivocation(t: Bench) -> None:
    """Two contents under one number are refused, and so is all that this origin says in this epoch."""
    a, b = await t.session("a"), await t.session("b")
    told, since = t.path("a"), b.mark()
    await t.tell(a, told, t.offer(told.origin))
    await t.refused(
        a, t.offer(told.origin, carbon_mg_per_kwh=1), code=ErrorCode.EQUIVOCATION, req="IOE-SIG-290"
    )
    await t.refused(a, t.offer(told.origin, seq=2), code=ErrorCode.EQUIVOCATION, req="IOE-ADV-080")
    await t.refused(a, t.offer(told.origin, offer_no=2), code=ErrorCode.EQUIVOCATION, req="IOE-ADV-080")
    later = t.offer(told.origin, seq=1, epoch=t.rig.epoch + 1_000)
    await a.send(later)
    if t.rig.pics.supports["transit"]:
        heard = await t.told_offer(b, told.origin.node, lambda o: o.epoch > t.rig.epoch, since=since)
        t.check(
            "IOE-ADV-080", heard, expected="an offer of a later epoch is taken", actual="it did not go on"
        )


@case("adverts.offer-without-path", reqs=["IOE-ADV-095"], attack="hijack")
async def offer_without_path(t: Bench) -> None:
    """An offer of an origin to which the neighbour tells no path is refused with NO_PATH."""
    a, node = await t.session("a"), t.node()
    await t.refused(a, node.certificate, t.offer(node), code=ErrorCode.NO_PATH, req="IOE-ADV-095")
    await t.fence(a, req="IOE-ADV-095")


@case("adverts.offer-lives-too-long", reqs=["IOE-ADV-040"], supports=["conformance_timers"])
async def offer_lives_too_long(t: Bench) -> None:
    """An offer valid for a second more than a day is refused with OUT_OF_BOUNDS."""
    a, told, now_s = await t.session("a"), t.path("a"), t.clock.utc_s()
    await t.tell(a, told)
    long = t.offer(told.origin, expires_utc_s=now_s + timers()["offer_lifetime_max_s"].most + 1)
    await t.refused(a, long, code=ErrorCode.OUT_OF_BOUNDS, req="IOE-ADV-040")
    await t.fence(a, req="IOE-ADV-040")


@case("adverts.offer-of-193-slots", reqs=["IOE-ADV-040", "IOE-LIM-060"])
async def offer_of_193_slots(t: Bench) -> None:
    """An offer of 193 slots in two runs is refused with OUT_OF_BOUNDS; one of 192 is taken."""
    a, told = await t.session("a"), t.path("a")
    await t.tell(a, told)
    runs = [OfferRun(slots=n, energy_j=1_000, price_micro_per_kwh=PRICE_MICRO) for n in (96, 97)]
    await t.refused(
        a, t.offer(told.origin, runs=tuple(runs)), code=ErrorCode.OUT_OF_BOUNDS, req="IOE-ADV-040"
    )
    mark, fits = a.mark(), t.offer(told.origin, runs=(runs[0], runs[0]))
    await a.send(fits)
    await t.fence(a, req="IOE-LIM-060")
    fault = await a.fault_on(fits, mark, within_ms=0)
    t.check(
        "IOE-LIM-060", fault is None, expected="no Fault on 192 slots", actual=f"{fault and fault.body.text}"
    )


@case("adverts.offer-withdrawn", reqs=["IOE-ADV-140"], supports=["transit"])
async def offer_withdrawn(t: Bench) -> None:
    """A withdrawal goes on to everybody who was told the offer, unchanged."""
    a, b = await t.session("a"), await t.session("b")
    told = t.path("a")
    await t.tell(a, told, t.offer(told.origin))
    t.demand("IOE-ADV-140", await t.told_offer(b, told.origin.node), expected="the offer at B", actual="none")
    taken_back = t.withdrawal(told.origin, seq=2)
    await a.send(taken_back)
    heard = await b.expect(OfferWithdrawal, lambda w: w.origin == told.origin.node)
    t.check(
        "IOE-ADV-140",
        heard and heard.envelope == taken_back,
        expected="the withdrawal at B, unchanged",
        actual="it did not come" if heard is None else "other bytes",
    )


@case("adverts.offer-back-after-withdrawal", reqs=["IOE-SIG-280", "IOE-ADV-140"], attack="replay")
async def offer_back_after_withdrawal(t: Bench) -> None:
    """An offer that was withdrawn does not come back by its old version."""
    a, b = await t.session("a"), await t.session("b")
    told = t.path("a")
    old = t.offer(told.origin)
    await t.tell(a, told, old, t.withdrawal(told.origin, seq=2))
    await t.fence(a, req="IOE-ADV-140")
    since = b.mark()
    await a.send(old)
    await t.fence(a, req="IOE-SIG-280")
    if t.rig.pics.supports["transit"]:
        await t.nothing_told(b, a, t.node().node, req="IOE-SIG-280", since=since)
        heard = b.all(Offer, lambda o: o.origin == told.origin.node, since=since)
        t.check("IOE-SIG-280", not heard, expected="nothing at B", actual="the old version came")


@case("adverts.withdrawal-by-another", reqs=["IOE-SIG-070"], attack="censorship")
async def withdrawal_by_another(t: Bench) -> None:
    """A withdrawal that another node has signed is refused with WRONG_SIGNER, and the offer stays."""
    a, b = await t.session("a"), await t.session("b")
    told, thief, since = t.path("a"), t.node(), b.mark()
    await t.tell(a, told, t.offer(told.origin), thief.certificate)
    right = t.withdrawal(told.origin, seq=2)
    await t.refused(a, thief.sign(right.type, right.signed), code=ErrorCode.WRONG_SIGNER, req="IOE-SIG-070")
    await t.fence(b, req="IOE-SIG-070")
    heard = b.all(OfferWithdrawal, lambda w: w.origin == told.origin.node, since=since)
    t.check("IOE-SIG-070", not heard, expected="no withdrawal at B", actual="one came")


# ------------------------------------------------------------------ withdrawal of paths


@case("adverts.path-withdrawn", reqs=["IOE-ADV-270", "IOE-ADV-240"], supports=["transit"])
async def path_withdrawn(t: Bench) -> None:
    """When a path is withdrawn, the target withdraws what it told as its continuation."""
    a, b = await t.session("a"), await t.session("b")
    told = t.path("a")
    await t.tell(a, told, t.offer(told.origin))
    path = await t.told_path(b, told.origin.node)
    t.demand("IOE-ADV-270", path, expected="the path at B", actual="it did not come")
    await a.send(framed(PathWithdrawal(path=told.hash, code=ErrorCode.NO_PATH)))
    gone = await b.expect(PathWithdrawal, lambda w: w.path == t.hash_at(path))
    t.check("IOE-ADV-270", gone, expected="the path withdrawn from B", actual="it was not")
    t.check("IOE-ADV-240", gone, expected="no path told over which no HOLD is forwarded", actual="it stands")


@case("adverts.unknown-path-withdrawn", reqs=["IOE-ADV-260", "IOE-ADV-240"], supports=["transit"])
async def unknown_path_withdrawn(t: Bench) -> None:
    """The withdrawal of a path that nobody told, or that another neighbour told, is ignored."""
    a, b = await t.session("a"), await t.session("b")
    told = t.path("a")
    await t.tell(a, told, t.offer(told.origin))
    path = await t.told_path(b, told.origin.node)
    t.demand("IOE-ADV-240", path, expected="the path at B", actual="it did not come")
    since, mark = b.mark(), b.mark()
    strange = framed(PathWithdrawal(path=told.hash, code=ErrorCode.NO_PATH))
    await b.send(strange)
    await t.fence(b, req="IOE-ADV-260")
    fault = await b.fault_on(strange, mark, within_ms=0)
    t.check("IOE-ADV-260", fault is None, expected="no Fault", actual=f"{fault and fault.body.text}")
    gone = b.all(PathWithdrawal, lambda w: w.path == t.hash_at(path), since=since)
    t.check("IOE-ADV-240", not gone, expected="the path of A stays told to B", actual="it was withdrawn")


@case("adverts.not-back-to-its-teller", reqs=["IOE-ADV-210"])
async def not_back_to_its_teller(t: Bench) -> None:
    """A path is not told back to a node that is on it."""
    a, b = await t.session("a"), await t.session("b")
    told, since = t.path("a"), a.mark()
    await t.tell(a, told, t.offer(told.origin))
    if t.rig.pics.supports["transit"]:
        came = await t.told_path(b, told.origin.node)
        t.demand("IOE-ADV-210", came, expected="the path at B", actual="it did not come")
    await t.fence(a, req="IOE-ADV-210")
    back = await t.told_path(a, told.origin.node, since=since, within_ms=0)
    t.check("IOE-ADV-210", back is None, expected="nothing of it back at A", actual="it came back")


@case(
    "adverts.continued-path-in-bounds",
    reqs=["IOE-ADV-180", "IOE-ADV-170", "IOE-ADV-185"],
    supports=["transit"],
)
async def continued_path_in_bounds(t: Bench) -> None:
    """The entry that the target adds ends no later than the one before, and asks no more than is attested."""
    a, b = await t.session("a"), await t.session("b")
    told = t.path("a", lifetime_s=200)
    await t.tell(a, told, t.offer(told.origin))
    path = await t.told_path(b, told.origin.node)
    t.demand("IOE-ADV-180", path, expected="the path at B", actual="it did not come")
    if path is None:
        return
    *before, last = entries_of(path.body)
    t.check(
        "IOE-ADV-180",
        last.not_after_utc_s <= before[-1].not_after_utc_s,
        expected=f"an end by {before[-1].not_after_utc_s}",
        actual=str(last.not_after_utc_s),
    )
    t.check(
        "IOE-ADV-170",
        last.fee_micro_per_kwh <= FEE_MAX_MICRO,
        expected=f"a fee up to {FEE_MAX_MICRO}",
        actual=str(last.fee_micro_per_kwh),
    )
    t.check("IOE-ADV-185", not last.only_to_customers, expected="no mark for a sibling", actual="a mark")


@case("adverts.demand-path", reqs=["IOE-ADV-160", "IOE-ADV-340"], supports=["transit"])
async def demand_path(t: Bench) -> None:
    """A path and an offer of DEMAND go on as those of SUPPLY do."""
    a, b = await t.session("a"), await t.session("b")
    told = t.path("a", direction=Direction.DEMAND)
    await t.tell(a, told, t.offer(told.origin, direction=Direction.DEMAND))
    path = await t.told_path(b, told.origin.node, direction=Direction.DEMAND)
    t.check("IOE-ADV-160", path, expected="the DEMAND path at B", actual="it did not come")
    offer = await t.told_offer(b, told.origin.node)
    t.check("IOE-ADV-340", offer, expected="the DEMAND offer at B", actual="it did not come")


# ------------------------------------------------------------------ link state


@case("adverts.link-state-goes-on", reqs=["IOE-LST-050", "IOE-LST-100"], supports=["transit"])
async def link_state_goes_on(t: Bench) -> None:
    """A link state goes on, unchanged, to who was told a path over the link; an older one does not."""
    a, b, told = await t.session("a"), await t.session("b"), t.path("a")
    await t.tell(a, told, t.offer(told.origin))
    t.demand("IOE-LST-050", await t.told_path(b, told.origin.node), expected="the path at B", actual="none")
    newer, older, since = t.link_state(told.origin, seq=5), t.link_state(told.origin, seq=4), b.mark()
    await a.send(newer, older)
    heard = await b.expect(LinkState, lambda one: one.link == t.link_of(told.origin), since=since)
    t.check(
        "IOE-LST-050",
        heard and heard.envelope == newer,
        expected="the link state at B, unchanged",
        actual="it did not come" if heard is None else f"seq {heard.body.seq}",
    )
    await t.fence(a, req="IOE-LST-100")
    await t.fence(b, req="IOE-LST-100")
    seen = [one.body.seq for one in b.all(LinkState, lambda one: one.link == t.link_of(told.origin))]
    t.check("IOE-LST-100", seen == [5], expected="no older one", actual=str(seen))


@case("adverts.link-state-of-unknown-link", reqs=["IOE-LST-060"])
async def link_state_of_unknown_link(t: Bench) -> None:
    """A link state of a link without attestation is refused with UNKNOWN_LINK."""
    a, node = await t.session("a"), t.node()
    await t.refused(a, node.certificate, t.link_state(node), code=ErrorCode.UNKNOWN_LINK, req="IOE-LST-060")
    await t.fence(a, req="IOE-LST-060")


@case("adverts.link-state-by-another", reqs=["IOE-LST-070"], attack="lying")
async def link_state_by_another(t: Bench) -> None:
    """A link state by another node than the keeper, or of a link that the target keeps, is WRONG_SIGNER."""
    a, told = await t.session("a"), t.path("a")
    await t.tell(a, told)
    state = t.link_state(told.origin)
    await t.refused(
        a, t.tester("a").keys.sign(state.type, state.signed), code=ErrorCode.WRONG_SIGNER, req="IOE-LST-070"
    )
    own = t.link_state(t.tester("a").keys, link=link_between(t.tester("a").node, t.target))
    await t.refused(a, own, code=ErrorCode.WRONG_SIGNER, req="IOE-LST-070")
    await t.fence(a, req="IOE-LST-070")


@case("adverts.link-state-of-a-customer", reqs=["IOE-LST-080"], attack="privacy")
async def link_state_of_a_customer(t: Bench) -> None:
    """A link state of a link to a single customer is refused with POLICY."""
    a, told = await t.session("a"), t.path("a", link_changes={"access": True})
    await t.tell(a, told)
    await t.refused(a, t.link_state(told.origin), code=ErrorCode.POLICY, req="IOE-LST-080")
    await t.fence(a, req="IOE-LST-080")


@case("adverts.link-state-too-far-ahead", reqs=["IOE-LST-090"])
async def link_state_too_far_ahead(t: Bench) -> None:
    """A link state of a slot that begins more than 192 slots ahead is refused with OUT_OF_BOUNDS."""
    a, told = await t.session("a"), t.path("a")
    await t.tell(a, told)
    far = t.link_state(told.origin, slot_utc_s=t.clock.slot_at(194))
    await t.refused(a, far, code=ErrorCode.OUT_OF_BOUNDS, req="IOE-LST-090")
    await t.fence(a, req="IOE-LST-090")
