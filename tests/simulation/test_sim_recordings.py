"""Recordings of a simulation with faults: every life of every router is repeated from its file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from ioe_router.adapters.recording import RecordingFile
from ioe_router.adapters.recordings import Recordings
from ioe_router.adapters.replayer import Replayer
from ioe_router.cli.main import main
from ioe_router.model.errors import UsageError
from ioe_router.sim.run import Plan, run

PLAN = Plan(seed=3, scenario="random8", faults="crash,flip,lose,partition", slots=2, events=60)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recordings of a run with crashes and bad wires."""
    folder = tmp_path_factory.mktemp("run")
    failed: list[str] = []
    recordings = Recordings(folder, failed.append)
    outcome = run(PLAN, make_router=recordings.router)
    recordings.close()
    assert failed == []
    assert outcome.digest == run(PLAN).digest, "being recorded changes nothing"
    return folder


def test_every_life_of_every_router_is_repeated(folder: Path) -> None:
    """Restored records, crashes in mid-run, lost frames: all calls come out as they did."""
    counts: Counter[str] = Counter()
    for path in sorted(folder.iterdir()):
        recording = RecordingFile(path)
        for call in Replayer(recording.head).replay(recording.calls()):
            assert call.difference is None, f"{path.name}, call {call.number}: {call.difference}"
            counts["calls"] += 1
            counts["restored"] += call.call.restored is not None
            counts.update(name for name, _ in call.call.effects)
        counts["lives"] += 1
    assert counts["lives"] > 8
    assert counts["restored"] > 0
    assert counts["Emit PeerFault"] > 0
    assert counts["Persist"] > 0
    assert counts["calls"] > 1_000


def test_recordings_are_not_overwritten(folder: Path) -> None:
    """A second run into the same folder is refused before it begins."""
    with pytest.raises(UsageError, match="is not empty; name a new folder"):
        Recordings(folder, print)


def test_the_command_records_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ioe sim --record FOLDER` leaves a file per router that `ioe replay` repeats."""
    arguments = ["random5", "--faults", "none", "--slots", "1", "--record", str(tmp_path / "run")]
    monkeypatch.setattr("sys.argv", ["ioe", "sim", *arguments])
    main()
    files = sorted((tmp_path / "run").iterdir())
    assert len(files) == 5
    monkeypatch.setattr("sys.argv", ["ioe", "replay", str(files[0])])
    main()
