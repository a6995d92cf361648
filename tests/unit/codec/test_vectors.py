"""The published vectors hold for this implementation, which is run from their inputs alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ed25519_curve
import gen_vectors
import pytest
from vector_wire import plain

from ioe_router.codec import bounds, mapping
from ioe_router.codec.bound_tables import TABLES
from ioe_router.codec.frames import decode_frame, verify_frame
from ioe_router.codec.keys import KeyRing
from ioe_router.codec.registry import REGISTRY
from ioe_router.codec.sealing import CodecSealer
from ioe_router.codec.signing import SMALL_ORDER_Y, Ed25519Signer, merkle_root, signature_input, verify
from ioe_router.config import Timers
from ioe_router.core import session_fsm
from ioe_router.core.calendar import LiveEntry
from ioe_router.core.cuts import cut_far, cut_near
from ioe_router.core.evidence import Evidence
from ioe_router.core.hello import session_id_of
from ioe_router.core.loss import Increment, LinkModel, amount_micro, price_after_link, price_before_link
from ioe_router.core.offers import OfferTable
from ioe_router.core.outbox import Outbox
from ioe_router.core.paths import first_hash, next_hash
from ioe_router.core.reservation_fsm import ReservationEvent, advance, answers
from ioe_router.core.retention import digests_of, equal_groups, offer_item, path_item
from ioe_router.model.bech32m import node_text, parse_node
from ioe_router.model.clock import Now
from ioe_router.model.discovery import LossModel
from ioe_router.model.envelope import Envelope, Signature
from ioe_router.model.errors import ErrorCode, PeerError, UsageError
from ioe_router.model.ids import NodeId, ObjectId, PathHash, link_id_of, node_id_of
from ioe_router.model.reservation import ReservationState
from ioe_router.model.routing import Direction, Flow, Offer
from tests.unit.codec import domain_vectors, pairing_vectors
from tests.unit.core.routing_rig import Wire, config_of, own_key

FOLDER = Path(gen_vectors.TARGET)
GROUPS = sorted(gen_vectors.GROUPS)
ISSUED_S = 1_795_334_400
Json = dict[str, Any]


def _load(group: str) -> list[Json]:
    vectors: list[Json] = json.loads((FOLDER / f"{group}.json").read_text())["vectors"]
    return vectors


CASES = [pytest.param(group, one, id=one["id"]) for group in GROUPS for one in _load(group)]


@pytest.mark.parametrize(("group", "vector"), CASES)
def test_vector(group: str, vector: Json) -> None:
    """A valid vector yields its intermediate values; an invalid one is refused with its code."""
    run = RUNNERS[group]
    if vector["result"]["verdict"] == "valid":
        found = run(vector["inputs"])
        assert found == {name: vector["intermediates"][name] for name in found}
        return
    with pytest.raises(PeerError) as caught:
        run(vector["inputs"])
    assert caught.value.code.name == vector["result"]["code"]


def test_regeneration_changes_nothing() -> None:
    """The generator writes exactly the files that are in the repository, and no others are there."""
    files = gen_vectors.files()
    assert {path.name for path in FOLDER.glob("*.json")} == set(files)
    for name, content in files.items():
        assert (FOLDER / name).read_bytes() == content


@pytest.mark.parametrize("group", ["ed25519-edge", "malformed"])
def test_negatives_outnumber_positives(group: str) -> None:
    """There are at least three refused vectors for every two accepted ones."""
    verdicts = [one["result"]["verdict"] for one in _load(group)]
    assert verdicts.count("invalid") >= 1.5 * verdicts.count("valid") > 0


def test_small_order_constants_are_those_of_the_curve() -> None:
    """The refused y coordinates are exactly those of the eight points of small order."""
    point = ed25519_curve.torsion()
    assert {point.times(multiple).y for multiple in range(8)} == SMALL_ORDER_Y


def _identity(inputs: Json) -> Json:
    if "identity_key" in inputs:
        node = node_id_of(bytes.fromhex(inputs["identity_key"]))
        assert parse_node(node_text(node)) == node
        return {"node": node.hex(), "text": node_text(node)}
    if "ends" in inputs:
        one, other = (NodeId(bytes.fromhex(end)) for end in inputs["ends"])
        return {"link": link_id_of(one, other, inputs["number"]).hex()}
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
    return {"cofactorless": ed25519_curve.holds(key, data, signature, cofactored=False)}


def _envelope(inputs: Json) -> Json:
    now = Now(0, inputs["now_utc_s"] * 1000)
    ring = KeyRing(network_id=inputs["network_id"], limit=16)
    signer = Ed25519Signer.from_seed(bytes(32))
    sealer = CodecSealer(ring=ring, signer=signer, node=node_id_of(signer.public_key), now=now)
    for raw in inputs["certificates"]:
        learnt_at = Now(0, (ISSUED_S + 60) * 1000)
        certificate = mapping.decode(Envelope, bytes.fromhex(raw))
        ring.learn(sealer.open_any(certificate, frame_sender=None, now=learnt_at), learnt_at)
    envelope = mapping.decode(Envelope, bytes.fromhex(inputs["envelope"]))
    sealed = sealer.open_any(envelope, frame_sender=node_id_of(b"any"), now=now)
    return {"object_id": sealed.object_id.hex(), "signers": [one.hex() for one in sealed.signers]}


def _freshness(inputs: Json) -> Json:
    """Play the steps to a table of offers that knows the origin's key."""
    origin = mapping.decode(Envelope, bytes.fromhex(inputs["certificate"]))
    table, sealer = _offer_table(inputs, origin)
    answers = []
    for step in inputs["steps"]:
        now, out = Now(0, step["now_utc_s"] * 1000), Outbox()
        table.expire(now, out)
        envelope = mapping.decode(Envelope, bytes.fromhex(step["envelope"]))
        try:
            sealed = sealer.open_any(envelope, frame_sender=node_id_of(b"any"), now=now)
            if isinstance(sealed.body, Offer):
                effect: object = table.accept(node_id_of(b"any"), sealed, now)
            else:
                effect = table.withdraw(sealed, now, out)
            answers.append("no effect" if effect is None else "taken")
        except PeerError as error:
            answers.append(error.code.name)
    return {"answers": answers}


def _offer_table(inputs: Json, origin: Envelope) -> tuple[OfferTable, CodecSealer]:
    now = Now(0, (ISSUED_S + 60) * 1000)
    signer = Ed25519Signer.from_seed(bytes(32))
    ring = KeyRing(network_id=inputs["network_id"], limit=16)
    sealer = CodecSealer(ring=ring, signer=signer, node=node_id_of(signer.public_key), now=now)
    certificate = sealer.open_any(origin, frame_sender=None, now=now)
    ring.learn(certificate, now)
    timers = Timers(offer_lifetime_max_s=inputs["offer_lifetime_max_s"])
    config = config_of("me", (Wire("me", "o"),), timers=timers)
    network = {name: inputs[name] for name in ("network_id", "slot_s")}
    config = replace(config, parameters=replace(config.parameters, **network))
    evidence = Evidence(config, own_key("me"))
    evidence.learn_key(certificate, now)
    return OfferTable(config, evidence), sealer


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


BODIES = {row.message: row.body for row in REGISTRY.values()}


def _malformed(inputs: Json) -> Json:
    body = BODIES[inputs["message"]]
    assert body in TABLES
    value: object = mapping.decode(body, bytes.fromhex(inputs["signed"]))
    bounds.check(value)
    return {"fields": plain(value)}


def _loss(inputs: Json) -> Json:
    if "loss" not in inputs:
        return {"amount_micro": amount_micro(inputs["price_micro_per_kwh"], inputs["energy_j"])}
    model = LinkModel.of(_Attested(LossModel(**inputs["loss"])), inputs["slot_s"])  # type: ignore[arg-type]
    net_j, flow = inputs["net_j"], Flow(inputs["flow"])
    if "by" in inputs:
        return _search(model, inputs, net_j, flow)
    entry = model.entry(net_j, inputs["flow_j"], flow)
    price, fee = inputs["price_micro_per_kwh"], inputs["fee_micro_per_kwh"]
    return {
        "loss_before_j": model.loss_j(net_j),
        "increment_j": model.increment_j(net_j, inputs["flow_j"], flow),
        "sent_j": entry.sent_j,
        "received_j": entry.received_j,
        "price_after_micro_per_kwh": price_after_link(price, entry, fee),
        "price_before_micro_per_kwh": price_before_link(price, entry, fee),
    }


class _Attested:
    """All that LinkModel.of reads of an attestation."""

    def __init__(self, loss: LossModel) -> None:
        self.loss = loss


def _search(model: LinkModel, inputs: Json, net_j: int, flow: Flow) -> Json:
    found: Increment | None
    if inputs["by"] == "received":
        found = model.for_received(net_j, inputs["energy_j"], flow, inputs["limit_j"])
    else:
        found = model.for_sent(net_j, inputs["energy_j"], flow)
    if found is None:
        raise PeerError(ErrorCode.ZERO_ENERGY, "no packet fits")
    return {"flow_j": found.flow_j, "sent_j": found.sent_j, "received_j": found.received_j}


def _cut(inputs: Json) -> Json:
    """The packet of a purchase that goes out over a link: the near end receives."""
    committed, live = (
        Increment(flow_j=one["flow_j"], sent_j=one["far_j"], received_j=one["near_j"])
        for one in (inputs["committed"], inputs["live"])
    )
    entry = LiveEntry(number=1, flow=Flow.DOWN, increment=live, uncut=committed)
    leg: Any = SimpleNamespace(
        near_j=lambda inc: inc.received_j, far_j=lambda inc: inc.sent_j, direction=Direction.SUPPLY
    )
    cut = (cut_near if inputs["end"] == "near" else cut_far)(leg, entry, inputs["remains_j"])
    return {"near_j": cut.received_j, "far_j": cut.sent_j, "flow_j": cut.flow_j}


def _fsm(inputs: Json) -> Json:
    """The table itself; `tests/simulation/test_reservation_cells.py` asks a router."""
    state, event = ReservationState[inputs["state"]], ReservationEvent[inputs["event"]]
    sent = [{"object": one.kind, "toward": one.toward.value} for one in answers(state, event)]
    return {"next_state": advance(state, event).name, "sent": sent}


def _session_fsm(inputs: Json) -> Json:
    state = session_fsm.SessionState[inputs["state"]]
    return {"next_state": session_fsm.advance(state, session_fsm.SessionEvent[inputs["event"]]).name}


def _session_id(inputs: Json) -> Json:
    hellos = (ObjectId(bytes.fromhex(inputs[name])) for name in ("dialer_hello", "listener_hello"))
    return {"session": session_id_of(*hellos).hex()}


def _retained(inputs: Json) -> Json:
    if "mine" in inputs:
        return {"kept": equal_groups(bytes.fromhex(inputs["mine"]), bytes.fromhex(inputs["theirs"]))}
    paths = [(bytes.fromhex(one["origin"]), bytes.fromhex(one["path"])) for one in inputs["paths"]]
    offers = [(bytes.fromhex(one["origin"]), bytes.fromhex(one["offer"])) for one in inputs["offers"]]
    items = [path_item(NodeId(origin), PathHash(path)) for origin, path in reversed(paths)]
    items += [offer_item(NodeId(origin), ObjectId(offer)) for origin, offer in offers]
    return {"digests": digests_of(items).hex()}


RUNNERS: dict[str, Callable[[Json], Json]] = {
    "identity": _identity,
    "signature-input": _signature_input,
    "ed25519-edge": _ed25519,
    "envelope": _envelope,
    "freshness": _freshness,
    "domain": domain_vectors.run,
    "path-hash": _path_hash,
    "frame": _frame,
    "malformed": _malformed,
    "loss-arith": _loss,
    "reservation-fsm": _fsm,
    "cut-arith": _cut,
    "session-fsm": _session_fsm,
    "session-id": _session_id,
    "retained": _retained,
    "pairing-code": pairing_vectors.code,
    "pairing-cpace": pairing_vectors.exchange,
    "pairing-talk": pairing_vectors.conversation,
}
