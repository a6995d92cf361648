"""The store where space runs out, and how it gives space back."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ioe_router.adapters.store_reading import examine
from ioe_router.core.effects import RecordKind
from ioe_router.model.errors import UsageError
from tests.unit.adapters.store_rig import group_of, open_store, put, writer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the store of a test is."""
    return tmp_path / "store.db"


def test_a_full_disk_loses_nothing_that_was_durable(path: Path) -> None:
    """A write that does not fit is refused with the remedy, and the store stays as it was before it."""
    store = open_store(path)
    for record in group_of(1):
        store.append(record)
    store.sync()
    (pages,) = store._connection.execute("PRAGMA page_count").fetchone()
    store._connection.execute(f"PRAGMA max_page_count = {pages}")
    store.append(put(b"large", bytes(100_000)))
    store.append(put(b"latest", b"replaced", RecordKind.COUNTER))
    with pytest.raises(
        UsageError, match=r"cannot be written \(database or disk is full\); free space and start"
    ):
        store.sync()
    assert store.rows() == tuple(group_of(1))
    store.append(put(b"after", b"1"))
    with pytest.raises(UsageError, match="free space and start again"):
        store.sync()
    with pytest.raises(UsageError, match="free space and start again"):
        store.next_epoch(1)
    store.close()
    again = open_store(path)
    assert again.rows() == tuple(group_of(1))
    again.append(put(b"large", bytes(100_000)))
    again.close()
    assert len(examine(path).rows) == len(group_of(1)) + 1


def test_a_file_that_may_not_grow(path: Path) -> None:
    """When the files may not grow any more, every group that was answered for is there afterwards."""
    process = writer(path, file_bytes_max=200_000)
    said, error = process.communicate()
    assert process.returncode == 1
    assert re.fullmatch(r"the store \S+ cannot be (used|written) \(.*\);.* free space.*\n", error), error
    last = int(said.split()[-1])
    assert last > 1
    store = open_store(path)
    assert put(b"latest", last.to_bytes(4) * 75, RecordKind.COUNTER) in store.rows()
    assert len(store.rows()) == 1 + last * (len(group_of(1)) - 1)
    store.close()


def test_compacting_gives_space_back(path: Path) -> None:
    """The file shrinks to what is left, and the rows stay in their order."""
    store = open_store(path)
    for number in range(200):
        store.append(put(number.to_bytes(2), bytes(1_000)))
    store.sync()
    for number in range(2, 200):
        store.append(put(number.to_bytes(2), None))
    store.sync()
    store.compact()
    assert path.stat().st_size < 20_000
    assert path.with_name("store.db-wal").stat().st_size == 0
    assert [row.key for row in store.rows()] == [b"\0\0", b"\0\1"]
    store.append(put(b"new", b"1"))
    store.close()
    assert [row.key for row in examine(path).rows] == [b"\0\0", b"\0\1", b"new"]
