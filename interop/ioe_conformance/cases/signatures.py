"""SPEC.md sections 4.3 to 4.11: who signs what, and what a signature is worth."""

from __future__ import annotations

from dataclasses import replace

from ioe_conformance.bench import Bench
from ioe_conformance.case import case
from ioe_router.model.errors import ErrorCode


@case("signatures.flipped-bit-of-content", reqs=["IOE-SIG-020", "IOE-SIG-180"], attack="forgery")
async def flipped_bit_of_content(t: Bench) -> None:
    """An offer whose content was changed behind its signature is refused with BAD_SIGNATURE."""
    a, b = await t.session("a"), await t.session("b")
    told, since = t.path("a"), b.mark()
    good = t.offer(told.origin, carbon_mg_per_kwh=41_000)
    other = t.offer(told.origin, carbon_mg_per_kwh=41_001)
    await t.tell(a, told)
    forged = replace(good, signed=other.signed)
    await t.refused(a, forged, code=ErrorCode.BAD_SIGNATURE, req="IOE-SIG-180")
    await t.tell(a, told, good)
    heard = await t.told_offer(b, told.origin.node, since=since)
    t.check(
        "IOE-SIG-020",
        heard and heard.envelope == good,
        expected="the sound offer alone goes on",
        actual="another",
    )


@case("signatures.other-nodes-name", reqs=["IOE-SIG-070"], attack="hijack")
async def other_nodes_name(t: Bench) -> None:
    """An offer in the name of another node is refused with WRONG_SIGNER."""
    a, b = await t.session("a"), await t.session("b")
    told, thief, since = t.path("a"), t.node(), b.mark()
    await t.tell(a, told)
    await a.send(thief.certificate)
    forged = t.offer(told.origin)
    forged = thief.sign(forged.type, forged.signed)
    await t.refused(a, forged, code=ErrorCode.WRONG_SIGNER, req="IOE-SIG-070")
    heard = await t.told_offer(b, told.origin.node, since=since, within_ms=0)
    t.check("IOE-SIG-070", heard is None, expected="B is told no offer", actual="it was")
    await t.fence(a, req="IOE-SIG-070")
