"""All checkers together, as the engine calls them."""

from __future__ import annotations

from collections.abc import Sequence

from ioe_router.core.effects import Effect, Emit
from ioe_router.core.events import Booked
from ioe_router.core.inputs import Input
from ioe_router.model.clock import Now
from ioe_router.model.ids import NodeId
from ioe_router.model.parameters import NetworkParameters
from ioe_router.model.slot import Slot
from ioe_router.sim.checkers.accounts import check_accounts
from ioe_router.sim.checkers.agreement import Statements, check_pairs, check_terminal
from ioe_router.sim.checkers.capacity import check_capacity, check_no_leak
from ioe_router.sim.checkers.energy import check_energy
from ioe_router.sim.checkers.evidence import Evidence
from ioe_router.sim.checkers.ledger import Ledgers
from ioe_router.sim.checkers.liveness import check_trade
from ioe_router.sim.checkers.numbers import Numbers
from ioe_router.sim.checkers.offers import OwnEnergy, check_given_back
from ioe_router.sim.checkers.paths import check_offers, check_paths, check_sessions, check_told
from ioe_router.sim.checkers.promises import Promises
from ioe_router.sim.checkers.stream import Streams
from ioe_router.sim.checkers.told import HostBooks
from ioe_router.sim.checkers.watch import Watch
from ioe_router.sim.host import Host
from ioe_router.sim.notary import Notary


class Panel:
    """Judges every call, and the whole at the end."""

    def __init__(self, notary: Notary, parameters: NetworkParameters) -> None:
        """No liar is known yet."""
        self.liars: frozenset[NodeId] = frozenset()
        self.promises = Promises(parameters)
        self.statements = Statements()
        self.numbers = Numbers(parameters.slot_s)
        self.booked: dict[Slot, int] = {}
        self._parameters, self._slot_s = parameters, parameters.slot_s
        self._watch = Watch(parameters.slot_s)
        self._evidence = Evidence(notary)
        self._streams = Streams(notary)
        self._ledgers = Ledgers(parameters.slot_s)
        self._own_energy = OwnEnergy(parameters.slot_s)
        self._host_books = HostBooks(parameters.slot_s)

    def after(self, host: Host, now: Now, inputs: Sequence[Input], effects: Sequence[Effect]) -> None:
        """Judge one call of an honest host; of one that went down in it, only what it was told before."""
        if host.node not in self.liars:
            self._host_books.after(host, now, inputs, effects)
        if not host.alive or host.node in self.liars:
            return
        self._streams.after(host, inputs, effects)
        self.numbers.after(host, now, inputs, effects)
        change = self._watch.look(host, now, effects)
        check_capacity(host, change, self._slot_s)
        self._ledgers.after(host, change)
        self._own_energy.after(host, change)
        self.promises.after(host, now, change, effects)
        check_energy(host, change, effects)
        self._evidence.after(host, change, effects)
        self.statements.after(host, effects)
        for effect in effects:
            if isinstance(effect, Emit) and isinstance(effect.event, Booked):
                slot = effect.event.slot
                self.booked[slot] = self.booked.get(slot, 0) + effect.event.initiator

    def crashed(self, host: Host) -> None:
        """Nothing to judge: what the disk has kept shows at the restart."""

    def at_end(self, hosts: Sequence[Host], pairs: Sequence[tuple[Host, Host]], last: Slot) -> None:
        """Everything has healed and settled: judge what has become of it all."""
        honest = [host for host in hosts if host.node not in self.liars]
        for host in honest:
            check_sessions(host)
            check_terminal(host)
            check_no_leak(host, (last,))
            check_given_back(host)
            check_accounts(host)
            self._host_books.check(host)
        check_pairs([p for p in pairs if p[0].node not in self.liars and p[1].node not in self.liars])
        check_paths(hosts, self.liars)
        for one, other in pairs:
            if not self.liars.intersection((one.node, other.node)):
                check_told(one, other)
                check_told(other, one)
        if not self.liars:
            check_offers(hosts, self.liars)
        if not self.booked.get(last):
            check_trade(hosts, self.liars, self._parameters, last)
