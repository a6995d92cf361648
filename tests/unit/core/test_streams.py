"""Simultaneous opening, explored whole: every order in which dials, answers and cancellations can arrive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from ioe_router.core.streams import refusal
from ioe_router.model.errors import ErrorCode
from tests.unit.core.plain_sealer import node_named

LOW, HIGH = sorted((node_named("a"), node_named("b")))
IDS = (LOW, HIGH)  # ends are called 0, the lower node id, and 1


@dataclass(frozen=True)
class End:
    """One end: the dials it may still begin, its dial that is not answered, the stream that stands."""

    dials: int
    dial: int | None = None  # number of the stream that it has asked for
    sent: bool = False  # the request has left
    stands: int | None = None


@dataclass(frozen=True)
class World:
    """Both ends and what is on the wire; messages of different streams may overtake each other."""

    ends: tuple[End, End]
    wire: frozenset[tuple[int, int, str, int]] = frozenset()  # receiver, order in its stream, what, stream
    streams: int = 0

    def put(self, end: int, changed: End) -> World:
        """One end in another state."""
        ends = (changed, self.ends[1]) if end == 0 else (self.ends[0], changed)
        return replace(self, ends=ends)

    def send(self, receiver: int, what: str, stream: int) -> World:
        """A message behind those of its stream that are under way to the same end."""
        order = max((o for r, o, _, s in self.wire if (r, s) == (receiver, stream)), default=-1) + 1
        return replace(self, wire=self.wire | {(receiver, order, what, stream)})


def steps(world: World) -> Iterator[World]:
    """Everything that may happen next."""
    for number, end in enumerate(world.ends):
        if end.dials and end.dial is None and end.stands is None:
            begun = replace(end, dials=end.dials - 1, dial=world.streams, sent=False)
            yield replace(world, streams=world.streams + 1).put(number, begun)
        if end.dial is not None and not end.sent:
            yield world.put(number, replace(end, sent=True)).send(1 - number, "dial", end.dial)
    for message in world.wire:
        receiver, order, what, stream = message
        if order == min(o for r, o, _, s in world.wire if (r, s) == (receiver, stream)):
            arrived = replace(world, wire=world.wire - {message})
            yield arrive(arrived, receiver, what, stream)


def arrive(world: World, me: int, what: str, stream: int) -> World:
    """One end hears something."""
    end = world.ends[me]
    if what == "dial":
        is_out = end.dial is not None and end.sent
        code = refusal(IDS[me], IDS[1 - me], stands=end.stands is not None, dial_is_out=is_out)
        if code is not None:
            return world.send(1 - me, "refused", stream)
        if is_out and end.dial is not None:  # dropped: what was asked for is taken back
            world = world.send(1 - me, "end", end.dial)
        taken = replace(end, dial=None, sent=False, stands=stream)
        return world.put(me, taken).send(1 - me, "accepted", stream)
    if what == "accepted" and end.dial == stream:
        return world.put(me, replace(end, dial=None, sent=False, stands=stream))
    if what == "refused" and end.dial == stream:
        return world.put(me, replace(end, dial=None, sent=False))
    if what == "end" and end.stands == stream:
        return world.put(me, replace(end, stands=None))
    return world  # about a stream that this end has dropped already


def outcomes(world: World) -> set[World]:
    """Every state in which nothing is under way any more."""
    seen, waiting, quiet = {world}, [world], set()
    while waiting:
        here = waiting.pop()
        following = list(steps(here))
        if not following:
            quiet.add(here)
        for there in following:
            if there not in seen:
                seen.add(there)
                waiting.append(there)
    return quiet


@pytest.mark.parametrize("dials", [(1, 0), (0, 1), (1, 1), (2, 1), (1, 2), (2, 2)])
def test_whatever_crosses_both_ends_agree_on_one_stream(dials: tuple[int, int]) -> None:
    """In every order of events exactly one stream stands in the end, the same at both ends."""
    found = outcomes(World((End(dials[0]), End(dials[1]))))
    assert found
    for world in found:
        low, high = world.ends
        assert low.stands is not None, world
        assert low.stands == high.stands, world


def test_the_rule_looks_at_ids_and_own_state_only() -> None:
    """A standing stream refuses as a duplicate; of two dials the lower node's is taken by both."""
    for me, neighbor in (IDS, IDS[::-1]):
        for is_out in (False, True):
            assert refusal(me, neighbor, stands=True, dial_is_out=is_out) is ErrorCode.DUPLICATE_IDENTITY
        assert refusal(me, neighbor, stands=False, dial_is_out=False) is None
    assert refusal(LOW, HIGH, stands=False, dial_is_out=True) is ErrorCode.CONFLICT
    assert refusal(HIGH, LOW, stands=False, dial_is_out=True) is None
