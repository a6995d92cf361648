"""Numbers only rise: what bears a number that was seen already never replaces what bore it first.

*Offers* (epoch, sequence) of an origin, *link states* of a keeper, *operating
envelopes* of a root.  Who says two things under one number is found out; who
is honest, in however many lives, is never accused of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from ioe_router.codec.frames import decode_frame
from ioe_router.codec.mapping import decode
from ioe_router.core.effects import Effect, Emit
from ioe_router.core.events import Equivocation, OfferLearned
from ioe_router.core.inputs import FrameReceived, Input
from ioe_router.model.clock import Now
from ioe_router.model.envelope import ObjectType, Sealed
from ioe_router.model.errors import PeerError
from ioe_router.model.grid import OperatingEnvelope
from ioe_router.model.ids import NodeId, ObjectId
from ioe_router.model.routing import LinkState
from ioe_router.model.slot import Slot, slot_at
from ioe_router.sim.checkers.verdict import require
from ioe_router.sim.host import Host

Version = tuple[int, int]
Told = tuple[str, int, str, bytes, int]  # host, life, what, whose, which


class Numbers:
    """The highest number that each host has taken of everything."""

    def __init__(self, slot_s: int) -> None:
        """Nothing is taken."""
        self._slot_s = slot_s
        self._taken: dict[Told, tuple[Version, object]] = {}
        self._latest: dict[str, Sealed[OperatingEnvelope]] = {}  # what each host's last call was judged by
        self.liars: frozenset[NodeId] = frozenset()

    def after(self, host: Host, now: Now, inputs: Sequence[Input], effects: Sequence[Effect]) -> None:
        """Judge one call."""
        for effect in effects:
            if isinstance(effect, Emit):
                self._event(host, effect.event)
        self._envelope(host, now)
        if self.liars:
            for given in inputs:
                if isinstance(given, FrameReceived):
                    self._link_states(host, given)

    def _event(self, host: Host, event: object) -> None:
        match event:
            case OfferLearned():
                body = event.offer.body
                what = (host.name, host.starts, "offer", bytes(body.origin), body.offer_no)
                self._take(host, what, (body.epoch, body.seq), event.offer.object_id)
            case Equivocation():
                lied = event.proof.node in self.liars
                require(lied, host, "a node that has never lied is accused of equivocation")
            case _:
                pass

    def _envelope(self, host: Host, now: Now) -> None:
        assert host.router is not None  # noqa: S101 - looked at alive
        slot = slot_at(now.utc_s, self._slot_s)  # of the host's clock, which may step back
        sealed = host.router.inspect().zone.envelope(slot)
        if sealed is not None and sealed is not self._latest.get(host.name):
            self._latest[host.name] = sealed
            body, what = sealed.body, (host.name, host.starts, "envelope", bytes(sealed.body.root), slot)
            self._take(host, what, (body.epoch, body.seq), sealed.object_id)

    def _link_states(self, host: Host, given: FrameReceived) -> None:
        assert host.router is not None  # noqa: S101
        try:
            envelopes = decode_frame(given.frame).envelopes
            bodies = [decode(LinkState, one.signed) for one in envelopes if one.type is ObjectType.LINK_STATE]
        except PeerError:
            return
        for heard in bodies:
            held = host.router.inspect().routing.link_state(heard.link, Slot(heard.slot_utc_s))
            if held is not None:
                what = (host.name, host.starts, "link state", bytes(held.link), held.slot_utc_s)
                self._take(host, what, (held.epoch, held.seq), held)

    def _take(self, host: Host, what: Told, version: Version, content: ObjectId | LinkState) -> None:
        known = self._taken.setdefault(what, (version, content))
        if known[1] == content:
            return
        _, _, kind, whose, _ = what
        told = f"{kind} of {whose.hex()[:8]}: {version} has replaced {known[0]}"
        require(version > known[0], host, told)
        self._taken[what] = (version, content)
