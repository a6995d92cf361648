"""What both ends of a session agree on: parameters, HELLO, proof, whole transcripts (SPEC 2.7, 5.4, 6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, Final

from ioe_router.codec import mapping
from ioe_router.codec.frames import decode_frame, verify_frame
from ioe_router.codec.registry import REGISTRY
from ioe_router.config import NeighborConfig, Timers
from ioe_router.core.hello import (
    RESUME,
    VERSION,
    check_epochs,
    check_hello,
    check_transport_key,
    session_id_of,
)
from ioe_router.core.neighbor_session import NeighborSession, proof_problem
from ioe_router.model.clock import Now
from ioe_router.model.discovery import Hello, LinkAttestation, Role
from ioe_router.model.envelope import Envelope, ObjectType, Sealed
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.ids import NodeId, ObjectId, object_id_of
from reference_harness.machines import config_of
from reference_harness.objects import reader
from reference_harness.receiver import parameters_of

Json = dict[str, Any]


def _parameters(inputs: Json) -> Json:
    return {"digest": parameters_of(inputs["parameters"]).digest().hex()}


def _check(inputs: Json) -> Json:
    """Steps 1 to 12 of check_hello, as `Sessions.hello` takes them."""
    now = Now(0, inputs["now_utc_ms"])
    parameters = parameters_of(inputs["parameters"])
    sealer = reader(parameters.network_id, inputs["certificates"], now)
    node = NodeId(bytes.fromhex(inputs["own_node"]))
    link = mapping.decode(Envelope, bytes.fromhex(inputs["attestation"]))
    neighbor = NeighborConfig(
        node=NodeId(bytes.fromhex(inputs["neighbor"])), attestation=link, role=Role[inputs["role"]]
    )
    config = config_of(parameters, Timers(), node=node, neighbors=(neighbor,))
    envelope = mapping.decode(Envelope, bytes.fromhex(inputs["hello"]))
    sealed: Sealed[Hello] = sealer.open_any(envelope, frame_sender=None, now=now)
    check_hello(config, neighbor, sealed, now)
    key = bytes.fromhex(inputs["transport_key"]) or None
    check_transport_key(sealed, key)
    check_epochs(sealed.body, seen_epoch=inputs["seen_epoch"], own_epoch=inputs["own_epoch"])
    attested = sealer.open(link, LinkAttestation)
    if {attested.body.keeper, attested.body.other} != {node, neighbor.node}:
        raise PeerError(ErrorCode.UNKNOWN_LINK, "it names other nodes")
    if attested.body.expires_utc_s <= now.utc_s:
        raise PeerError(ErrorCode.UNKNOWN_LINK, "it has expired")
    return {"version": VERSION, "features": sealed.body.features & RESUME}


def _proof(inputs: Json) -> Json:
    now = Now(0, inputs["now_utc_s"] * 1000)
    sealer = reader(inputs["network_id"], inputs["certificates"], now)
    ids = [ObjectId(bytes.fromhex(inputs[name])) for name in ("dialer_hello", "listener_hello")]
    empty = Envelope(type=ObjectType.LINK_ATTESTATION, signed=b"", signatures=())
    session = NeighborSession(
        NeighborConfig(node=NodeId(bytes.fromhex(inputs["neighbor"])), attestation=empty)
    )
    session.dialer = True
    session.hello = _hello(ids[0], b"")
    session.peer_hello = _hello(ids[1], bytes.fromhex(inputs["hello_key"]))
    envelope = mapping.decode(Envelope, bytes.fromhex(inputs["proof"]))
    problem = proof_problem(session, sealer.open_any(envelope, frame_sender=None, now=now))
    if problem is not None:
        raise problem
    return {"session": session_id_of(*ids).hex()}


def _hello(object_id: ObjectId, key: bytes) -> Any:
    signature = SimpleNamespace(key=key)
    return SimpleNamespace(object_id=object_id, envelope=SimpleNamespace(signatures=(signature,)))


def _transcript(inputs: Json) -> Json:
    """Read every frame in order; each is verified with the key that its sender's HELLO was signed with."""
    keys: dict[str, bytes] = {}
    rows, hellos = [], {}
    for one in inputs["frames"]:
        frame = decode_frame(bytes.fromhex(one["frame"]))
        if frame.session:
            verify_frame(inputs["network_id"], frame, keys[one["from"]])
        for envelope in frame.envelopes:
            if envelope.type is ObjectType.HELLO:
                keys[one["from"]] = envelope.signatures[0].key
                hellos[one["from"]] = object_id_of(envelope.signed)
            mapping.decode(REGISTRY[envelope.type].body, envelope.signed)
        rows.append(
            {
                "seq": frame.seq,
                "session": frame.session.hex(),
                "signed": frame.signature is not None,
                "objects": [[e.type.name, object_id_of(e.signed).hex()] for e in frame.envelopes],
            }
        )
    session = session_id_of(hellos["dialler"], hellos["listener"])
    return {"session": session.hex(), "frames": rows}


RUNNERS: Final[Mapping[str, Callable[[Json], Json]]] = {
    "hello.parameters": _parameters,
    "hello.check": _check,
    "hello.proof": _proof,
    "transcript": _transcript,
}
