"""The store against crashes and disks: what was answered for is there, and damage is never read as truth."""

from __future__ import annotations

import random
import shutil
import sqlite3
from pathlib import Path

import pytest

from ioe_router.adapters.store_reading import Contents, examine
from ioe_router.adapters.store_rows import crc_of
from ioe_router.adapters.store_wal import damage_of_log
from ioe_router.core.effects import Persist, RecordKind
from ioe_router.model.errors import UsageError
from tests.unit.adapters.store_rig import (
    GROUP,
    group_of,
    leave_open,
    open_store,
    put,
    rows_of,
    write_groups,
    writer,
)

PAGE_BYTES = 4_096
FRAME_BYTES = PAGE_BYTES + 24
LOG_HEADER_BYTES = 32
KILLS = 6


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the store of a test is."""
    return tmp_path / "store.db"


def _log(path: Path) -> Path:
    return path.with_name("store.db-wal")


def _after(groups: int) -> tuple[Persist, ...]:
    """The rows that the first so many groups of the writing process leave."""
    rows = {record.key: record for number in range(1, groups + 1) for record in group_of(number)}
    return tuple(rows.values())


def _groups_in(path: Path) -> int:
    """How many groups a store holds; fails unless it holds exactly those, each whole."""
    rows = rows_of(path)
    groups = (len(rows) - 1) // (GROUP - 1) if rows else 0
    assert rows == _after(groups)
    return groups


def test_a_killed_writer_loses_nothing_that_it_answered_for(path: Path) -> None:
    """However often a writer is killed in mid-write: what it answered for is there, of the rest no part."""
    draw, answered = random.Random(1), 0
    for _ in range(KILLS):
        process = writer(path)
        assert process.stdout is not None
        for _ in range(draw.randint(1, 60)):
            answered = int(process.stdout.readline())
        process.kill()
        rest = process.stdout.read()  # not communicate(), which passes by what readline() has read ahead
        process.communicate()
        answered = max([answered, *map(int, rest.split())])
        assert answered <= _groups_in(path) <= answered + 1
    assert answered > KILLS


# ---------------------------------------------------------------- the log


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose last five groups are in its log only, as a crash leaves it."""
    path = tmp_path_factory.mktemp("crashed") / "store.db"
    write_groups(path, [group_of(1)])
    leave_open(path, range(2, 7))
    assert _log(path).stat().st_size > 5 * FRAME_BYTES
    return path


@pytest.fixture
def logged(crashed: Path, tmp_path: Path) -> Path:
    """A copy of that store, for one test."""
    return _copy(crashed, tmp_path / "logged")


def test_a_log_is_taken_over(logged: Path) -> None:
    """After a crash everything in the log counts, and the next opening folds it into the file."""
    assert _groups_in(logged) == 6
    assert not _log(logged).exists()


def test_a_torn_log_ends_at_a_group(logged: Path, tmp_path: Path) -> None:
    """Wherever the end of the log is cut off, whole groups are left and nothing of a torn one."""
    whole = _log(logged).read_bytes()
    found = set()
    for length in range(0, len(whole) + 1, 1_031):
        copy = _copy(logged, tmp_path / "copy")
        _log(copy).write_bytes(whole[:length])
        found.add(_groups_in(copy))
    assert found == {1, 2, 3, 4, 5, 6} - ({6} if len(whole) % 1_031 else set())


def _copy(path: Path, folder: Path) -> Path:
    """The files of a store in another folder, as a backup would have them."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in ("store.db", "store.db-wal"):
        if path.with_name(name).exists():
            shutil.copy(path.with_name(name), folder / name)
    return folder / path.name


def test_the_last_transaction_may_be_torn_in_any_part(logged: Path) -> None:
    """Garbage in what a crash interrupted takes that group away and nothing else."""
    log = bytearray(_log(logged).read_bytes())
    log[-FRAME_BYTES + 2_000] ^= 0xFF
    _log(logged).write_bytes(log)
    assert _groups_in(logged) == 5


def test_damage_inside_the_log_is_refused(logged: Path, tmp_path: Path) -> None:
    """A frame that fails with whole groups behind it was durable once: no silent loss, nothing changed."""
    whole = _log(logged).read_bytes()
    frames = (len(whole) - LOG_HEADER_BYTES) // FRAME_BYTES
    last_group = _frames_of_last_group(whole, frames)
    for frame in range(frames - last_group):
        for inside in (0, 17, 24, 3_000):
            copy = _copy(logged, tmp_path / "copy")
            _flip(_log(copy), LOG_HEADER_BYTES + frame * FRAME_BYTES + inside)
            _refused_unchanged(copy, f"is damaged (frame {frame + 1} of its write-ahead log); restore it")


def _frames_of_last_group(log: bytes, frames: int) -> int:
    """Frames behind the last commit but one."""
    commits = [
        frame
        for frame in range(frames)
        if any(log[LOG_HEADER_BYTES + frame * FRAME_BYTES + 4 : LOG_HEADER_BYTES + frame * FRAME_BYTES + 8])
    ]
    return commits[-1] - commits[-2]


@pytest.mark.parametrize("at", [0, 9, 17, 26])
def test_a_damaged_header_of_the_log_is_refused(logged: Path, at: int) -> None:
    """SQLite would take a log with such a header for none; here it is damage."""
    _flip(_log(logged), at)
    _refused_unchanged(logged, "is damaged (header of its write-ahead log); restore it")


def test_a_log_just_begun_is_no_damage(path: Path) -> None:
    """A crash before the first frame leaves a header, a piece of one, or zeros; nothing was in it yet."""
    for left in (b"", b"\x37\x7f", bytes(LOG_HEADER_BYTES + FRAME_BYTES)):
        write_groups(path, [group_of(1)])
        _log(path).write_bytes(left)
        assert _groups_in(path) == 1


def test_a_log_of_the_round_before_is_no_damage(path: Path) -> None:
    """Frames left over from before the log was folded do not count, and are not taken for damage."""
    store = open_store(path)
    for number in range(1, 4):
        for record in group_of(number):
            store.append(record)
        store.sync()
    store._connection.execute("PRAGMA wal_checkpoint(RESTART)")
    for record in group_of(4):
        store.append(record)
    store.sync()
    assert damage_of_log(_log(path)) is None
    copy = _copy(path, path.parent / "copy")
    store.close()
    assert _groups_in(copy) == 4


# ---------------------------------------------------------------- the file


def test_any_changed_byte_is_seen_or_harmless(path: Path) -> None:
    """Whichever bit of the file flips, either every row is as written or the store is refused."""
    write_groups(path, [group_of(number) for number in range(1, 30)])
    kept, whole, draw, refused = examine(path), path.read_bytes(), random.Random(2), 0
    header = [*range(100), *(draw.randrange(len(whole)) for _ in range(400))]
    for at in header:
        changed = bytearray(whole)
        changed[at] ^= 1 << draw.randrange(8)
        path.write_bytes(changed)
        refused += _is_refused(path, kept)
    assert refused > len(header) // 2, "most of the file is rows"


def _is_refused(path: Path, kept: Contents) -> bool:
    """Whether a store is refused in one sentence; fails when it is read as anything else than `kept`."""
    try:
        found = examine(path)
    except UsageError as error:
        return "\n" not in str(error)
    assert found == kept
    return False


def test_a_cut_file_is_refused(path: Path) -> None:
    """A file without its end is damaged, wherever it ends."""
    write_groups(path, [group_of(number) for number in range(1, 30)])
    whole = path.read_bytes()
    for length in range(100, len(whole), 2_003):
        path.write_bytes(whole[:length])
        _refused_unchanged(path, "store.db")


def test_a_row_with_a_wrong_checksum_is_refused(path: Path) -> None:
    """A row that SQLite finds nothing wrong with is still refused when it is not what was written."""
    write_groups(path, [group_of(1)])
    connection = sqlite3.connect(path)
    connection.execute("UPDATE record SET record = x'00' WHERE position = 3")
    connection.commit()
    connection.close()
    _refused_unchanged(path, "is damaged (checksum of row 3); restore it from a backup, or see what is left")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("DELETE FROM record WHERE position = 3", "its rows are not all of one state"),
        ("UPDATE meta SET value = x'0000000000000001' WHERE name = 'epoch'", "checksum of its epoch"),
        ("UPDATE meta SET value = 7 WHERE name = 'node'", "checksum of its node"),
        ("DELETE FROM meta WHERE name = 'network'", "it does not say its network"),
        ("DROP TABLE record", "no such table: record"),
        ("UPDATE record SET key = 'text' WHERE position = 2", "checksum of row 2"),
        ("UPDATE record SET position = -2 WHERE position = 2", "checksum of row -2"),
        ("PRAGMA user_version = 0", "it does not say the version of its tables"),
    ],
)
def test_contents_that_were_never_written_are_refused(path: Path, change: str, what: str) -> None:
    """A lost row, an older epoch, a missing table: each is damage with its name."""
    write_groups(path, [group_of(1)])
    connection = sqlite3.connect(path)
    connection.execute(change)
    connection.commit()
    connection.close()
    _refused_unchanged(path, f"is damaged ({what}); restore it")


def test_a_key_that_is_there_twice_is_refused(path: Path) -> None:
    """Two rows of one key with good checksums cannot both be the promise."""
    write_groups(path, [[put(b"k", b"old")]])
    connection = sqlite3.connect(path)
    row = (2, "reservation", b"k", b"new", crc_of(2, b"reservation", b"k", b"new"))
    connection.execute("INSERT INTO record VALUES (?, ?, ?, ?, ?)", row)
    connection.commit()
    connection.close()
    _refused_unchanged(path, "is damaged (row 2 is there twice); restore it")


def test_a_file_that_denies_its_log_is_refused(logged: Path) -> None:
    """A header that says there is no log would make SQLite forget the log."""
    content = bytearray(logged.read_bytes())
    content[18:20] = b"\1\1"
    logged.write_bytes(content)
    _refused_unchanged(logged, "is damaged (its header says that it has no write-ahead log, and it has one)")


def test_damage_after_the_opening_is_seen_when_rows_are_read(path: Path) -> None:
    """Reading back checks every row again."""
    write_groups(path, [group_of(1)])
    store = open_store(path)
    store._connection.execute("UPDATE record SET record = x'00' WHERE position = 2")
    with pytest.raises(UsageError, match="checksum of row 2"):
        store.rows()
    store.close()


def test_a_copy_made_by_sqlite_is_a_store(logged: Path, tmp_path: Path) -> None:
    """A backup made with SQLite's own tools opens like the store it was made from."""
    backup = tmp_path / "backup.db"
    source, target = sqlite3.connect(logged), sqlite3.connect(backup)
    source.backup(target)
    target.close()
    source.execute("VACUUM INTO ?", (str(tmp_path / "vacuum.db"),))
    source.close()
    assert _groups_in(backup) == _groups_in(tmp_path / "vacuum.db") == 6
    store = open_store(tmp_path / "vacuum.db")
    store.append(put(b"new", b"1", RecordKind.PROOF))
    store.close()
    assert examine(tmp_path / "vacuum.db").rows[-1].key == b"new"


def _flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def _refused_unchanged(path: Path, sentence: str) -> None:
    """Opening fails with one sentence that has these words, and leaves file and log as they are."""
    files = [path, _log(path)]
    before = [file.read_bytes() if file.exists() else None for file in files]
    with pytest.raises(UsageError) as refusal:
        open_store(path)
    assert sentence in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert [file.read_bytes() if file.exists() else None for file in files] == before
