"""A whole router that is told one object: is it taken, or refused with which code?

The router is real (`ioe_router.Router`); its neighbours are played here, with
the keys of the vector: they hold a session each, tell what the vector says
came before, and then the object in question.  What counts is what leaves the
router: a Fault, a Close, a REFUSE or a FAILED names the code.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from ioe_router.codec import mapping
from ioe_router.codec.frames import decode_frame, encode_frame
from ioe_router.codec.keys import KeyRing
from ioe_router.codec.registry import REGISTRY
from ioe_router.codec.sealing import CodecSealer
from ioe_router.codec.signing import Ed25519Signer
from ioe_router.config import DomainConfig, NeighborConfig, RouterConfig, Timers
from ioe_router.core.effects import CloseSession, Effect, SendFrame
from ioe_router.core.hello import session_id_of
from ioe_router.core.inputs import DeadlineReached, FrameReceived, PublishOffer, SessionUp, Started
from ioe_router.model.clock import Now
from ioe_router.model.discovery import Close, Fault, Hello, OperationalKey, Role, SessionProof
from ioe_router.model.envelope import Envelope, ObjectType, Sealed
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.ids import NodeId, node_id_of, object_id_of
from ioe_router.model.parameters import NetworkParameters
from ioe_router.model.reservation import Failed, Refuse
from ioe_router.model.routing import Direction, Firmness, OfferRun, SourceClass
from ioe_router.model.slot import Slot
from ioe_router.router import Router

Json = dict[str, Any]
EPOCH: Final = 1
# Enough signs of life for a vector that spans hours; a session is not what these are about.
QUIET: Final = Timers(keepalive_ms=0)


class Counted:
    """Bytes that nobody needs to guess."""

    def __init__(self, seed: bytes) -> None:
        """The same seed gives the same bytes."""
        self._seed, self._count = seed, 0

    def token(self, size: int) -> bytes:
        """The next `size` bytes."""
        self._count += 1
        return (sha256(self._seed + self._count.to_bytes(8)).digest() * (size // 32 + 1))[:size]


@dataclass(slots=True)
class Tester:
    """One neighbour, played: its keys, and its half of the session."""

    name: str
    node: NodeId
    signer: Ed25519Signer
    certificate: Sealed[OperationalKey]
    session: bytes = b""
    seq: int = 0
    heard: list[Envelope] = field(default_factory=list)

    def frame(self, network_id: str, *envelopes: Envelope) -> bytes:
        """The next frame of this session."""
        self.seq += 1
        signer = self.signer if self.session else None
        return encode_frame(network_id, self.session, self.seq, envelopes, signer)


class Bench:
    """The router of a vector, and its neighbours with a session each."""

    def __init__(self, inputs: Json) -> None:
        """Sessions are ESTABLISHED afterwards, at the instant `start_utc_ms`."""
        self._inputs = inputs
        self.parameters = parameters_of(inputs["parameters"])
        self._start_ms = inputs["start_utc_ms"]
        self.now = Now(0, self._start_ms)
        self._own = self._keys(inputs["receiver"])
        self.testers = {one["name"]: self._tester(one["name"]) for one in inputs["neighbors"]}
        self.told: list[tuple[str, Envelope]] = []  # everything that ever left the router
        self._by_node = {one.node: one for one in self.testers.values()}
        self.router = Router(
            self._config(),
            own_key=self._own.certificate,
            signer=self._own.signer,
            entropy=Counted(b"receiver"),
            now=self.now,
        )
        self.router.handle(Started(epoch=EPOCH), self.now)
        for tester in self.testers.values():
            self._establish(tester)
        for tester in self.testers.values():
            tester.heard.clear()
        for offer in inputs["own_offers"]:
            self._do(self.router.handle(_offer(offer), self.now))

    # --- who is there

    def _keys(self, name: str) -> Tester:
        keys = self._inputs["keys"][name]
        signer = Ed25519Signer.from_seed(bytes.fromhex(keys["operational_seed"]))
        envelope = mapping.decode(Envelope, bytes.fromhex(keys["certificate"]))
        body = mapping.decode(OperationalKey, envelope.signed)
        node = node_id_of(body.identity_key)
        sealed = Sealed(
            object_id=object_id_of(envelope.signed), body=body, signers=(node,), envelope=envelope
        )
        return Tester(name, node, signer, sealed)

    def _tester(self, name: str) -> Tester:
        return self._keys(name)

    def _config(self) -> RouterConfig:
        neighbors = tuple(
            NeighborConfig(
                node=self.testers[one["name"]].node,
                attestation=mapping.decode(Envelope, bytes.fromhex(one["attestation"])),
                role=Role[one["role"]],
                fee_micro_per_kwh=one["fee_micro_per_kwh"],
            )
            for one in self._inputs["neighbors"]
        )
        party = self._inputs["balance_party"]
        domain = self._inputs["domain"]
        return RouterConfig(
            node=self._own.node,
            parameters=self.parameters,
            neighbors=neighbors,
            balance_party=self._keys(party).node if party else None,
            connection_import_w=10_000,
            connection_export_w=10_000,
            reactive_max_var=0,
            slack_voltage_micro_pu=1_000_000,
            timers=QUIET,
            domain=_domain(domain) if domain else None,
        )

    # --- sessions

    def _establish(self, tester: Tester) -> None:
        """The handshake of section 6.5; the router has dialled."""
        self._do(self.router.handle(SessionUp(neighbor=tester.node, dialer=True), self.now))
        hello = [one for one in tester.heard if one.type is ObjectType.HELLO][-1]
        theirs = mapping.decode(Hello, hello.signed)
        mine = self._sealed(tester, self._answer(tester, theirs))
        self._say(tester, tester.certificate.envelope, *self._membership(tester), mine)
        ids = object_id_of(hello.signed), object_id_of(mine.signed)
        proof = SessionProof(dialer_hello=ids[0], listener_hello=ids[1])
        self._say(tester, self._sealed(tester, proof))
        tester.session = session_id_of(*ids)

    def _membership(self, tester: Tester) -> tuple[Envelope, ...]:
        """The certificate of a neighbour that belongs to the receiver's domain."""
        members = (self._inputs["domain"] or {}).get("members", {})
        held = members.get(tester.name)
        return (mapping.decode(Envelope, bytes.fromhex(held)),) if held else ()

    def begin_anew(self, tester: Tester) -> None:
        """Another session of a neighbour whose last one was lost."""
        tester.session, tester.seq = b"", 0
        self._establish(tester)

    def _answer(self, tester: Tester, theirs: Hello) -> Hello:
        counterpart = {Role.CUSTOMER: Role.PROVIDER, Role.PROVIDER: Role.CUSTOMER}
        return Hello(
            network_id=theirs.network_id,
            node=tester.node,
            neighbor=theirs.node,
            version_min=1,
            version_max=1,
            nonce=sha256(tester.node).digest(),
            features=0,
            role=counterpart.get(theirs.role, theirs.role),
            epoch=1,
            last_seen_epoch=0,
            attestation=theirs.attestation,
            parameters=theirs.parameters,
            clock_utc_ms=self.now.utc_ms,
            domain=theirs.domain,
        )

    def _sealed(self, tester: Tester, body: object) -> Envelope:
        ring = KeyRing(network_id=self.parameters.network_id, limit=64)
        ring.learn(tester.certificate, self.now)
        sealer = CodecSealer(ring=ring, signer=tester.signer, node=tester.node, now=self.now)
        envelope: Envelope = sealer.seal(body).envelope
        return envelope

    # --- time and frames

    def tell(self, step: Json) -> list[Envelope]:
        """Let a neighbour say something at an instant; returns what was said to it from then on."""
        self.wait(step["at_utc_ms"])
        for one in self.testers.values():
            one.heard.clear()
        tester = self.testers[step["from"]]
        envelopes = [mapping.decode(Envelope, bytes.fromhex(one)) for one in step["envelopes"]]
        self._say(tester, *envelopes)
        return envelopes

    def wait(self, utc_ms: int) -> None:
        """Let time pass until an instant; the router does what is due on the way."""
        until_ns = (utc_ms - self._start_ms) * 1_000_000
        while (at := self.router.next_deadline_ns()) is not None and at <= until_ns:
            self._set(max(at, self.now.monotonic_ns))
            self._do(self.router.handle(DeadlineReached(), self.now))
        self._set(until_ns)

    def _set(self, monotonic_ns: int) -> None:
        self.now = Now(monotonic_ns, self._start_ms + -(-monotonic_ns // 1_000_000))

    def _say(self, tester: Tester, *envelopes: Envelope) -> None:
        frame = tester.frame(self.parameters.network_id, *envelopes)
        self._do(self.router.handle(FrameReceived(neighbor=tester.node, frame=frame), self.now))

    def _do(self, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            if isinstance(effect, SendFrame):
                tester, said = self._by_node[effect.neighbor], decode_frame(effect.frame).envelopes
                tester.heard += said
                self.told += [(tester.name, one) for one in said]
            elif isinstance(effect, CloseSession) and not self._by_node[effect.neighbor].session:
                raise ValueError(f"the vector's handshake fails: {effect.code.name} {effect.reason}")

    def code_for(self, tester: Tester, envelope: Envelope) -> ErrorCode | None:
        """With which code the router has refused an object of a neighbour."""
        object_id = object_id_of(envelope.signed)
        reservation = getattr(_inner(envelope), "reservation", None)
        for one in tester.heard:
            body: Any = mapping.decode(REGISTRY[one.type].body, one.signed)
            refused = isinstance(body, Fault) and body.object == object_id
            ended = isinstance(body, Refuse | Failed) and body.reservation == reservation
            if isinstance(body, Close) or refused or ended:
                return ErrorCode(body.code)
        return None


def parameters_of(given: Json) -> NetworkParameters:
    """Network parameters as a vector states them."""
    return NetworkParameters(**{**given, "floor_micro_per_kwh": tuple(given["floor_micro_per_kwh"])})


def _domain(given: Json) -> DomainConfig:
    def envelope(text: str) -> Envelope:
        return mapping.decode(Envelope, bytes.fromhex(text))

    return DomainConfig(
        lists=tuple(envelope(one) for one in given["lists"]), member=envelope(given["member"])
    )


def _offer(given: Json) -> PublishOffer:
    """What the host of the router offers."""
    return PublishOffer(
        offer_no=given["offer_no"],
        direction=Direction(given["direction"]),
        source=SourceClass.SOLAR,
        firmness=Firmness.FIRM,
        first_slot=Slot(given["first_slot_utc_s"]),
        runs=tuple(OfferRun(**run) for run in given["runs"]),
        energy_cap_j=0,
        carbon_mg_per_kwh=0,
        is_default=False,
        lifetime_s=given["lifetime_s"],
    )


def _inner(envelope: Envelope) -> object:
    """The body in an envelope, or the signed object that a hop's message carries."""
    try:
        body: Any = mapping.decode(REGISTRY[envelope.type].body, envelope.signed)
    except PeerError:
        return None
    inside = getattr(body, "core", None) or getattr(body, "commit", None) or getattr(body, "curtail", None)
    return _inner(inside) if isinstance(inside, Envelope) else body


def receive(inputs: Json) -> Json:
    """Tell the object; what counts is the code, and what of the types looked for leaves the router."""
    bench = Bench(inputs)
    for step in inputs["before"]:
        for envelope in bench.tell(step):
            code = bench.code_for(bench.testers[step["from"]], envelope)
            if code is not None:
                raise ValueError(f"what came before is refused with {code.name}")
    (envelope,) = bench.tell(inputs["object"])
    code = bench.code_for(bench.testers[inputs["object"]["from"]], envelope)
    if code is not None:
        raise PeerError(code, "refused")
    bench.wait(inputs["object"]["at_utc_ms"] + inputs["listen_ms"])
    looked = {ObjectType[name] for name in inputs["look_for"]}
    sent = [
        [name, one.type.name] for name, t in bench.testers.items() for one in t.heard if one.type in looked
    ]
    return {"sent": sorted(sent)}
