"""What a new operational key and a revocation do to every part (SPEC sections 4.7 and 4.11).

A renewal drops nothing: neighbours are told the new key in their sessions, and
what this node has published under the old one, up to its end, is signed anew.

A revocation goes on to every neighbour before anything else does, is durable
before it has any effect, ends the sessions that a void key has proved, and
takes back the paths and offers that void keys have signed.
"""

from __future__ import annotations

from dataclasses import replace

from ioe_router.core.durable import envelope_to, to_record
from ioe_router.core.effects import RecordKind
from ioe_router.core.events import KeyRenewed, KeysRevoked
from ioe_router.core.inputs import RenewKey, RevokeKeys
from ioe_router.core.outbox import Outbox
from ioe_router.core.parts import Parts
from ioe_router.core.upkeep import publish
from ioe_router.model.clock import Now
from ioe_router.model.discovery import OperationalKey, Revocation
from ioe_router.model.envelope import Sealed
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.ids import NodeId


def renew_key(parts: Parts, asked: RenewKey, now: Now, out: Outbox) -> None:
    """Sign with another operational key from now on. PeerError: it does not hold or is no newer one."""
    sealed, before = parts.sealer.open(asked.certificate, OperationalKey), parts.evidence.own_key
    if sealed.body.serial <= before.body.serial:
        raise PeerError(ErrorCode.STALE, f"serial {sealed.body.serial} of this node's key is not the next")
    parts.sealer.use_key(sealed, now)
    parts.evidence.renew(sealed)
    parts.sessions.keys.renewed(out)
    out.emit(KeyRenewed(serial=sealed.body.serial, expires_utc_s=sealed.body.expires_utc_s))
    _publish_again(parts, before.body.expires_utc_s, now)


def _publish_again(parts: Parts, cut_off_utc_s: int, now: Now) -> None:
    """Sign anew the offers whose life the end of the key before has cut short."""
    for offer in parts.own_offers.all():
        told, stated = offer.published, offer.stated
        if told is None or not offer.visible or told.expires_utc_s < cut_off_utc_s:
            continue
        left_s = told.issued_utc_s + stated.lifetime_s - now.utc_s
        if left_s > 0:
            publish(parts, replace(stated, lifetime_s=left_s), now)


def revoke_keys(parts: Parts, asked: RevokeKeys, now: Now, out: Outbox) -> None:
    """Take a revocation that the operator has. PeerError: it does not hold."""
    revoke(parts, parts.sealer.open(asked.revocation, Revocation), None, now, out)


def revoke(parts: Parts, sealed: Sealed[Revocation], teller: NodeId | None, now: Now, out: Outbox) -> None:
    """Take a revocation that a neighbour has told (None: the operator). PeerError: refused."""
    if not parts.revocations.take(sealed, now):
        return
    body = sealed.body
    parts.sealer.revoke(body.node, body.up_to_serial)
    record = to_record({"revocation": envelope_to(sealed.envelope)})
    out.persist(RecordKind.REVOCATION, body.node, record)
    for neighbor in parts.sessions.neighbors():
        if neighbor != teller and parts.sessions.established(neighbor):
            out.send(neighbor, sealed.envelope)
    parts.routing.drop_void(out)
    parts.sessions.keys.end_void(out)
    own = parts.evidence.is_void(parts.evidence.own_key.body.operational_key)
    out.emit(KeysRevoked(node=body.node, up_to_serial=body.up_to_serial, own=own))


def tell_revocations(parts: Parts, neighbor: NodeId, out: Outbox) -> None:
    """A session stands: the neighbour hears first of all which keys are void."""
    for sealed in parts.revocations.all():
        out.send(neighbor, sealed.envelope)


def forget_revocations(parts: Parts, now: Now, out: Outbox) -> None:
    """Drop the rows of revocations whose keys have all expired."""
    for node in parts.revocations.forget(now):
        out.persist(RecordKind.REVOCATION, node, None)
