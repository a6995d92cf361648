"""`ioe store`: what an operator sees of a store, sound, damaged or in use."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from ioe_router.adapters.store_reading import examine
from ioe_router.cli.exit_codes import ExitCode
from ioe_router.core.effects import RecordKind
from ioe_router.model.bech32m import node_text
from tests.command_line import Run, runner
from tests.unit.adapters.store_rig import NODE, group_of, leave_open, open_store, put, write_groups, writer

ROWS = [put(b"k1", b'{"state":4}'), put(b"k2", b"\xff"), put(b"epoch", b"7", RecordKind.NEIGHBOR)]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `ioe store` in a folder of its own: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    return runner(monkeypatch, capsys, "store")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the store of a test is."""
    folder = tmp_path / "store"
    folder.mkdir()
    return folder / "store.db"


def _files(path: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in path.parent.iterdir() if not p.name.endswith("-lock")}


def test_check_counts_what_is_there(run: Run, path: Path) -> None:
    """A sound store is called sound, with its owner and the rows of each kind; nothing is changed."""
    store = open_store(path)
    store.next_epoch(5_000)
    store.close()
    write_groups(path, [ROWS])
    before = _files(path)
    for place in ("store", "store/store.db"):
        code, out, err = run("check", place)
        assert (code, err) == (0, "")
        lines = out.splitlines()
        assert lines[0].endswith("store.db is sound")
        assert [line.split(maxsplit=1) for line in lines[1:]] == [
            ["node", node_text(NODE)],
            ["network", "pair"],
            ["epoch", "5000"],
            ["tables", "version 2"],
            ["neighbor", "1 rows, 1 bytes"],
            ["reservation", "2 rows, 12 bytes"],
        ]
    assert _files(path) == before


def test_check_names_what_is_wrong(run: Run, path: Path) -> None:
    """Damage, a missing store and a foreign file are one sentence and exit code 1."""
    write_groups(path, [ROWS])
    content = bytearray(path.read_bytes())
    content[content.index(b'{"state"')] ^= 1
    path.write_bytes(content)
    code, out, err = run("check", "store")
    assert (code, out) == (ExitCode.FAILED, "")
    assert err.startswith("error: the store store/store.db is damaged (checksum of row 1); restore it from")
    assert err.count("\n") == 1
    path.write_bytes(b"text")
    assert "is no store of a node (no SQLite file)" in run("check", "store")[2]
    path.unlink()
    code, _, err = run("check", "store")
    assert code == ExitCode.FAILED
    assert err == (
        "error: store/store.db does not exist; name the folder that node.store names, or the file in it\n"
    )


def test_a_store_in_use_can_be_looked_at(run: Run, path: Path) -> None:
    """While a node writes, check and export read one of its moments; compact is refused."""
    process = writer(path)
    assert process.stdout is not None
    process.stdout.readline()
    code, out, err = run("check", "store")
    assert (code, err) == (0, "")
    assert "a node runs with it: this is its state of one moment" in out
    code, out, err = run("export", "store")
    assert (code, err) == (0, "")
    assert len(out.splitlines()) % (len(group_of(1)) - 1) == 1, "whole groups"
    code, _, err = run("compact", "store")
    assert code == ExitCode.FAILED
    assert err == "error: a node runs with the store store/store.db; stop it first\n"
    assert process.poll() is None
    process.kill()
    process.communicate()


def test_export_writes_every_row(run: Run, path: Path) -> None:
    """Each row is a JSON line with its key, its bytes, and what they say where they are JSON."""
    write_groups(path, [ROWS])
    code, out, err = run("export", "store")
    assert (code, err) == (0, "")
    lines = [json.loads(line) for line in out.splitlines()]
    assert lines[0] == {
        "position": 1,
        "kind": "reservation",
        "key": b"k1".hex(),
        "record": base64.b64encode(b'{"state":4}').decode(),
        "says": {"state": 4},
    }
    assert "says" not in lines[1]
    assert [base64.b64decode(line["record"]) for line in lines] == [row.record for row in ROWS]


def test_export_saves_what_can_be_read(run: Run, path: Path) -> None:
    """Of a store with a page of garbage the rows before and behind it are written, and the exit code is 1."""
    write_groups(path, [group_of(number) for number in range(1, 20)])
    whole = [row.position for row in examine(path).rows]
    content = bytearray(path.read_bytes())
    middle = len(content) // 4096 // 2 * 4096
    content[middle : middle + 4096] = b"\xaa" * 4096
    path.write_bytes(content)
    before = _files(path)
    code, out, err = run("export", "store")
    saved = [json.loads(line)["position"] for line in out.splitlines()]
    assert code == ExitCode.FAILED
    assert err.startswith("error: the store store/store.db is damaged (")
    assert err.endswith(f"; {len(saved)} rows could be read\n")
    lost = sorted(set(whole) - set(saved))
    assert saved == sorted(saved)
    assert 0 < len(lost) < len(whole) // 4
    assert saved[0] == whole[0]
    assert saved[-1] == whole[-1]
    assert _files(path) == before


def test_compact_shrinks(run: Run, path: Path) -> None:
    """A store whose rows were deleted becomes smaller and keeps the rest."""
    many = [put(number.to_bytes(2), bytes(500)) for number in range(300)]
    write_groups(path, [many, [put(row.key, None) for row in many[5:]]])
    kept = examine(path)
    code, out, err = run("compact", "store")
    assert (code, err) == (0, "")
    before, after = (int(word) for word in out.split() if word.isdigit())
    assert after == path.stat().st_size < before // 4
    assert examine(path) == kept


def test_backup_copies_one_moment(run: Run, path: Path) -> None:
    """A backup of a store that was left by a crash is whole, private, and never overwritten."""
    leave_open(path, range(1, 4))
    code, out, err = run("backup", "store", "copy.db")
    assert (code, err) == (0, "")
    assert (
        out
        == f"copy.db holds the {1 + 3 * (len(group_of(1)) - 1)} rows of store/store.db and was read back\n"
    )
    copied, store = examine(Path("copy.db")), examine(path)
    assert (copied.node, copied.rows) == (store.node, store.rows)
    assert Path("copy.db").stat().st_mode & 0o777 == 0o600
    code, _, err = run("backup", "store", "copy.db")
    assert code == ExitCode.FAILED
    assert err == "error: copy.db cannot be made (File exists); name a file that is not there yet\n"
    assert sorted(p.name for p in Path().iterdir()) == ["copy.db", "store"]


def test_a_damaged_store_is_not_backed_up(run: Run, path: Path) -> None:
    """A copy of damage is no backup: nothing is written."""
    write_groups(path, [ROWS])
    content = bytearray(path.read_bytes())
    content[content.index(b'{"state"')] ^= 1
    path.write_bytes(content)
    code, _, err = run("backup", "store", "copy.db")
    assert code == ExitCode.FAILED
    assert "is damaged (checksum of row 1)" in err
    assert not Path("copy.db").exists()


def test_a_backup_restored_beside_a_later_log_is_refused(run: Run, path: Path) -> None:
    """A log of another state is not mixed into a restored file without a word."""
    write_groups(path, [group_of(1)])
    assert run("backup", "store", "copy.db")[0] == 0
    write_groups(path, [group_of(number) for number in range(2, 20)])
    leave_open(path, [20])
    Path("copy.db").replace(path)
    before = _files(path)
    code, _, err = run("check", "store")
    assert code == ExitCode.FAILED
    assert "the store store/store.db is damaged (" in err
    assert _files(path)["store.db-wal"] == before["store.db-wal"]
