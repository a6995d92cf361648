"""Recordings: a run with everything in it is repeated bit by bit, and every difference is found.

house --- street --- mill      three recorded routers, one of them badly spoken to
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Unpack

import pytest

from ioe_router.adapters.recorder import FileSink, RecordedRouter
from ioe_router.adapters.recording import RecordingFile
from ioe_router.adapters.recordings import Given
from ioe_router.adapters.replayer import Replayed, Replayer
from ioe_router.cli.exit_codes import ExitCode
from ioe_router.config import RouterConfig
from ioe_router.core.inputs import (
    ForecastReactive,
    ImbalancePrices,
    MeterRead,
    ReleaseReservation,
    SessionUp,
    Shutdown,
)
from ioe_router.core.session import Sessions
from ioe_router.core.told_paths import PathTeller
from ioe_router.model.discovery import Keepalive
from ioe_router.model.errors import UsageError
from ioe_router.model.grid import Exchange
from ioe_router.model.ids import NodeId
from ioe_router.router import Router
from tests.command_line import Run, runner
from tests.simulation.pair import KWH_J, SLOT, SLOT_S, Cable, Sim, build

NAMES = ("street", "house", "mill")


def give_everything(sim: Sim) -> None:
    """Every input there is: trade, faults, garbage, lost links, meters, a host that errs, the end."""
    sim.offer("mill", 90_000, 4 * KWH_J)
    sim.offer("street", 200_000, is_default=True)
    street, mill = sim.node("street"), sim.node("mill")
    for number in range(60):  # bytes of no meaning, each of which ends a session
        noise = hashlib.sha256(b"%d" % number).digest() * (1 + number % 5)
        sim.wire.inject_bytes("house", "street", noise)
        sim.wire.connect(sim.node("house"), street)
        sim.wait(1)
    sim.say("house", "street", Keepalive(received_seq=1 << 40, clock_utc_ms=sim.wire.now.utc_ms))
    sim.at(645)
    sim.want("house", KWH_J, 900_000)
    sim.at(400)
    sim.wire.disconnect(street, mill)
    sim.wait(3)
    sim.wire.connect(street, mill)
    sim.at(380)
    sim.want("house", KWH_J // 2, 900_000)
    reserved = sim.records("house")[0].core.body.reservation
    sim.wire.give(sim.node("house"), ReleaseReservation(reservation=reserved))
    sim.wire.give(street, ForecastReactive(slot=SLOT, reactive=Exchange.IMPORT, reactive_vars=1_000))
    sim.at(-SLOT_S - 5)
    for name, neighbor in (("street", "mill"), ("mill", "street")):
        read = MeterRead(link=sim.port(name, neighbor).link, slot=SLOT, imported_j=1_000, exported_j=0)
        prices = ImbalancePrices(slot=SLOT, short_micro_per_kwh=1, long_micro_per_kwh=2)
        sim.wire.give(sim.node(name), prices, read)
    sim.wait(60)
    with pytest.raises(UsageError, match="report SessionDown before"):
        sim.router("street").handle(SessionUp(neighbor=mill, dialer=True), sim.wire.now)
    for name in NAMES:
        sim.wire.give(sim.node(name), Shutdown())
    sim.wire.settle()


@pytest.fixture(scope="module")
def lines() -> dict[str, list[bytes]]:
    """The recordings of the three routers, as lines."""
    written: dict[NodeId, list[bytes]] = {}

    def make(config: RouterConfig, **rest: Unpack[Given]) -> RecordedRouter:
        return RecordedRouter(config, sink=written.setdefault(config.node, []).append, **rest)

    sim = build(Cable("street", "house"), Cable("street", "mill"), make=make)
    give_everything(sim)
    return {name: written[sim.node(name)] for name in NAMES}


def replayed(path: Path) -> list[Replayed]:
    """All calls of a recording, repeated."""
    recording = RecordingFile(path)
    return list(Replayer(recording.head).replay(recording.calls()))


def write(path: Path, lines: list[bytes]) -> Path:
    """Lines as a file."""
    path.write_bytes(b"".join(lines))
    return path


def changed(line: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    """A line with something else in it."""
    fields = json.loads(line)
    change(fields)
    return json.dumps(fields).encode() + b"\n"


@pytest.mark.parametrize("name", NAMES)
def test_a_run_is_repeated_bit_by_bit(name: str, lines: dict[str, list[bytes]], tmp_path: Path) -> None:
    """Every call gives the recorded effects, entropy, signatures and deadline again, without any key."""
    calls = replayed(write(tmp_path / "r", lines[name]))
    assert [c.difference for c in calls if c.difference] == []
    assert len(calls) == len(lines[name]) - 1
    assert all(len(call.effects) == len(call.call.effects) for call in calls)


def test_a_restart_is_repeated_with_what_was_read_back(tmp_path: Path) -> None:
    """A router that took up the rows of its store is repeated from them, to the same effects."""
    given: dict[NodeId, tuple[RouterConfig, Given]] = {}

    def make(config: RouterConfig, **rest: Unpack[Given]) -> Router:
        given[config.node] = config, rest
        return Router(config, **rest)

    sim = build(Cable("street", "house"), make=make)
    house, street = sim.node("house"), sim.node("street")
    sim.offer("street", 90_000, 4 * KWH_J)
    sim.at(645)
    sim.want("house", KWH_J, 900_000)
    sim.at(400)
    sim.wire.crash(house)
    config, rest = given[house]
    lines: list[bytes] = []
    rest["now"] = sim.wire.now
    sim.wire.restart(house, RecordedRouter(config, sink=lines.append, **rest))
    sim.wire.connect(house, street)
    sim.wait(5)
    calls = replayed(write(tmp_path / "r", lines))
    assert [call.difference for call in calls if call.difference] == []
    assert calls[0].call.restored
    assert "Emit BookingRestored" in {name for call in calls for name, _ in call.call.effects}


def test_the_repeated_run_had_everything_in_it(lines: dict[str, list[bytes]], tmp_path: Path) -> None:
    """Several hundred inputs of every class, garbage, refusals, and a call that raised."""
    calls = [call for name in NAMES for call in replayed(write(tmp_path / name, lines[name]))]
    classes = Counter(type(one).__name__ for call in calls for one in call.inputs)
    assert sum(classes.values()) > 500
    assert set(classes) == {
        "Started",
        "DeadlineReached",
        "SessionUp",
        "FrameReceived",
        "SessionDown",
        "PublishOffer",
        "Trade",
        "ReleaseReservation",
        "ForecastReactive",
        "MeterRead",
        "ImbalancePrices",
        "Shutdown",
    }
    said = Counter(name for call in calls for name, _ in call.call.effects)
    for effect in ("SendFrame", "CloseSession", "Persist", "ApplySchedule", "Emit PeerFault", "Emit Booked"):
        assert said[effect] > 0, effect
    assert [c.call.raised for c in calls if c.call.raised] == [
        "UsageError: session event up in state established; report SessionDown before the next SessionUp"
    ]


def test_a_changed_byte_of_any_frame_is_noticed(lines: dict[str, list[bytes]], tmp_path: Path) -> None:
    """Wherever a byte of an accepted frame is changed, the replay comes out differently in that call."""
    of_street = lines["street"]
    good = [
        number
        for number, line in enumerate(of_street[1:], start=1)
        if b'"FrameReceived"' in line and b"Emit PeerFault" not in line
    ]
    assert len(good) > 80
    for number in good[:: len(good) // 25]:
        found = json.loads(of_street[number])["inputs"]
        place = next(i for i, (kind, _) in enumerate(found) if kind == "FrameReceived")
        frame = bytearray(base64.b64decode(found[place][1]["frame"]))
        frame[number * 7919 % len(frame)] ^= 1 << number % 8

        def change(fields: dict[str, Any], place: int = place, frame: bytearray = frame) -> None:
            fields["inputs"][place][1]["frame"] = base64.b64encode(frame).decode()

        bent = [*of_street[:number], changed(of_street[number], change)]
        last = replayed(write(tmp_path / "bent", bent))[-1]
        assert (last.number, last.difference is not None) == (number, True)


def test_a_changed_command_is_noticed(lines: dict[str, list[bytes]], tmp_path: Path) -> None:
    """One joule more in a want makes another run of it."""
    number = next(i for i, line in enumerate(lines["house"]) if b'"Trade"' in line)

    def change(fields: dict[str, Any]) -> None:
        (trade,) = [one for kind, one in fields["inputs"] if kind == "Trade"]
        trade["energy_j"] += 1

    bent = [*lines["house"][:number], changed(lines["house"][number], change), *lines["house"][number + 1 :]]
    assert replayed(write(tmp_path / "bent", bent))[-1].difference is not None


def test_changed_behaviour_is_noticed(
    lines: dict[str, list[bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A router that promises other times, or wants to be called at them, is found at its first such call."""
    path = write(tmp_path / "r", lines["street"])
    with monkeypatch.context() as patch:
        patch.setattr(PathTeller, "_not_after_utc_s", lambda _self, _link, _path, now: now.utc_s + 900)
        difference = str(replayed(path)[-1].difference)
        assert difference.startswith("effect ")
        assert "; other bytes are to be signed" in difference
    with monkeypatch.context() as patch:
        patch.setattr(Sessions, "deadline_ns", lambda _self: 1)
        assert "next deadline: recorded" in str(replayed(path)[-1].difference)


def test_a_recording_that_was_cut_off_is_good_up_to_there(
    lines: dict[str, list[bytes]], tmp_path: Path
) -> None:
    """Wherever a crash ends the file, whole lines before it are replayed and the cut is told."""
    whole = b"".join(lines["house"])
    head = len(lines["house"][0])
    for end in range(head, head + 40_000, 1_777):
        path = tmp_path / "torn"
        path.write_bytes(whole[:end])
        recording = RecordingFile(path)
        calls = list(Replayer(recording.head).replay(recording.calls()))
        assert len(calls) == whole[:end].count(b"\n") - 1
        assert all(call.difference is None for call in calls)
        assert recording.cut_off == (not whole[:end].endswith(b"\n"))


def test_a_compressed_recording_is_read_like_a_plain_one(
    lines: dict[str, list[bytes]], tmp_path: Path
) -> None:
    """A file named .gz holds the same lines, also when its end is missing."""
    failed: list[str] = []
    sink = FileSink(tmp_path / "r.jsonl.gz", failed.append)
    for line in lines["house"]:
        sink(line)
    sink.close()
    content = (tmp_path / "r.jsonl.gz").read_bytes()
    assert gzip.decompress(content) == b"".join(lines["house"])
    (tmp_path / "torn.gz").write_bytes(content[: len(content) // 2])
    calls = replayed(tmp_path / "torn.gz")
    assert 0 < len(calls) < len(lines["house"]) - 1
    assert [c.difference for c in calls if c.difference] == []
    assert failed == []


def test_a_full_disk_ends_the_recording_and_not_the_router(tmp_path: Path) -> None:
    """The first write that fails is told once; later lines are dropped, closing still works."""
    failed: list[str] = []
    sink = FileSink(tmp_path / "r", failed.append)
    sink(b"one\n")
    sink._file = Path("/dev/full").open("wb")  # noqa: SIM115 - closed by the sink's owner below
    full = sink._file
    sink(b"two\n")
    sink(b"three\n")
    sink.close()
    assert failed == [
        f"recording {tmp_path / 'r'} ends here (No space left on device); the node goes on without it"
    ]
    with pytest.raises(OSError, match="No space left"):
        full.close()


def test_a_recording_is_private_and_never_overwrites(tmp_path: Path) -> None:
    """The file is made for its owner alone, and an existing one is refused."""
    FileSink(tmp_path / "r", print).close()
    assert (tmp_path / "r").stat().st_mode & 0o777 == 0o600
    with pytest.raises(UsageError, match="exists already"):
        FileSink(tmp_path / "r", print)
    with pytest.raises(UsageError, match="cannot be made"):
        FileSink(tmp_path / "nowhere" / "r", print)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `ioe replay` with arguments: exit code, stdout, stderr."""
    return runner(monkeypatch, capsys, "replay")


def test_the_command_prints_a_summary(run: Run, lines: dict[str, list[bytes]], tmp_path: Path) -> None:
    """Without a difference the command counts what it has repeated; `--until` stops earlier."""
    path = write(tmp_path / "r", lines["house"])
    code, out, err = run(path)
    assert (code, err) == (0, "")
    assert f"{len(lines['house']) - 1} calls, " in out
    assert "are the same as recorded" in out
    assert "5 calls, " in run(path, "--until", 5)[1]


def test_the_command_shows_a_call(run: Run, lines: dict[str, list[bytes]], tmp_path: Path) -> None:
    """`--show` prints inputs and effects of a call with frames and envelopes opened."""
    number = next(i for i, line in enumerate(lines["house"]) if b'"FrameReceived"' in line)
    code, out, _ = run(write(tmp_path / "r", lines["house"]), "--show", number)
    assert code == 0
    for word in (
        "FrameReceived ioe1",
        "HELLO, 1 signatures",
        "version_max 1",
        "role SIBLING",
        "next deadline",
    ):
        assert word in out, word


def test_the_command_names_the_first_difference(
    run: Run, lines: dict[str, list[bytes]], tmp_path: Path
) -> None:
    """A difference is one sentence with the number of the call and of the effect, and exit code 1."""

    def change(fields: dict[str, Any]) -> None:
        fields["effects"][0][1] = base64.b64encode(bytes(32)).decode()

    bent = list(lines["house"])
    number = next(i for i, line in enumerate(bent) if b'"SendFrame"' in line)
    bent[number] = changed(bent[number], change)
    code, _, err = run(write(tmp_path / "r", bent))
    assert code == ExitCode.FAILED
    assert err.startswith(f"error: call {number} (")
    assert "comes out differently: effect 1: recorded SendFrame 000000000000, replayed SendFrame " in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "has no whole first line"),
        (b'{"format":"ioe-rec', "has no whole first line"),
        (b"IOEJ\x01 something\n", "is no recording of an energy router"),
        (b'{"format":"other","version":1}\n', "is no recording of an energy router"),
        (b"[1]\n", "is no recording of an energy router"),
        (b"\xff\xfe\n", "is no recording of an energy router"),
        (b'{"format":"ioe-recording","version":2,"x":1}\n', "is a recording of version 2"),
        (b'{"format":"ioe-recording","version":1}\n', "is damaged in its first line"),
        (b"\x1f\x8bnonsense", "its compressed part cannot be read"),
    ],
)
def test_a_foreign_or_newer_file_is_refused_in_one_sentence(
    content: bytes, sentence: str, run: Run, tmp_path: Path
) -> None:
    """What is no recording of this version is refused before anything is replayed."""
    path = tmp_path / "r"
    path.write_bytes(content)
    code, _, err = run(path)
    assert code == ExitCode.CONFIG
    assert sentence in err
    assert err.count("\n") == 1


def test_damage_in_the_middle_is_refused(run: Run, lines: dict[str, list[bytes]], tmp_path: Path) -> None:
    """A line that is whole but unreadable, or has an input of another version, names its call."""
    good = lines["house"]
    for bad, sentence in (
        (b'{"monotonic_ns":\n', "is damaged in call 3"),
        (b'{"monotonic_ns":1,"utc_ms":1,"inputs":[["Flood",{}]]}\n', "call 3: the input 'Flood' is unknown"),
        (b'{"monotonic_ns":1,"utc_ms":1,"inputs":[["Started",{}]]}\n', "the input Started does not fit"),
    ):
        code, _, err = run(write(tmp_path / "r", [*good[:3], bad, *good[3:]]))
        assert code == ExitCode.CONFIG
        assert sentence in err
    code, _, err = run(tmp_path / "absent")
    assert code == ExitCode.CONFIG
    assert "cannot be read (No such file or directory)" in err


def test_the_command_tells_of_a_cut(run: Run, lines: dict[str, list[bytes]], tmp_path: Path) -> None:
    """A recording that ends in mid-line is replayed with a notice and is no failure."""
    path = write(tmp_path / "r", [*lines["house"][:6], lines["house"][6][:50]])
    code, out, err = run(path)
    assert code == 0
    assert "5 calls, " in out
    assert err == f"{path} was cut off inside call 6; everything before it was replayed\n"
