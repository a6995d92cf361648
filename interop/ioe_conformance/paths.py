"""Paths and offers as the testers tell them, right by default and wrong where a case says so."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from ioe_conformance.keys import NodeKeys, attested, framed, object_id
from ioe_conformance.kitdir import TesterKeys
from ioe_router.model.envelope import Envelope
from ioe_router.model.ids import NodeId, ObjectId, PathHash
from ioe_router.model.routing import (
    Direction,
    Firmness,
    Offer,
    OfferRun,
    PathAdvert,
    PathEntry,
    SourceClass,
)

ENERGY_J = 360_000  # little, so that the target tells its neighbours of many (SPEC.md 7.9)
PRICE_MICRO = 50_000

Changes = Mapping[int, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A path as a tester tells it."""

    origin: NodeKeys
    direction: Direction
    evidence: tuple[Envelope, ...]  # keys and attestations that have to travel ahead
    entries: tuple[Envelope, ...]
    hashes: tuple[PathHash, ...]  # H(0) .. H(n)

    @property
    def advert(self) -> Envelope:
        """The PATH_ADVERT."""
        return framed(PathAdvert(entries=self.entries))

    @property
    def hash(self) -> PathHash:
        """The path hash."""
        return self.hashes[-1]

    @property
    def all(self) -> tuple[Envelope, ...]:
        """What to send."""
        return (*self.evidence, self.advert)


def first_hash(network: str, origin: NodeId, direction: Direction) -> PathHash:
    """H(-1) of SPEC.md 7.4."""
    name = network.encode("ascii")
    raw = b"IOE1 path" + len(name).to_bytes(2) + name + origin + bytes([direction])
    return PathHash(hashlib.sha256(raw).digest())


def chain(
    hops: Sequence[NodeKeys],
    tester: TesterKeys,
    target: NodeId,
    utc_s: int,
    *,
    direction: Direction = Direction.SUPPLY,
    lifetime_s: int = 550,
    changes: Changes | None = None,
    link_changes: Mapping[str, Any] | None = None,
) -> Told:
    """A path from `hops[0]` over the others to the target; the last hop is the tester.

    `changes` are other values of fields by position of the entry, `link_changes` of the attestations of
    the links between the hops.
    """
    network = tester.keys.network
    links = [attested(one, other, utc_s - 60, **(link_changes or {})) for one, other in pairwise(hops)]
    link_ids: list[ObjectId] = [*map(object_id, links), tester.attestation_id]
    previous = first_hash(network, hops[0].node, direction)
    entries, hashes = [], []
    for position, hop in enumerate(hops):
        last = position == len(hops) - 1
        entry = PathEntry(
            origin=hops[0].node,
            direction=direction,
            node=hop.node,
            next_node=target if last else hops[position + 1].node,
            position=position,
            previous=previous,
            attestation=link_ids[position],
            fee_micro_per_kwh=0,
            not_after_utc_s=utc_s + lifetime_s,
            only_to_customers=last and tester.role.name == "PEER",
        )
        entry = replace(entry, **(changes or {}).get(position, {}))
        envelope = hop.seal(entry)
        entries.append(envelope)
        previous = PathHash(hashlib.sha256(previous + envelope.signed).digest())
        hashes.append(previous)
    known = tester.keys.certificate
    certificates = [hop.certificate for hop in hops if hop.certificate != known]
    return Told(
        origin=hops[0],
        direction=direction,
        evidence=(*certificates, *links),
        entries=tuple(entries),
        hashes=tuple(hashes),
    )


def offer(origin: NodeKeys, utc_s: int, first_slot_utc_s: int, /, **changes: Any) -> Envelope:
    """An offer of an origin: a little energy in each of four slots, unless `changes` say otherwise."""
    body = Offer(
        origin=origin.node,
        offer_no=1,
        epoch=utc_s,
        seq=1,
        direction=Direction.SUPPLY,
        source=SourceClass.SOLAR,
        firmness=Firmness.FIRM,
        first_slot_utc_s=first_slot_utc_s,
        runs=(OfferRun(slots=4, energy_j=ENERGY_J, price_micro_per_kwh=PRICE_MICRO),),
        energy_cap_j=0,
        carbon_mg_per_kwh=41_000,
        is_default=False,
        forward=False,
        only_to_customers=False,
        issued_utc_s=utc_s,
        expires_utc_s=utc_s + 500,
    )
    return origin.seal(replace(body, **changes))
