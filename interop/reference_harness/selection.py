"""Rank, export, link state, envelopes, numbers and budgets (SPEC sections 7, 11, 13, 14)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from types import SimpleNamespace
from typing import Any, Final

from ioe_router.codec import bounds, mapping
from ioe_router.codec.frames import decode_frame
from ioe_router.config import NeighborConfig, Rate, Transit
from ioe_router.core.budgets import Budget
from ioe_router.core.export import best_paths, extendable, may_offer, may_transit
from ioe_router.core.link_state import LinkLoad, quantised
from ioe_router.core.paths import link_rank
from ioe_router.core.sharing import operating_lines
from ioe_router.model.discovery import Close, LinkAttestation, LinkKind, LossModel, Role
from ioe_router.model.envelope import Envelope, ObjectType
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.grid import ConnectionLimit
from ioe_router.model.ids import NodeId
from ioe_router.model.routing import Flow
from reference_harness.machines import NEIGHBOR, PARAMETERS
from reference_harness.receiver import parameters_of

Json = dict[str, Any]
LINKS_MAX: Final = 32
NS_PER_MS: Final = 1_000_000
NOTHING: Final = Envelope(type=ObjectType.LINK_ATTESTATION, signed=b"", signatures=())


def _rank(inputs: Json) -> Json:
    attestation: Any = SimpleNamespace(
        loss=LossModel(**inputs["loss"]),
        rating_down_va=inputs["rating_down_va"],
        rating_up_va=inputs["rating_up_va"],
    )
    parameters = replace(
        PARAMETERS,
        slot_s=inputs["slot_s"],
        reference_price_micro_per_kwh=inputs["reference_price_micro_per_kwh"],
    )
    return {"rank": link_rank(parameters, attestation, Flow(inputs["flow"]), inputs["fee_micro_per_kwh"])}


def _neighbor(role: str, transit: str | None = None) -> NeighborConfig:
    named = None if transit is None else Transit[transit]
    return NeighborConfig(node=NEIGHBOR, attestation=NOTHING, role=Role[role], transit=named)


def _tell(inputs: Json) -> Json:
    to = _neighbor(inputs["to"], inputs["transit"])
    path: Any = SimpleNamespace(nodes=(NEIGHBOR,) if inputs["on_path"] else (), links=range(inputs["links"]))
    may = extendable(path, NEIGHBOR, LINKS_MAX) and may_transit(
        to, _neighbor(inputs["learned_from"]), only_to_customers=inputs["only_to_customers"]
    )
    return _allowed(may=may)


def _allowed(*, may: bool) -> Json:
    if not may:
        raise PeerError(ErrorCode.POLICY, "not to be told")
    return {}


def _offer(inputs: Json) -> Json:
    offer: Any = SimpleNamespace(only_to_customers=inputs["only_to_customers"])
    return _allowed(may=may_offer(_neighbor(inputs["to"]), offer))


def _choose(inputs: Json) -> Json:
    paths: list[Any] = [
        SimpleNamespace(
            hash=bytes.fromhex(one["hash"]),
            rank=one["rank"],
            neighbor=bytes.fromhex(one["neighbor"]),
            links=range(one["links"]),
            width_va=one["width_va"],
            order=(one["rank"], one["links"], bytes.fromhex(one["hash"])),
        )
        for one in inputs["paths"]
    ]
    ranked = sorted(paths, key=lambda path: path.order)
    return {"chosen": [path.hash.hex() for path in best_paths(ranked, inputs["told_paths_per_origin"])]}


def _state(inputs: Json) -> Json:
    attestation: Any = SimpleNamespace(
        rating_down_va=inputs["rating_down_va"], rating_up_va=inputs["rating_up_va"]
    )
    load = LinkLoad(
        net_flow=Flow(inputs["net_flow"]),
        net_energy_j=inputs["net_energy_j"],
        residual_down_j=inputs["free_down_j"],
        residual_up_j=inputs["free_up_j"],
    )
    told = quantised(load, attestation, inputs["link_state_steps"], inputs["slot_s"])
    return {**asdict(told), "net_flow": int(told.net_flow)}


def _share(inputs: Json) -> Json:
    attestations = [_attestation(one) for one in inputs["links"]]
    limits = {
        NodeId(bytes.fromhex(one["node"])): ConnectionLimit(
            node=NodeId(bytes.fromhex(one["node"])),
            serial=1,
            import_w=one["import_w"],
            export_w=one["export_w"],
            reactive_var=one["reactive_var"],
            issued_utc_s=1,
            expires_utc_s=2,
        )
        for one in inputs["limits"]
    }
    root, parameters = NodeId(bytes.fromhex(inputs["root"])), parameters_of(inputs["parameters"])
    lines = operating_lines(root, inputs["root_micro_pu"], parameters, attestations, limits)
    return {"lines": [{**asdict(line), "link": line.link.hex()} for line in lines]}


def _attestation(one: Json) -> LinkAttestation:
    return LinkAttestation(
        network_id=PARAMETERS.network_id,
        keeper=NodeId(bytes.fromhex(one["keeper"])),
        other=NodeId(bytes.fromhex(one["other"])),
        number=0,
        kind=LinkKind(one["kind"]),
        serial=1,
        rating_down_va=one["rating_down_va"],
        rating_up_va=one["rating_up_va"],
        loss=LossModel(**one["loss"]),
        fee_down_micro_per_kwh=0,
        fee_up_micro_per_kwh=0,
        access=False,
        issued_utc_s=1,
        expires_utc_s=2,
    )


def _number(inputs: Json) -> Json:
    """A code as it stands in a Close, a type as it stands in an envelope of a frame."""
    number = _varint(inputs["number"])
    if inputs["registry"] == "code":
        body = mapping.decode(Close, b"\x08" + number)
        bounds.check(body)
        return {"name": ErrorCode(body.code).name}
    envelope = b"\x08" + number + b"\x12\x00"
    frame = b"\x10\x01\x1a" + bytes([len(envelope)]) + envelope
    try:
        decode_frame(frame)
    except PeerError as error:
        if error.code is ErrorCode.UNKNOWN_TYPE:
            raise  # what else is wrong with an empty envelope is not asked here
    return {"name": ObjectType(inputs["number"]).name}


def _varint(number: int) -> bytes:
    groups = [number & 127]
    while number := number >> 7:
        groups.append(number & 127)
    return bytes(group | 128 for group in groups[:-1]) + bytes(groups[-1:])


def _budget(inputs: Json) -> Json:
    budget = Budget(Rate(per_s=inputs["rate_per_s"], burst=inputs["burst"]))
    waits = [
        budget.take(one["units"], one["at_ms"] * NS_PER_MS, inputs["bursts"]) for one in inputs["charges"]
    ]
    return {"waits_ms": [-(-wait // NS_PER_MS) for wait in waits]}


RUNNERS: Final[Mapping[str, Callable[[Json], Json]]] = {
    "route.rank": _rank,
    "route.tell": _tell,
    "route.offer": _offer,
    "route.choose": _choose,
    "route.state": _state,
    "zone.share": _share,
    "errors.number": _number,
    "timers.budget": _budget,
}
