"""Two sweeps of P, Q and V between neighbours after the provisional gate (SPEC section 11).

    round i, up:    leaves -> root    SWEEP_UP(P, Q at the parent's end)
    round i, down:  root -> leaves    SWEEP_DOWN(V at the parent's end)

Every node adds what its devices and CONTROLLED ports are booked to draw to what
its children told, adds the loss of the link to its parent at the voltage of the
round before (the planning voltage in the first), and passes it on.  The root
answers with its voltage, and each node finds its own from it (`distflow.py`).

Nobody is waited for longer than the timetable says.  With h the levels below a
node, H those below the root and tau the time per level, a node sends its
SWEEP_UP of round i at the latest at gate + (2 (i-1) H + h) tau; a child that
has not told by then, or has no session, counts with what is booked on its link
and no reactive energy.  A node that has heard no SWEEP_DOWN by gate + 2 i H tau
goes on with its planning voltage.  What comes later is of no use and dropped.

After the second round each end of a link computes the loss from the P, Q and V
that passed between them, so both find the same integer.  What a node must
still buy (or may sell) is, over its links, its half of what no packet carries
less what it has bought for it already.  L_int is not touched by any of this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ioe_router.config import RouterConfig
from ioe_router.core import distflow
from ioe_router.core.booked import BookedLink, model_loss_j
from ioe_router.core.distflow import EndEnergy
from ioe_router.core.fib import controlled_import_j, devices_import_j, exchange_of
from ioe_router.core.outbox import Outbox
from ioe_router.core.ports import Port
from ioe_router.core.post import Post
from ioe_router.core.sweep_events import LossCorrection, SlotSwept, VoltageOutOfBand
from ioe_router.core.zone import Zone
from ioe_router.model.clock import MS_PER_S, Now
from ioe_router.model.envelope import Sealer
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.grid import Exchange, SweepDown, SweepUp
from ioe_router.model.ids import LinkId, NodeId
from ioe_router.model.slot import Slot, slot_at

ROUNDS: Final = 2
SLOTS_AHEAD: Final = 4  # a sweep about a slot further away is refused
ENERGY_MAX_J: Final = 2**53 - 1  # largest energy of a message
BELIEVED_RATINGS: Final = 8  # a flow above so many ratings is neither stated nor believed


@dataclass(slots=True)
class _Run:
    """The sweeps of one slot at this node."""

    slot: Slot
    booked: Mapping[LinkId, BookedLink]
    own_levels: int
    zone_levels: int
    start_ns: int
    voltage_micro_pu: int
    parent_micro_pu: int
    round: int = 1
    above: EndEnergy | None = None  # told to the parent in this round; None while children are awaited
    done: bool = False
    below: dict[LinkId, EndEnergy] = field(default_factory=dict)  # per child link, of this round
    lost_j: dict[LinkId, int] = field(default_factory=dict)  # per own link, once done
    spare_j: int = 0  # loss supply that the round before found too much: it stays with the devices


class Sweeps:
    """All sweeps that this node takes part in."""

    def __init__(self, config: RouterConfig, zone: Zone, sealer: Sealer, post: Post) -> None:
        """Nothing is swept yet."""
        self._config = config
        self._zone = zone
        self._sealer = sealer
        self._post = post
        self._slot_s = config.parameters.slot_s
        self._runs: dict[Slot, _Run] = {}
        self._reactive: dict[Slot, int] = {}
        self._early: dict[tuple[Slot, int, LinkId], EndEnergy] = {}

    # ------------------------------------------------------------ the host

    def forecast(self, slot: Slot, reactive: Exchange, reactive_vars: int) -> None:
        """What the own devices will draw (IMPORT) or give (EXPORT) in a slot, var-seconds."""
        self._reactive[slot] = -reactive_vars if reactive is Exchange.EXPORT else reactive_vars

    def reactive_vars(self, slot: Slot) -> int:
        """The own forecast, positive drawn; 0 when none was given."""
        return self._reactive.get(slot, 0)

    def voltage_micro_pu(self, slot: Slot) -> int | None:
        """The voltage that the sweeps of a slot found here; None while they run."""
        run = self._runs.get(slot)
        return run.voltage_micro_pu if run is not None and run.done else None

    def swept_loss_j(self, slot: Slot) -> Mapping[LinkId, int]:
        """Total loss of every own link as the sweeps of a slot found it; empty while they run."""
        run = self._runs.get(slot)
        return {} if run is None else run.lost_j

    def forget_before(self, slot: Slot) -> None:
        """Drop what concerns slots before `slot`."""
        self._runs = {s: run for s, run in self._runs.items() if s >= slot}
        self._reactive = {s: q for s, q in self._reactive.items() if s >= slot}
        self._early = {key: energy for key, energy in self._early.items() if key[0] >= slot}

    # ------------------------------------------------------------ time

    def start(self, slot: Slot, booked: Mapping[LinkId, BookedLink], now: Now, out: Outbox) -> None:
        """The provisional gate of a slot has come: begin. Nothing to do without an operating envelope."""
        heights = self._zone.heights(slot)
        if slot in self._runs or heights is None:
            return
        parent = self._zone.parent
        voltage, above = self._config.slack_voltage_micro_pu, self._config.slack_voltage_micro_pu
        if parent is not None:
            loss = parent.attestation.body.loss
            voltage = distflow.planning_micro_pu(loss)
            above = distflow.nearest(voltage * distflow.NOMINAL_MICRO_PU, loss.tap_ratio_ppm)
        run = self._runs[slot] = _Run(
            slot=slot,
            booked=booked,
            own_levels=heights[0],
            zone_levels=heights[1],
            start_ns=now.monotonic_ns,
            voltage_micro_pu=voltage,
            parent_micro_pu=above,
        )
        self._begin_round(run, now, out)

    def next_deadline_ns(self) -> int | None:
        """When `tick` wants to be called, monotonic."""
        return min((self._deadline_ns(run) for run in self._runs.values() if not run.done), default=None)

    def tick(self, now: Now, out: Outbox) -> None:
        """Go on without those who have not told in time."""
        for run in list(self._runs.values()):
            while not run.done and now.monotonic_ns >= self._deadline_ns(run):
                if run.above is None:
                    self._finish_up(run, now, out)
                else:
                    self._settle_voltage(run, self._planning_micro_pu(), now, out)

    def _deadline_ns(self, run: _Run) -> int:
        levels = 2 * run.zone_levels * (run.round - 1) + run.own_levels
        if run.above is not None:
            levels = 2 * run.zone_levels * run.round
        tau_ms = self._config.parameters.timetable.sweep_level_s * MS_PER_S
        return Now(run.start_ns, 0).after_ms(levels * tau_ms)

    def _planning_micro_pu(self) -> int:
        parent = self._zone.parent
        if parent is None:
            return self._config.slack_voltage_micro_pu
        return distflow.planning_micro_pu(parent.attestation.body.loss)

    # ------------------------------------------------------------ up

    def hear_up(self, neighbor: NodeId, told: SweepUp, now: Now, out: Outbox) -> None:
        """Take a child's P and Q. PeerError: not from a child, or a slot that is not near."""
        port = next((port for port in self._zone.children if port.neighbor == neighbor), None)
        if port is None:
            raise PeerError(ErrorCode.UNEXPECTED, "SWEEP_UP comes from a child of a RADIAL link")
        slot = self._check(told.slot_utc_s, told.round, now)
        energy = EndEnergy(_signed(told.active, told.active_j), _signed(told.reactive, told.reactive_vars))
        if max(abs(energy.active_j), abs(energy.reactive_vars)) > self._believed_j(port):
            raise PeerError(ErrorCode.OUT_OF_BOUNDS, "more energy than the link could ever carry")
        run = self._runs.get(slot)
        if run is None or told.round > run.round:
            self._early.setdefault((slot, told.round, port.link), energy)
        elif told.round == run.round and run.above is None and not run.done:
            run.below.setdefault(port.link, energy)
            self._advance(run, now, out)

    def _believed_j(self, port: Port) -> int:
        """Most energy that anybody states or believes about a link in a slot."""
        rated_va = max(port.attestation.body.rating_down_va, port.attestation.body.rating_up_va)
        return min(BELIEVED_RATINGS * rated_va * self._slot_s, ENERGY_MAX_J)

    def _check(self, slot_utc_s: int, number: int, now: Now) -> Slot:
        here = slot_at(now.utc_s, self._slot_s)
        if slot_utc_s % self._slot_s or not 0 <= slot_utc_s - here <= SLOTS_AHEAD * self._slot_s:
            raise PeerError(ErrorCode.OUT_OF_BOUNDS, "a sweep is about one of the next slots")
        if not 1 <= number <= ROUNDS:
            raise PeerError(ErrorCode.OUT_OF_BOUNDS, "there are two rounds of sweeps")
        return Slot(slot_utc_s)

    def _begin_round(self, run: _Run, now: Now, out: Outbox) -> None:
        run.above = None
        run.below = {}
        for port in self._zone.children:
            early = self._early.pop((run.slot, run.round, port.link), None)
            if early is not None:
                run.below[port.link] = early
        self._advance(run, now, out)

    def _advance(self, run: _Run, now: Now, out: Outbox) -> None:
        awaited = [
            port
            for port in self._zone.children
            if port.link not in run.below and self._zone.is_live(port.neighbor)
        ]
        if not awaited:
            self._finish_up(run, now, out)

    def neighbor_down(self, now: Now, out: Outbox) -> None:
        """A session has ended: whoever waits only for that neighbour goes on."""
        for run in list(self._runs.values()):
            if not run.done and run.above is None:
                self._advance(run, now, out)

    def _finish_up(self, run: _Run, now: Now, out: Outbox) -> None:
        """All children have told, or are counted as booked: tell the parent, or turn at the root."""
        here = self._drawn_here(run)
        for port in self._zone.children:
            run.below.setdefault(port.link, _booked_at_parent(port, run.booked))
            here = here.plus(run.below[port.link])
        parent = self._zone.parent
        if parent is None:
            run.above = here
            self._settle_voltage(run, run.voltage_micro_pu, now, out)
            return
        above = distflow.parent_end(
            parent.attestation.body.loss, here, run.voltage_micro_pu, run.parent_micro_pu, self._slot_s
        )
        run.above = above.within(self._believed_j(parent))
        if self._zone.is_live(parent.neighbor):
            self._send_up(run.slot, run.round, run.above, parent, out)

    def _drawn_here(self, run: _Run) -> EndEnergy:
        """What the node takes from its bus: its devices, less what CONTROLLED ports bring in."""
        active_j = devices_import_j(run.booked) + run.spare_j
        for port in self._zone.controlled:
            sums = run.booked.get(port.link)
            if sums is not None:
                active_j -= controlled_import_j(port, sums)
        return EndEnergy(active_j, self.reactive_vars(run.slot))

    def _send_up(self, slot: Slot, number: int, energy: EndEnergy, parent: Port, out: Outbox) -> None:
        active, active_j = exchange_of(energy.active_j)
        reactive, reactive_vars = exchange_of(energy.reactive_vars)
        body = SweepUp(
            slot_utc_s=slot,
            round=number,
            active=active,
            active_j=active_j,
            reactive=reactive,
            reactive_vars=reactive_vars,
        )
        self._post(parent.neighbor, self._sealer.seal(body).envelope, out)

    # ------------------------------------------------------------ down

    def hear_down(self, neighbor: NodeId, told: SweepDown, now: Now, out: Outbox) -> None:
        """Take the parent's voltage. PeerError: not from the parent, no voltage, slot not near."""
        parent = self._zone.parent
        if parent is None or parent.neighbor != neighbor:
            raise PeerError(ErrorCode.UNEXPECTED, "SWEEP_DOWN comes from the RADIAL parent")
        run = self._runs.get(self._check(told.slot_utc_s, told.round, now))
        if not distflow.LOWEST_MICRO_PU <= told.voltage_micro_pu <= distflow.HIGHEST_MICRO_PU:
            raise PeerError(ErrorCode.OUT_OF_BOUNDS, "a voltage lies between half and twice nominal")
        if run is None or run.done or told.round != run.round:
            return
        if run.above is None:  # the parent has gone on without us: so do we
            self._finish_up(run, now, out)
        if run.above is None or run.done:
            return
        run.parent_micro_pu = told.voltage_micro_pu
        loss = parent.attestation.body.loss
        voltage = distflow.child_voltage(loss, run.above, told.voltage_micro_pu, self._slot_s)
        self._settle_voltage(run, voltage, now, out)

    def _settle_voltage(self, run: _Run, voltage_micro_pu: int, now: Now, out: Outbox) -> None:
        """The voltage of this round is known: tell the children, then the next round or the end."""
        run.voltage_micro_pu = voltage_micro_pu
        body = SweepDown(slot_utc_s=run.slot, round=run.round, voltage_micro_pu=voltage_micro_pu)
        for port in self._zone.children:
            if self._zone.is_live(port.neighbor):
                self._post(port.neighbor, self._sealer.seal(body).envelope, out)
        if run.round < ROUNDS:
            run.spare_j = max(0, -self._uncovered_j(run, dict(self._swept_below(run))))
            run.round += 1
            self._begin_round(run, now, out)
        else:
            run.done = True
            self._conclude(run, out)

    # ------------------------------------------------------------ the end

    def _conclude(self, run: _Run, out: Outbox) -> None:
        below = self._swept_below(run)
        out.emit(SlotSwept(slot=run.slot, voltage_micro_pu=run.voltage_micro_pu, loss_j=below))
        if not self._in_band(run.voltage_micro_pu):
            out.emit(VoltageOutOfBand(slot=run.slot, voltage_micro_pu=run.voltage_micro_pu))
        open_j = self._uncovered_j(run, dict(below))
        if open_j:
            out.emit(LossCorrection(slot=run.slot, short=open_j > 0, energy_j=abs(open_j)))

    def _swept_below(self, run: _Run) -> tuple[tuple[LinkId, int], ...]:
        """Loss of each child link by the figures of this round."""
        return tuple(
            (
                port.link,
                distflow.swept_loss_j(
                    port.attestation.body.loss, run.below[port.link], run.voltage_micro_pu, self._slot_s
                ),
            )
            for port in self._zone.children
        )

    def _in_band(self, voltage_micro_pu: int) -> bool:
        p = self._config.parameters
        guard = p.voltage_guard_micro_pu
        return p.voltage_min_micro_pu + guard <= voltage_micro_pu <= p.voltage_max_micro_pu - guard

    def _uncovered_j(self, run: _Run, swept: dict[LinkId, int]) -> int:
        """Loss halves of this node that packets and its supply leave open; negative: too much bought."""
        parent = self._zone.parent
        if parent is not None and run.above is not None:
            loss = parent.attestation.body.loss
            swept[parent.link] = distflow.swept_loss_j(loss, run.above, run.parent_micro_pu, self._slot_s)
        run.lost_j = swept
        total = 0
        for port in (
            *((parent,) if parent is not None else ()),
            *self._zone.children,
            *self._zone.controlled,
        ):
            sums = run.booked.get(port.link, BookedLink(link=port.link, keeper=port.keeper))
            lost = swept[port.link] if port.radial else model_loss_j(port.model, sums.net_j)
            swept[port.link] = lost
            total += sums.half(lost - sums.carried_loss_j) - sums.supply_j
        return total


def _booked_at_parent(port: Port, booked: Mapping[LinkId, BookedLink]) -> EndEnergy:
    """What a silent child counts with: its link's booked net flow and half of the modelled loss."""
    sums = booked.get(port.link, BookedLink(link=port.link, keeper=port.keeper))
    return EndEnergy(sums.net_j + sums.half(model_loss_j(port.model, sums.net_j)), 0)


def _signed(direction: Exchange, size: int) -> int:
    if size and direction is Exchange.UNSPECIFIED:
        raise PeerError(ErrorCode.OUT_OF_BOUNDS, "energy without a direction")
    return -size if direction is Exchange.EXPORT else size
