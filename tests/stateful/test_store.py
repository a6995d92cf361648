"""The store beside a dictionary: whatever is written, and however a process ends, both read back alike."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ioe_router.adapters.journal import MemoryJournal
from ioe_router.adapters.store import Store
from ioe_router.core.effects import Persist, RecordKind
from ioe_router.model.ids import NodeId

KINDS = st.sampled_from((RecordKind.RESERVATION, RecordKind.COUNTER))
KEYS = st.sampled_from((b"", b"a", b"b", b"\x00" * 20))
RECORDS = st.one_of(st.none(), st.sampled_from((b"", b"x", b"y" * 5_000)))


class StoreAndMemory(RuleBasedStateMachine):
    """A store in a folder, and the same wishes in memory."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = Path(tempfile.mkdtemp())
        self._lives = 0
        self._epoch = 0
        self._memory = MemoryJournal()
        self._path = self._folder / "0" / "store.db"
        self._path.parent.mkdir()
        self._store = self._open()

    def _open(self) -> Store:
        store = Store(self._path, node=NodeId(b"n" * 32), network_id="pair")
        epoch = store.next_epoch(0)
        assert epoch > self._epoch
        self._epoch = epoch
        return store

    @rule(kind=KINDS, key=KEYS, record=RECORDS)
    def append(self, kind: RecordKind, key: bytes, record: bytes | None) -> None:
        """A wish, not durable yet."""
        wish = Persist(kind=kind, key=key, record=record)
        self._store.append(wish)
        self._memory.append(wish)

    @rule()
    def sync(self) -> None:
        """All wishes so far."""
        self._store.sync()
        self._memory.sync()

    @rule()
    def stop_and_start(self) -> None:
        """A life that ends in good order."""
        self._store.close()
        self._memory.close()
        self._store = self._open()

    @rule()
    def crash_and_start(self) -> None:
        """A life whose files are found as they are at this moment."""
        self._lives += 1
        crashed = self._folder / str(self._lives) / "store.db"
        crashed.parent.mkdir()
        for name in ("store.db", "store.db-wal"):
            if self._path.with_name(name).exists():
                shutil.copy(self._path.with_name(name), crashed.with_name(name))
        self._store.close()
        self._path = crashed
        self._memory = MemoryJournal(self._memory.rows())
        self._store = self._open()

    @rule()
    def compact(self) -> None:
        """Nothing that anybody reads changes."""
        self._store.compact()

    @invariant()
    def both_say_the_same(self) -> None:
        """Rows, and their order."""
        assert self._store.rows() == self._memory.rows()

    def teardown(self) -> None:
        """Leave nothing behind."""
        self._store.close()
        shutil.rmtree(self._folder)


TestStore = StoreAndMemory.TestCase
TestStore.settings = settings(max_examples=20, stateful_step_count=20, deadline=None)
