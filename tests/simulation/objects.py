"""Reservation objects that a test lets a node say, beside or against what its router would say."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from ioe_router.model.envelope import Envelope, ObjectType
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import ObjectId, PathHash, ReservationId, object_id_of
from ioe_router.model.reservation import (
    Commit,
    CommitHop,
    Grant,
    GrantItem,
    Hold,
    HoldCore,
    HoldItem,
    KeeperEntry,
    PacketEnergy,
    Refuse,
    Release,
)
from ioe_router.model.routing import Direction
from tests.simulation.pair import KWH_J, LAST_BAND, SLOT, Sim, decoded

_COUNT = itertools.count(1)
LIMIT = 1_000_000


@dataclass(slots=True)
class Puppet:
    """An initiator whose objects a test writes itself; its router stays out of it.

    The link to the hop has its keeper at the hop, so HOLDs need no entry.
    """

    sim: Sim
    name: str
    hop: str
    origin: str
    energies_j: tuple[int, ...] = (KWH_J,)
    changes: dict[str, Any] = field(default_factory=dict)  # fields of HOLD_CORE
    hold_changes: dict[str, Any] = field(default_factory=dict)  # fields of HOLD
    core: Envelope = field(init=False)
    body: HoldCore = field(init=False)
    hold: Hold = field(init=False)

    def __post_init__(self) -> None:
        """Sign the core and prepare the HOLD."""
        self.body = self._core()
        self.core = self.sim.seal(self.name, self.body)
        values: dict[str, Any] = {
            "core": self.core,
            "path": self.body.path,
            "hold_ms": 45_000,
            "items": tuple(PacketEnergy(index=i.index, energy_j=i.energy_j) for i in self.body.items),
            "keeper_entry": None,
        }
        self.hold = Hold(**{**values, **self.hold_changes})

    def _core(self) -> HoldCore:
        path = label(self.sim, self.name, self.origin, self.changes.get("direction", Direction.SUPPLY))
        values: dict[str, Any] = {
            "reservation": ReservationId(sha256(next(_COUNT).to_bytes(4)).digest()[:16]),
            "version": 1,
            "initiator": self.sim.node(self.name),
            "origin": self.sim.node(self.origin),
            "offer_no": 1,
            "offer_epoch": 1,
            "offer_seq": 0,
            "direction": Direction.SUPPLY,
            "path": path,
            "band": LAST_BAND,
            "price_limit_micro_per_kwh": LIMIT,
            "priority": 4,
            "replaces": None,
            "all_or_nothing": False,
            "items": tuple(
                HoldItem(index=i, slot_utc_s=SLOT, energy_j=j, energy_min_j=1)
                for i, j in enumerate(self.energies_j, start=1)
            ),
            "issued_utc_ms": self.sim.wire.now.utc_ms,
            "hold_fee_micro": 0,
            "bond_micro": 0,
        }
        return HoldCore(**{**values, **self.changes})

    @property
    def core_id(self) -> ObjectId:
        """Object id of the HOLD_CORE."""
        return object_id_of(self.core.signed)

    def ask(self) -> Puppet:
        """Send the HOLD."""
        self.sim.say(self.name, self.hop, self.hold)
        return self

    def commit(
        self, accepted: tuple[int, ...] = (1,), signer: str | None = None, core: ObjectId | None = None
    ) -> None:
        """Send COMMIT (signed by `signer`, who then also names itself as initiator)."""
        who = signer or self.name
        body = Commit(
            reservation=self.body.reservation,
            version=1,
            core=core or self.core_id,
            initiator=self.sim.node(who),
            accepted=accepted,
        )
        hop = CommitHop(commit=self.sim.seal(who, body), keeper_entry=None)
        self.sim.say(self.name, self.hop, hop)

    def release(self, signer: str | None = None) -> None:
        """Send RELEASE."""
        who = signer or self.name
        body = Release(reservation=self.body.reservation, version=1, initiator=self.sim.node(who))
        self.sim.wire.inject(self.name, self.hop, self.sim.seal(who, body))

    # --- answers

    def grants(self) -> list[Grant]:
        """GRANTs that came back."""
        mine = self.sim.heard(self.hop, self.name, Grant)
        return [g for g in mine if g.reservation == self.body.reservation]

    def granted(self) -> tuple[GrantItem, ...]:
        """Items of the only GRANT."""
        (grant,) = self.grants()
        return grant.items

    def refusals(self) -> list[Refuse]:
        """REFUSEs that came back."""
        mine = self.sim.heard(self.hop, self.name, Refuse)
        return [r for r in mine if r.reservation == self.body.reservation]

    def refused(self) -> Refuse:
        """The only REFUSE."""
        (refuse,) = self.refusals()
        return refuse


def grant_of(
    sim: Sim,
    reservation: ReservationId,
    core: ObjectId,
    link: tuple[str, str],
    energy_j: int,
    *,
    price_micro_per_kwh: int = 1,
    hold_ms: int = 1_000,
) -> Grant:
    """One packet granted over a link by its second end to its first, without a keeper's entry."""
    grantee, grantor = link
    item = GrantItem(
        index=1,
        energy_j=energy_j,
        price_micro_per_kwh=price_micro_per_kwh,
        reason=ErrorCode.UNSPECIFIED,
        counter_offer_j=0,
        scarcity_micro_per_kwh=0,
    )
    return Grant(
        reservation=reservation,
        version=1,
        core=core,
        link=sim.port(grantee, grantor).link,
        grantor=sim.node(grantor),
        items=(item,),
        hold_ms=hold_ms,
        keeper_entry=None,
    )


def label(sim: Sim, name: str, origin: str, direction: Direction = Direction.SUPPLY) -> PathHash:
    """The best path of a node to an origin."""
    paths = sim.router(name).snapshot().paths
    return next(p.hash for p in paths if p.origin == sim.node(origin) and p.direction is direction)


def entry_of(envelope: Envelope | None) -> KeeperEntry:
    """What a keeper's entry inside another object says."""
    assert envelope is not None
    assert envelope.type is ObjectType.KEEPER_ENTRY
    return decoded(envelope, KeeperEntry)
