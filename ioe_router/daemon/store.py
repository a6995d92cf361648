"""The folder that one running node owns: lock, epoch, journal.

The lock is the kernel's, so it ends with the process, however that ends.  The
epoch rises at every start: it is the higher of the last one plus one and the
time in seconds, so that even a lost store does not make it go back.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from ioe_router.adapters.files import make_directory, write_whole
from ioe_router.adapters.journal import FileJournal
from ioe_router.daemon.errors import StartRefused


class Store:
    """An opened and locked store. StartRefused when another process holds it or it cannot be used."""

    def __init__(self, folder: Path) -> None:
        make_directory(folder)
        self._folder = folder
        try:
            self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StartRefused(
                f"{folder} cannot be used ({error.strerror}); check its owner and mode"
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._lock, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(self._lock)
            raise StartRefused(
                f"another node runs with the store {folder} (process {holder});"
                " stop it or give this one a store and an identity of its own"
            ) from error
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)

    def next_epoch(self, utc_s: int) -> int:
        """An epoch above every earlier one, durable before it is returned."""
        path = self._folder / "epoch"
        last = 0
        if path.exists():
            text = path.read_text(encoding="utf-8").strip()
            if not text.isdigit():
                raise StartRefused(f"{path} is damaged; delete it if this machine's clock is right")
            last = int(text)
        epoch = max(last + 1, utc_s)
        write_whole(path, f"{epoch}\n".encode())
        return epoch

    def journal(self) -> FileJournal:
        """The journal in this store."""
        return FileJournal(self._folder / "journal")

    def close(self) -> None:
        """Let go of the lock."""
        os.close(self._lock)
