"""Which part hears which object of a neighbour (SPEC section 5, last step of the processing order).

Objects of the handshake are heard in any state of the session; all others
only once it is established.
"""

from __future__ import annotations

from typing import Any

from ioe_router.core.belonging import hear_list, hear_member, tell_domains
from ioe_router.core.commit_path import CommitPath
from ioe_router.core.key_changes import revoke, tell_revocations
from ioe_router.core.outbox import Outbox
from ioe_router.core.parts import Parts
from ioe_router.core.refusals import Refusal
from ioe_router.core.session_fsm import SessionState
from ioe_router.core.upkeep import tell_standing
from ioe_router.model.clock import Now
from ioe_router.model.discovery import (
    Close,
    Fault,
    Hello,
    Keepalive,
    LinkAttestation,
    OperationalKey,
    Refresh,
    Retained,
    Revocation,
    SessionProof,
)
from ioe_router.model.domain import MemberCertificate, MeterCertificate, TrustList
from ioe_router.model.envelope import Sealed
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.grid import ConnectionLimit, OperatingEnvelope, SweepDown, SweepUp, ZoneReport
from ioe_router.model.ids import NodeId
from ioe_router.model.reservation import (
    CommitHop,
    Committed,
    CurtailHop,
    Failed,
    Grant,
    Hold,
    Outcome,
    OutcomeQuery,
    Receipt,
    Refuse,
    Release,
)
from ioe_router.model.routing import LinkState, Offer, OfferWithdrawal, PathAdvert, PathWithdrawal
from ioe_router.model.settlement import ImbalanceRecord, LinkStatement, MeterRecord, Relay


def dispatch(parts: Parts, neighbor: NodeId, sealed: Sealed[Any], now: Now, out: Outbox) -> None:
    """Hand a verified object to its part. PeerError: refused, with the registered code.

    What still comes on a connection that is being closed is ignored.
    """
    if parts.sessions.state(neighbor) is SessionState.CLOSING:
        return
    match sealed.body:
        case OperationalKey():
            parts.evidence.learn_key(sealed, now)
            parts.sessions.keys.heard(neighbor, sealed)
        case Revocation():
            revoke(parts, sealed, neighbor, now, out)
        case LinkAttestation():
            parts.evidence.learn_attestation(sealed, now, neighbor)
        case TrustList():
            hear_list(parts, sealed, now, out)
        case MemberCertificate():
            hear_member(parts, sealed, now, out)
        case MeterCertificate():
            parts.evidence.domains.hear_meter(sealed, now)
        case Hello():
            parts.sessions.hello(neighbor, sealed, now, out)
        case SessionProof():
            _established(parts, neighbor, sealed, now, out)
        case Close():
            parts.sessions.peer_close(neighbor, sealed, out)
        case _:
            if not parts.sessions.established(neighbor):
                raise PeerError(
                    ErrorCode.UNEXPECTED, f"{type(sealed.body).__name__} before the session stands"
                )
            _routing(parts, neighbor, sealed, now, out)


def _established(parts: Parts, neighbor: NodeId, sealed: Sealed[SessionProof], now: Now, out: Outbox) -> None:
    parts.sessions.proof(neighbor, sealed, now, out)
    if parts.sessions.established(neighbor):
        tell_revocations(parts, neighbor, out)
        parts.routing.neighbor_up(neighbor, now, out, resumes=parts.sessions.resumes(neighbor))
        tell_domains(parts, neighbor, parts.ports.to(neighbor).link, out)
        tell_standing(parts, neighbor, now, out)


def _routing(parts: Parts, neighbor: NodeId, sealed: Sealed[Any], now: Now, out: Outbox) -> None:
    routing = parts.routing
    match sealed.body:
        case PathAdvert():
            routing.hear_path(neighbor, sealed, now)
        case PathWithdrawal():
            routing.hear_path_withdrawal(neighbor, sealed, out)
        case Offer():
            parts.evidence.domains.check_new((sealed.body.origin,), now)
            routing.hear_offer(neighbor, sealed, now, out)
        case OfferWithdrawal():
            routing.hear_offer_withdrawal(sealed, now, out)
        case LinkState():
            routing.hear_link_state(neighbor, sealed, now)
        case Refresh() | Retained():
            _refresh(parts, neighbor, sealed, now, out)
        case Keepalive():
            parts.sessions.keepalive(neighbor, sealed, now, out)
        case Fault():
            _refused(parts, neighbor, sealed.body, now)
        case _:
            _reservation(parts, neighbor, sealed, now, out)


def _refused(parts: Parts, neighbor: NodeId, body: Fault, now: Now) -> None:
    """A neighbour has refused an object of this node."""
    parts.repeats.refused(neighbor, body.retry_after_ms, now)
    parts.refusals.note(
        Refusal(
            at_utc_ms=now.utc_ms,
            neighbor=neighbor,
            by_us=False,
            type="UNSPECIFIED",
            about=body.object,
            code=body.code,
            detail=body.text,
        )
    )


def _refresh(parts: Parts, neighbor: NodeId, sealed: Sealed[Any], now: Now, out: Outbox) -> None:
    body = sealed.body
    if (isinstance(body, Retained) or body.kept) and not parts.sessions.resumes(neighbor):
        raise PeerError(ErrorCode.UNEXPECTED, "the feature RESUME is not in effect in this session")
    if isinstance(body, Retained):
        parts.routing.hear_retained(neighbor, body)
    else:
        parts.routing.hear_refresh(neighbor, body, now, out)


def _reservation(parts: Parts, neighbor: NodeId, sealed: Sealed[Any], now: Now, out: Outbox) -> None:
    commits: CommitPath = parts.commits
    match sealed.body:
        case Hold():
            parts.holds.hold(neighbor, sealed, now, out)
        case Grant():
            parts.grants.grant(neighbor, sealed, now, out)
        case Refuse():
            parts.grants.refuse(neighbor, sealed, now, out)
        case CommitHop():
            commits.commit(neighbor, sealed, now, out)
        case Committed():
            commits.committed(neighbor, sealed, now, out)
        case Receipt():
            commits.receipt(neighbor, sealed)
            parts.curtailments.receipt(sealed.body, now, out)
        case Failed():
            commits.failed(neighbor, sealed, now, out)
        case Release():
            parts.releases.release(neighbor, sealed, now, out)
        case OutcomeQuery():
            parts.releases.query(neighbor, sealed, out)
        case CurtailHop():
            parts.curtailments.hear(neighbor, sealed, now, out)
        case Outcome() if parts.echoes.answered(neighbor, sealed.body, out):
            pass  # nothing but a sign of life
        case Outcome():
            parts.releases.outcome(neighbor, sealed, now, out)
        case _:
            _grid(parts, neighbor, sealed, now, out)


def _grid(parts: Parts, neighbor: NodeId, sealed: Sealed[Any], now: Now, out: Outbox) -> None:
    match sealed.body:
        case ZoneReport():
            parts.zone.hear_report(neighbor, sealed, now)
        case OperatingEnvelope():
            parts.evidence.domains.check_root(sealed.body.root)
            parts.zone.hear_envelope(neighbor, sealed, now, out)
        case SweepUp():
            parts.sweeps.hear_up(neighbor, sealed.body, now, out)
        case SweepDown():
            parts.sweeps.hear_down(neighbor, sealed.body, now, out)
        case MeterRecord():
            parts.evidence.domains.check_meter(sealed.body.node, sealed.body.link, now)
            parts.settlement.hear_meter(neighbor, sealed, now, out)
        case LinkStatement():
            parts.settlement.hear_statement(neighbor, sealed, now, out)
        case Relay():
            parts.imbalance.hear_relay(neighbor, sealed.body, now, out)
        case ConnectionLimit() | ImbalanceRecord():
            raise PeerError(
                ErrorCode.UNEXPECTED, f"{type(sealed.body).__name__} travels inside another object"
            )
        case other:
            raise PeerError(ErrorCode.UNKNOWN_TYPE, f"{type(other).__name__} has no place in this version")
