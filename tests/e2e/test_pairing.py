"""Pairing with real processes: a code read off one, typed into the other, then two daemons in session."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.daemons import Daemon, wait_for
from tests.e2e.node_files import (
    COMMAND,
    ENVIRONMENT,
    TERMS,
    free_port,
    ioe,
    ioe_ok,
    make_identity,
    node_text,
)


@pytest.fixture
def boxes(tmp_path: Path) -> Path:
    """Two configured nodes that have never heard of each other, `west` and `east`, and terms of a link."""
    for name in ("west", "east"):
        make_identity(tmp_path, name, "pair")
        _configure(tmp_path / name)
    (tmp_path / "terms.toml").write_text(TERMS)
    return tmp_path


def _configure(folder: Path, network: str = "pair") -> None:
    text = node_text(network, (300_000, 200_000), free_port(), 0)
    (folder / "node.toml").write_text(f'{text}\n[pairing]\nlisten = "127.0.0.1:{free_port()}"\n')


def listen_to_ctrl_c() -> None:
    """As at a terminal: what a shell starts in the background ignores SIGINT, and so do its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Shower:
    """A running `ioe pair show` with what it prints."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.out = folder / "shown.txt"
        with self.out.open("w") as out:
            self.process = subprocess.Popen(
                [*COMMAND, "pair", "show", *arguments],
                cwd=folder,
                env=ENVIRONMENT,
                stdout=out,
                stderr=subprocess.STDOUT,
                preexec_fn=listen_to_ctrl_c,  # noqa: PLW1509 - sets one disposition; no thread holds a lock here
            )
        wait_for(lambda: "ioe pair with" in self.text() or self.process.poll() is not None)

    def text(self) -> str:
        """What it has printed so far."""
        return self.out.read_text()

    @property
    def code(self) -> str:
        """The code that it shows; a library may have written a line of its own before."""
        return self.text().split("code  ")[1].split()[0]

    @property
    def address(self) -> str:
        """Where it listens, as it tells its operator."""
        return self.text().split("ioe pair with ")[1].split()[0]


@contextmanager
def showing(folder: Path, *arguments: str) -> Iterator[Shower]:
    """A box that shows a code, ended with the test."""
    shower = Shower(folder, *arguments)
    try:
        yield shower
    finally:
        shower.process.kill()
        shower.process.wait()


def type_code(folder: Path, address: str, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Type a code into the other box."""
    return subprocess.run(
        [*COMMAND, "pair", "with", address, *arguments],
        cwd=folder,
        env=ENVIRONMENT,
        input=code + "\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def pair_boxes(boxes: Path) -> None:
    """Pair west and east, with a link."""
    with showing(boxes / "east", "--yes", "--name", "west") as shower:
        done = type_code(
            boxes / "west", shower.address, shower.code, "--terms", "../terms.toml", "--name", "east"
        )
        assert done.returncode == 0, done.stderr
        assert shower.process.wait(30) == 0, shower.text()
        assert shower.text().splitlines()[-1].startswith("start this node"), shower.text()


def test_two_boxes_that_paired_hold_a_session_until_one_is_removed(
    boxes: Path, start: Callable[[Path], Daemon]
) -> None:
    """After pairing two daemons are in session; removing the peer cuts it, and it is not let in again."""
    pair_boxes(boxes)
    west, east = (start(boxes / name / "node.toml") for name in ("west", "east"))
    wait_for(lambda: bool(west.said("NeighborUp")) and bool(east.said("NeighborUp")))
    listed = ioe_ok("pair", "list", cwd=boxes / "east")
    assert listed.startswith("west ")
    assert listed.endswith("dials this node\n")
    ioe_ok("pair", "remove", "west", cwd=boxes / "east")
    wait_for(lambda: bool(east.said("Reconfigured")) and bool(west.said("NeighborDown")))
    assert west.said("NeighborDown")[0]["code"] == "NOT_A_NEIGHBOR"
    wait_for(lambda: bool(west.said("DialFailed")))
    assert len(east.said("NeighborUp")) == 1
    assert ioe_ok("pair", "list", cwd=boxes / "east").startswith("no box is paired")
    assert not list((boxes / "east" / "peers").iterdir())
    assert (west.stop(), east.stop()) == (0, 0)


def test_two_running_boxes_that_pair_are_in_session_at_once(
    boxes: Path, start: Callable[[Path], Daemon]
) -> None:
    """Nobody is restarted: both daemons take the new neighbour up by themselves."""
    west, east = (start(boxes / name / "node.toml") for name in ("west", "east"))
    wait_for(lambda: bool(west.said("Started")) and bool(east.said("Started")))
    pair_boxes(boxes)
    wait_for(lambda: bool(west.said("NeighborUp")) and bool(east.said("NeighborUp")))
    assert len(east.said("Reconfigured")) == 1
    assert (west.stop(), east.stop()) == (0, 0)


def test_wrong_mistyped_and_late_codes(boxes: Path) -> None:
    """Each bad code is one sentence with the remedy, nothing is stored, and a closed code cannot be tried."""
    with showing(boxes / "east") as shower:
        other = "2222-2222" if shower.code != "2222-2222" else "3333-333E"
        mistyped = shower.code[:-1] + ("2" if shower.code[-1] != "2" else "3")
        for typed, sentence in (
            (mistyped, "mistyped (its last character does not fit); read it again from the other box"),
            (shower.code[:-1], "a pairing code has 8 characters, this one has 7"),
            ("O" + shower.code[1:], "a pairing code has no 'O'; 0, 1, I, L and O do not occur in it"),
            (other, "is not the one that the other box shows; read it again"),
            (other, "is not the one that the other box shows; read it again"),
            (other, "is not the one that the other box shows; read it again"),
        ):
            done = type_code(boxes / "west", shower.address, typed)
            assert (done.returncode, _sentences(done)) == (1, 1)
            assert sentence in done.stderr
        assert shower.process.wait(30) == 1
        assert "tried 3 times without success and is closed" in shower.text()
        late = type_code(boxes / "west", shower.address, shower.code)
        assert late.returncode == 1
        assert "show a code there with 'ioe pair show' (it listens for five minutes)" in late.stderr
    for name in ("west", "east"):
        assert not (boxes / name / "peers").exists()


def test_boxes_of_different_networks_do_not_pair(boxes: Path) -> None:
    """With the right code but another network id both operators are told so, and nothing is stored."""
    _configure(boxes / "west", "elsewhere")
    with showing(boxes / "east") as shower:
        done = type_code(boxes / "west", shower.address, shower.code)
        assert shower.process.wait(30) == 1
        for text in (done.stderr, shower.text()):
            assert "belong to different networks; set the same network_id on both and pair again" in text
    assert not (boxes / "west" / "peers").exists()


def test_a_box_does_not_pair_with_itself(boxes: Path) -> None:
    """A copy of a box, or the box itself, is refused as having the same identity."""
    with showing(boxes / "east") as shower:
        done = type_code(boxes / "east", shower.address, shower.code)
        assert done.returncode == 1
        assert "each box has an identity of its own" in done.stderr


def test_pairing_without_a_link_is_named_at_the_start(boxes: Path, start: Callable[[Path], Daemon]) -> None:
    """Boxes that paired without a link know each other; the daemon says that a link is missing and runs."""
    with showing(boxes / "east") as shower:
        done = type_code(boxes / "west", shower.address, shower.code, "--name", "east")
        assert done.returncode == 0, done.stderr
        assert "no link attested yet" in done.stdout
        assert shower.process.wait(30) == 0
    west = start(boxes / "west" / "node.toml")
    wait_for(lambda: bool(west.said("Started")))
    assert "pair again with --terms" in str(west.said("PeerWithoutLink")[0]["remedy"])
    assert west.stop() == 0
    pair_again = ioe("pair", "remove", "nobody", cwd=boxes / "west")
    assert pair_again.returncode == 1
    assert "no peer is called or begins with 'nobody'; paired are: east" in pair_again.stderr


def test_announced_boxes_are_found(boxes: Path, start: Callable[[Path], Daemon]) -> None:
    """A box that shows a code and one that runs are listed to the operator of another, with what to type."""
    for name in ("west", "east"):
        config = boxes / name / "node.toml"
        config.write_text(config.read_text() + "announce = true\n")
    west = start(boxes / "west" / "node.toml")
    with showing(boxes / "east") as shower:
        wait_for(
            lambda: bool(west.said("Announced")) and "announced in the local network as" in shower.text()
        )
        found = ioe_ok("pair", "found", cwd=boxes / "west").splitlines()
        assert any(line.endswith(f"shows a code: ioe pair with {shower.address}") for line in found), found
        assert any(line.startswith(str(west.said("Announced")[0]["name"])) for line in found), found
    assert west.stop() == 0


def test_an_interrupted_wait_is_one_word(boxes: Path) -> None:
    """Ctrl-C while a code is shown ends the command with code 1, one word, and no traceback."""
    with showing(boxes / "east") as shower:
        shower.process.send_signal(signal.SIGINT)
        assert shower.process.wait(30) == 1
        assert shower.text().split()[-1] == "interrupted"
        assert "Traceback" not in shower.text()


def test_files_of_paired_boxes_are_private(boxes: Path) -> None:
    """The folder that names a household's neighbours is readable by its owner alone."""
    pair_boxes(boxes)
    for name in ("west", "east"):
        assert (boxes / name / "peers").stat().st_mode & 0o077 == 0


def _sentences(done: subprocess.CompletedProcess[str]) -> int:
    return len([line for line in done.stderr.splitlines() if line.startswith("error: ")])
