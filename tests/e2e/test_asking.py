"""The operator's command line against real daemons: tables, reasons, a reservation, ways to go wrong."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ioe_router.adapters.attestation import read_attestation
from ioe_router.cli.exit_codes import ExitCode
from ioe_router.codec import mapping
from ioe_router.control import client as control_client
from ioe_router.control._pb.control_pb2_grpc import ControlServiceStub
from ioe_router.control.client import Address, ControlClient, pb
from ioe_router.control.version import VERSION_KEY
from ioe_router.model.reservation import Committed
from tests.command_line import Run, runner
from tests.e2e.daemons import Daemon, wait_for
from tests.e2e.node_files import COMMAND, ENVIRONMENT, free_port
from tests.e2e.two_nodes import Pair, make_pair

NOUNS = ("neighbors", "links", "offers", "routes", "fib", "reservations", "obligations", "limits", "refusals")
NOBODY = 65_534


@contextmanager
def running(pair: Pair) -> Iterator[tuple[Daemon, Daemon]]:
    """Both daemons, with a session and what they have told each other."""
    west, east = Daemon(pair.west), Daemon(pair.east)
    try:
        wait_for(lambda: west.said("NeighborUp") and east.said("OfferLearned"))
        with ControlClient(Address(path=pair.east.parent / "store" / "control.sock")) as control:
            wait_for(lambda: all(one.bound for one in control.limits(kind=pb.LIMIT_KIND_LINK)))
        yield west, east
    finally:
        for daemon in (west, east):
            daemon.process.terminate()
            daemon.process.wait(30)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A seller and a buyer whose clocks stand shortly before the opening of a slot."""
    made = make_pair(tmp_path_factory.mktemp("op"), before_opening=True)
    with running(made):
        yield made


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], pair: Pair) -> Run:
    """Runs `ioe` in the folder of the buyer, so that nothing has to be said about which daemon is asked."""
    monkeypatch.chdir(pair.east.parent)
    return runner(monkeypatch, capsys)


def test_every_noun_in_every_format(run: Run) -> None:
    """A table, an array and JSON lines say the same; a pipe gets no colours, names may be shortened."""
    for noun in NOUNS:
        code, table, _ = run("show", noun)
        assert (code, "\x1b" in table) == (0, False), noun
        code, array, _ = run("show", noun, "-o", "json")
        assert code == 0
        code, lines, _ = run("show", noun[:4], "-o", "jsonl")
        assert code == 0
        told = json.loads(array)
        assert len(told) == len(lines.splitlines())
        if told:
            assert set(json.loads(lines.splitlines()[0])) == set(told[0])
            assert table.splitlines()[0].split()[0].isupper()
    (neighbor,) = json.loads(run("show", "neighbor", "-o", "json")[1])
    assert (neighbor["state"], neighbor["routes_best"]) == ("established", 1)
    assert run("show", "neighbors", neighbor["node"][:9])[1].count("established") == 1
    assert run("show", "routes", "--stage", "filtered")[1:] == (
        "",
        "nothing fits what was asked for\n",
    )
    assert neighbor["node"] in run("explain", "route", neighbor["node"][:9])[1]


def test_a_reservation_from_its_price_to_its_release(run: Run) -> None:
    """Reserve waits for the band and shows what the origin has signed; release gives it back."""
    (seller,) = (row["node"] for row in json.loads(run("show", "neighbors", "-o", "json")[1]))
    way = json.loads(run("trace", seller, "-o", "json", "--energy", "0.05kWh")[1])
    (hop,) = way["hops"]
    assert (hop["near_j"], hop["fits"], hop["far_j"] - hop["near_j"]) == (180_000, True, hop["loss_j"])
    code, out, err = run("reserve", "0.05kWh", "--limit", "0.40", "-o", "json")
    assert (code, err) == (0, "")
    done = json.loads(out)
    (made,) = done["reservations"]
    assert (done["covered_j"], made["state"], made["origin"]) == (180_000, "committed", seller)
    assert made["evidence"]["signers"] == [seller]
    signed = bytes.fromhex(json.loads(made["evidence"]["envelope_json"])["signed"])
    assert mapping.decode(Committed, signed).reservation.hex() == made["reservation"]
    name = made["reservation"][:8]
    shown = run("show", "reservations", name, "--state", "committed", "--part", "initiator")[1]
    assert shown.splitlines()[1].startswith(made["reservation"][:12])
    code, out, _ = run("release", name, "-o", "json")
    released = json.loads(out)
    assert (code, released["confirmed"], released["reservation"]["state"]) == (0, True, "released")
    assert released["reservation"]["evidence"]["type"] == "RELEASE"
    code, _, err = run("release", "ffffffff")
    sentence = "error: no reservation begins with 'ffffffff'; 'ioe show reservations' lists them\n"
    assert (code, err) == (ExitCode.NOT_FOUND, sentence)


def test_a_price_is_what_its_hops_make_of_it(run: Run) -> None:
    """The explained price is the ask with the loss of each hop on it, and says what stands in the way."""
    told = json.loads(run("explain", "price", "-o", "json", "--energy", "0.1kWh", "--limit", "0.01")[1])
    (price,) = told["prices"]
    (hop,) = price["hops"]
    ceiling = -(-(price["paid_micro_per_kwh"] * hop["sent_j"]) // hop["received_j"])
    assert price["delivered_micro_per_kwh"] == hop["price_micro_per_kwh"] == ceiling
    assert price["reason"]["code"] in ("TOO_EARLY", "PRICE_LIMIT")
    assert not price["bookable"]


def test_ping_goes_through_both_routers(run: Run) -> None:
    """Each question is answered by the neighbour's router, and the round trip is shown with the neighbour."""
    (neighbor,) = json.loads(run("show", "neighbors", "-o", "json")[1])
    code, out, _ = run("ping", neighbor["node"], "-n", 2, "-i", 0.1, "-o", "jsonl")
    answers = [json.loads(line) for line in out.splitlines()]
    assert (code, [one["answered"] for one in answers]) == (0, [True, True])
    (after,) = json.loads(run("show", "neighbors", "-o", "json")[1])
    assert after["round_trip_us"] == answers[-1]["round_trip_us"] > 0
    assert after["refusals"] == 0, "the neighbour has refused nothing of it"


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["shw"], 2, "there is no command 'shw'; did you mean 'show'?"),
        (["show", "neigbors"], 2, "there is no 'neigbors' in 'ioe show'; did you mean 'neighbors'?"),
        (["show", "routes", "--stge", "best"], 2, "Did you mean '--stage'?"),
        (["show", "routes", "--stage", "bets"], 2, "'bets' is not one of"),
        (["show", "neighbors", "ioe1qqqqqq"], 8, "is no neighbour"),
        (["show", "offers", "ioe1qqqqqq"], 8, "is no node that is known here"),
        (["trace", "ioe"], 2, "fits 2 nodes"),
        (["reserve", "5", "--limit", "0.3"], 2, "'5' is no energy; write it with its unit: 0.5kWh"),
        (["reserve", "5kW", "--limit", "0.3"], 2, "'5kW' is no energy"),
        (["reserve", "5kWh", "--limit", "30ct"], 2, "'30ct' is no price"),
        (
            ["reserve", "5kWh", "--limit", "0.3", "--slot", "now"],
            9,
            "is closed for trade; the next open one is",
        ),
        (["reserve", "5kWh", "--limit", "0.3", "--slot", "1795370701"], 2, "is not aligned"),
        (["explain", "refusal", "NO_CAPACTY"], 2, "did you mean 'NO_CAPACITY'?"),
        (["monitor", "--once", "nighbors"], 2, "did you mean 'neighbors'?"),
        (["show", "refusals", "--code", "NO_CAPACTY"], 2, "did you mean NO_CAPACITY?"),
        (["log", "level", "loud"], 2, "'loud' is not one of"),
    ],
)
def test_wrong_words_are_met_with_one_sentence(
    run: Run, arguments: list[str], code: int, sentence: str
) -> None:
    """What is not understood ends with its own exit code, a sentence that helps, and no traceback."""
    got, _, err = run(*arguments)
    assert (got, sentence in err, "Traceback" in err) == (code, True, False), err


def test_a_node_that_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A monitor is told what goes with a neighbour, a ping why nothing comes, a dead socket is named."""
    pair, run = make_pair(tmp_path), runner(monkeypatch, capsys)
    monkeypatch.chdir(tmp_path)
    west_at, east_at = ("--config", "west/node.toml"), ("--socket", "east/store/control.sock")
    with running(pair) as (west, east):
        wait_for(lambda: json.loads(run("show", "routes", *east_at, "-o", "json")[1]))
        with ControlClient(Address(path=tmp_path / "east" / "store" / "control.sock")) as control:
            seen = _changes_when(control, west.process.kill)
        assert seen == {"neighbor idle", "route gone", "offer gone"}
        (neighbor,) = json.loads(run("show", "neighbors", *east_at, "-o", "json")[1])
        assert neighbor["last_error"]["code"]
        code, out, err = run("ping", neighbor["node"], *east_at, "-n", 1)
        assert (code, "NEIGHBOR_LOST" in out) == (ExitCode.NO_ANSWER, True), out + err
        code, _, err = run("trace", neighbor["node"], *east_at)
        assert (code, "no session with any neighbour" in err) == (ExitCode.REFUSED, True)
        code, _, err = run("show", "status", *west_at)
        assert (code, "has ended without tidying up" in err) == (ExitCode.NOT_RUNNING, True), err
        assert east.stop() == 0
    code, _, err = run("show", "status", *east_at)
    assert (code, "no daemon runs here: there is no socket" in err) == (ExitCode.NOT_RUNNING, True)
    code, _, err = run("show", "status")
    assert (code, "name the daemon with --config" in err) == (ExitCode.NOT_RUNNING, True)


def _changes_when(control: ControlClient, cause: Callable[[], None]) -> set[str]:
    """What a monitor is told, from the cause until the neighbour, its route and its offer are gone."""
    seen: set[str] = set()
    nouns = [pb.NOUN_NEIGHBORS, pb.NOUN_ROUTES, pb.NOUN_OFFERS]
    for answer in control.monitor(nouns=nouns, interval_ms=50):
        if answer.HasField("sync"):
            assert answer.sync.rows >= 3
            cause()
        for row in answer.delta.changed:
            if row.neighbor.state == pb.SESSION_STATE_IDLE:
                seen.add("neighbor idle")
        seen |= {
            {pb.NOUN_ROUTES: "route gone", pb.NOUN_OFFERS: "offer gone"}[gone.noun]
            for gone in answer.delta.removed
        }
        if len(seen) == 3:
            break
    return seen


def test_a_socket_that_is_not_for_this_user(run: Run, pair: Pair) -> None:
    """Whoever may not write to the socket is told so, with an exit code of its own."""
    assert run("show", "status")[0] == 0
    socket = pair.east.parent / "store" / "control.sock"
    with _as_somebody_else(socket):
        code, _, err = run("show", "status", "--socket", socket)
    assert code == ExitCode.NOT_ALLOWED
    assert err.startswith("error: this user may not use the control socket ")


@contextmanager
def _as_somebody_else(socket: Path) -> Iterator[None]:
    """Root may do everything, so it becomes somebody else; anybody else takes the socket's mode away."""
    mode = socket.stat().st_mode
    if os.geteuid() == 0:
        os.seteuid(NOBODY)
    else:
        socket.chmod(0)
    try:
        yield
    finally:
        if os.getuid() == 0:
            os.seteuid(0)
        else:
            socket.chmod(mode)


def test_other_versions_are_told_apart(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another major version is refused by name, and so is a request that the daemon does not know."""
    with monkeypatch.context() as tomorrow:
        tomorrow.setattr(control_client, "_METADATA", ((VERSION_KEY, "2.0"),))
        code, _, err = run("show", "neighbors")
    assert (code, "the caller 2.0; use the command line that came with the daemon" in err) == (
        ExitCode.VERSION,
        True,
    )
    monkeypatch.setattr(ControlServiceStub, "__init__", _stub_of_tomorrow)
    code, _, err = run("show", "status")
    assert (code, "it is older than this command line" in err) == (ExitCode.VERSION, True), err


def _stub_of_tomorrow(stub: object, channel: object) -> None:
    """A stub whose GetStatus is a method that no daemon of today has."""
    call = channel.unary_unary(  # type: ignore[attr-defined]
        "/ioe.control.v1.ControlService/GetMore",
        request_serializer=pb.GetStatusRequest.SerializeToString,
        response_deserializer=pb.GetStatusResponse.FromString,
    )
    setattr(stub, "GetStatus", call)  # noqa: B010  # named as in the proto


def test_two_daemons_on_one_socket(run: Run, pair: Pair, tmp_path: Path) -> None:
    """A daemon leaves the socket of another alone and says which it is; the other goes on."""
    other = make_pair(tmp_path)
    taken = pair.east.parent / "store" / "control.sock"
    text = other.west.read_text() + f'\n[control]\nsocket = "{taken}"\n'
    other.west.write_text(text.replace(f":{other.west_port}", f":{free_port()}"))
    code, _, err = run("run", "--config", other.west)
    assert code == ExitCode.IN_USE
    assert err.splitlines()[-1].startswith(f"error: another daemon answers at the control socket {taken}")
    assert run("show", "status")[0] == 0


def test_colours_are_for_terminals(pair: Pair) -> None:
    """On a terminal a session that stands is green, and not if colours are refused."""
    for more, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        main, side = pty.openpty()
        command = [*COMMAND, "show", "neighbors", "--config", str(pair.east)]
        subprocess.run(command, stdout=side, env={**ENVIRONMENT, **more}, check=True, timeout=60)
        os.close(side)
        shown = os.read(main, 65_536).decode()
        os.close(main)
        assert ("\x1b[32mestablished" in shown, "established" in shown) == (coloured, True)


def test_a_reader_that_has_seen_enough(pair: Pair) -> None:
    """A pipe that is closed at the other end is no traceback."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [*COMMAND, "dump", "--config", str(pair.east)]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, env=ENVIRONMENT, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (ExitCode.FAILED, b"")


def test_shells_complete_live_names(pair: Pair) -> None:
    """The scripts of three shells are there, bash takes its own, and nodes are completed from the daemon."""
    for shell, word in (
        ("bash", "complete -o nosort"),
        ("zsh", "#compdef ioe"),
        ("fish", "complete --no-files"),
    ):
        done = subprocess.run(
            [*COMMAND, "completion", shell], env=ENVIRONMENT, capture_output=True, text=True, check=True
        )
        assert word in done.stdout
        if shell == "bash":
            subprocess.run(["bash", "-n"], input=done.stdout, text=True, check=True)
    words = f"ioe show neighbors --config {pair.east} ioe"
    asked = {"_IOE_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": "5"}
    script = "import sys; sys.argv = ['ioe']; from ioe_router.cli.main import main; main()"
    done = subprocess.run(
        [COMMAND[0], "-c", script], env={**ENVIRONMENT, **asked}, capture_output=True, text=True, check=False
    )
    with ControlClient(Address(path=pair.east.parent / "store" / "control.sock")) as control:
        (neighbor,) = control.neighbors()
    assert done.stdout.split() == [f"plain,{neighbor.node}"]


def test_a_dump_holds_every_table_and_no_key(run: Run, pair: Pair, tmp_path: Path) -> None:
    """Everything shown is in the dump once, in lines that a program reads; what is private is not."""
    file = tmp_path / "dump.jsonl"
    code, out, _ = run("dump", file)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert (code, out) == (0, f"{file} holds {len(lines)} lines\n")
    assert (lines[0]["kind"], lines[-1]) == ("status", {**lines[-1], "kind": "sync", "rows": len(lines) - 2})
    assert {line["noun"] for line in lines[1:-1]} >= {"neighbor", "link", "offer", "route", "limit"}
    secret = next((pair.east.parent / "keys").glob("*.key"), None)
    text = file.read_text()
    assert secret is None or not any(
        part in text for part in re.findall(r"[A-Za-z0-9+/]{40,}", secret.read_text(errors="ignore"))
    )
    assert run("dump", file)[0] == ExitCode.FAILED
    assert read_attestation(pair.folder / "link.attestation") is not None
