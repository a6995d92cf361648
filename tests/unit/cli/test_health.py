"""`ioe health` against a real health service, a stopping one, and ports where there is none."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ioe_router.cli.main import ioe
from ioe_router.daemon.health import Health
from ioe_router.model.errors import UsageError
from tests.e2e.node_files import node_text


class _Served:
    """A health service on an event loop of its own thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.health = Health("127.0.0.1:0")
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        self.port: int = self.run(self.health.start)

    def run(self, work: Callable[[], object]) -> int:
        done: Future[int] = asyncio.run_coroutine_threadsafe(work(), self.loop)  # type: ignore[arg-type]
        return done.result(10)

    def stop(self) -> None:
        self.run(self.health.stop)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


@pytest.fixture
def served() -> Iterator[_Served]:
    """A health service that is stopped with its test."""
    one = _Served()
    yield one
    one.stop()


def _ask(*arguments: str) -> Result:
    return CliRunner().invoke(ioe, ["health", *arguments])


def test_serving_node(served: _Served, tmp_path: Path) -> None:
    """A node that serves is asked by its address or by its configuration, and the exit code is 0."""
    config = tmp_path / "node.toml"
    text = node_text("net", [300_000], 7443, 0)
    config.write_text(text.replace("[network]", f'health = "0.0.0.0:{served.port}"\n\n[network]', 1))
    for where in ((f"127.0.0.1:{served.port}",), ("--config", str(config))):
        done = _ask(*where)
        assert (done.exit_code, done.output) == (0, "SERVING\n")


def test_stopping_node(served: _Served) -> None:
    """A node that stops says so, and the probe fails."""
    served.run(served.health.leave)
    done = _ask(f"127.0.0.1:{served.port}")
    assert isinstance(done.exception, UsageError)
    assert "is NOT_SERVING" in str(done.exception)


def test_nobody_there(tmp_path: Path) -> None:
    """A closed port, a port of another kind, a bad address and a node without the service are sentences."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    assert "start the node" in str(_ask(f"127.0.0.1:{port}").exception)
    assert "is not host:port" in str(_ask("nowhere").exception)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        assert "does not answer" in str(_ask(address, "--timeout", "0.2").exception)
    config = tmp_path / "node.toml"
    config.write_text(node_text("net", [300_000], 7443, 0))
    assert "has no node.health" in str(_ask("--config", str(config)).exception)
    assert _ask().exit_code == 2
