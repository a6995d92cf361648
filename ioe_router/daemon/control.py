"""The daemon's control service: its doors as configured, and what is written down about the node.

Without a word in the configuration there is one door: `control.sock` in the
folder of the store, which only one daemon can hold at a time.
"""

from __future__ import annotations

import os
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ioe_router.adapters.node import Node
from ioe_router.adapters.peer_server import split_address
from ioe_router.control.address import too_long
from ioe_router.control.operation import Operator
from ioe_router.control.served import Facts, InspectedRouter, Served
from ioe_router.control.server import ControlServer, Doors, SocketTaken, TcpDoor, fingerprint
from ioe_router.control.witness import Witness
from ioe_router.core.hello import VERSION
from ioe_router.daemon.errors import ConfigRefused, InUse, StartRefused
from ioe_router.daemon.reporting import Log, fields_of
from ioe_router.model.clock import Now
from ioe_router.model.errors import UsageError

if TYPE_CHECKING:
    from ioe_router.daemon.assembly import Plan

SOCKET_NAME: Final = "control.sock"
_TOO_LONG: Final = "the path is too long for a socket; name a shorter one in control.socket"


def software_version() -> str:
    """The version of this package."""
    try:
        return version("ioe-router")
    except PackageNotFoundError:
        return "unknown"


def doors_of(plan: Plan) -> Doors:
    """Where the service is to be had. ConfigRefused: a file or an address is no good."""
    section, folder = plan.settings.control, plan.folder
    named = section.socket
    path = plan.store / SOCKET_NAME if named is None else folder / named if named else None
    only = section.read_only_socket
    return Doors(
        socket=path,
        read_only_socket=None if only is None else folder / only,
        tcp=None if section.listen is None else _tcp(plan, section.listen),
    )


def _tcp(plan: Plan, listen: str) -> TcpDoor:
    section, folder = plan.settings.control, plan.folder
    split_address(listen)
    if section.certificate is None or section.key is None:
        raise ConfigRefused(
            "control.listen needs control.certificate and control.key; 'ioe control-key' makes the two"
        )
    if not section.operators and not section.viewers:
        raise ConfigRefused(
            "control.listen lets nobody in; name certificates in control.operators or control.viewers"
        )
    return TcpDoor(
        listen=listen,
        certificate=_certificate(folder / section.certificate),
        key=_read(folder / section.key),
        operators=tuple(_certificate(folder / one) for one in section.operators),
        viewers=tuple(_certificate(folder / one) for one in section.viewers),
    )


def _certificate(path: Path) -> bytes:
    content = _read(path)
    try:
        fingerprint(content)
    except ValueError as error:
        raise ConfigRefused(f"{path} is no certificate ({error}); name a PEM file") from error
    return content


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigRefused(f"{path} cannot be read ({error.strerror}); check its name and mode") from error


def facts_of(plan: Plan, config: Path, started_utc_s: int) -> Facts:
    """What is written down about the node; neighbours go by the names of their peer files."""
    return Facts(
        version=software_version(),
        config=str(config.resolve()),
        started_utc_s=started_utc_s,
        protocol_version=VERSION,
        pid=os.getpid(),
        names={node: name for name, node in plan.named().items()},
        addresses={one.node: one.section.address for one in plan.neighbors if one.section.address},
    )


class Control:
    """The service of one daemon."""

    def __init__(self, plan: Plan, config: Path, log: Log) -> None:
        """`witness` hears everything from the start on."""
        self._plan = plan
        self._config = config
        self._log = log
        self.witness = Witness(plan.clock.now)
        self._started_utc_s = 0
        self._facts = facts_of(plan, config, 0)
        self._server: ControlServer | None = None

    async def start(self, router: InspectedRouter, node: Node, now: Now, operator: Operator) -> None:
        """Serve. StartRefused: a door cannot be opened."""
        self._started_utc_s = now.utc_s
        self.follow(self._plan)
        served = Served(
            router=router,
            node=node,
            now=self._plan.clock.now,
            facts=lambda: self._facts,
            log=self._log,
            witness=self.witness,
            operator=operator,
            describe=fields_of,
        )
        doors = doors_of(self._plan)
        if doors.socket is not None and too_long(doors.socket) and self._plan.settings.control.socket is None:
            self._log.warn("NoControlSocket", path=str(doors.socket), remedy=_TOO_LONG)
            doors = replace(doors, socket=None)
        self._server = ControlServer(served, doors)
        try:
            await self._server.start()
        except SocketTaken as error:
            raise InUse(str(error)) from error
        except UsageError as error:
            raise StartRefused(str(error)) from error

    def follow(self, plan: Plan) -> None:
        """Another plan is in force: names and addresses follow, doors do not."""
        self._facts = facts_of(plan, self._config, self._started_utc_s)

    async def stop(self) -> None:
        """Serve no more."""
        if self._server is not None:
            await self._server.stop()
