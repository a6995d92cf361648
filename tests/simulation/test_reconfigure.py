"""A running router whose operator changes its configuration: neighbours come, go and change terms.

mill --- street --- house      the mill sells, the house buys, the street passes on
           |
          shed                 a neighbour that nobody trades with
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

import pytest

from ioe_router.adapters.recorder import RecordedRouter
from ioe_router.adapters.recording import RecordingFile
from ioe_router.adapters.recordings import Given
from ioe_router.adapters.replayer import Replayer
from ioe_router.config import NeighborConfig, RouterConfig, Timers, Transit
from ioe_router.core.events import (
    Booked,
    LinkSettled,
    NeighborDown,
    NeighborUp,
    OfferLost,
    OriginLost,
    PeerFault,
    Unbooked,
)
from ioe_router.core.inputs import MeterRead, Reconfigure, Shutdown
from ioe_router.core.operation_events import Reconfigured
from ioe_router.core.reconfiguration import refuse
from ioe_router.core.session_fsm import SessionState
from ioe_router.model.discovery import Close, Role
from ioe_router.model.errors import ErrorCode, UsageError
from ioe_router.model.ids import NodeId
from ioe_router.model.reservation import ReservationState
from ioe_router.model.routing import Direction
from tests.simulation.pair import KWH_J, SLOT, SLOT_S, Cable, Sim, build

CABLES = (Cable("mill", "street"), Cable("street", "house"), Cable("street", "shed"))
Change = Callable[[RouterConfig], RouterConfig]


def config(sim: Sim, name: str) -> RouterConfig:
    """What a router goes by."""
    return sim.router(name).inspect().config


def reconfigure(sim: Sim, name: str, change: Change) -> None:
    """The operator of a node changes something."""
    sim.wire.give(sim.node(name), Reconfigure(config=change(config(sim, name))))
    sim.wire.settle()


def without(sim: Sim, *names: str) -> Change:
    """Take neighbours out."""
    gone = {sim.node(name) for name in names}
    return lambda old: replace(old, neighbors=tuple(n for n in old.neighbors if n.node not in gone))


def change(sim: Sim, name: str, **terms: Any) -> Change:  # noqa: ANN401 - fields of NeighborConfig
    """Change the terms of one neighbour."""
    node = sim.node(name)

    def changed(old: RouterConfig) -> RouterConfig:
        return replace(
            old, neighbors=tuple(replace(n, **terms) if n.node == node else n for n in old.neighbors)
        )

    return changed


def sold(sim: Sim) -> None:
    """The house has bought of the mill, over the street."""
    sim.offer("mill", 90_000)
    sim.at(645)
    sim.want("house", KWH_J, 900_000)
    sim.at(500)
    assert sim.events("house", Booked)


def downs(sim: Sim, name: str) -> set[bytes]:
    """Whom a node has lost."""
    return {event.neighbor for event in sim.events(name, NeighborDown)}


def test_taking_one_neighbour_out_leaves_all_others_and_what_they_have_promised() -> None:
    """The shed's session ends with NOT_A_NEIGHBOR; the others go on, and so does the reservation."""
    sim = build(*CABLES)
    sold(sim)
    before = sim.states("street")
    reconfigure(sim, "street", without(sim, "shed"))
    assert [one.code for one in sim.heard("street", "shed", Close)] == [ErrorCode.NOT_A_NEIGHBOR]
    assert downs(sim, "street") == {sim.node("shed")}
    assert not downs(sim, "mill") | downs(sim, "house")
    assert sim.states("street") == before
    assert sim.events("street", Reconfigured)[-1].removed == (sim.node("shed"),)
    sim.at(-3_000)
    assert not sim.events("house", Unbooked)
    sim.check()


def test_a_neighbour_that_was_taken_out_is_turned_away_until_it_is_one_again() -> None:
    """A transport of the shed is closed at once; after the next change it has a session and an offer."""
    sim = build(*CABLES)
    full = config(sim, "street")
    reconfigure(sim, "street", without(sim, "shed"))
    street, shed = sim.node("street"), sim.node("shed")
    sim.wire.connect(shed, street)
    sim.wire.settle()
    assert sim.events("street", PeerFault)[-1].code is ErrorCode.NOT_A_NEIGHBOR
    assert sim.router("street").inspect().sessions.state(shed) is SessionState.IDLE
    reconfigure(sim, "street", lambda _: full)
    sim.wire.connect(shed, street)
    sim.wire.settle()
    assert sim.events("street", NeighborUp)[-1].neighbor == shed
    sim.offer("mill", 90_000)
    sim.wait(5)
    assert sim.router("shed").inspect().routing.paths_to(sim.node("mill"), Direction.SUPPLY)


def test_a_neighbour_that_nobody_knew_comes_while_the_router_runs() -> None:
    """A router that starts without any neighbour takes one up, trades with it, and keeps the books."""

    def alone(name: str, full: RouterConfig, _ids: object) -> RouterConfig:
        return replace(full, neighbors=()) if name == "house" else full

    full: dict[str, tuple[NeighborConfig, ...]] = {}

    def remember(name: str, stated: RouterConfig, ids: object) -> RouterConfig:
        full[name] = stated.neighbors
        return alone(name, stated, ids)

    sim = build(Cable("mill", "house"), configure=remember, connect=False)
    reconfigure(sim, "house", lambda old: replace(old, neighbors=full["house"]))
    sim.wire.connect(sim.node("house"), sim.node("mill"))
    sim.wire.settle()
    sold(sim)
    sim.check_quiet()
    sim.at(-SLOT_S - 10)
    for name, other in (("mill", "house"), ("house", "mill")):
        read = MeterRead(link=sim.port(name, other).link, slot=SLOT, imported_j=0, exported_j=0)
        sim.wire.give(sim.node(name), read)
    sim.wire.settle()
    assert [event.slot for event in sim.events("house", LinkSettled)] == [SLOT]


def test_parts_of_shared_tables_follow_the_number_of_neighbours() -> None:
    """Paths to one origin are shared among the neighbours that there are, not those of the start."""
    sim = build(*CABLES)
    heard = sim.router("street").inspect().routing.tables.heard
    assert heard._per_target_max == 32 // 3
    reconfigure(sim, "street", without(sim, "shed", "house"))
    assert heard._per_target_max == 32


def test_what_is_committed_with_a_neighbour_that_was_taken_out_stays_on_the_books_over_a_restart() -> None:
    """The street takes the house out and restarts: the packet is on both its links until it is over."""
    sim = build(*CABLES)
    sold(sim)
    reconfigure(sim, "street", without(sim, "house"))
    assert sim.states("street") == [ReservationState.COMMITTED]
    assert sim.entries("street", "house")
    assert sim.entries("street", "mill")
    kept = config(sim, "street")
    node = sim.node("street")
    sim.wire.crash(node)
    ids = sim.ids["street"]
    again = type(sim.router("street"))(
        kept,
        own_key=ids.own_key,
        signer=ids.signer,
        entropy=sim.router("street").inspect().sessions._entropy,
        now=sim.wire.now,
    )
    sim.wire.restart(node, again)
    sim.wire.settle()
    assert sim.states("street") == [ReservationState.COMMITTED]
    assert sim.entries("street", "house")
    assert sim.entries("street", "mill")
    sim.at(-86_400)
    assert sim.states("street") == []
    assert [port.neighbor for port in again.inspect().ports.all()] == [sim.node("mill"), sim.node("shed")]


def test_transit_that_is_denied_takes_back_what_was_told_and_the_session_goes_on() -> None:
    """The house loses the mill's origin and keeps its session; allowed again, it is told again."""
    sim = build(*CABLES)
    sim.offer("mill", 90_000)
    sim.wait(5)
    assert sim.router("house").inspect().routing.offers(Direction.SUPPLY)
    reconfigure(sim, "street", change(sim, "house", transit=Transit.NONE))
    assert {event.origin for event in sim.events("house", OriginLost)} == {sim.node("mill")}
    assert not sim.router("house").inspect().routing.offers(Direction.SUPPLY)
    reconfigure(sim, "street", change(sim, "house", transit=Transit.PAID))
    sim.wait(5)
    assert sim.router("house").inspect().routing.offers(Direction.SUPPLY)
    assert not downs(sim, "house") | downs(sim, "street")


def test_another_fee_is_signed_at_once_and_the_session_goes_on() -> None:
    """The path that the house holds names the new fee; the one before it is gone."""
    cables = (Cable("mill", "street"), Cable("street", "house", fee_micro_per_kwh=5_000))
    sim = build(*cables)
    sim.offer("mill", 90_000)
    sim.wait(5)

    def fees() -> list[int]:
        paths = sim.router("house").inspect().routing.paths_to(sim.node("mill"), Direction.SUPPLY)
        return [path.links[-1].fee_micro_per_kwh for path in paths]

    assert fees() == [5_000]
    reconfigure(sim, "street", change(sim, "house", fee_micro_per_kwh=2_000))
    assert fees() == [2_000]
    assert not downs(sim, "house")


def test_another_role_ends_the_session_that_was_agreed_on_the_old_one() -> None:
    """What HELLO states cannot change within a session: the neighbour is asked to wait and to come back."""
    sim = build(*CABLES)
    reconfigure(sim, "street", change(sim, "shed", role=Role.CUSTOMER))
    (close,) = sim.heard("street", "shed", Close)
    assert (close.code, close.restart_s) == (ErrorCode.SHUTTING_DOWN, 30)
    assert downs(sim, "street") == {sim.node("shed")}


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (lambda old: replace(old, timers=replace(old.timers, hold_ms=1)), "timers is fixed"),
        (lambda old: replace(old, node=bytes(32)), "node is fixed"),
    ],
)
def test_what_is_fixed_for_the_life_of_a_router_is_refused_and_nothing_changes(
    changed: Change, sentence: str
) -> None:
    """UsageError names the field; sessions and configuration are as before."""
    sim = build(*CABLES)
    router, before = sim.router("street"), config(sim, "street")
    with pytest.raises(UsageError, match=sentence):
        refuse(router.inspect(), changed(before))
    with pytest.raises(UsageError, match=sentence):
        router.handle(Reconfigure(config=changed(before)), sim.wire.now)
    assert config(sim, "street") is before
    assert not downs(sim, "street")


def test_an_attestation_of_another_line_waits_for_a_restart() -> None:
    """A ledger is computed with its line's model, so a link with other resistance is not taken up."""
    sim, other = build(*CABLES), build(*CABLES[:2], Cable("street", "shed", r_micro_ohm=900_000))
    shed = next(n for n in config(other, "street").neighbors if n.node == other.node("shed"))
    with pytest.raises(UsageError, match="another line"):
        reconfigure(sim, "street", change(sim, "shed", attestation=shed.attestation))


def test_a_neighbour_that_announced_its_restart_is_not_waited_for_once_it_is_taken_out() -> None:
    """What a former neighbour had told is withdrawn with it, though it had asked to be waited for."""
    sim = build(*CABLES, timers=Timers(retain_s=600))
    sim.offer("mill", 90_000)
    sim.wait(5)
    sim.wire.give(sim.node("mill"), Shutdown(restart_s=500))
    sim.wire.settle()
    assert not sim.events("house", OfferLost)
    reconfigure(sim, "street", without(sim, "mill"))
    assert {event.origin for event in sim.events("house", OriginLost)} == {sim.node("mill")}


def test_a_recording_repeats_what_the_operator_changed(tmp_path: Path) -> None:
    """Reconfigure is an input like any other: a replay of the street's recording is equal to the bit."""
    path = tmp_path / "street.jsonl"
    recorded: dict[NodeId, list[bytes]] = {}

    def make(stated: RouterConfig, **rest: Unpack[Given]) -> RecordedRouter:
        return RecordedRouter(stated, sink=recorded.setdefault(stated.node, []).append, **rest)

    sim = build(*CABLES, make=make)
    sold(sim)
    reconfigure(sim, "street", without(sim, "shed"))
    sim.at(100)
    path.write_bytes(b"".join(recorded[sim.node("street")]))
    file = RecordingFile(path)
    replayer = Replayer(file.head)
    steps = list(replayer.replay(file.calls()))
    assert any(isinstance(one, Reconfigure) for step in steps for one in step.inputs)
    assert [step.difference for step in steps if step.difference] == []
