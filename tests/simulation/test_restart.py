"""Announced restarts and the feature RESUME between whole routers.

mill --- street --- house      the mill sells, the house buys, the street passes on
"""

from __future__ import annotations

from dataclasses import replace
from typing import Unpack

import pytest

from ioe_router.adapters.recordings import Given
from ioe_router.config import RouterConfig
from ioe_router.core.events import Booked, HoldAnswered, OriginLost, PeerFault
from ioe_router.core.inputs import Shutdown
from ioe_router.model.discovery import Close, Refresh, RefreshPhase, Retained
from ioe_router.model.errors import ErrorCode, UsageError
from ioe_router.model.reservation import Hold
from ioe_router.router import Router
from tests.simulation.pair import KWH_J, Cable, Sim, build

CABLES = (Cable("mill", "street"), Cable("street", "house"))


def without_resume(config: RouterConfig, **rest: Unpack[Given]) -> Router:
    """A router that does not offer RESUME."""
    return Router(replace(config, resume_sessions=False), **rest)


def faults(sim: Sim, name: str) -> list[ErrorCode]:
    """What a node has refused."""
    return [event.code for event in sim.events(name, PeerFault)]


def test_while_the_seller_restarts_nothing_is_asked_of_it() -> None:
    """The house still sees the mill's offer; its HOLD is refused at the street and nobody loses an origin."""
    sim = build(*CABLES)
    sim.offer("mill", 90_000)
    sim.at(660)
    sim.wire.give(sim.node("mill"), Shutdown(restart_s=300))
    sim.wire.settle()
    assert [b.restart_s for b in sim.heard("mill", "street", Close)] == [300]
    assert not sim.events("house", OriginLost)
    sim.at(645)
    sim.want("house", KWH_J, 900_000)
    sim.at(500)
    assert sim.heard("house", "street", Hold)
    assert not sim.heard("street", "mill", Hold)
    assert {event.code for event in sim.events("house", HoldAnswered)} == {ErrorCode.NO_PATH}
    assert not sim.events("house", Booked)
    sim.at(350)
    assert sim.events("house", OriginLost)
    sim.check()


def test_a_restart_is_announced_within_bounds() -> None:
    """A host that announces a restart of more than an hour is told so, and nothing is closed."""
    sim = build(*CABLES)
    for restart_s in (-1, 3_601):
        with pytest.raises(UsageError, match="give 0 to 3600"):
            sim.router("mill").handle(Shutdown(restart_s=restart_s), sim.wire.now)
    assert not sim.heard("mill", "street", Close)


def test_what_is_retained_is_stated_once() -> None:
    """A second Retained in a session is a fault, and the session lives."""
    sim = build(*CABLES)
    assert len(sim.heard("mill", "street", Retained)) == 1
    sim.say("mill", "street", Retained(digests=b""))
    assert faults(sim, "street") == [ErrorCode.UNEXPECTED]
    sim.offer("mill", 90_000)
    assert faults(sim, "street") == [ErrorCode.UNEXPECTED]


def test_nothing_of_the_feature_is_said_or_taken_unless_both_offer_it() -> None:
    """Without RESUME no Retained is sent, and a Retained or a kept group is refused."""
    sim = build(*CABLES, make=without_resume)
    assert not sim.heard("mill", "street", Retained)
    sim.say("mill", "street", Retained(digests=b""), Refresh(phase=RefreshPhase.BEGIN, kept=1))
    assert faults(sim, "street") == [ErrorCode.UNEXPECTED] * 2
    sim.wire.give(sim.node("mill"), Shutdown(restart_s=200))
    sim.wire.settle()
    assert [b.restart_s for b in sim.heard("mill", "street", Close)] == [0]
