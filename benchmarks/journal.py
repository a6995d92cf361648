"""Durable records per second: the store against bare SQLite, on the same disk in the same run.

.venv/bin/python benchmarks/journal.py [--folder FOLDER] [--seconds 0.2] [--pairs 31]

For each group size G a fresh store takes groups of G records (append G times,
sync), and a fresh bare database takes groups of G rows of the same size
(BEGIN, one executemany, COMMIT), both with a write-ahead log and
synchronous=FULL, for the same time each.  The two alternate, so that a change
of the disk's mood meets both; the ratio is the median of those of the pairs.
Every record has a new key, which is the case that writes most.  The exit code
is 1 when a ratio is below one half.
"""

from __future__ import annotations

import argparse
import hashlib
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ioe_router.adapters.store import Store
from ioe_router.core.effects import Persist, RecordKind
from ioe_router.model.ids import NodeId

GROUPS = (1, 8, 64)
KEY_BYTES = 20  # id and version of a reservation
RATIO_MIN = 0.5
Group = list[tuple[bytes, bytes]]


def groups(size: int, record_bytes: int) -> Iterator[Group]:
    """Endless groups of keys and records; keys are unlike each other, as reservation ids are."""
    count = 0
    record = hashlib.shake_128(b"record").digest(record_bytes)
    while True:
        yield [(hashlib.sha256((count + at).to_bytes(8)).digest()[:KEY_BYTES], record) for at in range(size)]
        count += size


def records_per_s(write: Callable[[Group], None], prepared: Iterator[Group], seconds: float) -> float:
    """How many records per second become durable; making the groups is not counted."""
    records, spent = 0, 0.0
    while spent < seconds:
        group = next(prepared)
        begun = time.perf_counter()
        write(group)
        spent += time.perf_counter() - begun
        records += len(group)
    return records / spent


def of_store(folder: Path, size: int, record_bytes: int, seconds: float) -> float:
    """Records per second through the store."""
    store = Store(folder / "store.db", node=NodeId(bytes(32)), network_id="bench")

    def write(group: Group) -> None:
        for key, record in group:
            store.append(Persist(kind=RecordKind.RESERVATION, key=key, record=record))
        store.sync()

    try:
        return records_per_s(write, groups(size, record_bytes), seconds)
    finally:
        store.close()


def of_sqlite(folder: Path, size: int, record_bytes: int, seconds: float) -> float:
    """Records per second into a table without any index, checksum or thought."""
    connection = sqlite3.connect(folder / "bare.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE bare (place INTEGER PRIMARY KEY, key BLOB, record BLOB)")

    def write(group: Group) -> None:
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO bare (key, record) VALUES (?, ?)", group)
        connection.execute("COMMIT")

    try:
        return records_per_s(write, groups(size, record_bytes), seconds)
    finally:
        connection.close()


def pair(number: int, folder: Path, size: int, record_bytes: int, seconds: float) -> tuple[float, float]:
    """Store and bare, one after the other, each in a folder of its own; they take turns to begin."""
    measures = (of_store, of_sqlite) if number % 2 else (of_sqlite, of_store)
    rates = {}
    for measure in measures:
        with tempfile.TemporaryDirectory(dir=folder) as own:
            rates[measure] = measure(Path(own), size, record_bytes, seconds)
    return rates[of_store], rates[of_sqlite]


def main() -> int:
    """Print one Markdown row per group size; 1 when a ratio is too low."""
    parser = argparse.ArgumentParser(description="Durable records per second, store against bare SQLite.")
    parser.add_argument("--folder", type=Path, default=Path(), help="a folder on the disk to measure")
    parser.add_argument("--record-bytes", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=0.2, help="of each measurement")
    parser.add_argument("--pairs", type=int, default=31)
    asked = parser.parse_args()
    print("| group | store, records/s | bare SQLite, records/s | ratio | lowest, highest ratio |")
    print("|---|---|---|---|---|")
    worst = RATIO_MIN
    for size in GROUPS:
        pairs = [
            pair(number, asked.folder, size, asked.record_bytes, asked.seconds)
            for number in range(asked.pairs)
        ]
        ratios = sorted(mine / bare for mine, bare in pairs)
        mine, bare = (statistics.median(rates) for rates in zip(*pairs, strict=True))
        ratio = statistics.median(ratios)
        print(f"| {size} | {mine:,.0f} | {bare:,.0f} | {ratio:.2f} | {ratios[0]:.2f}, {ratios[-1]:.2f} |")
        worst = min(worst, ratio)
    return 0 if worst >= RATIO_MIN else 1


if __name__ == "__main__":
    sys.exit(main())
