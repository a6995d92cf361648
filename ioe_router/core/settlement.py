"""Who owes whom on a link for a slot, once the meters have spoken (SPEC section 12).

    MeterRead -> MeterRecord ->         both records: the link's metered loss
                 <- MeterRecord         then LinkStatement ->  <- LinkStatement
                                        equal figures: the slot is settled on this link

*Obligations.* A committed packet obliges the end that receives its energy to
the end that sends it: price times energy at the end nearer the initiator, over
3 600 000, rounded down.  SUPPLY fixes what is delivered (y), DEMAND what is
injected (s).  Every obligation appears once with each sign, so all obligations
of a network add up to zero.

*Loss account.* What the meters show lost on a link, less what its packets
carry (sum of s - y), less what the ends bought for it.  With it the books of a
link balance to the joule.  Each end has half of it, the odd joule the keeper.

*Deviation.* Over all its ports, what the node really took less what was booked
as taken, its loss supply counted as given into the links.  It is settled with
the balance-responsible party (`imbalance.py`).

A slot is settled once per link.  The same object again changes nothing; another
one in its place is a conflict.  Statements of an end form a hash chain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ioe_router.config import RouterConfig
from ioe_router.core.booked import BookedLink
from ioe_router.core.events import LinkSettled
from ioe_router.core.inputs import MeterRead
from ioe_router.core.outbox import Outbox
from ioe_router.core.ports import Port
from ioe_router.core.post import Post
from ioe_router.core.settled import (
    NO_OBJECT,
    ChainHeads,
    LossAccount,
    NodeDeviation,
    SettledPacket,
    SlotOnLink,
    check_sums,
    figures,
    loss_account,
)
from ioe_router.model.clock import CLOCK_TOLERANCE_S, Now
from ioe_router.model.envelope import Sealed, Sealer
from ioe_router.model.errors import ErrorCode, Overtaken, PeerError, UsageError
from ioe_router.model.ids import LinkId, NodeId, ObjectId
from ioe_router.model.parameters import SETTLEMENT_SLOTS
from ioe_router.model.routing import Flow
from ioe_router.model.settlement import LinkStatement, MeterRecord
from ioe_router.model.slot import Slot, slot_at


class Settlement:
    """Meter records and statements of all links of a node."""

    def __init__(self, config: RouterConfig, sealer: Sealer, ports: Sequence[Port], post: Post) -> None:
        """Nothing is metered yet; counters start at zero."""
        self._config = config
        self._sealer = sealer
        self._post = post
        self._slot_s = config.parameters.slot_s
        self._ports = {port.link: port for port in ports}
        self._rows: dict[tuple[Slot, LinkId], SlotOnLink] = {}
        self._heads: dict[LinkId, ChainHeads] = {}
        self._changed: dict[tuple[Slot, LinkId], None] = {}
        self._answered: dict[tuple[Slot, LinkId], None] = {}  # repeated for a neighbour in this session
        self._forgotten = Slot(0)

    def follow(self, ports: Sequence[Port]) -> None:
        """Settle on these links from now on; what is left of others is forgotten."""
        self._ports = {port.link: port for port in ports}
        gone = [key for key in self._rows if key[1] not in self._ports]
        self._changed.update(dict.fromkeys(gone))
        self._rows = {key: row for key, row in self._rows.items() if key[1] in self._ports}
        self._answered = {key: None for key in self._answered if key[1] in self._ports}

    # ------------------------------------------------------------ views

    @property
    def rows(self) -> Mapping[tuple[Slot, LinkId], SlotOnLink]:
        """What is held per slot and link, in the order in which it began."""
        return dict(self._rows)

    @property
    def statements(self) -> tuple[Sealed[LinkStatement], ...]:
        """All statements held, own before the neighbour's."""
        both = [s for row in self._rows.values() for s in (row.own_statement, row.peer_statement)]
        return tuple(s for s in both if s is not None)

    @property
    def loss_accounts(self) -> tuple[LossAccount, ...]:
        """The loss accounts of all links and slots that both ends have metered."""
        return tuple(row.account for row in self._rows.values() if row.account is not None)

    def forget_before(self, slot: Slot) -> None:
        """Drop what concerns slots before `slot` and refuse to hear of them again.

        The neighbour may never have seen a statement that it did not answer;
        nothing can continue that one, so the next begins a new chain.
        """
        self._forgotten = max(self._forgotten, slot)
        for key, row in list(self._rows.items()):
            if key[0] >= slot:
                continue
            if row.own_statement is not None and row.agreed is None:
                self._heads[key[1]] = replace(self.heads(key[1]), last_own=None)
            self._changed[key] = None
            del self._rows[key]

    # ------------------------------------------------------------ durable records

    def heads(self, link: LinkId) -> ChainHeads:
        """Counters and chain heads of a link."""
        return self._heads.get(link, ChainHeads())

    def changed(self) -> tuple[tuple[tuple[Slot, LinkId], SlotOnLink | None], ...]:
        """Rows that have changed since the last call; None: forgotten."""
        changed = tuple((key, self._rows.get(key)) for key in self._changed)
        self._changed.clear()
        return changed

    def restore_heads(self, link: LinkId, heads: ChainHeads) -> None:
        """Go on where an earlier life stood on a link."""
        self._heads[link] = heads

    def restore_row(self, slot: Slot, link: LinkId, row: SlotOnLink) -> None:
        """Take a row of an earlier life; what both ends have stated stays settled as it was."""
        port, agreed, account = self._ports[link], None, None
        if row.own_statement is not None and row.peer_statement is not None:
            agreed = figures(row.own_statement.body) == figures(row.peer_statement.body)
        if row.own_meter is not None and row.peer_meter is not None and row.booked is not None:
            account = loss_account(slot, port, row.booked, row.own_meter.body, row.peer_meter.body)
        self._rows[slot, link] = replace(row, agreed=agreed, account=account)

    def restored_deviations(self) -> tuple[NodeDeviation, ...]:
        """The node's deviation in every slot of which all ports have been read."""
        slots = dict.fromkeys(slot for slot, _ in self._rows)
        found = (self._deviation(slot) for slot in slots)
        return tuple(one for one in found if one is not None)

    def _put(self, slot: Slot, link: LinkId, row: SlotOnLink) -> None:
        self._rows[slot, link] = row
        self._changed[slot, link] = None

    # ------------------------------------------------------------ metering

    def metered(
        self,
        read: MeterRead,
        booked: BookedLink,
        packets: tuple[SettledPacket, ...],
        now: Now,
        out: Outbox,
    ) -> NodeDeviation | None:
        """Take an own meter's reading of a slot that is over, with what is booked there.

        Answers the node's deviation once every port has been read.  UsageError
        for what no meter reads; Overtaken when the clock was set back meanwhile, for
        a slot that is forgotten, and for a second, other reading.
        """
        port = self._ports.get(read.link)
        if port is None:
            raise UsageError(
                "a meter was read on a link that this node does not have; check its configuration"
            )
        if read.slot % self._slot_s:
            raise UsageError(f"slot {read.slot} is not aligned; use a multiple of {self._slot_s} s")
        if min(read.imported_j, read.exported_j) < 0:
            raise UsageError("a meter reading is negative; give both directions as counts from zero")
        if read.slot + self._slot_s > now.utc_s:
            raise Overtaken(ErrorCode.FROM_FUTURE, f"slot {read.slot} is not over; read it at its end")
        if read.slot < self._forgotten:
            raise Overtaken(ErrorCode.IN_PAST, f"slot {read.slot} has been settled and forgotten")
        row = self._row(read.slot, read.link)
        if row.own_meter is not None:
            known = row.own_meter.body
            if (known.imported_j, known.exported_j) != (read.imported_j, read.exported_j):
                raise Overtaken(ErrorCode.CONFLICT, "a reading is final; this slot had other figures")
            return None
        check_sums(booked, packets)
        record = self._sealer.seal(self._meter_record(read))
        self._put(read.slot, read.link, replace(row, booked=booked, packets=packets, own_meter=record))
        self._post(port.neighbor, record.envelope, out)
        self._both_metered(read.slot, port, out)
        return self._deviation(read.slot)

    def _meter_record(self, read: MeterRead) -> MeterRecord:
        heads = self.heads(read.link)
        imported_j, exported_j = heads.imported_j + read.imported_j, heads.exported_j + read.exported_j
        self._heads[read.link] = replace(heads, imported_j=imported_j, exported_j=exported_j)
        return MeterRecord(
            link=read.link,
            slot_utc_s=read.slot,
            node=self._config.node,
            imported_j=read.imported_j,
            exported_j=read.exported_j,
            counter_imported_j=imported_j,
            counter_exported_j=exported_j,
        )

    def _deviation(self, slot: Slot) -> NodeDeviation | None:
        metered_j = booked_j = 0
        for link in self._ports:
            row = self._rows.get((slot, link))
            if row is None or row.own_meter is None or row.booked is None:
                return None
            metered_j += row.own_meter.body.imported_j - row.own_meter.body.exported_j
            booked_j += row.booked.net_import_j
        return NodeDeviation(slot, metered_j - booked_j)

    def hear_meter(self, neighbor: NodeId, sealed: Sealed[MeterRecord], now: Now, out: Outbox) -> None:
        """Take the other end's meter record. PeerError: not its link, slot not over, conflict."""
        body = sealed.body
        port = self._port(neighbor, body.link, body.node, sealed.signers)
        slot = self._slot(body.slot_utc_s, now)
        if body.counter_imported_j < body.imported_j or body.counter_exported_j < body.exported_j:
            raise PeerError(ErrorCode.OUT_OF_BOUNDS, "a meter's counter is below what it counted in the slot")
        row = self._row(slot, body.link)
        if row.peer_meter is not None:
            _same(row.peer_meter.object_id, sealed.object_id, "meter record")
            return
        self._put(slot, body.link, replace(row, peer_meter=sealed))
        self._both_metered(slot, port, out)

    def _both_metered(self, slot: Slot, port: Port, out: Outbox) -> None:
        row = self._rows[slot, port.link]
        if (
            row.own_meter is None
            or row.peer_meter is None
            or row.booked is None
            or row.own_statement is not None
        ):
            return
        statement = self._sealer.seal(self._statement(slot, port.link, row.booked, row.packets))
        self._heads[port.link] = replace(self.heads(port.link), last_own=statement.object_id)
        account = loss_account(slot, port, row.booked, row.own_meter.body, row.peer_meter.body)
        self._put(slot, port.link, replace(row, own_statement=statement, account=account))
        self._post(port.neighbor, statement.envelope, out)
        self._both_stated(slot, port, out)

    # ------------------------------------------------------------ statements

    def _statement(
        self, slot: Slot, link: LinkId, booked: BookedLink, packets: tuple[SettledPacket, ...]
    ) -> LinkStatement:
        return LinkStatement(
            link=link,
            slot_utc_s=slot,
            node=self._config.node,
            packets=len(packets),
            keeper_owes_micro=sum(p.obligation_micro for p in packets if p.flow is Flow.UP),
            other_owes_micro=sum(p.obligation_micro for p in packets if p.flow is Flow.DOWN),
            booked_down_sent_j=booked.down_sent_j,
            booked_up_sent_j=booked.up_sent_j,
            booked_down_received_j=booked.down_received_j,
            booked_up_received_j=booked.up_received_j,
            previous=self.heads(link).last_own or NO_OBJECT,
        )

    def hear_statement(self, neighbor: NodeId, sealed: Sealed[LinkStatement], now: Now, out: Outbox) -> None:
        """Take the other end's statement. PeerError: not its link, broken chain, conflict."""
        body = sealed.body
        port = self._port(neighbor, body.link, body.node, sealed.signers)
        slot = self._slot(body.slot_utc_s, now)
        row = self._row(slot, body.link)
        if row.peer_statement is not None:
            _same(row.peer_statement.object_id, sealed.object_id, "statement")
            self._answer_again((slot, body.link), neighbor, out)
            return
        # A neighbour that lost its records begins a new chain with zeros; that is seen, not forbidden.
        heads = self.heads(body.link)
        if body.previous not in (heads.last_peer or body.previous, NO_OBJECT):
            raise PeerError(ErrorCode.BROKEN_CHAIN, "the statement does not continue the one before it")
        self._heads[body.link] = replace(heads, last_peer=sealed.object_id)
        self._put(slot, body.link, replace(row, peer_statement=sealed))
        self._both_stated(slot, port, out)

    def _answer_again(self, key: tuple[Slot, LinkId], neighbor: NodeId, out: Outbox) -> None:
        """Whoever repeats a statement of a slot that is settled here has lost ours, by a crash.

        Once a session, or two ends that are both settled would never come to an end.
        """
        row = self._rows[key]
        if row.agreed is not None and row.own_statement is not None and key not in self._answered:
            self._answered[key] = None
            self._post(neighbor, row.own_statement.envelope, out)

    def _both_stated(self, slot: Slot, port: Port, out: Outbox) -> None:
        row = self._rows[slot, port.link]
        if row.own_statement is None or row.peer_statement is None or row.agreed is not None:
            return
        agreed = figures(row.own_statement.body) == figures(row.peer_statement.body)
        self._put(slot, port.link, replace(row, agreed=agreed))
        out.emit(_link_settled(slot, port, row.own_statement.body, agreed=agreed))

    def settled(self) -> tuple[LinkSettled, ...]:
        """What both ends have stated, as the host is told of it."""
        return tuple(
            _link_settled(slot, self._ports[link], row.own_statement.body, agreed=row.agreed)
            for (slot, link), row in self._rows.items()
            if row.own_statement is not None and row.agreed is not None
        )

    # ------------------------------------------------------------ sessions and checks

    def neighbor_up(self, neighbor: NodeId, out: Outbox) -> None:
        """A session stands: repeat what the neighbour may have missed, in order."""
        self._answered = {key: None for key in self._answered if self._ports[key[1]].neighbor != neighbor}
        for (_, link), row in self._rows.items():
            if self._ports[link].neighbor == neighbor and row.agreed is None:
                for sealed in (row.own_meter, row.own_statement):
                    if sealed is not None:
                        self._post(neighbor, sealed.envelope, out)

    def _row(self, slot: Slot, link: LinkId) -> SlotOnLink:
        return self._rows.get((slot, link), SlotOnLink())

    def _port(self, neighbor: NodeId, link: LinkId, node: NodeId, signers: tuple[NodeId, ...]) -> Port:
        port = self._ports.get(link)
        if port is None or port.neighbor != neighbor:
            raise PeerError(ErrorCode.UNKNOWN_LINK, "the record is about a link that is not between us")
        if node != neighbor or signers != (neighbor,):
            raise PeerError(ErrorCode.WRONG_SIGNER, "a link's records are signed by its ends")
        return port

    def _slot(self, slot_utc_s: int, now: Now) -> Slot:
        if slot_utc_s % self._slot_s:
            raise PeerError(ErrorCode.OUT_OF_BOUNDS, "the slot is not aligned to the slot length")
        if slot_utc_s + self._slot_s > now.utc_s + CLOCK_TOLERANCE_S:
            raise PeerError(ErrorCode.FROM_FUTURE, "the slot is not over")
        oldest = slot_at(now.utc_s, self._slot_s) - SETTLEMENT_SLOTS * self._slot_s
        if slot_utc_s < max(oldest, self._forgotten):
            raise PeerError(ErrorCode.IN_PAST, "the slot has been settled and forgotten")
        return Slot(slot_utc_s)


def _link_settled(slot: Slot, port: Port, own: LinkStatement, *, agreed: bool) -> LinkSettled:
    by_us, to_us = own.keeper_owes_micro, own.other_owes_micro
    if not port.keeper:
        by_us, to_us = to_us, by_us
    return LinkSettled(
        link=port.link, slot=slot, agreed=agreed, owed_to_us_micro=to_us, owed_by_us_micro=by_us
    )


def _same(known: ObjectId, heard: ObjectId, what: str) -> None:
    if known != heard:
        raise PeerError(ErrorCode.CONFLICT, f"another {what} for this link and slot is known")
