"""SPEC.md section 7: offers, paths, what is told to whom."""

from __future__ import annotations

from ioe_conformance.bench import Bench, entries_of
from ioe_conformance.case import case


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
