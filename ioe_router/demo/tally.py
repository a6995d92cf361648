"""What the nodes of a day have said, sorted: by slot, by link, by reservation.

Nothing is judged here.  Where two nodes speak about the same thing both words
are kept, so that whoever computes a figure can compare them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from ioe_router.community.layout import places
from ioe_router.community.reports import OfferSeen
from ioe_router.core.events import Booked, HoldAnswered, LinkSettled, OriginLost, Unbooked
from ioe_router.core.settled import LossAccount
from ioe_router.demo.coordinator import DayFacts
from ioe_router.demo.seat import Harvest
from ioe_router.model.ids import LinkId, NodeId, link_id_of
from ioe_router.model.settlement import ImbalanceRecord

PacketKey = tuple[bytes, int]  # reservation, index


@dataclass(frozen=True, slots=True)
class Said:
    """An event with the bus at which and the instant in which it occurred."""

    bus: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Packet:
    """A committed packet as one of its ends has it."""

    said: Said
    booked: Booked
    losses: tuple[tuple[Said, Unbooked], ...]  # what was given up of it, in order; a cut may leave a part

    @property
    def kept_j(self) -> int:
        """What stood of it at the end."""
        return min((gone.remaining_j for _, gone in self.losses), default=self.booked.energy_j)

    @property
    def ended(self) -> tuple[Said, Unbooked] | None:
        """How the last of it was given up, None while something stands."""
        return next((loss for loss in self.losses if loss[1].remaining_j == 0), None)

    @property
    def kept(self) -> bool:
        """Whether something of it stood at the end."""
        return self.ended is None

    def lost_j(self, since_ms: int) -> int:
        """What was given up of it from an instant on."""
        return sum(gone.energy_j for said, gone in self.losses if said.at_ms >= since_ms)


@dataclass(slots=True)
class Tally:
    """One day's events, sorted. Slots are UTC seconds, links and buses have the scenario's names."""

    buses: dict[NodeId, str]
    links: dict[LinkId, str]
    packets: dict[int, list[Packet]] = field(default_factory=lambda: defaultdict(list))
    answers: dict[int, list[tuple[Said, HoldAnswered]]] = field(default_factory=lambda: defaultdict(list))
    settled: dict[tuple[int, str], dict[str, LinkSettled]] = field(default_factory=lambda: defaultdict(dict))
    accounts: dict[tuple[int, str], dict[str, LossAccount]] = field(default_factory=lambda: defaultdict(dict))
    imbalances: dict[tuple[int, str], dict[str, ImbalanceRecord]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    offers: dict[tuple[NodeId, int], OfferSeen] = field(default_factory=dict)
    origins_lost: list[tuple[Said, OriginLost]] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)


def tally(facts: DayFacts) -> Tally:
    """Sort what was harvested."""
    nodes = facts.nodes
    found = Tally(
        buses={node: bus for bus, node in nodes.items()},
        links={
            link_id_of(nodes[p.keeper], nodes[p.other], 0): p.link.name for p in places(facts.plan.scenario)
        },
    )
    losses = _losses(facts)
    for harvest in facts.harvests:
        _sort_trade(found, harvest, losses)
        _sort_settlement(found, harvest)
        found.offers.update({(seen.origin, seen.offer_no): seen for seen in harvest.offers})
        found.origins_lost.extend((Said(harvest.bus, at), lost) for at, lost in harvest.origins_lost)
        found.faults.update(fault.code.name for fault in harvest.faults)
    for last in {harvest.bus: harvest for harvest in facts.harvests}.values():
        found.counts.update(last.counts)
    return found


PacketLosses = dict[tuple[str, bytes, int], list[tuple[Said, Unbooked]]]


def _losses(facts: DayFacts) -> PacketLosses:
    """What packets have lost, by the end that says so."""
    found: PacketLosses = defaultdict(list)
    for harvest in facts.harvests:
        for at, gone in harvest.unbooked:
            found[harvest.bus, gone.reservation, gone.index].append((Said(harvest.bus, at), gone))
    return found


def _sort_trade(found: Tally, harvest: Harvest, losses: PacketLosses) -> None:
    for at, booked in harvest.booked:
        lost = losses.get((harvest.bus, booked.reservation, booked.index), ())
        found.packets[booked.slot].append(Packet(Said(harvest.bus, at), booked, tuple(lost)))
    for at, answer in harvest.answered:
        found.answers[answer.slot].append((Said(harvest.bus, at), answer))


def _sort_settlement(found: Tally, harvest: Harvest) -> None:
    for settled in harvest.settled:
        found.settled[settled.slot, found.links[settled.link]][harvest.bus] = settled
    for account in harvest.accounts:
        found.accounts[account.slot, found.links[account.link]][harvest.bus] = account
    for record in harvest.imbalances:
        found.imbalances[record.slot_utc_s, found.buses[record.node]][harvest.bus] = record
