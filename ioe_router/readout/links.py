"""Links: what both ends have attested, and how loaded they are in a slot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ioe_router.core.evidence import link_of
from ioe_router.core.loss import PPM, LinkModel
from ioe_router.core.parts import Parts
from ioe_router.model.discovery import LinkAttestation, LinkKind
from ioe_router.model.ids import LinkId, NodeId
from ioe_router.model.routing import Flow
from ioe_router.model.slot import Slot
from ioe_router.readout.loads import LoadSource, load_of


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRow:
    """A link in one slot."""

    link: LinkId
    keeper: NodeId
    other: NodeId
    own: bool
    kind: LinkKind
    rating_down_va: int
    rating_up_va: int
    fee_down_max_micro_per_kwh: int
    fee_up_max_micro_per_kwh: int
    access: bool
    expires_utc_s: int
    slot_utc_s: int
    source: LoadSource
    net_flow: Flow
    net_energy_j: int
    net_power_w: int
    residual_down_j: int
    residual_up_j: int
    load_ppm: int
    loss_j: int
    issued_utc_s: int


def link_rows(
    parts: Parts, slots: tuple[Slot, ...], *, neighbor: NodeId | None = None, own: bool = False
) -> Iterator[LinkRow]:
    """One row for each link and slot; `neighbor`: one of its ends; `own`: this node's links only."""
    me = parts.config.node
    for attestation in _attested(parts):
        ends = (attestation.keeper, attestation.other)
        if (own and me not in ends) or (neighbor is not None and neighbor not in ends):
            continue
        for slot in slots:
            yield _row(parts, attestation, slot)


def _attested(parts: Parts) -> Iterator[LinkAttestation]:
    """The links of this node, also those whose neighbour has not come yet, then all others."""
    own = {port.link: port.attestation.body for port in parts.ports.all()}
    yield from own.values()
    for sealed in parts.evidence.links():
        if link_of(sealed.body) not in own:
            yield sealed.body


def _row(parts: Parts, attestation: LinkAttestation, slot: Slot) -> LinkRow:
    load, slot_s = load_of(parts, attestation, slot), parts.config.parameters.slot_s
    flow = Flow.UNSPECIFIED if load.net_j == 0 else Flow.DOWN if load.net_j > 0 else Flow.UP
    net_j = abs(load.net_j)
    rated_va = attestation.rating_up_va if flow is Flow.UP else attestation.rating_down_va
    return LinkRow(
        link=link_of(attestation),
        keeper=attestation.keeper,
        other=attestation.other,
        own=parts.config.node in (attestation.keeper, attestation.other),
        kind=attestation.kind,
        rating_down_va=attestation.rating_down_va,
        rating_up_va=attestation.rating_up_va,
        fee_down_max_micro_per_kwh=attestation.fee_down_micro_per_kwh,
        fee_up_max_micro_per_kwh=attestation.fee_up_micro_per_kwh,
        access=attestation.access,
        expires_utc_s=attestation.expires_utc_s,
        slot_utc_s=slot,
        source=load.source,
        net_flow=flow,
        net_energy_j=net_j,
        net_power_w=net_j // slot_s,
        residual_down_j=load.residual_down_j,
        residual_up_j=load.residual_up_j,
        load_ppm=net_j * PPM // (rated_va * slot_s) if rated_va else 0,
        loss_j=LinkModel.of(attestation, slot_s).loss_j(load.net_j),
        issued_utc_s=load.issued_utc_s,
    )
