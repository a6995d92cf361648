"""A folder of recordings: one file per router and life, for runs with many routers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TypedDict, Unpack

from ioe_router.adapters.files import make_directory
from ioe_router.adapters.recorder import FileSink, RecordedRouter
from ioe_router.codec.signing import Signer, Verify
from ioe_router.config import RouterConfig
from ioe_router.core.entropy import EntropySource
from ioe_router.model.bech32m import node_short
from ioe_router.model.clock import Now
from ioe_router.model.discovery import OperationalKey
from ioe_router.model.envelope import Sealed
from ioe_router.model.errors import UsageError
from ioe_router.model.ids import NodeId


class Given(TypedDict):
    """What a router is made of beside its configuration."""

    own_key: Sealed[OperationalKey]
    signer: Signer
    entropy: EntropySource
    now: Now
    judge: Verify


class Recordings:
    """Makes routers that record into `folder`; UsageError when it is not empty."""

    def __init__(self, folder: Path, on_failure: Callable[[str], None]) -> None:
        make_directory(folder)
        if any(folder.iterdir()):
            raise UsageError(f"{folder} is not empty; name a new folder for the recordings")
        self._folder = folder
        self._on_failure = on_failure
        self._lives: Counter[NodeId] = Counter()
        self._open: dict[NodeId, FileSink] = {}

    def router(self, config: RouterConfig, **given: Unpack[Given]) -> RecordedRouter:
        """A router for the next life of a node; the recording of the life before is finished."""
        node = config.node
        if node in self._open:
            self._open.pop(node).close()
        self._lives[node] += 1
        path = self._folder / f"{node_short(node)}.{self._lives[node]}.jsonl.gz"
        sink = self._open[node] = FileSink(path, self._on_failure)
        return RecordedRouter(config, sink=sink, **given)

    def close(self) -> None:
        """Finish all recordings."""
        while self._open:
            self._open.popitem()[1].close()
