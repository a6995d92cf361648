"""Identities, signatures, envelopes, frames and bodies (SPEC sections 4 and 5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Final

from ioe_router.codec import bounds, mapping
from ioe_router.codec.frames import decode_frame, verify_frame
from ioe_router.codec.keys import KeyRing
from ioe_router.codec.registry import REGISTRY
from ioe_router.codec.root_signing import open_root_signed
from ioe_router.codec.sealing import CodecSealer
from ioe_router.codec.signing import Ed25519Signer, merkle_root, signature_input, verify
from ioe_router.core.domain import Domain
from ioe_router.core.paths import first_hash, next_hash
from ioe_router.model.bech32m import domain_text, node_text, parse_node
from ioe_router.model.clock import Now
from ioe_router.model.discovery import OperationalKey
from ioe_router.model.domain import MemberCertificate, RootKey, TrustList, domain_id_of
from ioe_router.model.envelope import Envelope, Sealed, Signature
from ioe_router.model.errors import ErrorCode, PeerError, UsageError
from ioe_router.model.ids import NodeId, link_id_of, node_id_of
from ioe_router.model.routing import Direction

Json = dict[str, Any]

READER: Final = Ed25519Signer.from_seed(bytes(32))  # a node that no vector is about
BODIES: Final = {row.message: row.body for row in REGISTRY.values()}


def _node(inputs: Json) -> Json:
    node = node_id_of(bytes.fromhex(inputs["identity_key"]))
    return {"node": node.hex(), "text": node_text(node)}


def _link(inputs: Json) -> Json:
    one, other = (NodeId(bytes.fromhex(end)) for end in inputs["ends"])
    return {"link": link_id_of(one, other, inputs["number"]).hex()}


def _text(inputs: Json) -> Json:
    try:
        return {"node": parse_node(inputs["text"]).hex()}
    except UsageError as error:
        raise PeerError(ErrorCode.MALFORMED, str(error)) from None


def _signature_input(inputs: Json) -> Json:
    signed = bytes.fromhex(inputs["signed"])
    return {"signature_input": signature_input(inputs["network_id"], inputs["message"], signed).hex()}


def _ed25519(inputs: Json) -> Json:
    key, data, signature = (bytes.fromhex(inputs[name]) for name in ("key", "data", "signature"))
    if not verify(Signature(key=key, signature=signature), data):
        raise PeerError(ErrorCode.BAD_SIGNATURE, "refused")
    return {}


def reader(network_id: str, certificates: list[str], now: Now) -> CodecSealer:
    """A reader that holds these certificates, learnt before any of them ended."""
    ring = KeyRing(network_id=network_id, limit=64)
    sealer = CodecSealer(ring=ring, signer=READER, node=node_id_of(READER.public_key), now=now)
    for raw in certificates:
        certificate = mapping.decode(Envelope, bytes.fromhex(raw))
        body = mapping.decode(OperationalKey, certificate.signed)
        learnt = Now(0, body.issued_utc_s * 1000)
        ring.learn(sealer.open_any(certificate, frame_sender=None, now=learnt), learnt)
    return sealer


def _envelope(inputs: Json) -> Json:
    now = Now(0, inputs["now_utc_s"] * 1000)
    sealer = reader(inputs["network_id"], inputs["certificates"], now)
    envelope = mapping.decode(Envelope, bytes.fromhex(inputs["envelope"]))
    bounds.check(envelope)  # as part of the frame that it came in
    sealed = sealer.open_any(envelope, frame_sender=node_id_of(b"any"), now=now)
    return {"object_id": sealed.object_id.hex(), "signers": [one.hex() for one in sealed.signers]}


def _domain_id(inputs: Json) -> Json:
    roots = [RootKey(key=bytes.fromhex(one)) for one in inputs["roots"]]
    domain = domain_id_of(inputs["network_id"], inputs["quorum"], roots)
    return {"domain": domain.hex(), "text": domain_text(domain)}


def _domain_list(inputs: Json) -> Json:
    known = Domain([_list(inputs["in_force"], inputs)])
    taken = known.take(_list(inputs["offered"], inputs), Now(0, inputs["now_utc_s"] * 1000))
    return {"taken": taken, "serial": known.newest.serial}


def _domain_member(inputs: Json) -> Json:
    known = Domain([_list(one, inputs) for one in inputs["lists"]])
    body = _root_signed(inputs["certificate"], inputs).body
    if not isinstance(body, MemberCertificate):
        raise PeerError(ErrorCode.UNEXPECTED, "no member certificate")
    return {"vouched_until_utc_s": known.until_utc_s(body)}


def _root_signed(text: str, inputs: Json) -> Sealed[Any]:
    envelope = mapping.decode(Envelope, bytes.fromhex(text))
    bounds.check(envelope)
    return open_root_signed(envelope, inputs["network_id"])


def _list(text: str, inputs: Json) -> Sealed[TrustList]:
    sealed = _root_signed(text, inputs)
    if not isinstance(sealed.body, TrustList):
        raise PeerError(ErrorCode.UNEXPECTED, "no trust list")
    return sealed


def _path_hash(inputs: Json) -> Json:
    origin = NodeId(bytes.fromhex(inputs["origin"]))
    hashes = [first_hash(inputs["network_id"], origin, Direction(inputs["direction"]))]
    for entry in inputs["entries"]:
        hashes.append(next_hash(hashes[-1], bytes.fromhex(entry)))
    return {"hashes": [one.hex() for one in hashes]}


def _frame(inputs: Json) -> Json:
    frame = decode_frame(bytes.fromhex(inputs["frame"]))
    if frame.signature is not None:
        verify_frame(inputs["network_id"], frame, bytes.fromhex(inputs["key"]))
    return {"merkle_root": merkle_root(frame.envelopes).hex()}


def _malformed(inputs: Json) -> Json:
    value: object = mapping.decode(BODIES[inputs["message"]], bytes.fromhex(inputs["signed"]))
    bounds.check(value)
    return {"fields": plain(value)}


def plain(value: object) -> object:
    """A value as JSON: bytes in hex, enums and numbers as numbers, absent parts as null."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else value


RUNNERS: Final[Mapping[str, Callable[[Json], Json]]] = {
    "identity.node": _node,
    "identity.link": _link,
    "identity.text": _text,
    "signature-input": _signature_input,
    "ed25519-edge": _ed25519,
    "envelope": _envelope,
    "domain.id": _domain_id,
    "domain.list": _domain_list,
    "domain.member": _domain_member,
    "path-hash": _path_hash,
    "frame": _frame,
    "malformed": _malformed,
}
