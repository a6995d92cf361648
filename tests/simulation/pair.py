"""A few routers joined by wires that a test can bend (`bent_wire.py`), with the words that tests need.

Routers are whole and real: every object crosses a wire as signed bytes.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from ioe_router.codec.keys import KeyRing
from ioe_router.codec.mapping import decode
from ioe_router.codec.registry import REGISTRY
from ioe_router.codec.sealing import CodecSealer
from ioe_router.config import Limits, NeighborConfig, RouterConfig, Timers
from ioe_router.core.calendar import LiveEntry, SlotLedger
from ioe_router.core.events import Event
from ioe_router.core.inputs import PublishOffer, Trade
from ioe_router.core.loss import amount_micro
from ioe_router.core.ports import Port
from ioe_router.core.reservation import Reservation
from ioe_router.core.reservation_fsm import TERMINAL
from ioe_router.model.clock import Now
from ioe_router.model.discovery import LinkAttestation, LinkKind
from ioe_router.model.envelope import Envelope
from ioe_router.model.ids import NodeId
from ioe_router.model.parameters import NetworkParameters
from ioe_router.model.reservation import ReservationState
from ioe_router.model.routing import Direction, Firmness, Flow, OfferRun, SourceClass
from ioe_router.model.slot import Slot
from ioe_router.router import Router
from ioe_router.sim.keys import SeededEntropy, SimIdentity, attest, identity_of
from tests.links import loss_model
from tests.simulation.bent_wire import Wire

SLOT_S = 900
SLOT = Slot(1_700_000_100)  # a slot edge
START_UTC_S = SLOT - 3_600
KWH_J = 3_600_000
FOREVER_S = 400 * 86_400

PARAMETERS = NetworkParameters(
    network_id="test.pair",
    currency="EUR",
    slot_s=SLOT_S,
    reference_price_micro_per_kwh=200_000,
    floor_micro_per_kwh=(600_000, 300_000, 250_000, 150_000, 80_000, 40_000),
    link_state_steps=64,
    voltage_min_micro_pu=900_000,
    voltage_max_micro_pu=1_100_000,
    voltage_guard_micro_pu=5_000,
)
LAST_BAND = PARAMETERS.bands - 1

Configure = Callable[[str, RouterConfig, dict[str, SimIdentity]], RouterConfig]  # by name of the node

B = TypeVar("B")
E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class Cable:
    """One link to build.  At 400 V and 900 s, `r_micro_ohm` 200 000 loses ceil(E^2 / 720 000 000) joules."""

    keeper: str
    other: str
    kind: LinkKind = LinkKind.CONTROLLED
    r_micro_ohm: int = 200_000
    iron_milli_w: int = 0
    rating_va: int = 50_000
    fee_micro_per_kwh: int = 0
    access: bool = False


@dataclass(slots=True)
class Sim:
    """Named routers on a `Wire`, with the words that tests need."""

    wire: Wire
    ids: dict[str, SimIdentity]
    cables: tuple[Cable, ...]
    _trades: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    # --- names

    def node(self, name: str) -> NodeId:
        """Node id of a name."""
        return self.ids[name].node

    def router(self, name: str) -> Router:
        """The router of a name."""
        return self.wire.nodes[self.node(name)].router

    def port(self, name: str, neighbor: str) -> Port:
        """One end of a link."""
        return self.router(name)._parts.ports.to(self.node(neighbor))

    def ledger(self, name: str, neighbor: str, slot: Slot = SLOT) -> SlotLedger | None:
        """What one end of a link has on its books."""
        return self.port(name, neighbor).calendar.ledger(slot)

    def entries(self, name: str, neighbor: str, slot: Slot = SLOT) -> tuple[LiveEntry, ...]:
        """Live packets of a link as one end has them."""
        ledger = self.ledger(name, neighbor, slot)
        return () if ledger is None else tuple(ledger.entries.values())

    def used_j(self, name: str, neighbor: str) -> int:
        """Gross use of a link in both directions."""
        ledger = self.ledger(name, neighbor)
        return 0 if ledger is None else ledger.used_j(Flow.DOWN) + ledger.used_j(Flow.UP)

    def records(self, name: str) -> tuple[Reservation, ...]:
        """All reservations of a node."""
        return self.router(name)._parts.reservations.all()

    def states(self, name: str) -> list[ReservationState]:
        """Their states."""
        return [record.state for record in self.records(name)]

    def free_j(self, name: str, offer_no: int = 1, slot: Slot = SLOT) -> int:
        """What is left of an own offer."""
        own = self.router(name)._parts.own_offers
        offer = own.get(offer_no)
        return 0 if offer is None else own.free_j(offer, slot)

    def events(self, name: str, kind: type[E]) -> list[E]:
        """Events of one kind, oldest first."""
        return [event for _, event in self.wire.nodes[self.node(name)].events if isinstance(event, kind)]

    def all_events(self, name: str) -> list[Event]:
        """Every event of a node."""
        return [event for _, event in self.wire.nodes[self.node(name)].events]

    # --- time and host

    def at(self, before_s: int) -> None:
        """Let time pass until `before_s` seconds before the slot."""
        self.wire.run_until(SLOT - before_s)

    def wait(self, seconds: int) -> None:
        """Let time pass."""
        self.wire.run_until(self.wire.now.utc_s + seconds)

    def offer(
        self,
        name: str,
        price: int,
        energy_j: int = 100 * KWH_J,
        *,
        direction: Direction = Direction.SUPPLY,
        offer_no: int = 1,
        is_default: bool = False,
        slots: int = 2,
        cap_j: int = 0,
    ) -> None:
        """Publish an own offer from the slot on."""
        offer = PublishOffer(
            offer_no=offer_no,
            direction=direction,
            source=SourceClass.GRID if is_default else SourceClass.SOLAR,
            firmness=Firmness.FIRM,
            first_slot=SLOT,
            runs=(OfferRun(slots=slots, energy_j=energy_j, price_micro_per_kwh=price),),
            energy_cap_j=cap_j,
            carbon_mg_per_kwh=0,
            is_default=is_default,
            lifetime_s=36_000,
        )
        self.wire.give(self.node(name), offer)
        self.wire.settle()

    def want(
        self,
        name: str,
        energy_j: int,
        limit: int,
        *,
        direction: Direction = Direction.SUPPLY,
        own_offer_no: int | None = None,
        default: bool | None = None,
    ) -> int:
        """Trade; returns the number of the want. `default` True: DEFAULT offers only, False: none of them."""
        trade = Trade(
            trade_no=next(self._trades),
            slot=SLOT,
            direction=direction,
            energy_j=energy_j,
            price_limit_micro_per_kwh=limit,
            default_limit_micro_per_kwh=None if default is False else limit,
            own_offer_no=own_offer_no,
            priority=4,
            sources=(SourceClass.GRID,) if default else (),
            carbon_max_mg_per_kwh=None,
        )
        self.wire.give(self.node(name), trade)
        self.wire.settle()
        return trade.trade_no

    # --- objects

    def seal(self, name: str, body: object) -> Envelope:
        """An envelope signed by a node of this network, whatever its router would say."""
        ring = KeyRing(network_id=PARAMETERS.network_id, limit=64)
        for one in self.ids.values():
            ring.learn(one.own_key, self.wire.now)
        me = self.ids[name]
        sealer = CodecSealer(ring=ring, signer=me.signer, node=me.node, now=self.wire.now)
        sealed: Envelope = sealer.seal(body).envelope
        return sealed

    def say(self, sender: str, receiver: str, *bodies: object) -> None:
        """Let a node say these objects to a neighbour, sealed by itself."""
        self.wire.inject(sender, receiver, *(self.seal(sender, body) for body in bodies))

    def heard(self, sender: str, receiver: str, kind: type[B]) -> list[B]:
        """Objects of one kind that have crossed a wire."""
        return [
            decoded(envelope, kind)
            for here, there, envelope in self.wire.passed
            if (here, there) == (sender, receiver) and REGISTRY[envelope.type].body is kind
        ]

    # --- checks

    def check(self) -> None:
        """What holds at any instant: sums, limits of the keepers, nothing booked by what has ended."""
        for name in self.ids:
            router = self.router(name)
            router.check_invariants()
            known = {r.key: r for r in self.records(name)}
            ended = {key for key, r in known.items() if r.state in TERMINAL - {ReservationState.COMMITTED}}
            for port in router._parts.ports.all():
                for slot in port.calendar.slots():
                    ledger = port.calendar.ledger(slot)
                    assert ledger is not None
                    for flow in (Flow.DOWN, Flow.UP):
                        assert not port.keeper or ledger.used_j(flow) <= ledger.limits.of(flow)
                    for reservation, version, _ in ledger.entries:
                        record = known.get((reservation, version))
                        assert record is not None, f"{name} books what it does not know"
                        far = record.toward_origin
                        stands_in = record.release is not None and far is not None and far.port is port
                        assert record.key not in ended or stands_in, f"{name} books what has ended"
            for offer in router._parts.own_offers._offers.values():
                for taken in offer.taken.values():
                    for reservation_id, version, _ in taken:
                        assert (reservation_id, version) not in ended, f"{name} keeps energy of the ended"

    def check_quiet(self) -> None:
        """What holds once nothing is on its way: both ends of every link agree, energy adds up."""
        self.check()
        for cable in self.cables:
            one = self.ledger(cable.keeper, cable.other)
            other = self.ledger(cable.other, cable.keeper)
            assert (one.entries if one else {}) == (other.entries if other else {}), cable
            obligation = self.owed_micro(cable.keeper, cable.other) + self.owed_micro(
                cable.other, cable.keeper
            )
            assert obligation == 0
        for name in self.ids:
            for record in self.records(name):
                if record.state is ReservationState.COMMITTED:
                    self.check_hop(name, record)

    def check_hop(self, name: str, record: Reservation) -> None:
        """Every accepted packet enters and leaves this node's busbar with the same energy."""
        for index in record.accepted:
            energy_j = record.granted[index].energy_j
            for leg in record.legs():
                ledger = leg.port.calendar.ledger(record.slots[index])
                assert ledger is not None
                entry = ledger.entries[leg.key(index)]
                here = leg.near_j if leg.toward_origin else leg.far_j
                assert here(entry.increment) == energy_j, f"packet {index} changes at {name}"

    def owed_micro(self, name: str, neighbor: str) -> int:
        """What a link's other end owes this end by this end's books (negative: the reverse), micro-units."""
        total, port = 0, self.port(name, neighbor)
        for entry in self.entries(name, neighbor):
            if entry.price_micro_per_kwh is None or entry.direction is None:
                continue
            supply = entry.direction is Direction.SUPPLY
            near_j = entry.increment.received_j if supply else entry.increment.sent_j
            amount = amount_micro(entry.price_micro_per_kwh, near_j)
            total += amount if entry.flow is port.flow_from_here() else -amount
        return total


def decoded(envelope: Envelope, kind: type[B]) -> B:
    """What an envelope says, unverified."""
    body: Any = decode(kind, envelope.signed)
    return body  # type: ignore[no-any-return]


def build(
    *cables: Cable,
    margin_ppm: int = 0,
    timers: Timers | None = None,
    limits: Limits | None = None,
    seed: int = 1,
    connect: bool = True,
    key_lifetime_s: int = 7 * 86_400,
    make: Callable[..., Router] = Router,
    configure: Configure | None = None,
) -> Sim:
    """Routers at the ends of these cables, sessions up, half an hour before the slot."""
    names = list(dict.fromkeys(name for cable in cables for name in (cable.keeper, cable.other)))
    issued_s = START_UTC_S - 3_600
    ids = {n: identity_of(seed, n, PARAMETERS.network_id, issued_s, key_lifetime_s) for n in names}
    now = Now(0, START_UTC_S * 1000)
    attested = {
        cable: attest(_attestation(cable, ids), ids[cable.keeper], ids[cable.other]) for cable in cables
    }
    wire = Wire(START_UTC_S * 1000, ids, PARAMETERS.network_id)
    for name in names:
        neighbors = tuple(
            NeighborConfig(
                node=ids[cable.other if name == cable.keeper else cable.keeper].node,
                attestation=attested[cable],
                fee_micro_per_kwh=cable.fee_micro_per_kwh,
            )
            for cable in cables
            if name in (cable.keeper, cable.other)
        )
        config = RouterConfig(
            node=ids[name].node,
            parameters=PARAMETERS,
            neighbors=neighbors,
            balance_party=None if name == names[0] else ids[names[0]].node,
            connection_import_w=20_000,
            connection_export_w=20_000,
            reactive_max_var=2_000,
            slack_voltage_micro_pu=1_000_000,
            forecast_margin_ppm=margin_ppm,
            timers=timers or replace(Timers(), keepalive_ms=0),
            limits=limits or Limits(),
        )
        if configure is not None:
            config = configure(name, config, ids)
        router = make(
            config,
            own_key=ids[name].own_key,
            signer=ids[name].signer,
            entropy=SeededEntropy(f"{seed} {name}".encode()),
            now=now,
        )
        wire.add(ids[name].node, router)
    wire.settle()
    sim = Sim(wire, ids, cables)
    if connect:
        for cable in cables:
            wire.connect(ids[cable.keeper].node, ids[cable.other].node)
        sim.at(1_800)
    return sim


def _attestation(cable: Cable, ids: dict[str, SimIdentity]) -> LinkAttestation:
    return LinkAttestation(
        network_id=PARAMETERS.network_id,
        keeper=ids[cable.keeper].node,
        other=ids[cable.other].node,
        number=0,
        kind=cable.kind,
        serial=1,
        rating_down_va=cable.rating_va,
        rating_up_va=cable.rating_va,
        loss=replace(loss_model(), r_micro_ohm=cable.r_micro_ohm, iron_milli_w=cable.iron_milli_w),
        fee_down_micro_per_kwh=cable.fee_micro_per_kwh,
        fee_up_micro_per_kwh=cable.fee_micro_per_kwh,
        access=cable.access,
        issued_utc_s=START_UTC_S - 3_600,
        expires_utc_s=START_UTC_S + FOREVER_S,
    )
