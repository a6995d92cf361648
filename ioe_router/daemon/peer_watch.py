"""A running node and its peer files: who was paired or removed is taken up while the node runs.

`ioe pair` only writes and removes files; that is how the two programs need no other
connection.  The folder is looked at once a second, by names and times; what has
changed is handed to whoever takes configurations up (reload.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

_LOOK_S: Final = 1.0

Stamp = tuple[tuple[str, int, int], ...]


class PeerWatch:
    """Looks at the folder of peer files once a second."""

    def __init__(self, folder: Path, changed: Callable[[], None]) -> None:
        """`changed` is called after every change; how it is now counts as known."""
        self._folder = folder
        self._changed = changed
        self._known = self._stamp()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_S)
            self.look()

    def look(self) -> None:
        """Compare the folder with what is known, once."""
        stamp = self._stamp()
        if stamp != self._known:
            self._known = stamp
            self._changed()

    def _stamp(self) -> Stamp:
        """Names, sizes and times of the files that name peers; one that goes at this moment is gone."""
        found = []
        for path in sorted(self._folder.glob("*.toml")):
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            found.append((path.name, status.st_size, status.st_mtime_ns))
        return tuple(found)
