"""The folder that one running node owns, and the store in it.

The epoch of the node is in its store: it rises at every start (SPEC section
2.5), and what a start of the daemon refuses is refused before any of it is
written.
"""

from __future__ import annotations

from pathlib import Path

from ioe_router.adapters.files import make_directory
from ioe_router.adapters.store import STORE_NAME, Store
from ioe_router.adapters.store_lock import StoreLocked
from ioe_router.daemon.errors import InUse, StartRefused
from ioe_router.model.errors import UsageError
from ioe_router.model.ids import NodeId


def open_store(folder: Path, node: NodeId, network_id: str) -> Store:
    """The store of this node, made when there is none. StartRefused when it cannot be used, and why."""
    try:
        make_directory(folder)
        return Store(folder / STORE_NAME, node=node, network_id=network_id)
    except StoreLocked as error:
        raise InUse(str(error)) from error
    except UsageError as error:
        raise StartRefused(str(error)) from error
