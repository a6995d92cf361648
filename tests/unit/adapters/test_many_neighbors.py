"""Thirty neighbours over real gRPC: one of them changes, the others notice nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import pytest

from ioe_router.adapters.attestation import attest_both
from ioe_router.adapters.clock import WallClock
from ioe_router.adapters.dialler import Patience, Peer, Transport
from ioe_router.adapters.keystore import Identity, Operational
from ioe_router.adapters.node import Host, Node
from ioe_router.config import NeighborConfig, RouterConfig, Timers
from ioe_router.core.events import Booked, Event, NeighborDown, NeighborUp, OfferLearned, Unbooked
from ioe_router.core.inputs import Input, PublishOffer, Trade
from ioe_router.core.session_fsm import SessionState
from ioe_router.daemon.main import SystemEntropy
from ioe_router.model.clock import Now
from ioe_router.model.discovery import LinkAttestation, LinkKind
from ioe_router.model.ids import NodeId
from ioe_router.model.parameters import NetworkParameters
from ioe_router.model.reservation import ReservationState
from ioe_router.model.routing import Direction, Firmness, OfferRun, SourceClass
from ioe_router.model.slot import Slot, next_slot, slot_at
from ioe_router.router import Router
from tests.links import loss_model
from tests.unit.adapters.rig import NETWORK, new_keys, until, wall

pytestmark = pytest.mark.asyncio

NEIGHBORS = 30
SLOT_S = 300
OPENING_S = 270
KWH_J = 3_600_000
PARAMETERS = NetworkParameters(
    network_id=NETWORK,
    currency="EUR",
    slot_s=SLOT_S,
    reference_price_micro_per_kwh=150_000,
    floor_micro_per_kwh=(300_000,),
    link_state_steps=16,
    voltage_min_micro_pu=900_000,
    voltage_max_micro_pu=1_100_000,
    voltage_guard_micro_pu=5_000,
)
QUIET = Transport(keepalive_ms=20_000, patience=Patience(grace_ms=100, first_ms=100, longest_ms=500))


@dataclass
class Member:
    """One node of the star with what its host heard."""

    identity: Identity
    operational: Operational
    router: Router | None = None
    node: Node | None = None
    events: list[Event] = field(default_factory=list)

    def hear(self, event: Event, _now: Now) -> Iterable[Input]:
        """Keep it."""
        self.events.append(event)
        return ()

    def said(self, kind: type[Event]) -> list[Event]:
        """Events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    def begin(self, config: RouterConfig, peers: tuple[Peer, ...], clock: WallClock) -> Node:
        """Make router and node."""
        operational = self.operational
        self.router = Router(
            config,
            own_key=operational.statement,
            signer=operational.signer,
            entropy=SystemEntropy(),
            now=clock.now(),
        )
        host = Host(on_event=self.hear, transport=QUIET)
        self.node = Node(
            self.router, operational=operational, listen="127.0.0.1:0", peers=peers, clock=clock, host=host
        )
        return self.node


def link(hub: Member, other: Member) -> NeighborConfig:
    """The attested link of a member to the hub, as the hub has it."""
    body = LinkAttestation(
        network_id=NETWORK,
        keeper=hub.identity.node,
        other=other.identity.node,
        number=0,
        kind=LinkKind.CONTROLLED,
        serial=1,
        rating_down_va=50_000,
        rating_up_va=50_000,
        loss=loss_model(),
        fee_down_micro_per_kwh=10_000,
        fee_up_micro_per_kwh=10_000,
        access=False,
        issued_utc_s=wall() - 60,
        expires_utc_s=wall() + 86_400,
    )
    file = attest_both(body, hub.identity, other.identity)
    return NeighborConfig(node=other.identity.node, attestation=file.attestation)


def config_of(node: NodeId, neighbors: tuple[NeighborConfig, ...]) -> RouterConfig:
    """A member's configuration."""
    return RouterConfig(
        node=node,
        parameters=PARAMETERS,
        neighbors=neighbors,
        balance_party=None,
        connection_import_w=50_000,
        connection_export_w=50_000,
        reactive_max_var=0,
        slack_voltage_micro_pu=1_000_000,
        timers=Timers(advert_ms=50),
    )


def offer(first: Slot) -> PublishOffer:
    """What the seller has."""
    return PublishOffer(
        offer_no=1,
        direction=Direction.SUPPLY,
        source=SourceClass.SOLAR,
        firmness=Firmness.FIRM,
        first_slot=first,
        runs=(OfferRun(slots=2, energy_j=KWH_J, price_micro_per_kwh=100_000),),
        energy_cap_j=0,
        carbon_mg_per_kwh=0,
        is_default=False,
        lifetime_s=2 * SLOT_S,
    )


def want(slot: Slot) -> Trade:
    """What the buyer lacks."""
    return Trade(
        trade_no=1,
        slot=slot,
        direction=Direction.SUPPLY,
        energy_j=KWH_J // 10,
        price_limit_micro_per_kwh=500_000,
        default_limit_micro_per_kwh=None,
        own_offer_no=None,
        priority=4,
        sources=(),
        carbon_max_mg_per_kwh=None,
    )


@pytest.mark.timeout(240)
async def test_changing_one_of_thirty_keeps_the_other_sessions_and_all_reservations() -> None:
    """A fee changes, one neighbour goes, another comes: 29 sessions stand as they stood, the packet too."""
    # the clock stands just after the opening of a slot, so that bands are open
    ahead_ms = int((-(OPENING_S - 10) % SLOT_S - wall() % SLOT_S) % SLOT_S * 1_000)
    clock = WallClock(ahead_ms)
    slot = next_slot(slot_at(clock.now().utc_s, SLOT_S), SLOT_S)
    hub = Member(*new_keys())
    others = [Member(*new_keys()) for _ in range(NEIGHBORS)]
    links = {one.identity.node: link(hub, one) for one in others}
    full = config_of(hub.identity.node, tuple(links.values()))
    peers = tuple(Peer(node=one.identity.node, ca=one.identity.ca, address=None) for one in others)
    port = await hub.begin(full, peers, clock).start(epoch=1)
    assert hub.node is not None
    assert hub.router is not None
    to_hub = Peer(node=hub.identity.node, ca=hub.identity.ca, address=f"127.0.0.1:{port}")
    try:
        for one in others:
            config = config_of(
                one.identity.node, (replace(links[one.identity.node], node=hub.identity.node),)
            )
            node = one.begin(config, (to_hub,), clock)
            await node.start(epoch=1)
            node.dial()
        await until(lambda: len(hub.said(NeighborUp)) == NEIGHBORS, within_s=120)
        seller, buyer, changed, leaver = others[:4]
        assert seller.node is not None
        assert buyer.node is not None
        seller.node.submit(offer(slot))
        await until(lambda: bool(buyer.said(OfferLearned)), within_s=60)
        buyer.node.submit(want(slot))
        await until(lambda: bool(buyer.said(Booked)), within_s=90)

        ups = len(hub.said(NeighborUp))
        dearer = tuple(
            replace(n, fee_micro_per_kwh=7_000) if n.node == changed.identity.node else n
            for n in full.neighbors
        )
        hub.node.reconfigure(replace(full, neighbors=dearer), peers)
        await asyncio.sleep(1)
        assert hub.said(NeighborDown) == []

        gone = leaver.identity.node
        hub.node.reconfigure(
            replace(full, neighbors=tuple(n for n in dearer if n.node != gone)),
            tuple(peer for peer in peers if peer.node != gone),
        )
        await until(lambda: bool(hub.said(NeighborDown)))
        await until(lambda: bool(leaver.said(NeighborDown)))
        hub.node.reconfigure(replace(full, neighbors=dearer), peers)
        await until(lambda: len(hub.said(NeighborUp)) == ups + 1, within_s=60)

        assert [event.neighbor for event in hub.said(NeighborDown)] == [gone]  # type: ignore[union-attr]
        states = hub.router.inspect().sessions
        assert all(states.state(n.node) is SessionState.ESTABLISHED for n in full.neighbors)
        assert not any(one.said(NeighborDown) for one in others if one is not leaver)
        assert buyer.said(Unbooked) == []
        kept = [record.state for record in hub.router.inspect().reservations.all()]
        assert ReservationState.COMMITTED in kept
    finally:
        await asyncio.gather(*(one.node.stop() for one in (*others, hub) if one.node is not None))
