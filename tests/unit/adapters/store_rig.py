"""What the tests of the store share: a node, its records, and a process that writes until it is killed."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

from ioe_router.adapters.store import Store
from ioe_router.core.effects import Persist, RecordKind
from ioe_router.model.errors import UsageError
from ioe_router.model.ids import NodeId

NODE = NodeId(b"n" * 32)
NETWORK = "pair"
GROUP = 8  # records that the writing process makes durable together


def put(key: bytes, record: bytes | None, kind: RecordKind = RecordKind.RESERVATION) -> Persist:
    """A wish to make a record durable, or to take it away."""
    return Persist(kind=kind, key=key, record=record)


def open_store(path: Path) -> Store:
    """The store of the tests' node."""
    return Store(path, node=NODE, network_id=NETWORK)


def rows_of(path: Path) -> tuple[Persist, ...]:
    """What the store gives back to the next life of its node."""
    store = open_store(path)
    rows = store.rows()
    store.close()
    return rows


def write_groups(path: Path, groups: list[list[Persist]]) -> None:
    """Open, make each group durable, close."""
    store = open_store(path)
    for group in groups:
        for record in group:
            store.append(record)
        store.sync()
    store.close()


def group_of(number: int) -> list[Persist]:
    """New rows and one that every group replaces, all naming their group."""
    content = number.to_bytes(4) * 75
    new = [put(number.to_bytes(4) + bytes([at]), content) for at in range(GROUP - 1)]
    return [put(b"latest", content, RecordKind.COUNTER), *new]


def leave_open(path: Path, numbers: Iterable[int]) -> None:
    """Write groups in a process that ends without closing, so that they are in the log only."""
    wanted = ",".join(map(str, numbers))
    subprocess.run([sys.executable, __file__, str(path), "leave", wanted], check=True)


def writer(path: Path, file_bytes_max: int = 0) -> subprocess.Popen[str]:
    """A process that writes groups and prints the number of each once it is durable, without end."""
    return subprocess.Popen(
        [sys.executable, __file__, str(path), "endless", str(file_bytes_max)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _write(store: Store, number: int) -> None:
    for record in group_of(number):
        store.append(record)
    store.sync()
    print(number, flush=True)  # noqa: T201 - this is how the test hears of it


def _main(path: Path, how: str, what: str) -> NoReturn:
    store = open_store(path)
    if how == "leave":
        for wanted in what.split(","):
            _write(store, int(wanted))
        _leave()
    if int(what):
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(what), int(what)))
    number = (len(store.rows()) - 1) // (GROUP - 1) + 1 if store.rows() else 1
    try:
        while True:
            _write(store, number)
            number += 1
    except UsageError as error:
        sys.stderr.write(f"{error}\n")
        _leave(1)


def _leave(code: int = 0) -> NoReturn:
    """End without any closing, as a crash does."""
    os._exit(code)


if __name__ == "__main__":
    _main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
