"""What a service manager is told, over a real datagram socket."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path

import pytest

from ioe_router.daemon.systemd import ServiceManager


def _listener(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(str(path))
    listener.settimeout(10)
    return listener


def test_start_reload_and_stop_are_told(tmp_path: Path) -> None:
    """READY, RELOADING with the monotonic microseconds of now, READY again, STOPPING, one datagram each."""
    with _listener(tmp_path / "notify") as listener:
        manager = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "notify")})
        manager.ready("node a")
        before = time.monotonic_ns() // 1_000
        manager.reloading()
        manager.ready("again")
        manager.stopping("parting")
        told = [listener.recv(1_000).decode().split("\n") for _ in range(4)]
    assert told[0] == ["READY=1", "STATUS=node a"]
    assert told[1][0] == "RELOADING=1"
    assert before <= int(told[1][1].removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1_000
    assert [lines[0] for lines in told[2:]] == ["READY=1", "STOPPING=1"]


def test_an_abstract_socket_is_reached() -> None:
    """A name that begins with @ stands for one that begins with a zero byte."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0ioe-test-notify")
        listener.settimeout(10)
        ServiceManager({"NOTIFY_SOCKET": "@ioe-test-notify"}).ready("x")
        assert listener.recv(1_000).startswith(b"READY=1")


@pytest.mark.asyncio
async def test_the_watchdog_hears_that_the_event_loop_turns(tmp_path: Path) -> None:
    """WATCHDOG=1 comes again and again while the loop turns, and only to the process that it is meant for."""
    with _listener(tmp_path / "notify") as listener:
        environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "20000"}
        task = asyncio.create_task(ServiceManager(environ).watch())
        await asyncio.sleep(0.2)
        task.cancel()
        assert listener.recv(100) == listener.recv(100) == b"WATCHDOG=1"
    await ServiceManager({**environ, "WATCHDOG_PID": "1"}).watch()  # returns at once


def test_without_a_manager_nothing_is_said_and_nothing_fails() -> None:
    """No variable, or a socket that nobody listens at."""
    ServiceManager({}).ready("x")
    ServiceManager({"NOTIFY_SOCKET": "/nowhere/at/all"}).ready("x")
