"""Play the worked session of SPEC.md, Appendix A, and write down its bytes.

Two nodes with published keys and a clock that stands still run the real
session, routing and codec parts: handshake, refresh, one path, one offer.
Nothing is typed in but the keys, the clock and what is offered, so the
appendix cannot differ from what the implementation sends.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from ioe_router.codec.frames import decode_frame, encode_frame, verify_frame  # noqa: E402
from ioe_router.codec.identity_signing import countersign, state  # noqa: E402
from ioe_router.codec.keys import KeyRing, certify  # noqa: E402
from ioe_router.codec.registry import REGISTRY  # noqa: E402
from ioe_router.codec.sealing import CodecSealer  # noqa: E402
from ioe_router.codec.signing import Ed25519Signer, frame_input, merkle_root, signature_prefix  # noqa: E402
from ioe_router.config import NeighborConfig, RouterConfig  # noqa: E402
from ioe_router.core.evidence import Evidence, Prerequisites, link_of  # noqa: E402
from ioe_router.core.inputs import PublishOffer  # noqa: E402
from ioe_router.core.outbox import Outbox, ToNeighbor  # noqa: E402
from ioe_router.core.paths import first_hash, next_hash  # noqa: E402
from ioe_router.core.routing import Routing  # noqa: E402
from ioe_router.core.session import Sessions  # noqa: E402
from ioe_router.model.bech32m import node_text  # noqa: E402
from ioe_router.model.clock import Now  # noqa: E402
from ioe_router.model.discovery import LinkAttestation, LinkKind, LossModel, OperationalKey  # noqa: E402
from ioe_router.model.envelope import Envelope, Frame, ObjectType, Sealed  # noqa: E402
from ioe_router.model.ids import NodeId, node_id_of, object_id_of  # noqa: E402
from ioe_router.model.parameters import NetworkParameters  # noqa: E402
from ioe_router.model.routing import Direction, Firmness, OfferRun, PathAdvert, SourceClass  # noqa: E402
from ioe_router.model.slot import Slot  # noqa: E402

NOW: Final = Now(monotonic_ns=0, utc_ms=1_465_948_800_000)
DAY_S: Final = 86_400
COLUMNS: Final = 96
PARAMETERS: Final = NetworkParameters(
    network_id="example",
    currency="EUR",
    slot_s=900,
    reference_price_micro_per_kwh=300_000,
    floor_micro_per_kwh=(500_000, 300_000),
    link_state_steps=16,
    voltage_min_micro_pu=900_000,
    voltage_max_micro_pu=1_100_000,
    voltage_guard_micro_pu=5_000,
)
OFFER: Final = PublishOffer(
    offer_no=1,
    direction=Direction.SUPPLY,
    source=SourceClass.SOLAR,
    firmness=Firmness.FIRM,
    first_slot=Slot(NOW.utc_s + 900),
    runs=(
        OfferRun(slots=2, energy_j=1_800_000, price_micro_per_kwh=90_000),
        OfferRun(slots=1, energy_j=900_000, price_micro_per_kwh=-5_000),
    ),
    energy_cap_j=0,
    carbon_mg_per_kwh=41_000,
    is_default=False,
    lifetime_s=3_600,
)


class _Bytes:
    """Entropy that anybody can repeat: the same byte again and again."""

    def __init__(self, byte: int) -> None:
        self._byte = bytes([byte])

    def token(self, size: int) -> bytes:
        """`size` times the byte."""
        return self._byte * size


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The two keys of a node and what they certify. Seeds are one byte, 32 times."""

    name: str
    seeds: tuple[int, int]
    identity: Ed25519Signer
    operational: Ed25519Signer
    certificate: Sealed[OperationalKey]

    @property
    def node(self) -> NodeId:
        """The node id."""
        return node_id_of(self.identity.public_key)


def make_keys(name: str, identity: int, operational: int) -> Keys:
    """Keys from two one-byte seeds, the operational one certified for a week."""
    signers = tuple(Ed25519Signer.from_seed(bytes([byte]) * 32) for byte in (identity, operational))
    body = OperationalKey(
        network_id=PARAMETERS.network_id,
        identity_key=signers[0].public_key,
        operational_key=signers[1].public_key,
        serial=1,
        issued_utc_s=NOW.utc_s,
        expires_utc_s=NOW.utc_s + 7 * DAY_S,
    )
    certificate = certify(body, identity=signers[0], operational=signers[1])
    return Keys(
        name=name,
        seeds=(identity, operational),
        identity=signers[0],
        operational=signers[1],
        certificate=certificate,
    )


def sealer_of(keys: Keys) -> CodecSealer:
    """A sealer that knows its own key only."""
    ring = KeyRing(network_id=PARAMETERS.network_id, limit=16)
    ring.learn(keys.certificate, NOW)
    return CodecSealer(ring=ring, signer=keys.operational, node=keys.node, now=NOW)


def attested(keeper: Keys, other: Keys) -> Envelope:
    """The link between the two, signed by both."""
    body = LinkAttestation(
        network_id=PARAMETERS.network_id,
        keeper=keeper.node,
        other=other.node,
        number=0,
        kind=LinkKind.RADIAL,
        serial=1,
        rating_down_va=25_000,
        rating_up_va=25_000,
        loss=LossModel(
            vn_mv=400_000,
            planning_mv=400_000,
            r_micro_ohm=80_000,
            x_micro_ohm=30_000,
            iron_milli_w=0,
            magnetising_var=0,
            charging_var=0,
            tap_ratio_ppm=1_000_000,
            b_ppm=0,
            c_pico_per_w=0,
        ),
        fee_down_micro_per_kwh=10_000,
        fee_up_micro_per_kwh=10_000,
        access=False,
        issued_utc_s=NOW.utc_s,
        expires_utc_s=NOW.utc_s + 30 * DAY_S,
    )
    return countersign(state(body, keeper.identity).envelope, other.identity).envelope


class Node:
    """Session, routing and codec of one node; frames go in and out as bytes."""

    def __init__(self, keys: Keys, peer: NodeId, link: Envelope, nonce: int) -> None:
        self.keys, self.peer = keys, peer
        self.sealer = sealer_of(keys)
        config = RouterConfig(
            node=keys.node,
            parameters=PARAMETERS,
            neighbors=(NeighborConfig(node=peer, attestation=link, fee_micro_per_kwh=4_000),),
            balance_party=None,
            connection_import_w=0,
            connection_export_w=0,
            reactive_max_var=0,
            slack_voltage_micro_pu=1_000_000,
        )
        self.evidence = Evidence(config, keys.certificate)
        prerequisites = Prerequisites(self.evidence)
        entropy = _Bytes(nonce)
        self.sessions = Sessions(config, self.sealer, entropy, self.evidence, prerequisites)
        self.routing = Routing(config, self.sealer, entropy, self.evidence, prerequisites)
        self.sessions.start(1)
        self.routing.start(1, NOW)

    def up(self, *, dialer: bool) -> bytes | None:
        """The transport stands."""
        out = Outbox()
        self.sessions.up(self.peer, dialer, NOW, out)
        return self._frame(out)

    def receive(self, data: bytes) -> bytes | None:
        """Take a frame; returns the one that answers it."""
        frame, out = decode_frame(data), Outbox()
        self.sessions.check_frame(self.peer, frame)
        key = self.sessions.frame_key(self.peer)
        if frame.session and key is not None:
            verify_frame(PARAMETERS.network_id, frame, key)
        for envelope in frame.envelopes:
            sender = self.peer if frame.session else None
            self._take(self.sealer.open_any(envelope, frame_sender=sender, now=NOW), out)
        self.routing.due(NOW, out)
        return self._frame(out)

    def _take(self, sealed: Sealed[Any], out: Outbox) -> None:
        match sealed.envelope.type:
            case ObjectType.OPERATIONAL_KEY:
                self.sealer.ring.learn(sealed, NOW)
                self.evidence.learn_key(sealed, NOW)
            case ObjectType.LINK_ATTESTATION:
                self.evidence.learn_attestation(sealed, NOW)
            case ObjectType.HELLO:
                self.sessions.hello(self.peer, sealed, NOW, out)
            case ObjectType.SESSION_PROOF:
                self.sessions.proof(self.peer, sealed, NOW, out)
                resumes = self.sessions.resumes(self.peer)
                self.routing.neighbor_up(self.peer, NOW, out, resumes=resumes)
            case ObjectType.REFRESH:
                self.routing.hear_refresh(self.peer, sealed.body, NOW, out)
            case ObjectType.RETAINED:
                self.routing.hear_retained(self.peer, sealed.body)
            case ObjectType.PATH_ADVERT:
                self.routing.hear_path(self.peer, sealed, NOW)
            case ObjectType.OFFER:
                self.routing.hear_offer(self.peer, sealed, NOW, out)
            case other:
                raise AssertionError(f"{other.name} in the worked session")

    def _frame(self, out: Outbox) -> bytes | None:
        envelopes = [wish.envelope for wish in out.wishes if isinstance(wish, ToNeighbor)]
        if not envelopes:
            return None
        session = self.sessions.session_id(self.peer)
        seq = self.sessions.next_frame_seq(self.peer, NOW)
        signer = self.keys.operational if session else None
        return encode_frame(PARAMETERS.network_id, session, seq, envelopes, signer)


def play() -> tuple[Node, Node, tuple[tuple[str, bytes], ...]]:
    """Run the session; returns both nodes and the frames in order with their senders' names."""
    keys = (make_keys("dialler", 0x11, 0x12), make_keys("listener", 0x21, 0x22))
    link = attested(keys[1], keys[0])
    dialler = Node(keys[0], keys[1].node, link, 0xA1)
    listener = Node(keys[1], keys[0].node, link, 0xB2)
    listener.routing.publish_own(OFFER, NOW)
    hellos = (dialler.up(dialer=True), listener.up(dialer=False))
    waiting = [(dialler, listener, hellos[0]), (listener, dialler, hellos[1])]
    frames: list[tuple[str, bytes]] = []
    while waiting:
        sender, receiver, data = waiting.pop(0)
        if data is not None:
            frames.append((sender.keys.name, data))
            waiting.append((receiver, sender, receiver.receive(data)))
    return dialler, listener, tuple(frames)


# ------------------------------------------------------------------ writing it down


def session_text() -> str:
    """Appendix A as Markdown."""
    dialler, listener, frames = play()
    link = dialler.evidence.own_link(dialler.peer)
    if link is None or not listener.sessions.established(listener.peer):
        raise AssertionError("the worked session was not established")
    lines = ["### A.1 Nodes, link, network", ""]
    lines += _fence(_facts((dialler.keys, listener.keys), link))
    lines += ["", "The attestation of the link, signed by both ends (the listener is its keeper):", ""]
    lines += _fence(_object(link.envelope))
    lines += ["", "### A.2 Frames", ""]
    for number, (sender, data) in enumerate(frames, start=1):
        frame = decode_frame(data)
        names = ", ".join(envelope.type.name for envelope in frame.envelopes)
        lines += [f"**Frame {number}**, from the {sender}, number {frame.seq} in its direction: {names}.", ""]
        lines += [*_fence(_frame(data, frame)), ""]
    lines += ["### A.3 Objects", "", *_objects(frames)]
    lines += ["### A.4 Derived values", "", *_fence(_derived(dialler, listener, frames))]
    return "\n".join(lines)


def _facts(nodes: Sequence[Keys], link: Sealed[LinkAttestation]) -> list[str]:
    lines = [f"network_id              {PARAMETERS.network_id}"]
    lines += _hex("parameter digest", PARAMETERS.digest())
    lines += [f"clock of both           {NOW.utc_ms} UTC ms"]
    for keys in nodes:
        lines += ["", f"{keys.name}"]
        lines += _hex("  identity seed", bytes([keys.seeds[0]]) * 32)
        lines += _hex("  identity key", keys.identity.public_key)
        lines += _hex("  operational seed", bytes([keys.seeds[1]]) * 32)
        lines += _hex("  operational key", keys.operational.public_key)
        lines += _hex("  node id", keys.node)
        lines += [f"  node id, text         {node_text(keys.node)}"]
    lines += ["", *_hex("link id", link_of(link.body))]
    return lines


def _object(envelope: Envelope) -> list[str]:
    """Type, bytes, id, signature context and signatures of one object."""
    lines = [f"type                    {int(envelope.type)} {envelope.type.name}"]
    lines += _hex("signed", envelope.signed)
    lines += _hex("object id", object_id_of(envelope.signed))
    if envelope.signatures:
        prefix = signature_prefix(PARAMETERS.network_id, REGISTRY[envelope.type].message)
        lines += _hex("signature input", prefix + len(envelope.signed).to_bytes(4), tail=" || signed")
    for signature in envelope.signatures:
        lines += _hex("key", signature.key)
        lines += _hex("signature", signature.signature)
    return lines


def _frame(data: bytes, frame: Frame) -> list[str]:
    lines = _hex("frame", data)
    if frame.signature is not None:
        lines += _hex("Merkle root", merkle_root(frame.envelopes))
        lines += _hex(
            "signature input", frame_input(PARAMETERS.network_id, frame.session, frame.seq, frame.envelopes)
        )
        lines += _hex("signature", frame.signature.signature)
    return lines


def _objects(frames: Iterable[tuple[str, bytes]]) -> list[str]:
    """Every object of the frames once, nested path entries after their advert."""
    lines: list[str] = []
    seen: set[bytes] = set()
    for sender, data in frames:
        for envelope in decode_frame(data).envelopes:
            if envelope.type is ObjectType.LINK_ATTESTATION or envelope.signed in seen:
                continue
            seen.add(envelope.signed)
            lines += [f"{envelope.type.name} from the {sender}:", "", *_fence(_object(envelope)), ""]
            for entry in _entries(envelope):
                lines += ["Its only entry:", "", *_fence(_object(entry)), ""]
    return lines


def _entries(envelope: Envelope) -> tuple[Envelope, ...]:
    if envelope.type is not ObjectType.PATH_ADVERT:
        return ()
    keys = make_keys("reader", 0x31, 0x32)
    body = sealer_of(keys).open_any(replace(envelope, signatures=()), frame_sender=keys.node, now=NOW).body
    return body.entries if isinstance(body, PathAdvert) else ()


def _derived(dialler: Node, listener: Node, frames: Iterable[tuple[str, bytes]]) -> list[str]:
    entries = [e for _, data in frames for one in decode_frame(data).envelopes for e in _entries(one)]
    start = first_hash(PARAMETERS.network_id, listener.keys.node, Direction.SUPPLY)
    path_hash = next_hash(start, entries[0].signed)
    path = dialler.routing.path(path_hash)
    if path is None:
        raise AssertionError("the dialler did not accept the path")
    lines = _hex("session id", dialler.sessions.session_id(dialler.peer))
    lines += _hex("path hash H(-1)", start)
    lines += _hex("path hash H(0)", path_hash)
    return [*lines, f"rank of the path        {path.rank} micro-units per kWh, at the dialler"]


def _hex(label: str, data: bytes, *, tail: str = "") -> list[str]:
    """A labelled value; long ones are wrapped."""
    text = data.hex()
    rows = [text[i : i + COLUMNS] for i in range(0, len(text), COLUMNS)] or [""]
    rows[-1] += tail
    return [f"{label:<24}{rows[0]}", *(" " * 24 + row for row in rows[1:])]


def _fence(lines: Iterable[str]) -> list[str]:
    return ["```", *lines, "```"]


if __name__ == "__main__":
    print(session_text())
