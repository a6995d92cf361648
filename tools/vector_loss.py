"""Vectors of the loss and price arithmetic (SPEC section 8): exact integers, rounding included."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace

from vector_cast import ATTESTATION
from vector_file import Vector

from ioe_router.core.loss import LinkModel, amount_micro, price_after_link, price_before_link
from ioe_router.model.errors import ErrorCode
from ioe_router.model.routing import Flow

FEEDER = ATTESTATION.loss
CONVERTER = replace(
    FEEDER, vn_mv=20_000_000, planning_mv=19_600_000, r_micro_ohm=350_000, b_ppm=11_500, c_pico_per_w=40_000
)
LOSSLESS = replace(FEEDER, r_micro_ohm=0)
MODELS = {"feeder": FEEDER, "converter": CONVERTER, "lossless": LOSSLESS}
NETS = (0, 1, -1, 9_000_000, -9_000_000)
SMALL = 999_999


def arithmetic() -> list[Vector]:
    """L_int, packets by mid-link flow, by delivery and by injection, and what they cost."""
    return [*_entries(), *_searches(), *_amounts()]


def _entries() -> Iterator[Vector]:
    for name, loss in MODELS.items():
        for slot_s in (300, 900):
            model = LinkModel.of(replace(ATTESTATION, loss=loss), slot_s)
            for number, net_j in enumerate(NETS):
                for flow in (Flow.DOWN, Flow.UP):
                    entry = model.entry(net_j, SMALL, flow)
                    yield Vector(
                        id=f"loss-entry-{name}-{slot_s}-{number}-{flow.name.lower()}",
                        notes="a packet of flow_j at mid-link beside a net flow; net_j is positive DOWN",
                        inputs={
                            "loss": asdict(loss),
                            "slot_s": slot_s,
                            "net_j": net_j,
                            "flow": int(flow),
                            "flow_j": SMALL,
                            "price_micro_per_kwh": 123_457,
                            "fee_micro_per_kwh": 5_000,
                        },
                        intermediates={
                            "loss_before_j": model.loss_j(net_j),
                            "increment_j": model.increment_j(net_j, SMALL, flow),
                            "sent_j": entry.sent_j,
                            "received_j": entry.received_j,
                            "price_after_micro_per_kwh": price_after_link(123_457, entry, 5_000),
                            "price_before_micro_per_kwh": price_before_link(123_457, entry, 5_000),
                        },
                    )


def _searches() -> Iterator[Vector]:
    for name, loss in MODELS.items():
        model = LinkModel.of(replace(ATTESTATION, loss=loss), 900)
        for number, net_j in enumerate(NETS):
            for kind, wanted_j in (
                ("received", 1_000_003),
                ("sent", 1_000_003),
                ("received", 1),
                ("sent", 1),
            ):
                if kind == "received":
                    found = model.for_received(net_j, wanted_j, Flow.DOWN, 2 * wanted_j + 2)
                else:
                    found = model.for_sent(net_j, wanted_j, Flow.DOWN)
                yield Vector(
                    id=f"loss-{kind}-{name}-{number}-{wanted_j}",
                    notes=f"the packet for {kind}_j: smallest for received, largest for sent",
                    inputs={
                        "loss": asdict(loss),
                        "slot_s": 900,
                        "net_j": net_j,
                        "flow": int(Flow.DOWN),
                        "by": kind,
                        "energy_j": wanted_j,
                    },
                    intermediates=asdict(found) if found is not None else {},
                    code=None if found is not None else ErrorCode.ZERO_ENERGY,
                )


def _amounts() -> Iterator[Vector]:
    for number, (price, energy_j) in enumerate(
        [(210_000, 3_600_000), (1, 3_599_999), (-1, 1), (-210_000, 1_800_001), (10**12, 2**53 - 1)]
    ):
        yield Vector(
            id=f"loss-amount-{number}",
            notes="price * energy / 3600000, rounded towards minus infinity",
            inputs={"price_micro_per_kwh": price, "energy_j": energy_j},
            intermediates={"amount_micro": amount_micro(price, energy_j)},
        )
