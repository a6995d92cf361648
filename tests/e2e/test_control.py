"""The control service of real daemons: what it shows, and who may do what."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import grpc
import pytest

from ioe_router.control.client import Address, ControlClient, ControlError, Unreachable, pb
from tests.e2e.daemons import Daemon, wait_for
from tests.e2e.node_files import free_port, ioe_ok
from tests.e2e.two_nodes import Pair, make_pair

CONTROL = '\n[control]\nread_only_socket = "view.sock"\n'


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Two nodes with a session, the seller with a socket for viewers."""
    made = make_pair(tmp_path_factory.mktemp("ctl"))
    made.west.write_text(made.west.read_text() + CONTROL)
    daemons = [Daemon(made.west), Daemon(made.east)]
    try:
        wait_for(lambda: all(daemon.said("NeighborUp") for daemon in daemons))
        yield made
    finally:
        for daemon in daemons:
            daemon.process.terminate()
            daemon.process.wait(30)


def ask(config: Path, name: str = "store/control.sock") -> ControlClient:
    """A client of a daemon's socket."""
    return ControlClient(Address(path=config.parent / name))


def test_the_tables_of_both_ends_fit_each_other(pair: Pair) -> None:
    """What west says it has told east is what east says it has heard and can use, with reasons."""
    with ask(pair.west) as west, ask(pair.east) as east:
        wait_for(lambda: list(east.offers(stage=pb.STAGE_ACCEPTED)))
        seller, buyer = west.status(), east.status()
        assert (seller.sessions, buyer.sessions, buyer.destinations) == (1, 1, 1)
        (told,) = west.routes(stage=pb.STAGE_ADVERTISED, neighbor=buyer.node)
        (heard,) = east.routes(neighbor=seller.node)
        assert told.destination == heard.destination == seller.node
        assert [*heard.stages] == [pb.STAGE_RECEIVED, pb.STAGE_ACCEPTED, pb.STAGE_BEST]
        assert (heard.reason.code, heard.place, [hop.node for hop in heard.hops]) == (
            "best",
            1,
            [seller.node],
        )
        (own,) = west.offers(stage=pb.STAGE_ADVERTISED)
        (offer,) = east.offers(destination=seller.node, source="solar")
        assert (own.object, own.own, [*own.advertised_to]) == (offer.object, True, [buyer.node])
        assert offer.has_delivered
        assert offer.delivered_micro_per_kwh > offer.next_price_micro_per_kwh, "the link loses something"
        assert not list(east.offers(source="wind"))


def test_a_viewer_reads_and_changes_nothing(pair: Pair) -> None:
    """The second socket serves tables and refuses what changes something; both sockets have mode 0660."""
    for name in ("store/control.sock", "view.sock"):
        assert stat.S_IMODE((pair.west.parent / name).stat().st_mode) == 0o660
    with ask(pair.west, "view.sock") as viewer, ask(pair.west) as operator:
        assert viewer.status().access == pb.ACCESS_VIEWER
        assert operator.status().access == pb.ACCESS_OPERATOR
        assert [one.state for one in viewer.neighbors()] == [pb.SESSION_STATE_ESTABLISHED]
        with pytest.raises(ControlError, match="read-only") as refused:
            viewer.call("SetLogLevel", pb.SetLogLevelRequest(level="error"))
        assert refused.value.status is grpc.StatusCode.PERMISSION_DENIED
        assert operator.status().log_level == "debug"
        answer = operator.call("SetLogLevel", pb.SetLogLevelRequest(level="info"))
        assert (answer.before, answer.level) == ("debug", "info")


def test_what_fits_no_node_is_named_with_what_does(pair: Pair) -> None:
    """A beginning of an id stands for its node; one that fits nothing is refused with a near name."""
    with ask(pair.east) as east:
        (neighbor,) = east.neighbors()
        assert [one.node for one in east.neighbors(neighbor=neighbor.node[:10])] == [neighbor.node]
        with pytest.raises(ControlError, match="no neighbour; did you mean ioe1"):
            list(east.neighbors(neighbor=neighbor.node[:-2] + "qq"))


def test_folders_with_odd_and_with_long_names(tmp_path: Path) -> None:
    """Spaces and per cent signs in a path do no harm; one too long for a socket costs only the socket."""
    odd, deep = tmp_path / "a b%20ü", tmp_path / ("d" * 60) / ("e" * 60)
    for folder in (odd, deep):
        folder.mkdir(parents=True)
        pair = make_pair(folder)
        daemon = Daemon(pair.west)
        try:
            wait_for(partial(daemon.said, "Started"))
            if folder == odd:
                with ask(pair.west) as control:
                    assert control.status().neighbors == 1
            else:
                (line,) = daemon.said("NoControlSocket")
                assert "name a shorter one in control.socket" in str(line["remedy"])
                with pytest.raises(Unreachable, match="longer than the 107 bytes"):
                    ask(pair.west)
        finally:
            daemon.process.terminate()
            assert daemon.process.wait(30) == 0


def test_over_tcp_certificates_say_who_may_do_what(tmp_path: Path) -> None:
    """A listed operator may do everything, a listed viewer read, and nobody else gets a word in."""
    pair = make_pair(tmp_path)
    port = free_port()
    for name in ("node", "ann", "glass", "stranger"):
        ioe_ok("control-key", name, cwd=pair.west.parent)
    lines = (
        'certificate = "node.crt"',
        'key = "node.key"',
        'operators = ["ann.crt"]',
        'viewers = ["glass.crt"]',
    )
    section = "\n".join(("[control]", f'listen = "127.0.0.1:{port}"', *lines))
    pair.west.write_text(f"{pair.west.read_text()}\n{section}\n")
    daemon = Daemon(pair.west)
    try:
        wait_for(lambda: daemon.said("Started"))
        folder = pair.west.parent
        assert stat.S_IMODE((folder / "ann.key").stat().st_mode) == 0o600
        with ControlClient(by_tcp(folder, port, "ann")) as operator:
            assert operator.status().access == pb.ACCESS_OPERATOR
            operator.call("SetLogLevel", pb.SetLogLevelRequest(level="info"))
        with ControlClient(by_tcp(folder, port, "glass")) as viewer:
            assert viewer.status().access == pb.ACCESS_VIEWER
            with pytest.raises(ControlError, match="read-only"):
                viewer.call("SetLogLevel", pb.SetLogLevelRequest(level="error"))
        with ControlClient(by_tcp(folder, port, "stranger")) as stranger, pytest.raises(Unreachable):
            stranger.status()
    finally:
        daemon.process.terminate()
        daemon.process.wait(30)


def by_tcp(folder: Path, port: int, name: str) -> Address:
    """The daemon's TCP door, for the holder of a key."""
    return Address(
        target=f"127.0.0.1:{port}",
        certificate=(folder / f"{name}.crt").read_bytes(),
        key=(folder / f"{name}.key").read_bytes(),
        server_certificate=(folder / "node.crt").read_bytes(),
    )
