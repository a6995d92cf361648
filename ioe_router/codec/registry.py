"""The registry of object types (SPEC section 4): their messages, and who has to sign them.

One row per type that travels in an envelope.  An object is vouched for either
by its own signatures, in the order of the fields named here, or by the
signature of the frame it came in.  The keys are operational ones, unless the
row says that identity keys sign, or the root keys of a domain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ioe_router.model import discovery, domain, grid, reservation, routing, settlement
from ioe_router.model.envelope import ObjectType

PACKAGE: Final = "ioe.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What is registered about one object type."""

    body: type
    signatures_min: int = 0  # 0: vouched for by the frame's signature
    signatures_max: int = 0
    named: tuple[str, ...] = ()  # fields that name the signers, in signing order
    inside: bool = False  # travels only inside another object
    unsigned_frame: bool = False  # may come before the session stands
    by_identity: bool = False  # signed with identity keys, not with operational ones
    by_roots: bool = False  # signed with the root keys that the body lists as `signers`

    @property
    def by_operational(self) -> bool:
        """Whether its signatures are those of certified operational keys."""
        return not (self.by_identity or self.by_roots or self.body is discovery.OperationalKey)

    @property
    def message(self) -> str:
        """Full message name, as it enters the signature input."""
        return f"{PACKAGE}.{self.body.__name__}"


def _framed(body: type, *, unsigned_frame: bool = False) -> Row:
    return Row(body=body, unsigned_frame=unsigned_frame)


def _signed(
    body: type,
    *named: str,
    inside: bool = False,
    unsigned_frame: bool = False,
    by_identity: bool = False,
) -> Row:
    count = max(1, len(named))
    return Row(
        body=body,
        signatures_min=count,
        signatures_max=count,
        named=named,
        inside=inside,
        unsigned_frame=unsigned_frame,
        by_identity=by_identity,
    )


def _rooted(body: type) -> Row:
    return Row(
        body=body, signatures_min=1, signatures_max=domain.SIGNERS_MAX, unsigned_frame=True, by_roots=True
    )


REGISTRY: Final[dict[ObjectType, Row]] = {
    # Its signatures name no node yet: identity key, then the certified key (see codec/keys.py).
    ObjectType.OPERATIONAL_KEY: Row(
        body=discovery.OperationalKey, signatures_min=2, signatures_max=2, unsigned_frame=True
    ),
    ObjectType.LINK_ATTESTATION: _signed(
        discovery.LinkAttestation, "keeper", "other", unsigned_frame=True, by_identity=True
    ),
    ObjectType.HELLO: _signed(discovery.Hello, "node", unsigned_frame=True),
    ObjectType.SESSION_PROOF: _signed(discovery.SessionProof, unsigned_frame=True),
    ObjectType.KEEPALIVE: _framed(discovery.Keepalive),
    ObjectType.CLOSE: _framed(discovery.Close, unsigned_frame=True),
    ObjectType.REFRESH: _framed(discovery.Refresh),
    ObjectType.FAULT: _framed(discovery.Fault),
    ObjectType.OFFER: _signed(routing.Offer, "origin"),
    ObjectType.OFFER_WITHDRAWAL: _signed(routing.OfferWithdrawal, "origin"),
    ObjectType.PATH_ENTRY: _signed(routing.PathEntry, "node", inside=True),
    ObjectType.PATH_ADVERT: _framed(routing.PathAdvert),
    ObjectType.PATH_WITHDRAWAL: _framed(routing.PathWithdrawal),
    ObjectType.LINK_STATE: _signed(routing.LinkState),
    ObjectType.HOLD_CORE: _signed(reservation.HoldCore, "initiator", inside=True),
    ObjectType.HOLD: _framed(reservation.Hold),
    ObjectType.KEEPER_ENTRY: _signed(reservation.KeeperEntry, inside=True),
    ObjectType.GRANT: _signed(reservation.Grant, "grantor"),
    ObjectType.REFUSE: _framed(reservation.Refuse),
    ObjectType.COMMIT: _signed(reservation.Commit, "initiator", inside=True),
    ObjectType.COMMIT_HOP: _framed(reservation.CommitHop),
    ObjectType.COMMITTED: _signed(reservation.Committed, "origin"),
    ObjectType.RECEIPT: _signed(reservation.Receipt, "node"),
    ObjectType.FAILED: _signed(reservation.Failed, "node"),
    ObjectType.RELEASE: _signed(reservation.Release, "initiator"),
    ObjectType.CURTAIL: _signed(reservation.Curtail, "node", inside=True),
    ObjectType.OUTCOME_QUERY: _framed(reservation.OutcomeQuery),
    ObjectType.OUTCOME: _framed(reservation.Outcome),
    ObjectType.CURTAIL_HOP: _framed(reservation.CurtailHop),
    ObjectType.CONNECTION_LIMIT: _signed(grid.ConnectionLimit, "node"),
    ObjectType.ZONE_REPORT: _framed(grid.ZoneReport),
    ObjectType.OPERATING_ENVELOPE: _signed(grid.OperatingEnvelope, "root"),
    ObjectType.SWEEP_UP: _framed(grid.SweepUp),
    ObjectType.SWEEP_DOWN: _framed(grid.SweepDown),
    ObjectType.METER_RECORD: _signed(settlement.MeterRecord, "node"),
    ObjectType.LINK_STATEMENT: _signed(settlement.LinkStatement, "node"),
    # The node signs first; the party's countersignature accepts it.
    ObjectType.IMBALANCE_RECORD: Row(
        body=settlement.ImbalanceRecord, signatures_min=1, signatures_max=2, named=("node", "party")
    ),
    ObjectType.RELAY: _framed(settlement.Relay),
    ObjectType.RETAINED: _framed(discovery.Retained),
    ObjectType.REVOCATION: _signed(discovery.Revocation, "node", unsigned_frame=True, by_identity=True),
    ObjectType.TRUST_LIST: _rooted(domain.TrustList),
    ObjectType.MEMBER_CERTIFICATE: _rooted(domain.MemberCertificate),
    ObjectType.METER_CERTIFICATE: _rooted(domain.MeterCertificate),
}

TYPE_OF: Final[dict[type, ObjectType]] = {row.body: kind for kind, row in REGISTRY.items()}
