"""A node's deviation, settled with its balance-responsible party (SPEC section 12).

    node --Relay(path, record)--> hop --> ... --> party        signed by the node
    node <--Relay(record)-------- hop <-- ... <-- party        and by the party

The record goes along the best path that the party is the origin of, named hop
by hop as a HOLD names it; the countersigned copy comes back the way it went,
since every hop remembers for a while from whom it had the record.  A hop
decides nothing.

SHORT: the node took more, or gave less, than booked and pays the imbalance
price; LONG the reverse.  The amount is price times energy over 3 600 000,
rounded down, so both sides compute the same micro-units.

A record without a way, or without an answer in time, is sent again.  The same
record again gets the same answer; another one for the same slot is a conflict.
A party has no party: its own deviation needs no record.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, Protocol

from ioe_router.config import RouterConfig
from ioe_router.core.events import ImbalanceSettled
from ioe_router.core.inputs import ImbalancePrices
from ioe_router.core.loss import amount_micro
from ioe_router.core.outbox import Outbox
from ioe_router.core.post import Post
from ioe_router.core.settled import NO_OBJECT, NodeDeviation
from ioe_router.model.clock import MS_PER_S, Now
from ioe_router.model.envelope import Envelope, Sealed, Sealer
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.ids import NodeId, ObjectId, PathHash
from ioe_router.model.settlement import Deviation, ImbalanceRecord, Relay
from ioe_router.model.slot import Slot

RETRY_MS: Final = 60_000
RECORDS_MAX: Final = 4096  # own unsettled records; relayed records; records held as a party, per node a slot
WAY_BACK: Final = PathHash(b"")


class AtOrigin(Enum):
    """A path that ends at this node."""

    HERE = "here"


Hop = tuple[NodeId, PathHash]
RouteTo = Callable[[NodeId], Hop | None]  # party -> first neighbour and the path's name there
Forward = Callable[[NodeId, PathHash], Hop | AtOrigin | None]  # (from neighbour, name) -> next hop
HasParty = Callable[[NodeId, NodeId], bool]  # whether a node may settle with this party


class Countersigner(Sealer, Protocol):
    """A sealer that can also put this node's signature behind another's."""

    def countersign(self, envelope: Envelope) -> Sealed[ImbalanceRecord]:
        """The same object with the node's own signature appended; the object id does not change."""
        ...


@dataclass(frozen=True, slots=True)
class OwnRecord:
    """A record of our own deviation; `settled` once it is countersigned, else tried again at `retry_ns`."""

    record: Sealed[ImbalanceRecord]
    settled: bool
    retry_ns: int


@dataclass(frozen=True, slots=True)
class _Relayed:
    neighbor: NodeId
    forget_ns: int


class Imbalance:
    """Imbalance records of this node, of its members if it is a party, and those passing through."""

    def __init__(
        self,
        config: RouterConfig,
        sealer: Countersigner,
        route_to: RouteTo,
        forward: Forward,
        post: Post,
        has_party: HasParty = lambda _node, _party: True,
    ) -> None:
        """The lookups are asked at each sending: paths come and go."""
        self._has_party = has_party
        self._config = config
        self.default_prices = (config.imbalance_short_micro_per_kwh, config.imbalance_long_micro_per_kwh)
        self._sealer = sealer
        self._route_to = route_to
        self._forward = forward
        self._post = post
        self._own: dict[Slot, OwnRecord] = {}
        self._held: dict[tuple[Slot, NodeId], Sealed[ImbalanceRecord]] = {}
        self._relayed: dict[ObjectId, _Relayed] = {}
        self._prices: dict[Slot, ImbalancePrices] = {}
        self._previous = NO_OBJECT
        self._changed_own: dict[Slot, None] = {}
        self._changed_held: dict[tuple[Slot, NodeId], None] = {}
        self._changed_prices: dict[Slot, None] = {}

    # ------------------------------------------------------------ views

    @property
    def own(self) -> tuple[OwnRecord, ...]:
        """Own records, oldest first."""
        return tuple(self._own.values())

    def settled(self) -> tuple[ImbalanceSettled, ...]:
        """Records with both signatures, own and members', as the host is told of them."""
        own = (one.record for one in self._own.values() if one.settled)
        return tuple(ImbalanceSettled(record=record) for record in (*own, *self._held.values()))

    @property
    def held(self) -> tuple[Sealed[ImbalanceRecord], ...]:
        """Records that this node has countersigned as a party."""
        return tuple(self._held.values())

    def forget_before(self, slot: Slot) -> None:
        """Drop what is settled about slots before `slot`; unsettled records stay."""
        for old, own in list(self._own.items()):
            if old < slot and own.settled:
                del self._own[old]
                self._changed_own[old] = None
        for key in [key for key in self._held if key[0] < slot]:
            del self._held[key]
            self._changed_held[key] = None
        for old in [old for old in self._prices if old < slot]:
            del self._prices[old]
            self._changed_prices[old] = None

    # ------------------------------------------------------------ durable records

    @property
    def previous(self) -> ObjectId:
        """The head of the node's own chain."""
        return self._previous

    def changed_own(self) -> tuple[tuple[Slot, OwnRecord | None], ...]:
        """Own records that have changed since the last call; None: forgotten."""
        changed = tuple((slot, self._own.get(slot)) for slot in self._changed_own)
        self._changed_own.clear()
        return changed

    def changed_held(self) -> tuple[tuple[tuple[Slot, NodeId], Sealed[ImbalanceRecord] | None], ...]:
        """Members' records that have changed since the last call; None: forgotten."""
        changed = tuple((key, self._held.get(key)) for key in self._changed_held)
        self._changed_held.clear()
        return changed

    def changed_prices(self) -> tuple[tuple[Slot, ImbalancePrices | None], ...]:
        """Prices that the host has set since the last call; None: forgotten."""
        changed = tuple((slot, self._prices.get(slot)) for slot in self._changed_prices)
        self._changed_prices.clear()
        return changed

    def restore_prices(self, prices: ImbalancePrices) -> None:
        """Take the prices that an earlier life was told."""
        self._prices[prices.slot] = prices

    def restore_own(self, slot: Slot, record: Sealed[ImbalanceRecord], *, settled: bool, now: Now) -> None:
        """Take an own record of an earlier life; unsettled it is sent again."""
        self._own[slot] = OwnRecord(record, settled=settled, retry_ns=now.monotonic_ns)

    def restore_held(self, slot: Slot, record: Sealed[ImbalanceRecord]) -> None:
        """Take a member's record of an earlier life."""
        self._held[slot, record.body.node] = record

    def restore_previous(self, previous: ObjectId) -> None:
        """Go on with the node's chain where it stood."""
        self._previous = previous

    # ------------------------------------------------------------ the node

    def set_prices(self, prices: ImbalancePrices) -> None:
        """Imbalance prices of a slot; without them those of the configuration count."""
        if self._prices.get(prices.slot) != prices:
            self._prices[prices.slot] = prices
            self._changed_prices[prices.slot] = None

    def price_micro_per_kwh(self, slot: Slot, deviation: Deviation) -> int:
        """The imbalance price of a slot for one way of deviating."""
        prices = self._prices.get(slot)
        if deviation is Deviation.SHORT:
            default = self.default_prices[0]
            return default if prices is None else prices.short_micro_per_kwh
        default = self.default_prices[1]
        return default if prices is None else prices.long_micro_per_kwh

    def deviated(self, deviation: NodeDeviation, now: Now, out: Outbox) -> None:
        """Settle the node's deviation of a slot with its party; nothing to do for none, or for a party."""
        party, slot = self._config.balance_party, deviation.slot
        if party is None or party == self._config.node or deviation.short_j == 0 or slot in self._own:
            return
        if sum(not own.settled for own in self._own.values()) >= RECORDS_MAX:
            return  # refused, not evicted: the deviation can still be read from the meter records
        way = Deviation.SHORT if deviation.short_j > 0 else Deviation.LONG
        price = self.price_micro_per_kwh(slot, way)
        body = ImbalanceRecord(
            node=self._config.node,
            party=party,
            slot_utc_s=slot,
            deviation=way,
            energy_j=abs(deviation.short_j),
            price_micro_per_kwh=price,
            amount_micro=amount_micro(price, abs(deviation.short_j)),
            previous=self._previous,
        )
        record = self._sealer.seal(body)
        self._previous = record.object_id
        self._own[slot] = OwnRecord(record, settled=False, retry_ns=now.monotonic_ns)
        self._changed_own[slot] = None
        self._try(slot, now, out)

    def next_deadline_ns(self) -> int | None:
        """When `tick` wants to be called: an answer is overdue, or a relayed record is forgotten."""
        timers = [own.retry_ns for own in self._own.values() if not own.settled]
        timers += [relayed.forget_ns for relayed in self._relayed.values()]
        return min(timers, default=None)

    def tick(self, now: Now, out: Outbox) -> None:
        """Send again what is overdue; forget relayed records after their time."""
        self._relayed = {k: v for k, v in self._relayed.items() if v.forget_ns > now.monotonic_ns}
        for slot, own in list(self._own.items()):
            if not own.settled and own.retry_ns <= now.monotonic_ns:
                self._try(slot, now, out)

    def _try(self, slot: Slot, now: Now, out: Outbox) -> None:
        own = self._own[slot]
        self._own[slot] = replace(own, retry_ns=now.after_ms(RETRY_MS))
        hop = self._route_to(own.record.body.party)
        if hop is not None:
            self._relay(hop, own.record.envelope, out)

    def _relay(self, hop: Hop, record: Envelope, out: Outbox) -> None:
        neighbor, path = hop
        relay = self._sealer.seal(Relay(path=path, record=record))
        self._post(neighbor, relay.envelope, out, inside=(record,))

    # ------------------------------------------------------------ hops and the party

    def hear_relay(self, neighbor: NodeId, relay: Relay, now: Now, out: Outbox) -> None:
        """Pass a record on, countersign it, or take it back. PeerError: unsigned, no way, conflict."""
        record = self._sealer.open(relay.record, ImbalanceRecord)
        if relay.path == WAY_BACK:
            self._returned(record, out)
            return
        if record.signers != (record.body.node,):
            raise PeerError(ErrorCode.WRONG_SIGNER, "an imbalance record sets out with its node's signature")
        hop = self._forward(neighbor, relay.path)
        if hop is AtOrigin.HERE:
            self._relay((neighbor, WAY_BACK), self._countersigned(record, out).envelope, out)
        elif hop is None:
            raise PeerError(ErrorCode.NO_PATH, "the path that the record names is not known here")
        else:
            self._remember(record.object_id, neighbor, now)
            self._relay(hop, relay.record, out)

    def _remember(self, record: ObjectId, neighbor: NodeId, now: Now) -> None:
        if record not in self._relayed and len(self._relayed) >= RECORDS_MAX:
            raise PeerError(ErrorCode.LIMIT_REACHED, "more records are on their way than this node remembers")
        kept_ms = self._config.timers.outcome_kept_s * MS_PER_S
        self._relayed[record] = _Relayed(neighbor, now.after_ms(kept_ms))

    def _countersigned(self, record: Sealed[ImbalanceRecord], out: Outbox) -> Sealed[ImbalanceRecord]:
        body = record.body
        key = (Slot(body.slot_utc_s), body.node)
        known = self._held.get(key)
        if known is not None:
            if known.object_id != record.object_id:
                raise PeerError(ErrorCode.CONFLICT, "another record of this node and slot is known")
            return known
        self._check(body)
        if len(self._held) >= self._config.limits.origins * 8:
            raise PeerError(ErrorCode.LIMIT_REACHED, "more imbalance records than this party keeps")
        both = self._held[key] = self._sealer.countersign(record.envelope)
        self._changed_held[key] = None
        out.emit(ImbalanceSettled(record=both))
        return both

    def _check(self, body: ImbalanceRecord) -> None:
        if body.party != self._config.node:
            raise PeerError(ErrorCode.NOT_FOR_ME, "the record names another balance-responsible party")
        if not self._has_party(body.node, body.party):
            raise PeerError(ErrorCode.NOT_FOR_ME, "the node's domain names another balance-responsible party")
        if body.slot_utc_s % self._config.parameters.slot_s or body.energy_j <= 0:
            raise PeerError(ErrorCode.OUT_OF_BOUNDS, "slot not aligned, or no energy")
        if body.deviation is Deviation.UNSPECIFIED:
            raise PeerError(ErrorCode.OUT_OF_BOUNDS, "the record does not say which way the node deviated")
        price = self.price_micro_per_kwh(Slot(body.slot_utc_s), body.deviation)
        if (body.price_micro_per_kwh, body.amount_micro) != (price, amount_micro(price, body.energy_j)):
            raise PeerError(ErrorCode.CONFLICT, f"the imbalance price of this slot is {price} micro per kWh")

    def _returned(self, record: Sealed[ImbalanceRecord], out: Outbox) -> None:
        body = record.body
        if record.signers != (body.node, body.party):
            raise PeerError(
                ErrorCode.WRONG_SIGNER, "a record comes back with the party's signature behind the node's"
            )
        if body.node == self._config.node:
            own = self._own.get(Slot(body.slot_utc_s))
            if own is not None and not own.settled and own.record.object_id == record.object_id:
                self._own[Slot(body.slot_utc_s)] = replace(own, record=record, settled=True)
                self._changed_own[Slot(body.slot_utc_s)] = None
                out.emit(ImbalanceSettled(record=record))
            return
        relayed = self._relayed.pop(record.object_id, None)
        if relayed is not None:
            self._relay((relayed.neighbor, WAY_BACK), record.envelope, out)
