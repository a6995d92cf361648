"""The router that the `receive` vectors are about, and who tells it things.

    carol (root) --- bob --- alice --- dave           RADIAL, the keeper is the upper end
                      |
                     erin                             CONTROLLED, keeper erin, another domain (PEER)

Bob is the receiver.  Dave reaches it through Alice only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from typing import Final

from vector_cast import (
    ALICE,
    ATTESTATION,
    BOB,
    CAROL,
    ISSUED_S,
    NETWORK,
    OFFER,
    Actor,
    actor,
    wire_bytes,
)
from vector_file import Json, Vector

from ioe_router.codec import mapping
from ioe_router.codec.registry import REGISTRY, TYPE_OF
from ioe_router.codec.signing import signature_input
from ioe_router.core.paths import first_hash, next_hash
from ioe_router.model.discovery import LinkAttestation, LinkKind
from ioe_router.model.envelope import Envelope, ObjectType, Signature
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import LinkId, ObjectId, PathHash, link_id_of, object_id_of
from ioe_router.model.parameters import NetworkParameters
from ioe_router.model.routing import Direction, PathAdvert, PathEntry

DAVE, ERIN = actor("dave"), actor("erin")
EVERYBODY: Final = (ALICE, BOB, CAROL, DAVE, ERIN)
NOW_S: Final = ISSUED_S + 60  # when the sessions stand
SLOT: Final = ISSUED_S + 900
PARAMETERS: Final = NetworkParameters(
    network_id=NETWORK,
    currency="EUR",
    slot_s=900,
    reference_price_micro_per_kwh=200_000,
    floor_micro_per_kwh=(300_000, 200_000),
    link_state_steps=16,
    voltage_min_micro_pu=900_000,
    voltage_max_micro_pu=1_100_000,
    voltage_guard_micro_pu=5_000,
)


@dataclass(frozen=True, slots=True)
class Cable:
    """A link with its attestation, signed by both ends."""

    keeper: Actor
    other: Actor
    body: LinkAttestation

    @property
    def envelope(self) -> Envelope:
        """The attestation."""
        return attested(self.body, self.keeper, self.other)

    @property
    def attestation(self) -> ObjectId:
        """Its object id."""
        return object_id_of(mapping.encode(self.body))

    @property
    def link(self) -> LinkId:
        """The link's id."""
        return link_id_of(self.keeper.node, self.other.node, 0)


def attested(body: LinkAttestation, keeper: Actor, other: Actor) -> Envelope:
    """An attestation with the identity signatures of two nodes, whoever it names and whatever it says."""
    signed = mapping.encode(body)
    data = signature_input(body.network_id, "ioe.v1.LinkAttestation", signed)
    signatures = tuple(
        Signature(key=one.identity.public_key, signature=one.identity.sign(data)) for one in (keeper, other)
    )
    return Envelope(type=ObjectType.LINK_ATTESTATION, signed=signed, signatures=signatures)


def cable(keeper: Actor, other: Actor, kind: LinkKind = LinkKind.RADIAL, *, access: bool = False) -> Cable:
    """A link between two nodes."""
    body = replace(ATTESTATION, keeper=keeper.node, other=other.node, kind=kind, access=access)
    return Cable(keeper, other, body)


AB: Final = cable(BOB, ALICE)
BC: Final = cable(CAROL, BOB)
BE: Final = cable(ERIN, BOB, LinkKind.CONTROLLED)
AD: Final = cable(ALICE, DAVE)
AD_ACCESS: Final = cable(ALICE, DAVE, access=True)


# ------------------------------------------------------------------ objects


def sealed(by: Actor, body: object) -> Envelope:
    """An object as a node sends it: signed with its operational key unless the frame vouches for its type."""
    return forged(by, body) if REGISTRY[TYPE_OF[type(body)]].signatures_max else bare(body)


def forged(by: Actor, body: object) -> Envelope:
    """A body with one signature by a node, whatever it says and whether or not it may."""
    kind = TYPE_OF[type(body)]
    signed = mapping.encode(body)
    data = signature_input(NETWORK, REGISTRY[kind].message, signed)
    signature = Signature(key=by.operational.public_key, signature=by.operational.sign(data))
    return Envelope(type=kind, signed=signed, signatures=(signature,))


def bare(body: object) -> Envelope:
    """An object that the frame vouches for."""
    return Envelope(type=TYPE_OF[type(body)], signed=mapping.encode(body), signatures=())


ENTRY: Final = PathEntry(
    origin=DAVE.node,
    direction=Direction.SUPPLY,
    node=DAVE.node,
    next_node=ALICE.node,
    position=0,
    previous=PathHash(bytes(32)),
    attestation=AD.attestation,
    fee_micro_per_kwh=0,
    not_after_utc_s=ISSUED_S + 86_400,
)
Hop = tuple[Actor, Actor, ObjectId]  # who signs, for whom, over which attestation


def entries(
    hops: Sequence[Hop],
    *,
    direction: Direction = Direction.SUPPLY,
    changes: dict[int, dict[str, object]] | None = None,
    signers: dict[int, Actor] | None = None,
) -> list[Envelope]:
    """The entries of a path; `changes` and `signers` put something else into the one at a position."""
    made, previous = [], first_hash(NETWORK, hops[0][0].node, direction)
    for position, (node, onward, attestation) in enumerate(hops):
        body = replace(
            ENTRY,
            origin=hops[0][0].node,
            direction=direction,
            node=node.node,
            next_node=onward.node,
            position=position,
            previous=previous,
            attestation=attestation,
        )
        body = replace(body, **(changes or {}).get(position, {}))  # type: ignore[arg-type]
        made.append(forged((signers or {}).get(position, node), body))
        previous = next_hash(previous, made[-1].signed)
    return made


def advert(chain: Sequence[Envelope]) -> Envelope:
    """The PATH_ADVERT of these entries."""
    return bare(PathAdvert(entries=tuple(chain)))


FROM_ALICE: Final[tuple[Hop, ...]] = ((ALICE, BOB, AB.attestation),)
FROM_DAVE: Final[tuple[Hop, ...]] = ((DAVE, ALICE, AD.attestation), (ALICE, BOB, AB.attestation))
ALICE_OFFER: Final = OFFER  # made by Alice, in vector_cast
DAVE_OFFER: Final = replace(OFFER, origin=DAVE.node)


def label_of(chain: Sequence[Envelope], direction: Direction = Direction.SUPPLY) -> PathHash:
    """The path hash after these entries."""
    first = mapping.decode(PathEntry, chain[0].signed)
    found = first_hash(NETWORK, first.origin, direction)
    for one in chain:
        found = next_hash(found, one.signed)
    return found


# ------------------------------------------------------------------ vectors


def step(by: Actor, *envelopes: Envelope, after_s: int = 0) -> Json:
    """One frame of a neighbour, so many seconds after the sessions stood."""
    return {
        "at_utc_ms": (NOW_S + after_s) * 1000,
        "from": by.name,
        "envelopes": [wire_bytes(one).hex() for one in envelopes],
    }


def keys(*names: Actor) -> Json:
    """Operational seeds and certificates."""
    return {
        one.name: {
            "operational_seed": sha256(f"operational {one.name}".encode()).hexdigest(),
            "certificate": wire_bytes(one.certificate.envelope).hex(),
        }
        for one in names
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What a `receive` vector has beside the objects."""

    neighbors: tuple[tuple[Actor, Cable, str], ...] = (
        (ALICE, AB, "SIBLING"),
        (CAROL, BC, "SIBLING"),
        (ERIN, BE, "PEER"),
    )
    balance_party: Actor | None = CAROL
    domain: Json | None = None
    own_offers: tuple[Json, ...] = ()
    parameters: NetworkParameters = PARAMETERS

    def vector(
        self,
        id_: str,
        notes: str,
        object_: Json,
        *,
        before: Sequence[Json] = (),
        code: ErrorCode | None = None,
        look_for: Sequence[str] = (),
        listen_ms: int = 0,
        sent: Sequence[tuple[str, str]] = (),
        reqs: Sequence[str] = (),
    ) -> Vector:
        """One vector; `sent` is what has to leave the receiver of the types looked for."""
        return Vector(
            id=id_,
            notes=notes,
            inputs={
                "parameters": asdict(self.parameters),
                "receiver": BOB.name,
                "keys": keys(BOB, *(one for one, _, _ in self.neighbors)),
                "neighbors": [
                    {
                        "name": one.name,
                        "attestation": wire_bytes(link.envelope).hex(),
                        "role": role,
                        "fee_micro_per_kwh": 5_000,
                    }
                    for one, link, role in self.neighbors
                ],
                "balance_party": self.balance_party.name if self.balance_party else "",
                "domain": self.domain,
                "own_offers": list(self.own_offers),
                "start_utc_ms": NOW_S * 1000,
                "before": list(before),
                "object": object_,
                "look_for": list(look_for),
                "listen_ms": listen_ms,
            },
            intermediates={"sent": sorted([list(one) for one in sent])} if code is None else {},
            code=code,
            reqs=tuple(reqs),
        )


STAGE: Final = Stage()
