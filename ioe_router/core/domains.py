"""Which nodes belong, and to what: the table of trust domains (SPEC section 4.10).

A node is configured with the trust list of its own domain, with its member
certificate, and with the lists of those other domains that it deals with.  Everything
else comes with the objects that need it, as operational keys do: the certificate of
a node travels with its key.

What is decided here: whether a neighbour's domain fits its role, whether every
node of a path belongs to a domain that is known, until when.  Without a configured
domain nothing of this is asked: all configured neighbours then form one domain
that has no roots (ADR 0017).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from ioe_router.config import NeighborConfig, RouterConfig
from ioe_router.core.domain import Domain
from ioe_router.core.freshness import check_issued
from ioe_router.model.bech32m import domain_text, node_short
from ioe_router.model.clock import Now
from ioe_router.model.discovery import Role
from ioe_router.model.domain import MemberCertificate, MeterCertificate, TrustList
from ioe_router.model.envelope import Envelope, Sealed
from ioe_router.model.errors import ErrorCode, PeerError, UsageError
from ioe_router.model.ids import DomainId, LinkId, NodeId

T = TypeVar("T")


class Open(Protocol):
    """Verifies and decodes a configured object."""

    def __call__(self, envelope: Envelope, body: type[T]) -> Sealed[T]:
        """The object, a `body`. Raises PeerError."""
        ...


@dataclass(frozen=True, slots=True)
class _Standing:
    """A certificate and until when it counts."""

    sealed: Sealed[MemberCertificate]
    until_utc_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ListTaken:
    """A newer trust list is in force; `expelled` were members until now."""

    domain: DomainId
    serial: int
    expelled: tuple[NodeId, ...]


@dataclass(slots=True)
class Domains:
    """The domains that this node knows, their members and their meters."""

    config: RouterConfig
    own: DomainId | None = None
    _domains: dict[DomainId, Domain] = field(default_factory=dict)
    _members: dict[NodeId, dict[DomainId, _Standing]] = field(default_factory=dict)
    _meters: dict[tuple[NodeId, LinkId], Sealed[MeterCertificate]] = field(default_factory=dict)
    _own_meters: tuple[Sealed[MeterCertificate], ...] = ()
    _next_end_utc_s: int | None = None
    _overdue: set[tuple[DomainId, int]] = field(
        default_factory=set
    )  # lists that have ended, told to the host

    # ------------------------------------------------------------- configuration
    def load(self, open_: Open) -> None:
        """Take up what is configured. UsageError names what does not fit, and the remedy."""
        stated = self.config.domain
        if stated is None:
            return
        try:
            own = Domain([open_(one, TrustList) for one in stated.lists])
            for other in (own, *(Domain([open_(one, TrustList)]) for one in stated.others)):
                if other.id in self._domains:
                    raise UsageError(
                        f"{_name(other.id)} is configured twice; name its newest trust list once"
                    )
                self._domains[other.id] = other
            member = open_(stated.member, MemberCertificate)
            self._own_meters = tuple(open_(one, MeterCertificate) for one in stated.meters)
        except PeerError as error:
            raise UsageError(f"the configured domain is unusable: {error.detail}") from error
        self.own = own.id
        self._check_own(own, member.body)
        self._enter(member)

    def _check_own(self, own: Domain, body: MemberCertificate) -> None:
        config = self.config
        if body.node != config.node:
            raise UsageError("the member certificate is of another node; name this node's own")
        if body.domain != own.id:
            raise UsageError(
                f"the member certificate is of {_name(body.domain)}, the trust list of {_name(own.id)};"
                " name both from one domain"
            )
        if own.until_utc_s(body) == 0:
            raise UsageError(
                "the member certificate is not signed by a quorum of the domain's roots, or this node was"
                " removed; have it admitted anew with 'ioe domain admit'"
            )
        if body.balance_party != (config.balance_party or config.node):
            raise UsageError(
                f"the domain names {node_short(body.balance_party)} as this node's balance-responsible party;"
                " configure that one, or be admitted with another"
            )
        self.check_roles(config.neighbors, body)

    def check_roles(self, neighbors: tuple[NeighborConfig, ...], own: MemberCertificate | None) -> None:
        """UsageError when a node without the duty of a border is to have neighbours of other domains."""
        if own is not None and not own.border and any(n.role is not Role.SIBLING for n in neighbors):
            raise UsageError(
                "neighbours of other domains are configured, but the member certificate does not allow them;"
                " be admitted with 'ioe domain admit --duty border'"
            )

    # ------------------------------------------------------------- what comes in
    def restore(self, lists: tuple[Sealed[TrustList], ...]) -> None:
        """Take up the lists that an earlier life has taken, unless newer ones are configured. PeerError."""
        restored = Domain(lists)
        known = self._domains.get(restored.id)
        if known is not None and restored.newest.serial > known.newest.serial:
            self._domains[restored.id] = restored
            self._judge_again(restored, None)

    def hear_list(self, sealed: Sealed[TrustList], now: Now) -> ListTaken | None:
        """The next list of a domain; None when it changes nothing. PeerError: not acceptable."""
        domain = self._domains.get(sealed.body.domain)
        if domain is None or not domain.take(sealed, now):
            return None
        expelled = self._judge_again(domain, now)
        return ListTaken(domain=domain.id, serial=sealed.body.serial, expelled=expelled)

    def hear_member(self, sealed: Sealed[MemberCertificate], now: Now) -> bool:
        """A member certificate; False when it changes nothing. PeerError: not acceptable."""
        body = sealed.body
        domain = self._domains.get(body.domain)
        known = self._members.get(body.node, {}).get(body.domain)
        if domain is None or (known is not None and not _is_newer(known.sealed, sealed)):
            return False
        _check_times(body.issued_utc_s, body.expires_utc_s, now)
        if domain.until_utc_s(body) <= now.utc_s:
            raise PeerError(
                ErrorCode.NOT_A_MEMBER,
                f"{_name(body.domain)} does not vouch for node {node_short(body.node)} (any more);"
                " have it admitted anew with 'ioe domain admit'",
            )
        if body.node not in self._members and len(self._members) >= self.config.limits.keys:
            raise PeerError(ErrorCode.LIMIT_REACHED, "the table of member certificates is full")
        self._enter(sealed)
        return True

    def hear_meter(self, sealed: Sealed[MeterCertificate], now: Now) -> None:
        """The certificate of a neighbour's meter. PeerError: not acceptable."""
        body = sealed.body
        domain = self._domains.get(body.domain)
        known = self._meters.get((body.node, body.link))
        if domain is None or (known is not None and not _is_newer(known, sealed)):
            return
        _check_times(body.issued_utc_s, body.expires_utc_s, now)
        if domain.until_utc_s(body) <= now.utc_s:
            raise PeerError(
                ErrorCode.NOT_A_MEMBER, "a meter certificate without a quorum of its domain's roots"
            )
        if known is None and len(self._meters) >= self.config.limits.keys:
            raise PeerError(ErrorCode.LIMIT_REACHED, "the table of meter certificates is full")
        self._meters[body.node, body.link] = sealed

    def _enter(self, sealed: Sealed[MemberCertificate]) -> None:
        body = sealed.body
        until_utc_s = self._domains[body.domain].until_utc_s(body)
        self._members.setdefault(body.node, {})[body.domain] = _Standing(sealed, until_utc_s)
        self._note_next_end()

    def _judge_again(self, domain: Domain, now: Now | None) -> tuple[NodeId, ...]:
        """Judge the certificates of a domain by its new list; returns who belongs nowhere any more."""
        lost: list[NodeId] = []
        for node, standings in list(self._members.items()):
            standing = standings.get(domain.id)
            if standing is None:
                continue
            until_utc_s = domain.until_utc_s(standing.sealed.body)
            standings[domain.id] = _Standing(standing.sealed, until_utc_s)
            if now is not None and until_utc_s <= now.utc_s:
                lost.extend(self._drop(node, domain.id))
        self._meters = {
            key: one
            for key, one in self._meters.items()
            if one.body.domain != domain.id or domain.until_utc_s(one.body)
        }
        self._note_next_end()
        return tuple(lost)

    def _drop(self, node: NodeId, domain: DomainId) -> tuple[NodeId, ...]:
        standings = self._members[node]
        del standings[domain]
        if standings:
            return ()
        del self._members[node]
        return (node,)

    # ------------------------------------------------------------- time
    def due(self, now: Now) -> tuple[NodeId, ...]:
        """Nodes whose last membership has ended since the last call."""
        if self._next_end_utc_s is None or self._next_end_utc_s > now.utc_s:
            return ()
        ended = [
            (node, domain)
            for node, standings in self._members.items()
            for domain, standing in standings.items()
            if standing.until_utc_s <= now.utc_s
        ]
        lost = tuple(node for pair in ended for node in self._drop(*pair))
        self._note_next_end()
        return lost

    def overdue(self, now: Now) -> tuple[TrustList, ...]:
        """Lists that have ended without a next one, each told once."""
        found = [one.newest for one in self._domains.values() if one.is_due(now)]
        fresh = tuple(one for one in found if (one.domain, one.serial) not in self._overdue)
        self._overdue.update((one.domain, one.serial) for one in fresh)
        return fresh

    def next_end_utc_s(self) -> int | None:
        """When the next membership or list ends."""
        lists = [one.newest for one in self._domains.values()]
        ends = [one.expires_utc_s for one in lists if (one.domain, one.serial) not in self._overdue]
        return min((*ends, *(() if self._next_end_utc_s is None else (self._next_end_utc_s,))), default=None)

    def _note_next_end(self) -> None:
        ends = (one.until_utc_s for standings in self._members.values() for one in standings.values())
        self._next_end_utc_s = min(ends, default=None)

    # ------------------------------------------------------------- judging
    def check_neighbor(self, neighbor: NeighborConfig, claimed: bytes, now: Now) -> None:
        """Whether the domain that a HELLO claims fits the neighbour's role. PeerError: it does not."""
        if self.own is None:
            if claimed:
                raise _mismatch(
                    f"the neighbour belongs to {_name(claimed)}, this node to none; configure [domain]"
                )
            return
        if not claimed:
            raise _mismatch(
                "the neighbour belongs to no domain; run 'ioe domain admit', configure [domain] there"
            )
        sibling = neighbor.role is Role.SIBLING
        if sibling is not (claimed == self.own):
            role = neighbor.role.name.lower()
            raise _mismatch(
                f"{_name(claimed)} does not go with the role {role}; siblings are of one domain,"
                " others are not: correct it at both ends"
            )
        if claimed not in self._domains:
            raise _mismatch(f"{_name(claimed)} is not known here; name its trust list in domain.others")
        self._check_duty(neighbor.node, DomainId(claimed), sibling, now)

    def _check_duty(self, node: NodeId, domain: DomainId, sibling: bool, now: Now) -> None:
        standing = self._members.get(node, {}).get(domain)
        if standing is None or standing.until_utc_s <= now.utc_s:
            raise PeerError(
                ErrorCode.NOT_A_MEMBER,
                f"the neighbour shows no valid certificate of {_name(domain)};"
                " admit it with 'ioe domain admit'",
            )
        if not sibling and not standing.sealed.body.border:
            raise PeerError(
                ErrorCode.NOT_A_MEMBER,
                f"{_name(domain)} does not let the neighbour deal with other domains;"
                " admit it with 'ioe domain admit --duty border'",
            )

    def check_new(self, nodes: Iterable[NodeId], now: Now) -> None:
        """Whether something new may be taken up with these nodes. PeerError NOT_A_MEMBER, TRUST_STALE."""
        if self.own is None:
            return
        self.check_own(now)
        now_utc_s = now.utc_s
        for node in nodes:
            valid = None
            for domain, one in self._members.get(node, {}).items():
                if one.until_utc_s > now_utc_s:
                    valid = valid or domain
                    if not self._domains[domain].is_stale(now):
                        break
            else:
                if valid is None:
                    raise PeerError(
                        ErrorCode.NOT_A_MEMBER,
                        f"node {node_short(node)} is no member of a domain that is known here",
                    )
                raise _stale(valid, self._domains[valid])

    def check_own(self, now: Now) -> None:
        """Whether this node's own domain may take up anything new. PeerError TRUST_STALE."""
        if self.own is not None and self._domains[self.own].is_stale(now):
            raise _stale(self.own, self._domains[self.own])

    def check_meter(self, node: NodeId, link: LinkId, now: Now) -> None:
        """Whether a meter record of a node counts. PeerError NOT_A_MEMBER."""
        asked = any(self._domains[domain].newest.certified_meters for domain in self._members.get(node, {}))
        known = self._meters.get((node, link))
        if asked and (known is None or known.body.expires_utc_s <= now.utc_s):
            raise PeerError(
                ErrorCode.NOT_A_MEMBER,
                "the domain of the node wants certified meters and this one has no valid certificate;"
                " certify it with 'ioe domain meter'",
            )

    def check_root(self, root: NodeId) -> None:
        """Whether a node may be the root of a zone. PeerError NOT_A_MEMBER."""
        if self.own is None:
            return
        standing = self._members.get(root, {}).get(self.own)
        if standing is None or not standing.sealed.body.grid_forming:
            raise PeerError(
                ErrorCode.NOT_A_MEMBER,
                f"the domain has not certified node {node_short(root)} to form a grid;"
                " admit it with 'ioe domain admit --duty grid-forming'",
            )

    def has_party(self, node: NodeId, party: NodeId) -> bool:
        """Whether a node may settle with this party: no certificate of it here names others only."""
        known = [one.sealed.body.balance_party for one in self._members.get(node, {}).values()]
        return not known or party in known

    # ------------------------------------------------------------- telling
    def introduction(self) -> tuple[Envelope, ...]:
        """What comes first in a session, ahead of the own key and certificate: the own domain's lists."""
        if self.own is None:
            return ()
        return self.chain(self.own)

    def chain(self, domain: DomainId) -> tuple[Envelope, ...]:
        """The latest lists of a domain, the one in force last."""
        return tuple(one.envelope for one in self._domains[domain].lists())

    def others(self) -> tuple[DomainId, ...]:
        """The known domains but the own one."""
        return tuple(domain for domain in self._domains if domain != self.own)

    def certificates(self, node: NodeId) -> tuple[Sealed[MemberCertificate], ...]:
        """The certificates that show to whom a node belongs."""
        return tuple(one.sealed for one in self._members.get(node, {}).values())

    def own_meters(self, link: LinkId) -> tuple[Envelope, ...]:
        """The certificates of this node's meter on a link."""
        return tuple(one.envelope for one in self._own_meters if one.body.link == link)

    # ------------------------------------------------------------- views
    def newest(self, domain: DomainId) -> TrustList | None:
        """The list of a domain in force."""
        known = self._domains.get(domain)
        return None if known is None else known.newest

    def member(self, node: NodeId) -> MemberCertificate | None:
        """A node's certificate of this node's own domain."""
        standing = None if self.own is None else self._members.get(node, {}).get(self.own)
        return None if standing is None else standing.sealed.body


def _is_newer(known: Sealed[Any], sealed: Sealed[Any]) -> bool:
    """Whether a certificate replaces another. PeerError EQUIVOCATION."""
    if sealed.body.serial == known.body.serial and sealed.object_id != known.object_id:
        raise PeerError(
            ErrorCode.EQUIVOCATION, f"two certificates of one node bear the serial {known.body.serial}"
        )
    return bool(sealed.body.serial > known.body.serial)


def _check_times(issued_utc_s: int, expires_utc_s: int, now: Now) -> None:
    check_issued(issued_utc_s, now)
    if expires_utc_s <= now.utc_s:
        raise PeerError(ErrorCode.EXPIRED, "the certificate has expired; 'ioe domain admit' renews it")


def _name(domain: bytes) -> str:
    return f"domain {domain_text(DomainId(domain))[:11]}"


def _mismatch(text: str) -> PeerError:
    return PeerError(ErrorCode.DOMAIN_MISMATCH, text)


def _stale(domain: DomainId, known: Domain) -> PeerError:
    serial = known.newest.serial
    return PeerError(
        ErrorCode.TRUST_STALE,
        f"trust list {serial} of {_name(domain)} and its grace have ended; nothing new is taken up"
        " until the next one is brought in",
    )
