"""Losses, prices and cuts (SPEC sections 8 and 10.11)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, Final

from ioe_router.core.calendar import LiveEntry
from ioe_router.core.cuts import cut_far, cut_near
from ioe_router.core.loss import Increment, LinkModel, amount_micro, price_after_link, price_before_link
from ioe_router.model.discovery import LossModel
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.routing import Direction, Flow

Json = dict[str, Any]


def model_of(inputs: Json) -> LinkModel:
    """The link of a vector; LinkModel reads nothing but the loss model of an attestation."""
    attested: Any = SimpleNamespace(loss=LossModel(**inputs["loss"]))
    return LinkModel.of(attested, inputs["slot_s"])


def _entry(inputs: Json) -> Json:
    model, net_j, flow = model_of(inputs), inputs["net_j"], Flow(inputs["flow"])
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


def _search(inputs: Json) -> Json:
    model, net_j, flow = model_of(inputs), inputs["net_j"], Flow(inputs["flow"])
    found: Increment | None
    if inputs["by"] == "received":
        found = model.for_received(net_j, inputs["energy_j"], flow, 2 * inputs["energy_j"] + 2)
    else:
        found = model.for_sent(net_j, inputs["energy_j"], flow)
    if found is None:
        raise PeerError(ErrorCode.ZERO_ENERGY, "no packet fits")
    return {"flow_j": found.flow_j, "sent_j": found.sent_j, "received_j": found.received_j}


def _amount(inputs: Json) -> Json:
    return {"amount_micro": amount_micro(inputs["price_micro_per_kwh"], inputs["energy_j"])}


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


RUNNERS: Final[Mapping[str, Callable[[Json], Json]]] = {
    "loss-arith.entry": _entry,
    "loss-arith.search": _search,
    "loss-arith.amount": _amount,
    "cut-arith": _cut,
}
