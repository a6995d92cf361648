"""The tree of RADIAL links around a node, and the envelope that bounds them (SPEC section 11).

    limits and attestations travel up,          the envelope travels down
        leaf -> ... -> child -> root                root -> child -> ... -> leaf

The keeper of a RADIAL link is its parent end, so the links themselves say who
is parent, who is child, and that a node without a RADIAL parent is the root.

*Up.* Every node states its connection limits and passes on, as the bytes that
were signed, what it knows of its subtree.  A report holds only what the parent
has not been told in this session, in pieces of bounded size; a higher serial
replaces a lower one.  Nothing has to be complete: a node that has not reported
gets no line in the envelope, its link is not bookable, and that is safe.
What a child told stays when its session ends: a dead router is not a dead bus.

*Down.* The root shares out the voltage band (`sharing.py`), signs the result
and sends it down; every node checks that it came from its parent and from the
root it knows, keeps it, and forwards the same bytes.  A root is believed until
its last envelope has run out; only then may another take its place.

Changes are batched for `advert_ms`, so that a zone that starts up does not
sign an envelope per node.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Final

from ioe_router.config import RouterConfig
from ioe_router.core.freshness import check_issued
from ioe_router.core.outbox import Outbox
from ioe_router.core.ports import Port
from ioe_router.core.post import Post, Proven
from ioe_router.core.sharing import operating_lines
from ioe_router.model.clock import Now
from ioe_router.model.discovery import LinkAttestation, LinkKind
from ioe_router.model.envelope import Envelope, Sealed, Sealer
from ioe_router.model.errors import ErrorCode, PeerError, UsageError
from ioe_router.model.grid import ConnectionLimit, EnvelopeLine, OperatingEnvelope, ZoneReport
from ioe_router.model.ids import LinkId, NodeId, ObjectId, link_id_of
from ioe_router.model.proof import Equivocated, Proof
from ioe_router.model.slot import Slot, slot_at

ENVELOPE_SLOTS: Final = 192
LIMIT_LIFETIME_S: Final = 172_800
LINES_MAX: Final = 1_024  # of an envelope, which keeps it below 64 KiB; links beyond are not bookable
REPORT_ITEMS: Final = 48  # of each sort in one report, which keeps it below 64 KiB
ENVELOPES_KEPT: Final = 4
SERIAL_BITS: Final = 20  # a serial is the epoch and, behind it, a count of this size


class Zone:
    """One node's part of its zone."""

    def __init__(
        self, config: RouterConfig, sealer: Sealer, ports: Sequence[Port], post: Post, proven: Proven
    ) -> None:
        """Raises UsageError when the node has more than one RADIAL parent, which is no tree."""
        self._config = config
        self._sealer = sealer
        self._post = post
        self._proven = proven
        self.parent: Port | None = None
        self.children: tuple[Port, ...] = ()
        self.controlled: tuple[Port, ...] = ()
        self._sort(ports)
        self._live: set[NodeId] = set()
        self._reset(epoch=0)

    def _sort(self, ports: Sequence[Port]) -> None:
        check_tree(ports)
        radial = [port for port in ports if port.radial]
        self.parent = next((port for port in radial if not port.keeper), None)
        self.children = tuple(port for port in radial if port.keeper)
        self.controlled = tuple(port for port in ports if not port.radial)

    def follow(self, config: RouterConfig, ports: Sequence[Port], now: Now) -> None:
        """The operator has changed links or the own connection: tell the zone. UsageError as at the start."""
        before, parent = {port.link for port in (*self.children, *self.controlled)}, self.parent
        limits = _connection(self._config) != _connection(config)
        self._sort(ports)
        self._config = config
        kept = (*self.children, *self.controlled)
        for link in before - {port.link for port in kept}:
            self._links.pop(link, None)
        self._links.update({port.link: port.attestation for port in kept})
        if self.parent is not parent:
            self._told.clear()
        if limits:
            self._state_limit(now)
        self._changed(now)

    def _reset(self, epoch: int) -> None:
        self._epoch = epoch
        self._serial = self._seq = 0
        self._links: dict[LinkId, Sealed[LinkAttestation]] = {}
        self._limits: dict[NodeId, Sealed[ConnectionLimit]] = {}
        self._opened: dict[Envelope, Sealed[LinkAttestation] | Sealed[ConnectionLimit]] = {}
        self._told: set[ObjectId] = set()
        self._envelopes: list[Sealed[OperatingEnvelope]] = []
        self._lines: dict[ObjectId, dict[LinkId, EnvelopeLine]] = {}
        self._limits_changed = False
        self._batch_ns: int | None = None
        self._renew_ns: int | None = None
        self._limit_ns: int | None = None

    # ------------------------------------------------------------ what others may ask

    @property
    def is_root(self) -> bool:
        """No RADIAL parent: this node carries the zone's voltage reference."""
        return self.parent is None

    def is_live(self, neighbor: NodeId) -> bool:
        """A session with the neighbour stands."""
        return neighbor in self._live

    def limits(self, link: LinkId, slot: Slot) -> tuple[int, int, int] | None:
        """(down_w, up_w, reactive_var) of one of the zone's links; None: a RADIAL link that is not bookable.

        A CONTROLLED link is bound by its rating alone.
        """
        for port in self.controlled:
            if port.link == link:
                return port.attestation.body.rating_down_va, port.attestation.body.rating_up_va, 0
        envelope = self._envelope_for(slot)
        line = None if envelope is None else self._lines[envelope.object_id].get(link)
        return None if line is None else (line.down_w, line.up_w, line.reactive_var)

    def heights(self, slot: Slot) -> tuple[int, int] | None:
        """(levels below this node, levels below the root); None without an envelope for the slot."""
        if self.parent is None and not self.children:
            return 0, 0
        envelope = self._envelope_for(slot)
        if envelope is None:
            return None
        lines = self._lines[envelope.object_id]
        top = 1 + max((line.height for line in lines.values()), default=-1)
        if self.parent is None:
            return top, top
        own = lines.get(self.parent.link)
        return None if own is None else (own.height, top)

    def envelope(self, slot: Slot) -> Sealed[OperatingEnvelope] | None:
        """The envelope that counts in a slot: the newest that covers it."""
        return self._envelope_for(slot)

    def limits_changed(self) -> bool:
        """Whether an envelope has come since the last call."""
        changed, self._limits_changed = self._limits_changed, False
        return changed

    def _envelope_for(self, slot: Slot) -> Sealed[OperatingEnvelope] | None:
        for sealed in self._envelopes:
            first = sealed.body.first_slot_utc_s
            if first <= slot < first + sealed.body.slots * self._config.parameters.slot_s:
                return sealed
        return None

    # ------------------------------------------------------------ time

    def start(self, epoch: int, now: Now) -> None:
        """Begin a life: nothing is known but the own links and limits."""
        self._reset(epoch)
        for port in (*self.children, *self.controlled):
            self._links[port.link] = port.attestation
        self._state_limit(now)

    def next_deadline_ns(self) -> int | None:
        """When `tick` wants to be called, monotonic."""
        timers = (self._batch_ns, self._renew_ns, self._limit_ns)
        return min((timer for timer in timers if timer is not None), default=None)

    def tick(self, now: Now, out: Outbox) -> None:
        """Do what is due: renew the own limit, tell the parent, issue an envelope."""
        if _due(self._limit_ns, now):
            self._state_limit(now)
        if _due(self._renew_ns, now):
            self._renew_ns = None
            self._issue(now, out)
        if _due(self._batch_ns, now):
            self._batch_ns = None
            self._report(out)
            if self.is_root:
                self._issue(now, out)

    def _changed(self, now: Now) -> None:
        if self._batch_ns is None:
            self._batch_ns = now.after_ms(self._config.timers.advert_ms)

    def _state_limit(self, now: Now) -> None:
        self._serial += 1
        limit = ConnectionLimit(
            node=self._config.node,
            serial=(self._epoch << SERIAL_BITS) + self._serial,
            import_w=self._config.connection_import_w,
            export_w=self._config.connection_export_w,
            reactive_var=self._config.reactive_max_var,
            issued_utc_s=now.utc_s,
            expires_utc_s=now.utc_s + LIMIT_LIFETIME_S,
        )
        self._limits[self._config.node] = self._sealer.seal(limit)
        self._limit_ns = now.after_ms(LIMIT_LIFETIME_S * 500)
        self._changed(now)

    # ------------------------------------------------------------ sessions

    def neighbor_up(self, neighbor: NodeId, now: Now, out: Outbox) -> None:
        """A session stands: tell a parent everything again, give a child the envelope in force.

        With the neighbour has come its certificate: what it signed can now be reported.
        """
        self._live.add(neighbor)
        self._changed(now)
        if self._is_parent(neighbor):
            self._told.clear()
        elif any(port.neighbor == neighbor for port in self.children) and self._envelopes:
            newest = self._envelopes[0]
            self._post(neighbor, newest.envelope, out)

    def neighbor_down(self, neighbor: NodeId) -> None:
        """A session has ended; what was heard stays."""
        self._live.discard(neighbor)

    def _is_parent(self, neighbor: NodeId) -> bool:
        return self.parent is not None and self.parent.neighbor == neighbor

    # ------------------------------------------------------------ up

    def hear_report(self, neighbor: NodeId, sealed: Sealed[ZoneReport], now: Now) -> None:
        """Take a child's report. PeerError: not from a child, badly signed, expired, table full."""
        if all(port.neighbor != neighbor for port in self.children):
            raise PeerError(ErrorCode.UNEXPECTED, "a zone report comes from a child of a RADIAL link")
        fresh = False
        for envelope in sealed.body.attestations:
            if envelope not in self._opened:
                fresh = self._take_link(envelope, now) or fresh
        for envelope in sealed.body.limits:
            if envelope not in self._opened:
                fresh = self._take_limit(envelope, now) or fresh
        if fresh:
            self._changed(now)

    def _take_link(self, envelope: Envelope, now: Now) -> bool:
        sealed = self._sealer.open(envelope, LinkAttestation)
        body = sealed.body
        if set(sealed.signers) != {body.keeper, body.other}:
            raise PeerError(ErrorCode.WRONG_SIGNER, "an attestation is signed by the two ends of the link")
        if body.network_id != self._config.parameters.network_id:
            raise PeerError(ErrorCode.NETWORK_MISMATCH, f"attestation of network {body.network_id!r}")
        if body.kind not in (LinkKind.RADIAL, LinkKind.CONTROLLED):
            raise PeerError(ErrorCode.OUT_OF_BOUNDS, "version 1 knows RADIAL and CONTROLLED links only")
        _check_times(body.issued_utc_s, body.expires_utc_s, now)
        link = link_id_of(body.keeper, body.other, body.number)
        known = self._links.get(link)
        if known is not None and known.body.serial >= body.serial:
            return False
        if known is None and len(self._links) >= self._config.limits.attestations:
            raise PeerError(ErrorCode.LIMIT_REACHED, "more links in the zone than this node keeps")
        self._forget(known)
        self._links[link] = self._opened[envelope] = sealed
        return True

    def _take_limit(self, envelope: Envelope, now: Now) -> bool:
        sealed = self._sealer.open(envelope, ConnectionLimit)
        body = sealed.body
        if sealed.signers != (body.node,):
            raise PeerError(ErrorCode.WRONG_SIGNER, "a connection limit is signed by its node")
        _check_times(body.issued_utc_s, body.expires_utc_s, now)
        known = self._limits.get(body.node)
        if known is not None and known.body.serial >= body.serial:
            return False
        if known is None and len(self._limits) >= self._config.limits.attestations:
            raise PeerError(ErrorCode.LIMIT_REACHED, "more nodes in the zone than this node keeps")
        self._forget(known)
        self._limits[body.node] = self._opened[envelope] = sealed
        return True

    def _forget(self, known: Sealed[LinkAttestation] | Sealed[ConnectionLimit] | None) -> None:
        if known is not None:
            self._opened.pop(known.envelope, None)

    def _report(self, out: Outbox) -> None:
        """Tell the parent what it has not been told in this session, and can be shown to be signed."""
        if self.parent is None or self.parent.neighbor not in self._live:
            return
        links = [one for one in self._links.values() if self._proven(one.envelope)]
        limits = [one for one in self._limits.values() if self._proven(one.envelope)]
        new_links = [one.envelope for one in links if one.object_id not in self._told]
        new_limits = [one.envelope for one in limits if one.object_id not in self._told]
        self._told = {one.object_id for one in links} | {one.object_id for one in limits}
        for some_links, some_limits in zip_longest(_pieces(new_links), _pieces(new_limits), fillvalue=()):
            report = self._sealer.seal(ZoneReport(attestations=some_links, limits=some_limits))
            self._post(self.parent.neighbor, report.envelope, out, inside=(*some_links, *some_limits))

    # ------------------------------------------------------------ down

    def _issue(self, now: Now, out: Outbox) -> None:
        """As the root: share the band out anew and send it down; a zone without links needs none."""
        lines = operating_lines(
            self._config.node,
            self._config.slack_voltage_micro_pu,
            self._config.parameters,
            [s.body for s in self._links.values() if s.body.expires_utc_s > now.utc_s],
            {n: s.body for n, s in self._limits.items() if s.body.expires_utc_s > now.utc_s},
        )
        if not lines:
            return
        slot_s = self._config.parameters.slot_s
        self._seq += 1
        body = OperatingEnvelope(
            root=self._config.node,
            epoch=self._epoch,
            seq=self._seq,
            first_slot_utc_s=slot_at(now.utc_s, slot_s),
            slots=ENVELOPE_SLOTS,
            lines=lines[:LINES_MAX],
            issued_utc_s=now.utc_s,
        )
        self._renew_ns = now.after_ms(ENVELOPE_SLOTS * slot_s * 500)
        self._accept(self._sealer.seal(body), out)

    def hear_envelope(
        self, neighbor: NodeId, sealed: Sealed[OperatingEnvelope], now: Now, out: Outbox
    ) -> None:
        """Take the zone's envelope from the parent and forward it. PeerError when it may not be believed."""
        body = sealed.body
        if not self._is_parent(neighbor):
            raise PeerError(ErrorCode.UNEXPECTED, "an operating envelope comes from the RADIAL parent")
        if sealed.signers != (body.root,) or body.root == self._config.node:
            raise PeerError(ErrorCode.WRONG_SIGNER, "an operating envelope is signed by the zone's root")
        check_issued(body.issued_utc_s, now)
        if body.first_slot_utc_s % self._config.parameters.slot_s:
            raise PeerError(ErrorCode.OUT_OF_BOUNDS, "the first slot is not aligned to the slot length")
        if self._ends_utc_s(body) <= now.utc_s:
            raise PeerError(ErrorCode.EXPIRED, "its last slot is over")
        if self._is_newer(sealed, now):
            self._accept(sealed, out)

    def _is_newer(self, sealed: Sealed[OperatingEnvelope], now: Now) -> bool:
        if not self._envelopes or self._envelopes[0].object_id == sealed.object_id:
            return not self._envelopes
        body, newest = sealed.body, self._envelopes[0].body
        if body.root != newest.root:
            if self._ends_utc_s(newest) > now.utc_s:
                raise PeerError(ErrorCode.WRONG_SIGNER, "the envelope of another root is still in force")
            return True
        if (body.epoch, body.seq) == (newest.epoch, newest.seq):
            raise Equivocated(
                "two envelopes bear the same epoch and sequence number",
                Proof(
                    node=body.root,
                    epoch=body.epoch,
                    first=self._envelopes[0].envelope,
                    second=sealed.envelope,
                ),
            )
        if (body.epoch, body.seq) < (newest.epoch, newest.seq):
            raise PeerError(ErrorCode.STALE, "a newer operating envelope is known")
        return True

    def _ends_utc_s(self, body: OperatingEnvelope) -> int:
        return body.first_slot_utc_s + body.slots * self._config.parameters.slot_s

    def _accept(self, sealed: Sealed[OperatingEnvelope], out: Outbox) -> None:
        self._envelopes.insert(0, sealed)
        del self._envelopes[ENVELOPES_KEPT:]
        kept = {e.object_id: {line.link: line for line in e.body.lines} for e in self._envelopes}
        self._lines = kept
        self._limits_changed = True
        for port in self.children:
            if port.neighbor in self._live:
                self._post(port.neighbor, sealed.envelope, out)


def check_tree(ports: Sequence[Port]) -> None:
    """UsageError when more than one RADIAL link leads to a parent, which is no tree."""
    parents = sum(port.radial and not port.keeper for port in ports)
    if parents > 1:
        raise UsageError(f"{parents} RADIAL links lead to a parent; attest all but one of them as CONTROLLED")


def _connection(config: RouterConfig) -> tuple[int, int, int]:
    return config.connection_import_w, config.connection_export_w, config.reactive_max_var


def _due(timer_ns: int | None, now: Now) -> bool:
    return timer_ns is not None and now.monotonic_ns >= timer_ns


def _check_times(issued_utc_s: int, expires_utc_s: int, now: Now) -> None:
    check_issued(issued_utc_s, now)
    if expires_utc_s <= now.utc_s:
        raise PeerError(ErrorCode.EXPIRED, "its validity has ended")


def _pieces(envelopes: list[Envelope]) -> list[tuple[Envelope, ...]]:
    return [tuple(envelopes[i : i + REPORT_ITEMS]) for i in range(0, len(envelopes), REPORT_ITEMS)]
