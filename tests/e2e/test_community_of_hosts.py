"""Five daemons on five hosts: they trade, are restarted one after the other, and lose a cable.

The community is that of deploy/community, made as its README says; the hosts are
network namespaces with a cable for each link.  Wants root, and Linux that lets it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.netns.namespaces import Namespaces, NoNamespaces
from ioe_router.model.reservation import ReservationState
from tests.e2e.community import CABLES, NAMES, Host, make_community, states
from tests.e2e.daemons import wait_for

ORDER = ("home-east", "battery", "factory", "utility", "home-west")  # of the restarts: sellers and hubs first
PACE = 2  # bookings between two restarts, so that trade goes on in each of them
LEAST_KEPT = 20  # of 44 wants beside those of the configuration; some bands pass while their buyer is away
QUIET_S = 10  # without another booking: the slot is served as far as it can be


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[tuple[dict[str, Host], Namespaces]]:
    """The community, running."""
    network = Namespaces(f"ioe{os.getpid()}", NAMES, CABLES)
    try:
        network.open()
    except NoNamespaces as reason:
        pytest.skip(str(reason))
    running: dict[str, Host] = {}
    try:
        make_community(tmp_path)
        for name in NAMES:
            running[name] = Host(tmp_path, name, network)
        yield running, network
    finally:
        for host in running.values():
            host.kill()
        network.close()


@pytest.mark.slow
@pytest.mark.timeout(720)
def test_a_community_of_hosts(hosts: tuple[dict[str, Host], Namespaces]) -> None:
    """Reservations cross hosts; a rolling restart under load loses none; a cut is noticed and mended."""
    nodes, network = hosts
    wait_for(nodes["factory"].booked, within_s=400)  # a machine that is slow may miss one opening
    before = _roll(nodes)
    _cut_and_mend(nodes, network)
    done = nodes["home-west"].ioe("reserve", "20Wh", "--limit", "0.40", "--default-limit", "0.45")
    assert done.returncode == 0, done.stderr
    _wait_for_quiet(nodes)
    assert max(line["hops"] for host in nodes.values() for line in host.said("Booked")) >= 2
    for host in nodes.values():
        assert host.lives[-1].stop() == 0
    _nothing_is_lost(nodes, before)


def _booked(nodes: dict[str, Host]) -> set[str]:
    return set().union(*(host.booked() for host in nodes.values()))


def _roll(nodes: dict[str, Host]) -> set[str]:
    """Restart all, each when the one before is back among its neighbours; what was booked until the last."""
    before = _booked(nodes)
    for name in ORDER:
        nodes[name].restart()
        _wait_for_bookings(nodes, len(before) + PACE)
        before = _booked(nodes)
    return before


def _wait_for_bookings(nodes: dict[str, Host], enough: int) -> None:
    wait_for(lambda: len(_booked(nodes)) >= enough, within_s=90)


def _wait_for_quiet(nodes: dict[str, Host]) -> None:
    """Until no more is booked for a while."""
    known, since = _booked(nodes), time.monotonic()
    while time.monotonic() < since + QUIET_S:
        time.sleep(1)
        if (found := _booked(nodes)) != known:
            known, since = found, time.monotonic()


def _cut_and_mend(nodes: dict[str, Host], network: Namespaces) -> None:
    """Both ends of a cut cable lose each other within the keepalive, nobody else does, and they come back."""
    ends = (nodes["battery"], nodes["home-east"])
    others = [host for host in nodes.values() if host not in ends]
    down = {host.name: len(host.said("NeighborDown")) for host in nodes.values()}
    up = {host.name: len(host.said("NeighborUp")) for host in ends}
    network.cut("battery", "home-east")
    wait_for(lambda: all(len(host.said("NeighborDown")) == down[host.name] + 1 for host in ends))
    network.mend("battery", "home-east")
    wait_for(lambda: all(len(host.said("NeighborUp")) == up[host.name] + 1 for host in ends), within_s=90)
    assert {host.name: len(host.said("NeighborDown")) for host in others} == {
        host.name: down[host.name] for host in others
    }


def _nothing_is_lost(nodes: dict[str, Host], before: set[str]) -> None:
    """Every booking is committed on disk along its path, and both ends know of it in their last life."""
    booked = _booked(nodes)
    assert not [line for host in nodes.values() for line in host.said("Unbooked")], "a booking was taken back"
    assert before <= booked
    assert len(booked) >= LEAST_KEPT, "there was no load worth the name"
    for reservation, at in states(nodes).items():
        if reservation in booked or ReservationState.COMMITTED in at.values():
            assert len(at) >= 2, reservation
            assert set(at.values()) == {ReservationState.COMMITTED}, (reservation, at)
            booked.discard(reservation)
    assert not booked, "bookings that no store has"
    for name, host in nodes.items():
        assert host.booked() <= host.known_in_last_life(), f"{name} has forgotten a promise"
