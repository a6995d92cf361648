"""The vectors of trust domains, run from their inputs alone."""

from __future__ import annotations

from typing import Any

from ioe_router.codec import bounds, mapping
from ioe_router.codec.root_signing import open_root_signed
from ioe_router.core.domain import Domain
from ioe_router.model.bech32m import domain_text
from ioe_router.model.clock import Now
from ioe_router.model.domain import MemberCertificate, RootKey, TrustList, domain_id_of
from ioe_router.model.envelope import Envelope, Sealed

Json = dict[str, Any]


def run(inputs: Json) -> Json:
    """What the inputs of one vector come to. PeerError when they are refused."""
    if "roots" in inputs:
        roots = [RootKey(key=bytes.fromhex(one)) for one in inputs["roots"]]
        domain = domain_id_of(inputs["network_id"], inputs["quorum"], roots)
        return {"domain": domain.hex(), "text": domain_text(domain)}
    if "certificate" in inputs:
        known = Domain([_list(one, inputs) for one in inputs["lists"]])
        body = _opened(inputs["certificate"], inputs).body
        assert isinstance(body, MemberCertificate)
        return {"vouched_until_utc_s": known.until_utc_s(body)}
    known = Domain([_list(inputs["in_force"], inputs)])
    taken = known.take(_list(inputs["offered"], inputs), Now(0, inputs["now_utc_s"] * 1000))
    return {"taken": taken, "serial": known.newest.serial}


def _opened(text: str, inputs: Json) -> Sealed[Any]:
    envelope = mapping.decode(Envelope, bytes.fromhex(text))
    bounds.check(envelope)
    return open_root_signed(envelope, inputs["network_id"])


def _list(text: str, inputs: Json) -> Sealed[TrustList]:
    sealed = _opened(text, inputs)
    assert isinstance(sealed.body, TrustList)
    return sealed
