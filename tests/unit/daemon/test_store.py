"""The folder of a node's store at a start of the daemon."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from ioe_router.daemon.errors import StartRefused
from ioe_router.daemon.store import open_store
from ioe_router.model.ids import NodeId

NODE = NodeId(b"n" * 32)


def test_the_folder_is_made_private(tmp_path: Path) -> None:
    """A first start makes the folder for its owner alone, and the store in it."""
    folder = tmp_path / "a" / "store"
    open_store(folder, NODE, "pair").close()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (folder / "store.db").is_file()


def test_what_cannot_be_used_refuses_the_start(tmp_path: Path) -> None:
    """A store in use, of another network, or in a file's place refuses the start, not the configuration."""
    store = open_store(tmp_path, NODE, "pair")
    with pytest.raises(StartRefused, match="another process has the store"):
        open_store(tmp_path, NODE, "pair")
    store.close()
    with pytest.raises(StartRefused, match="belongs to the network 'pair'"):
        open_store(tmp_path, NODE, "live")
    with pytest.raises(StartRefused, match="cannot be made"):
        open_store(tmp_path / "store.db", NODE, "pair")
