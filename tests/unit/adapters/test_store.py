"""The store as a journal: what it gives back, whose it is, who may write it, its epochs and versions."""

from __future__ import annotations

import sqlite3
import stat
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from ioe_router.adapters.journal import Journal, MemoryJournal
from ioe_router.adapters.store import Store
from ioe_router.adapters.store_lock import StoreLocked
from ioe_router.adapters.store_reading import examine
from ioe_router.adapters.store_rows import crc_of
from ioe_router.adapters.store_schema import STEPS, VERSION
from ioe_router.core.effects import RecordKind
from ioe_router.model.errors import UsageError
from ioe_router.model.ids import NodeId
from tests.unit.adapters.store_rig import (
    NETWORK,
    NODE,
    group_of,
    open_store,
    put,
    rows_of,
    write_groups,
    writer,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the store of a test is."""
    return tmp_path / "store.db"


def _both(path: Path) -> list[Journal]:
    return [open_store(path), MemoryJournal()]


def test_the_last_record_of_a_key_is_read_back_in_the_place_of_the_first(path: Path) -> None:
    """Both journals replace, delete and order alike: by first writing, kinds apart, None taking away."""
    wishes = [
        [put(b"a", b"1"), put(b"b", b"1"), put(b"a", b"1", RecordKind.PROOF)],
        [put(b"c", b"1"), put(b"a", b"2"), put(b"none", None)],
        [put(b"b", None), put(b"d", b""), put(b"e", b"1"), put(b"e", None)],
        [put(b"b", b"2")],
    ]
    kept = (
        put(b"a", b"2"),
        put(b"a", b"1", RecordKind.PROOF),
        put(b"c", b"1"),
        put(b"d", b""),
        put(b"b", b"2"),
    )
    for journal in _both(path):
        for group in wishes:
            for wish in group:
                journal.append(wish)
            journal.sync()
        assert journal.rows() == kept
        journal.close()
    assert rows_of(path) == kept


def test_what_is_not_synced_is_not_there(path: Path) -> None:
    """A record counts from the sync behind it, and closing syncs."""
    for journal in _both(path):
        journal.append(put(b"a", b"1"))
        assert journal.rows() == ()
        journal.sync()
        journal.append(put(b"b", b"1"))
        assert journal.rows() == (put(b"a", b"1"),)
        journal.close()
    assert rows_of(path) == (put(b"a", b"1"), put(b"b", b"1"))


def test_memory_begins_with_given_rows() -> None:
    """What one journal in memory kept, the next can begin with."""
    first = MemoryJournal()
    first.append(put(b"a", b"1"))
    first.sync()
    first.append(put(b"lost", b"1"))
    assert MemoryJournal(first.rows()).rows() == (put(b"a", b"1"),)


def test_a_group_is_one_transaction(path: Path) -> None:
    """Everything appended since the last sync becomes durable by one commit, however much it is."""
    store = open_store(path)
    commits: list[str] = []
    store._connection.set_trace_callback(commits.append)
    for group in (group_of(1), group_of(2)):
        for record in group:
            store.append(record)
        store.sync()
    store.sync()
    assert commits.count("COMMIT") == 2
    assert _pragma(store, "journal_mode") == "wal"
    assert _pragma(store, "synchronous") == 2  # FULL
    store.close()


def _pragma(store: Store, name: str) -> object:
    return store._connection.execute(f"PRAGMA {name}").fetchone()[0]


def test_records_may_come_while_others_become_durable(path: Path) -> None:
    """Appending on one thread while another syncs loses nothing and tears no key apart."""
    store = open_store(path)
    done = threading.Event()

    def sync_on() -> None:
        while not done.is_set():
            store.sync()

    thread = threading.Thread(target=sync_on)
    thread.start()
    wanted = [put(number.to_bytes(2), bytes(50)) for number in range(2_000)]
    for wish in wanted:
        store.append(wish)
    done.set()
    thread.join()
    store.close()
    assert list(rows_of(path)) == wanted


def test_the_file_is_private_and_alone_after_closing(path: Path) -> None:
    """Nobody else can read a store, and a closed one is a single file beside its lock."""
    write_groups(path, [group_of(1)])
    assert sorted(p.name for p in path.parent.iterdir()) == ["store.db", "store.db-lock"]
    path.chmod(0o644)  # as a restored copy may be
    store = open_store(path)
    store.append(put(b"a", b"1"))
    store.sync()
    for name in ("store.db", "store.db-wal"):
        assert stat.S_IMODE((path.parent / name).stat().st_mode) == 0o600
    store.close()


# ---------------------------------------------------------------- the lock


def test_one_writer_at_a_time(path: Path) -> None:
    """A second opening is refused with the process that has the store, and possible once that is over."""
    first = open_store(path)
    with pytest.raises(StoreLocked, match=r"another process has the store .* \(process \d+\); stop it"):
        open_store(path)
    first.append(put(b"a", b"1"))
    first.close()
    first.close()
    second = open_store(path)
    assert second.rows() == (put(b"a", b"1"),)
    second.close()


def test_another_process_is_kept_out_also_by_another_name(path: Path, tmp_path: Path) -> None:
    """The lock holds between processes and for a link to the file, and ends with a killed process."""
    process = writer(path)
    assert process.stdout is not None
    assert process.stdout.readline() == "1\n"
    other = tmp_path / "other"
    other.mkdir()
    (other / "link.db").symlink_to(path)
    for name in (path, other / "link.db"):
        with pytest.raises(StoreLocked, match=rf"\(process {process.pid}\)"):
            open_store(name)
    process.kill()
    process.communicate()
    open_store(path).close()


def test_a_refused_store_is_unlocked(path: Path) -> None:
    """A refusal does not leave the lock behind in the refusing process."""
    open_store(path).close()
    for _ in range(2):
        with pytest.raises(UsageError, match="belongs to the network 'pair', not to 'else'"):
            Store(path, node=NODE, network_id="else")


# ---------------------------------------------------------------- whose it is


def _refused(path: Path, match: str, *, node: NodeId = NODE, network_id: str = NETWORK) -> None:
    """Opening fails with one sentence that matches, and changes neither the file nor its log."""
    files = [path, path.with_name(path.name + "-wal")]
    before = [file.read_bytes() if file.exists() else None for file in files]
    with pytest.raises(UsageError, match=match) as refusal:
        Store(path, node=node, network_id=network_id)
    assert "\n" not in str(refusal.value)
    assert [file.read_bytes() if file.exists() else None for file in files] == before


def test_the_store_of_another_node_or_network_is_refused(path: Path) -> None:
    """A store says whose it is, and nobody else opens it."""
    write_groups(path, [group_of(1)])
    _refused(path, r"belongs to the node ioe1\S+, not to ioe1\S+; point node.store", node=NodeId(b"m" * 32))
    _refused(path, "belongs to the network 'pair', not to 'live'; point node.store", network_id="live")


def test_a_file_that_is_no_store_is_refused(path: Path) -> None:
    """Text, an empty file, a folder and another program's database are refused by name."""
    for content in (b"", b"something else", b"IOEJ\x01" + bytes(200)):
        path.write_bytes(content)
        _refused(path, "is no store of a node .no SQLite file.; move it away")
    path.unlink()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE record (position INTEGER)")
    other.close()
    _refused(path, "is no store of a node .an SQLite file of another program.; move it away")
    folder = path.with_name("folder")
    folder.mkdir()
    with pytest.raises(UsageError, match=r"cannot be used \(Is a directory\); check"):
        open_store(folder)


def test_a_newer_store_is_refused(path: Path) -> None:
    """Tables or records of a version to come are not guessed at."""
    write_groups(path, [group_of(1)])
    _sql(path, f"PRAGMA user_version = {VERSION + 1}")
    _refused(path, f"written by a newer version .*its tables have version {VERSION + 1}, known are 1 to")
    _sql(path, f"PRAGMA user_version = {VERSION}")
    connection = sqlite3.connect(path, isolation_level=None)
    row = (99, "dream", b"k", b"r", crc_of(99, b"dream", b"k", b"r"))
    connection.execute("INSERT INTO record VALUES (?, ?, ?, ?, ?)", row)
    connection.close()
    _refused(
        path, "written by a newer version .*no kind of record 'dream' here.; run that version, or restore"
    )


def _sql(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


def test_a_log_without_its_store_is_refused(path: Path) -> None:
    """A file that was taken away from its log is not replaced by an empty one."""
    log = path.with_name("store.db-wal")
    log.write_bytes(b"left behind")
    with pytest.raises(UsageError, match=r"store.db-wal is there and store.db is not; put both back"):
        open_store(path)
    assert log.read_bytes() == b"left behind"
    assert not path.exists()


def test_a_store_half_made_is_made_anew(path: Path) -> None:
    """What a crash leaves of a file in the making is no store and in nobody's way."""
    path.with_name("store.db.new").write_bytes(b"half")
    path.with_name("store.db.new-journal").write_bytes(b"half")
    store = open_store(path)
    store.close()
    assert sorted(p.name for p in path.parent.iterdir()) == ["store.db", "store.db-lock"]


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """A store in a folder that is not there is refused with the remedy."""
    with pytest.raises(UsageError, match=r"cannot be used \(No such file or directory\); check the folder"):
        open_store(tmp_path / "nowhere" / "store.db")


# ---------------------------------------------------------------- epochs


def test_epochs_rise_durably(path: Path) -> None:
    """Each start has a higher epoch than all before, whatever the clock shows."""
    epochs = []
    for utc_s in (1_000, 1_000, 500, 2_000, 0):
        store = open_store(path)
        epochs.append(store.next_epoch(utc_s))
        store.close()
    assert epochs == [1_000, 1_001, 1_002, 2_000, 2_001]
    assert examine(path).epoch == 2_001


def test_a_restored_backup_brings_no_epoch_back(path: Path) -> None:
    """A copy from before other starts still leads to an epoch above them, because time went on."""
    store = open_store(path)
    store.next_epoch(1_000)
    store.close()
    backup = path.read_bytes()
    used = []
    for utc_s in (1_010, 1_020):
        store = open_store(path)
        used.append(store.next_epoch(utc_s))
        store.close()
    path.write_bytes(backup)
    store = open_store(path)
    assert store.next_epoch(1_030) > max(used)
    store.close()


# ---------------------------------------------------------------- versions

# As the first version of the tables was written; never to be changed.


FIRST_VERSION = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA application_id = 1229931825",
    "PRAGMA user_version = 1",
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE record (position INTEGER PRIMARY KEY, kind TEXT NOT NULL, key BLOB NOT NULL,"
    " record BLOB NOT NULL, crc INTEGER NOT NULL)",
    "INSERT INTO meta VALUES ('node',"
    " x'6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e', 1138054162)",
    "INSERT INTO meta VALUES ('network', x'70616972', 3359933700)",
    "INSERT INTO meta VALUES ('epoch', x'0000000000000007', 2895459936)",
    "INSERT INTO record VALUES (1, 'reservation', x'6b31', x'7231', 911834041)",
    "INSERT INTO record VALUES (4, 'proof', x'6b32', x'7232', 4041161351)",
)


def test_a_store_of_the_first_version_is_taken_over(path: Path) -> None:
    """Opening an older store brings its tables up to date with every row and the epoch kept."""
    _sql(path, *FIRST_VERSION)
    assert examine(path).version == 1
    store = open_store(path)
    assert store.rows() == (put(b"k1", b"r1"), put(b"k2", b"r2", RecordKind.PROOF))
    assert store.next_epoch(0) == 8
    store.append(put(b"k3", b"r3"))
    store.close()
    after = examine(path)
    assert (after.version, after.epoch, len(after.rows)) == (VERSION, 8, 3)
    assert [step.version for step in STEPS] == list(range(1, VERSION + 1))
    assert _schema(path) == _schema(_new(path.with_name("new.db"))), "old and new files end up alike"


def _new(path: Path) -> Path:
    open_store(path).close()
    return path


def _schema(path: Path) -> list[tuple[str]]:
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall()
    connection.close()
    return found


def test_a_migration_is_taken_whole_or_not_at_all(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that fails leaves the store of the version before, with its rows."""
    _sql(path, *FIRST_VERSION)

    def fail(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM record")
        raise sqlite3.OperationalError("the power goes off")

    broken = (STEPS[0], replace(STEPS[1], apply=fail))
    with monkeypatch.context() as patch:
        patch.setattr("ioe_router.adapters.store_schema.STEPS", broken)
        with pytest.raises(UsageError, match="the power goes off"):
            open_store(path)
    assert (examine(path).version, len(examine(path).rows)) == (1, 2)
    store = open_store(path)
    assert len(store.rows()) == 2
    store.close()
