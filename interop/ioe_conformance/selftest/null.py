"""Servers that are no routers: `python -m ioe_conformance.selftest.null KIND FOLDER PORT`.

They show that the kit can fail.

    silent              takes connections and streams, says nothing
    reject-all          refuses every stream
    echo                says back what it hears
    accept-all          keeps sessions, refuses nothing, and answers every question with "not known"
    crash-after-hello   says HELLO and dies on the first HELLO that it hears

Each has real keys, a real certificate and a real port. The folder is made by `prepare`.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import secrets
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ioe_conformance.clock import Clock
from ioe_conformance.keys import NodeKeys, framed, object_id
from ioe_conformance.kitdir import NAMES, Kit, make_kit, read_kit
from ioe_router.adapters.certificates import Leaf, issue_ca, issue_leaf, issue_operational, pem
from ioe_router.adapters.envelope_json import envelope_from_json, envelope_to_json
from ioe_router.codec import mapping
from ioe_router.codec.registry import REGISTRY
from ioe_router.codec.signing import Ed25519Signer, frame_input, signature_input
from ioe_router.model.discovery import Hello, Keepalive, Refresh, RefreshPhase, Role, SessionProof
from ioe_router.model.envelope import Envelope, Frame, ObjectType, Signature
from ioe_router.model.errors import PeerError
from ioe_router.model.ids import NodeId, ObjectId
from ioe_router.model.reservation import Outcome, OutcomeQuery, ReservationState

KINDS: Final = ("accept-all", "reject-all", "silent", "echo", "crash-after-hello")
NETWORK: Final = "null"
_SEED: Final = b"the keys of a server that is no router"


def keys() -> NodeKeys:
    """The same node each time."""
    identity, operational = (
        Ed25519PrivateKey.from_private_bytes(hashlib.sha256(_SEED + what).digest()) for what in (b"1", b"2")
    )
    empty = Envelope(type=ObjectType.OPERATIONAL_KEY, signed=b"", signatures=())
    bare = NodeKeys(network=NETWORK, identity=identity, operational=operational, certificate=empty)
    now_s = int(time.time())
    return bare.with_key(
        operational, bare.certify(operational, serial=1, issued_utc_s=now_s, lifetime_s=86_400)
    )


def prepare(folder: Path) -> None:
    """A kit's folder for this node, its links countersigned."""
    me = keys()
    ca = folder / "ca.pem"
    folder.mkdir(parents=True)
    ca.write_bytes(pem(issue_ca(me.identity, int(time.time()))))
    make_kit(folder / "kit", ca, NETWORK)
    for name in NAMES:
        path = folder / "kit" / f"{name}.attestation"
        fields = json.loads(path.read_text())
        half = envelope_from_json(fields["attestation"], str(path))
        data = signature_input(NETWORK, "ioe.v1.LinkAttestation", half.signed)
        mine = Signature(key=Ed25519Signer(me.identity).public_key, signature=me.identity.sign(data))
        both = (*half.signatures, mine) if name == "b" else (mine, *half.signatures)
        whole = Envelope(type=half.type, signed=half.signed, signatures=both)
        path.write_text(json.dumps({**fields, "attestation": envelope_to_json(whole)}))


@dataclass(slots=True)
class Null:
    """One server."""

    kind: str
    kit: Kit

    async def session(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        """One stream."""
        if self.kind == "reject-all":
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, "NOT_A_NEIGHBOR: nobody is")
        if self.kind == "silent":
            async for _ in requests:
                pass
        elif self.kind == "echo":
            async for raw in requests:
                yield raw
        else:
            async for raw in self._handshake(requests):
                yield raw

    async def _handshake(self, requests: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Whoever calls is taken for the node that its HELLO names."""
        me, seq, session, mine = keys(), 0, b"", b""
        clock = Clock(slot_s=300, bands=3)

        def frame(*envelopes: Envelope) -> bytes:
            nonlocal seq
            seq += 1
            made = Frame(session=session, seq=seq, envelopes=envelopes, signature=None)
            if session and any(not REGISTRY[e.type].signatures_max for e in envelopes):
                data = frame_input(NETWORK, session, seq, envelopes)
                signature = Signature(
                    key=Ed25519Signer(me.operational).public_key, signature=me.operational.sign(data)
                )
                made = Frame(session=session, seq=seq, envelopes=envelopes, signature=signature)
            return mapping.encode(made)

        def hello(neighbor: bytes) -> Envelope:
            body = Hello(
                network_id=NETWORK,
                node=me.node,
                neighbor=NodeId(neighbor),
                version_min=1,
                version_max=1,
                nonce=secrets.token_bytes(32),
                features=0,
                role=Role.SIBLING,
                epoch=clock.utc_s(),
                last_seen_epoch=0,
                attestation=self.kit.testers["a"].attestation_id,
                parameters=self.kit.network.digest(),
                clock_utc_ms=clock.utc_ms(),
            )
            return me.seal(body)

        said = hello(self.kit.testers["a"].node)
        mine = object_id(said)
        yield frame(me.certificate, said)
        theirs = b""
        async for raw in requests:
            for envelope, body in _objects(raw):
                if isinstance(body, Hello) and not theirs:
                    if self.kind == "crash-after-hello":
                        os._exit(70)
                    theirs = object_id(envelope)
                    proof = SessionProof(dialer_hello=ObjectId(theirs), listener_hello=ObjectId(mine))
                    yield frame(me.seal(proof))
                elif isinstance(body, SessionProof) and not session:
                    session = hashlib.sha256(b"IOE1 session" + theirs + mine).digest()
                    begin, end = (
                        framed(Refresh(phase=p, kept=0)) for p in (RefreshPhase.BEGIN, RefreshPhase.END)
                    )
                    yield frame(begin, end)
                elif isinstance(body, OutcomeQuery) and session:
                    answer = Outcome(
                        reservation=body.reservation,
                        version=body.version,
                        state=ReservationState.UNSPECIFIED,
                        evidence=None,
                    )
                    yield frame(framed(answer))
                elif isinstance(body, Keepalive) and session:
                    yield frame(framed(Keepalive(received_seq=0, clock_utc_ms=clock.utc_ms())))


def _objects(raw: bytes) -> list[tuple[Envelope, Any]]:
    found: list[tuple[Envelope, Any]] = []
    try:
        frame = mapping.decode(Frame, raw)
    except PeerError:
        return []
    for envelope in frame.envelopes:
        row = REGISTRY.get(envelope.type)
        if row is None:
            continue
        try:
            body: Any = mapping.decode(row.body, envelope.signed)
            found.append((envelope, body))
        except PeerError:
            continue
    return found


def _leaf(me: NodeKeys) -> Leaf:
    now_s = int(time.time())
    public = me.operational.public_key().public_bytes_raw()
    operational = issue_operational(me.identity, public, 1, now_s, 86_400)
    return issue_leaf(me.node, me.operational, operational, now_s)


async def serve(kind: str, folder: Path, port: int) -> None:
    """Serve until killed."""
    kit, leaf = read_kit(folder / "kit"), _leaf(keys())
    server = grpc.aio.server(
        options=[("grpc.max_receive_message_length", 1_048_576), ("grpc.so_reuseport", 0)]
    )
    null = Null(kind, kit)
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_stream_rpc_method_handler(null.session)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("ioe.v1.PeerService", {"Session": handler}),)
    )
    roots = b"".join(pem(tester.ca) for tester in kit.testers.values())
    credentials = grpc.ssl_server_credentials(
        [(leaf.key_pem, leaf.chain_pem)], root_certificates=roots, require_client_auth=True
    )
    server.add_secure_port(f"127.0.0.1:{port}", credentials)
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
