"""State machines, freshness and what a session retains (SPEC sections 4.9, 5.4, 6 and 10.9)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from ioe_router.codec import mapping
from ioe_router.codec.sealing import CodecSealer
from ioe_router.config import NeighborConfig, RouterConfig, Timers
from ioe_router.core import session_fsm
from ioe_router.core.evidence import Evidence
from ioe_router.core.hello import session_id_of
from ioe_router.core.offers import OfferTable
from ioe_router.core.outbox import Outbox
from ioe_router.core.policy import OperatorPolicy
from ioe_router.core.reservation_fsm import ReservationEvent, advance, answers
from ioe_router.core.retention import digests_of, equal_groups, offer_item, path_item
from ioe_router.model.clock import Now
from ioe_router.model.envelope import Envelope, ObjectType
from ioe_router.model.errors import PeerError
from ioe_router.model.ids import NodeId, ObjectId, PathHash, node_id_of
from ioe_router.model.parameters import NetworkParameters
from ioe_router.model.reservation import ReservationState
from ioe_router.model.routing import Offer
from reference_harness.objects import READER, reader
from reference_harness.receiver import receive
from reference_harness.reserve import play

Json = dict[str, Any]

NEIGHBOR: Final = node_id_of(b"any")
PARAMETERS: Final = NetworkParameters(
    network_id="vectors.example",
    currency="EUR",
    slot_s=900,
    reference_price_micro_per_kwh=200_000,
    floor_micro_per_kwh=(200_000, 100_000),
    link_state_steps=16,
    voltage_min_micro_pu=900_000,
    voltage_max_micro_pu=1_100_000,
    voltage_guard_micro_pu=5_000,
)


def config_of(
    parameters: NetworkParameters,
    timers: Timers,
    *,
    node: NodeId | None = None,
    neighbors: tuple[NeighborConfig, ...] = (),
) -> RouterConfig:
    """A node, by default with one neighbour, the one that everything in a vector comes from."""
    empty = Envelope(type=ObjectType.LINK_ATTESTATION, signed=b"", signatures=())
    return RouterConfig(
        node=node or node_id_of(READER.public_key),
        parameters=parameters,
        neighbors=neighbors or (NeighborConfig(node=NEIGHBOR, attestation=empty),),
        balance_party=None,
        connection_import_w=10_000,
        connection_export_w=10_000,
        reactive_max_var=0,
        slack_voltage_micro_pu=1_000_000,
        timers=timers,
    )


def _freshness(inputs: Json) -> Json:
    """Play the steps to a table of offers that knows the origin's key."""
    table, sealer = _offer_table(inputs)
    answers_ = []
    for step in inputs["steps"]:
        now, out = Now(0, step["now_utc_s"] * 1000), Outbox()
        table.expire(now, out)
        envelope = mapping.decode(Envelope, bytes.fromhex(step["envelope"]))
        try:
            sealed = sealer.open_any(envelope, frame_sender=NEIGHBOR, now=now)
            if isinstance(sealed.body, Offer):
                effect: object = table.accept(NEIGHBOR, sealed, now)
            else:
                effect = table.withdraw(sealed, now, out)
            answers_.append("no effect" if effect is None else "taken")
        except PeerError as error:
            answers_.append(error.code.name)
    return {"answers": answers_}


def _offer_table(inputs: Json) -> tuple[OfferTable, CodecSealer]:
    now = Now(0, inputs["steps"][0]["now_utc_s"] * 1000)
    sealer = reader(inputs["network_id"], [inputs["certificate"]], now)
    origin = mapping.decode(Envelope, bytes.fromhex(inputs["certificate"]))
    certificate = sealer.open_any(origin, frame_sender=None, now=now)
    network = {name: inputs[name] for name in ("network_id", "slot_s")}
    timers = Timers(offer_lifetime_max_s=inputs["offer_lifetime_max_s"])
    config = config_of(replace(PARAMETERS, **network), timers)
    evidence = Evidence(config, certificate)
    evidence.learn_key(certificate, now)
    return OfferTable(config, evidence, OperatorPolicy(config.policy)), sealer


def _reservation(inputs: Json) -> Json:
    """The table itself; `tests/simulation/test_reservation_cells.py` asks a router."""
    state, event = ReservationState[inputs["state"]], ReservationEvent[inputs["event"]]
    sent = [{"object": one.kind, "toward": one.toward.value} for one in answers(state, event)]
    return {"next_state": advance(state, event).name, "sent": sent}


def _session(inputs: Json) -> Json:
    state = session_fsm.SessionState[inputs["state"]]
    return {"next_state": session_fsm.advance(state, session_fsm.SessionEvent[inputs["event"]]).name}


def _session_id(inputs: Json) -> Json:
    hellos = (ObjectId(bytes.fromhex(inputs[name])) for name in ("dialer_hello", "listener_hello"))
    return {"session": session_id_of(*hellos).hex()}


def _digests(inputs: Json) -> Json:
    paths = [(bytes.fromhex(one["origin"]), bytes.fromhex(one["path"])) for one in inputs["paths"]]
    offers = [(bytes.fromhex(one["origin"]), bytes.fromhex(one["offer"])) for one in inputs["offers"]]
    items = [path_item(NodeId(origin), PathHash(path)) for origin, path in reversed(paths)]
    items += [offer_item(NodeId(origin), ObjectId(offer)) for origin, offer in offers]
    return {"digests": digests_of(items).hex()}


def _kept(inputs: Json) -> Json:
    return {"kept": equal_groups(bytes.fromhex(inputs["mine"]), bytes.fromhex(inputs["theirs"]))}


RUNNERS: Final[Mapping[str, Callable[[Json], Json]]] = {
    "freshness": _freshness,
    "receive": receive,
    "reserve": play,
    "reservation-fsm": _reservation,
    "session-fsm": _session,
    "session-id": _session_id,
    "retained.digests": _digests,
    "retained.kept": _kept,
}
