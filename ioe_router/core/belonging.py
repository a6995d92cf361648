"""What a node does when somebody comes to belong to a domain, or does not any more (SPEC section 4.10).

A new trust list goes on to all neighbours at once, ahead of everything else, and is
made durable, so that no restart forgets a removal.  Who was removed, or has let its
certificate run out, loses its session and every path that leads to it or through it;
what was committed with it ends as after a lost session.
"""

from __future__ import annotations

from ioe_router.core.durable import Fields, damaged, envelope_to, to_record
from ioe_router.core.effects import RecordKind
from ioe_router.core.events import MembershipEnded, TrustListOverdue, TrustListTaken
from ioe_router.core.outbox import Outbox
from ioe_router.core.parts import Parts
from ioe_router.core.session_fsm import SessionState
from ioe_router.model.clock import MS_PER_S, Now
from ioe_router.model.domain import MemberCertificate, TrustList
from ioe_router.model.envelope import Envelope, ObjectType, Sealed
from ioe_router.model.errors import ErrorCode, PeerError, UsageError
from ioe_router.model.ids import DomainId, LinkId, NodeId

_ENDED = "the domain does not vouch for this node any more; have it admitted anew with 'ioe domain admit'"
_OWN_ENDED = "this node is no member of its domain any more"


def hear_list(parts: Parts, sealed: Sealed[TrustList], now: Now, out: Outbox) -> None:
    """A neighbour passes a trust list on. PeerError: not acceptable."""
    domains = parts.evidence.domains
    taken = domains.hear_list(sealed, now)
    if taken is None:
        return
    _make_durable(parts, taken.domain, out)
    for neighbor in parts.config.neighbors:
        if parts.sessions.established(neighbor.node):
            out.send(neighbor.node, sealed.envelope)
    out.emit(TrustListTaken(domain=taken.domain, serial=taken.serial))
    expel(parts, taken.expelled, out)


def hear_member(parts: Parts, sealed: Sealed[MemberCertificate], now: Now, out: Outbox) -> None:
    """A certificate has come: whoever knows the node is told, too. PeerError: not acceptable."""
    if parts.evidence.domains.hear_member(sealed, now):
        parts.prerequisites.certified(sealed.body.node, out)


def bring_in(parts: Parts, envelopes: tuple[Envelope, ...], now: Now, out: Outbox) -> None:
    """The operator hands in lists and certificates while the node runs. PeerError: not acceptable."""
    for envelope in envelopes:
        match envelope.type:
            case ObjectType.TRUST_LIST:
                hear_list(parts, parts.sealer.open(envelope, TrustList), now, out)
            case ObjectType.MEMBER_CERTIFICATE:
                hear_member(parts, parts.sealer.open(envelope, MemberCertificate), now, out)
            case other:
                raise UsageError(f"{other.name} is nothing to be brought in; give lists and certificates")


def tell_domains(parts: Parts, neighbor: NodeId, link: LinkId, out: Outbox) -> None:
    """A session stands: tell the neighbour what it may have missed of other domains, and our meter there."""
    domains = parts.evidence.domains
    for domain in domains.others():
        for envelope in domains.chain(domain):
            out.send(neighbor, envelope)
    for envelope in domains.own_meters(link):
        out.send(neighbor, envelope)


def due(parts: Parts, now: Now, out: Outbox) -> None:
    """Let go of those whose certificates have run out; tell the host of lists that have."""
    domains = parts.evidence.domains
    expel(parts, domains.due(now), out)
    for ended in domains.overdue(now):
        stale_utc_s = ended.expires_utc_s + ended.grace_s
        out.emit(TrustListOverdue(domain=ended.domain, serial=ended.serial, stale_utc_s=stale_utc_s))


def deadline_ns(parts: Parts, now: Now) -> int | None:
    """When the next certificate runs out, monotonic."""
    ends_utc_s = parts.evidence.domains.next_end_utc_s()
    return None if ends_utc_s is None else now.after_ms(max(0, ends_utc_s * MS_PER_S - now.utc_ms))


def expel(parts: Parts, nodes: tuple[NodeId, ...], out: Outbox) -> None:
    """End the sessions with nodes that belong no more, and all paths with them."""
    if not nodes:
        return
    gone = frozenset(nodes)
    if parts.config.node in gone:
        parts.sessions.close_all(ErrorCode.NOT_A_MEMBER, _OWN_ENDED, out)
    for neighbor in parts.config.neighbors:
        if neighbor.node in gone and parts.sessions.state(neighbor.node) is not SessionState.IDLE:
            parts.sessions.close(neighbor.node, ErrorCode.NOT_A_MEMBER, _ENDED, out)
    parts.routing.expel(gone, out)
    for node in nodes:
        out.emit(MembershipEnded(node=node))


# ------------------------------------------------------------------ durable


def _make_durable(parts: Parts, domain: DomainId, out: Outbox) -> None:
    chain = [envelope_to(one) for one in parts.evidence.domains.chain(domain)]
    out.persist(RecordKind.DOMAIN, domain, to_record({"lists": chain}))


def restore_lists(parts: Parts, key: bytes, data: bytes) -> None:
    """Take up the lists that an earlier life has taken. UsageError: the record is damaged."""
    what = f"domain {key.hex()[:12]}"
    envelopes = Fields.of(data, what).envelopes("lists")
    try:
        lists = tuple(parts.sealer.recall(one, TrustList) for one in envelopes)
        parts.evidence.domains.restore(lists)
    except PeerError as error:
        raise damaged(what, error.detail) from None
