"""Paths: whether an advertised chain of entries holds together, and what it is worth (SPEC section 7).

A path leads from an origin over links to this node.  Each hop signs one entry
that names itself, the next node, its position, the hash of everything before
it, the attestation of the link to the next node and its fee there.  So a hop
can neither be left out nor moved, and a path is good only for the node that
the last entry names.

    origin --entry 0--> node --entry 1--> ... --entry n--> this node
    H_-1 = SHA-256("IOE1 path" || u16 len(network) || network || origin || direction)
    H_i  = SHA-256(H_i-1 || signed bytes of entry i)

`rank` is one integer that strictly grows with every hop, so that choice is a
total order and a path never gets better by going in a circle.

Validation costs one signature per entry that was not seen before: a prefix
that has been found good once is remembered by its bytes, and most adverts add
one entry to a known prefix.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from ioe_router.config import RouterConfig
from ioe_router.core.evidence import Evidence, link_of
from ioe_router.core.loss import PPM, LinkModel
from ioe_router.model.clock import Now
from ioe_router.model.discovery import LinkAttestation, Role
from ioe_router.model.envelope import Envelope, Sealed, Sealer
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.ids import LinkId, NodeId, ObjectId, PathHash
from ioe_router.model.parameters import NetworkParameters
from ioe_router.model.routing import Direction, Flow, PathAdvert, PathEntry

PREFIXES_REMEMBERED: Final = 16_384  # a cache: when full it is emptied, nothing depends on it; 3 KB each

Target = tuple[NodeId, Direction]
RankKey = tuple[int, int, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class PathLink:
    """One link of a path: fee of the hop nearer the origin, sense of the path's energy."""

    link: LinkId
    attestation: LinkAttestation
    attestation_id: ObjectId
    fee_micro_per_kwh: int
    flow: Flow


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """A verified path from `origin` to `holder`. Nodes, links and entries are in order from the origin."""

    hash: PathHash
    origin: NodeId
    direction: Direction
    neighbor: NodeId  # the last node before the holder: its first hop towards the origin
    holder: NodeId
    nodes: tuple[NodeId, ...]  # origin first, neighbor last, without the holder
    links: tuple[PathLink, ...]
    rank: int
    width_va: int  # the smallest rating on the way, in the sense of the path's energy
    not_after_utc_s: int
    entries: tuple[Envelope, ...]
    only_to_customers: bool = False  # an entry says so: a provider or peer of somebody on the way has told it
    marked_on_the_way: bool = False  # an entry before the last one does

    @property
    def target(self) -> Target:
        """What the path leads to."""
        return (self.origin, self.direction)

    @property
    def order(self) -> RankKey:
        """Total order of the paths to one target, best first: rank, hops, hash."""
        return (self.rank, len(self.links), self.hash)


def first_hash(network_id: str, origin: NodeId, direction: Direction) -> PathHash:
    """H_-1: the hash that an origin's own entry continues."""
    name = network_id.encode()
    start = b"IOE1 path" + len(name).to_bytes(2) + name + origin + bytes([direction])
    return PathHash(hashlib.sha256(start).digest())


def next_hash(previous: PathHash, signed: bytes) -> PathHash:
    """H_i from H_i-1 and the signed bytes of entry i."""
    return PathHash(hashlib.sha256(previous + signed).digest())


def energy_flow(attestation: LinkAttestation, node: NodeId, direction: Direction) -> Flow:
    """Sense of a path's energy on the link from `node`, the end nearer the origin.

    SUPPLY flows away from the origin, DEMAND towards it.
    """
    away = Flow.DOWN if attestation.keeper == node else Flow.UP
    if direction is Direction.SUPPLY:
        return away
    return Flow.UP if away is Flow.DOWN else Flow.DOWN


def fee_limit(attestation: LinkAttestation, flow: Flow) -> int:
    """The attested maximum fee for energy in one sense, micro-units per kWh."""
    return attestation.fee_down_micro_per_kwh if flow is Flow.DOWN else attestation.fee_up_micro_per_kwh


def rating_va(attestation: LinkAttestation, flow: Flow) -> int:
    """The attested rating for energy in one sense, volt-ampere."""
    return attestation.rating_down_va if flow is Flow.DOWN else attestation.rating_up_va


def link_rank(parameters: NetworkParameters, attestation: LinkAttestation, flow: Flow, fee: int) -> int:
    """What one link adds to a path's rank, micro-units per kWh, at least 1.

    half = floor(rating * T / 2) joules in the sense of the path's energy
    loss = ceil(L_int(half) * 10^6 / half) ppm;  10^6 when half is 0
    fee + ceil(loss * max(reference price, 0) / 10^6) + 1
    """
    half_j = rating_va(attestation, flow) * parameters.slot_s // 2
    model = LinkModel.of(attestation, parameters.slot_s)
    loss_ppm = model.loss_share_ppm(half_j) if half_j else PPM
    reference = max(parameters.reference_price_micro_per_kwh, 0)
    return fee - (-(loss_ppm * reference) // PPM) + 1


class PathChecker:
    """Turns received adverts into verified paths."""

    def __init__(self, config: RouterConfig, sealer: Sealer, evidence: Evidence) -> None:
        """Remembers good prefixes across adverts and sessions."""
        self._me = config.node
        self._parameters = config.parameters
        self._links_max = config.limits.path_links
        self._sealer = sealer
        self._evidence = evidence
        self._prefixes: dict[bytes, Path] = {}
        self._links: dict[tuple[ObjectId, int, Flow], tuple[PathLink, int]] = {}

    def check(self, neighbor: NodeId, advert: PathAdvert, now: Now) -> Path:
        """The path that a neighbour advertises to this node. PeerError names what is wrong with it."""
        entries = advert.entries
        if not 1 <= len(entries) <= self._links_max:
            raise PeerError(
                ErrorCode.PATH_TOO_LONG, f"{len(entries)} entries; 1 to {self._links_max} are allowed"
            )
        marks = _marks(entries)
        known = next((i for i in range(len(marks), 0, -1) if marks[i - 1] in self._prefixes), 0)
        path = self._prefixes[marks[known - 1]] if known else None
        for index in range(known, len(entries)):
            if path is not None and self._me in path.nodes:
                break
            path = self._extend(path, entries[index])
            self._remember(marks[index], path)
        if path is None or self._me in path.nodes:
            raise PeerError(ErrorCode.LOOP, "this node is already on the path")
        return self._for_me(neighbor, path, now)

    def _for_me(self, neighbor: NodeId, path: Path, now: Now) -> Path:
        if path.holder != self._me:
            raise PeerError(ErrorCode.NOT_FOR_ME, "the last entry names another next node")
        if path.neighbor != neighbor:
            raise PeerError(
                ErrorCode.BROKEN_CHAIN, "the last entry was not made by the neighbour that sent it"
            )
        if path.not_after_utc_s <= now.utc_s:
            raise PeerError(ErrorCode.EXPIRED, "an entry's validity has ended")
        self._check_mark(neighbor, path)
        self._evidence.domains.check_new(path.nodes, now)
        return path

    def _check_mark(self, neighbor: NodeId, path: Path) -> None:
        """The mark of the last entry goes with the neighbour's role; a leak is refused. PeerError POLICY."""
        role = self._evidence.neighborhood.of(neighbor).role
        leaked = {Role.CUSTOMER: path.only_to_customers, Role.PEER: path.marked_on_the_way}
        if leaked.get(role, False):
            raise PeerError(
                ErrorCode.POLICY, f"a path for customers only comes from a {role.name.lower()}: it has leaked"
            )
        domains = self._evidence.domains
        if role is not Role.SIBLING and any(domains.member(node) is not None for node in path.nodes):
            raise PeerError(ErrorCode.LOOP, "the path comes back into this node's domain")
        if role in (Role.PROVIDER, Role.PEER) and not path.only_to_customers:
            raise PeerError(
                ErrorCode.POLICY, f"a {role.name.lower()} has told a path without the mark for customers only"
            )

    def _remember(self, mark: bytes, path: Path) -> None:
        if len(self._prefixes) >= PREFIXES_REMEMBERED:
            self._prefixes.clear()
        self._prefixes[mark] = path

    def _extend(self, path: Path | None, envelope: Envelope) -> Path:
        """The path with one more entry, verified."""
        sealed = self._sealer.open(envelope, PathEntry)
        entry = sealed.body
        previous = self._check_chain(path, sealed)
        link, added_rank = self._link_of(sealed)
        width_va = rating_va(link.attestation, link.flow)
        before = path.nodes if path is not None else ()
        return Path(
            hash=next_hash(previous, envelope.signed),
            origin=entry.origin,
            direction=entry.direction,
            neighbor=entry.node,
            holder=entry.next_node,
            nodes=(*before, entry.node),
            links=(*(path.links if path is not None else ()), link),
            rank=(path.rank if path is not None else 0) + added_rank,
            width_va=min(width_va, path.width_va) if path is not None else width_va,
            not_after_utc_s=min(entry.not_after_utc_s, path.not_after_utc_s if path is not None else 1 << 62),
            entries=(*(path.entries if path is not None else ()), envelope),
            only_to_customers=entry.only_to_customers or (path is not None and path.only_to_customers),
            marked_on_the_way=path is not None and path.only_to_customers,
        )

    def _check_chain(self, path: Path | None, sealed: Sealed[PathEntry]) -> PathHash:
        """Who, where and after what: the entry must continue the path. Returns the hash before it."""
        entry = sealed.body
        if sealed.signers != (entry.node,):
            raise PeerError(ErrorCode.WRONG_SIGNER, "a path entry is signed by the hop that it names")
        if path is None:
            previous = first_hash(self._parameters.network_id, entry.origin, entry.direction)
            expected = (entry.origin, entry.direction, entry.origin, 0, previous)
        else:
            previous = path.hash
            expected = (path.origin, path.direction, path.holder, len(path.links), previous)
        found = (entry.origin, entry.direction, entry.node, entry.position, entry.previous)
        if found != expected or entry.direction is Direction.UNSPECIFIED:
            raise PeerError(
                ErrorCode.BROKEN_CHAIN, f"entry {entry.position} does not continue the path before it"
            )
        if entry.next_node == entry.node or (path is not None and entry.next_node in path.nodes):
            raise PeerError(ErrorCode.LOOP, "the path comes to the same node twice")
        return previous

    def _link_of(self, sealed: Sealed[PathEntry]) -> tuple[PathLink, int]:
        """The attested link of an entry and its part of the rank; fee and validity must be within it."""
        entry = sealed.body
        attested = self._evidence.attestation(entry.attestation)
        if attested is None or {attested.body.keeper, attested.body.other} != {entry.node, entry.next_node}:
            raise PeerError(
                ErrorCode.UNKNOWN_LINK, f"entry {entry.position} names no known attestation of its link"
            )
        flow = energy_flow(attested.body, entry.node, entry.direction)
        if entry.fee_micro_per_kwh > fee_limit(attested.body, flow):
            raise PeerError(
                ErrorCode.FEE_ABOVE_ATTESTED, f"the fee of entry {entry.position} is above the attested"
            )
        ends_utc_s = min(attested.body.expires_utc_s, self._evidence.signers_expire_utc_s(sealed.envelope))
        if entry.not_after_utc_s > ends_utc_s:
            raise PeerError(ErrorCode.OUT_OF_BOUNDS, f"entry {entry.position} outlives its key or its link")
        return self._priced(attested, entry.fee_micro_per_kwh, flow)

    def _priced(self, attested: Sealed[LinkAttestation], fee: int, flow: Flow) -> tuple[PathLink, int]:
        """A link at a fee with its part of the rank; computed once per attestation, fee and sense."""
        key = (attested.object_id, fee, flow)
        found = self._links.get(key)
        if found is None:
            link = PathLink(
                link=link_of(attested.body),
                attestation=attested.body,
                attestation_id=attested.object_id,
                fee_micro_per_kwh=fee,
                flow=flow,
            )
            found = (link, link_rank(self._parameters, attested.body, flow, fee))
            if len(self._links) >= PREFIXES_REMEMBERED:
                self._links.clear()
            self._links[key] = found
        return found


def _marks(entries: tuple[Envelope, ...]) -> tuple[bytes, ...]:
    """For every prefix of the entries a digest of its bytes, cheap to compare before anything is verified."""
    marks: list[bytes] = []
    mark = b""
    for entry in entries:
        mark = hashlib.sha256(mark + hashlib.sha256(entry.signed).digest()).digest()
        marks.append(mark)
    return tuple(marks)
