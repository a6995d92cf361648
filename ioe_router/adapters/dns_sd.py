"""Who is there in the local network: DNS-SD over multicast DNS (SPEC section 6.1.7).

Needs the extra [discovery].  An announcement is a hint for people, never a reason to trust: it says that
something on this address calls itself by a name.  Names that are not the
beginning of a node id are dropped, and so is everything else that others put
into their records.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import ifaddr
from zeroconf import Error, InterfaceChoice, ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from ioe_router.adapters.peer_server import split_address
from ioe_router.model.bech32m import node_short
from ioe_router.model.ids import NodeId

TROUBLES: Final = (OSError, Error)  # what announcing and looking may end with
FOUND_MAX: Final = 64  # boxes that one look reports; a flood of announcements fills no screen
_PROPERTIES: Final = {"v": "1"}
_NAME: Final = re.compile(r"ioe1[02-9ac-hj-np-z]{6}(-\d{1,3})?")
_WILD: Final = ("0.0.0.0", "::")
_RESOLVE_MS: Final = 1_000


class Service(StrEnum):
    """The two things that are announced."""

    PEER = "_ioe._tcp.local."
    PAIRING = "_ioe-pair._tcp.local."


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Found:
    """An announcement that was heard: what it is, the name it goes by, where it says it can be reached."""

    service: Service
    name: str
    host: str
    port: int


def _interfaces(listen: str) -> list[str] | InterfaceChoice:
    host = split_address(listen)[0]
    return InterfaceChoice.All if host in _WILD else [host]


def _addresses(listen: str) -> list[bytes]:
    """The IPv4 addresses on which `listen` can be reached by others."""
    host = split_address(listen)[0]
    hosts = _own_hosts() if host in _WILD else [host]
    return [socket.inet_aton(one) for one in hosts if ":" not in one]


def _own_hosts() -> list[str]:
    found = [ip.ip for adapter in ifaddr.get_adapters() for ip in adapter.ips if isinstance(ip.ip, str)]
    return [host for host in found if not host.startswith("127.")]


@contextlib.asynccontextmanager
async def announced(service: Service, node: NodeId, listen: str, port: int) -> AsyncIterator[str]:
    """Announce a port of this node while the context lasts; yields the name. OSError without a network.

    `listen` is the address that the port listens on: it chooses the networks.
    """
    name = node_short(node)
    info = AsyncServiceInfo(
        service.value,  # the library takes str and no subclass of it
        f"{name}.{service}",
        port=port,
        addresses=_addresses(listen),
        properties=_PROPERTIES,
        server=f"{name}.local.",
    )
    speaker = AsyncZeroconf(interfaces=_interfaces(listen))
    try:
        await (await speaker.async_register_service(info, allow_name_change=True))
        yield info.name.removesuffix(f".{service}")
    finally:
        await speaker.async_unregister_all_services()
        await speaker.async_close()


async def look(listen: str, seconds: float) -> tuple[Found, ...]:
    """What is announced on the networks of `listen`, after listening for some seconds. OSError without."""
    speaker = AsyncZeroconf(interfaces=_interfaces(listen))
    names: dict[str, Service] = {}

    def heard(
        zeroconf: Zeroconf,  # noqa: ARG001 - the library passes these by name
        service_type: str,
        name: str,
        state_change: ServiceStateChange,
    ) -> None:
        if state_change is ServiceStateChange.Removed:
            names.pop(name, None)
        elif len(names) < FOUND_MAX and _NAME.fullmatch(name.removesuffix(f".{service_type}")):
            names[name] = Service(service_type)

    try:
        browser = AsyncServiceBrowser(speaker.zeroconf, [one.value for one in Service], handlers=[heard])
        await asyncio.sleep(seconds)
        await browser.async_cancel()
        found = await asyncio.gather(*(_resolve(speaker, name, kind) for name, kind in names.items()))
        return tuple(sorted(one for some in found for one in some))
    finally:
        await speaker.async_close()


async def _resolve(speaker: AsyncZeroconf, name: str, service: Service) -> tuple[Found, ...]:
    """Where an announced box says it is: its first address, or none when it says no more."""
    info = AsyncServiceInfo(service.value, name)
    if not await info.async_request(speaker.zeroconf, _RESOLVE_MS) or not info.port:
        return ()
    hosts = [host for host in info.parsed_addresses() if ":" not in host][:1]
    short = name.removesuffix(f".{service}")
    return tuple(Found(service=service, name=short, host=host, port=info.port) for host in hosts)
