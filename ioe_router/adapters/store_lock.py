"""One process at a time writes a store.

The lock is the kernel's, on a file beside the store, so it ends with the
process, however that ends.  What the file says is for people.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from ioe_router.model.errors import UsageError


class StoreLocked(UsageError):
    """Another process has the store; `holder` is its number, as far as it is known."""

    def __init__(self, store: Path, holder: str) -> None:
        super().__init__(
            f"another process has the store {store} (process {holder});"
            " stop it, or give this node a store and an identity of its own"
        )
        self.holder = holder


class StoreLock:
    """The right to write a store.

    StoreLocked when another process has it, UsageError when nobody can have it.
    """

    def __init__(self, store: Path) -> None:
        path = store.with_name(store.name + "-lock")
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise UsageError(
                f"{path} cannot be used ({error.strerror}); check the folder, its owner and mode"
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._file, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(self._file)
            raise StoreLocked(store, holder) from error
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let another process have the store."""
        os.close(self._file)
