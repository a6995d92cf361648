"""SPEC.md section 6: HELLO, handshake, keepalive, close, refresh."""

from __future__ import annotations

from ioe_conformance.bench import Bench
from ioe_conformance.case import case
from ioe_router.model.errors import ErrorCode


@case("session.version-mismatch", reqs=["IOE-VER-030", "IOE-SES-050"], own="c")
async def version_mismatch(t: Bench) -> None:
    """A HELLO without a common version ends with VERSION_MISMATCH."""
    s = await t.greeted()
    await s.greet(version_min=2, version_max=9)
    await t.expect_close(s, ErrorCode.VERSION_MISMATCH, req="IOE-VER-030")


@case("session.unknown-even-feature", reqs=["IOE-VER-060"], own="c")
async def unknown_even_feature(t: Bench) -> None:
    """An even feature bit that nobody knows ends with FEATURE_REQUIRED."""
    s = await t.greeted()
    await s.greet(features=1 << 40)
    await t.expect_close(s, ErrorCode.FEATURE_REQUIRED, req="IOE-VER-060")
