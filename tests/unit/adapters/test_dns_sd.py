"""DNS-SD with two real speakers of multicast DNS on the loopback interface."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from ioe_router.adapters.dns_sd import Found, Service, announced, look
from ioe_router.model.bech32m import node_short
from ioe_router.model.ids import NodeId

pytestmark = pytest.mark.asyncio

LOOPBACK = "127.0.0.1:0"
ONE, OTHER = NodeId(b"1" * 32), NodeId(b"2" * 32)
SECONDS = 1.5


@contextlib.asynccontextmanager
async def _stranger(service: Service, name: str, properties: dict[str, str]) -> AsyncIterator[None]:
    """Something else that announces itself."""
    speaker = AsyncZeroconf(interfaces=["127.0.0.1"])
    info = AsyncServiceInfo(
        service.value,
        f"{name}.{service}",
        port=1,
        addresses=[b"\x7f\0\0\1"],
        properties=properties,
        server="x.local.",
    )
    try:
        await (await speaker.async_register_service(info))
        yield
    finally:
        await speaker.async_unregister_all_services()
        await speaker.async_close()


async def test_boxes_hear_each_other() -> None:
    """A box that waits for pairing and one that runs are both found, with name, address and port."""
    async with (
        announced(Service.PAIRING, ONE, LOOPBACK, 17444) as one,
        announced(Service.PEER, OTHER, LOOPBACK, 17443) as other,
    ):
        assert (one, other) == (node_short(ONE), node_short(OTHER))
        assert await look(LOOPBACK, SECONDS) == (
            Found(service=Service.PAIRING, name=one, host="127.0.0.1", port=17444),
            Found(service=Service.PEER, name=other, host="127.0.0.1", port=17443),
        )


async def test_a_name_that_is_taken_gets_a_number() -> None:
    """Two boxes whose node ids begin alike are told apart by a number behind the name."""
    async with (
        announced(Service.PAIRING, ONE, LOOPBACK, 17444) as first,
        announced(Service.PAIRING, ONE, LOOPBACK, 17445) as second,
    ):
        assert (first, second) == (node_short(ONE), f"{node_short(ONE)}-2")
        found = await look(LOOPBACK, SECONDS)
        assert [(one.name, one.port) for one in found] == [(first, 17444), (second, 17445)]


async def test_an_announcement_ends_with_its_context() -> None:
    """What is no longer announced is no longer found."""
    async with announced(Service.PAIRING, ONE, LOOPBACK, 17444):
        pass
    assert await look(LOOPBACK, SECONDS) == ()


async def test_names_that_are_no_node_ids_are_not_shown() -> None:
    """Free text that somebody announces under our service type never reaches the screen."""
    async with _stranger(Service.PAIRING, "call +49 30 555 to pair", {}):
        assert await look(LOOPBACK, SECONDS) == ()


async def test_nothing_but_the_version_is_announced() -> None:
    """The records of a box name no machine and no network, and carry v=1 alone."""
    async with announced(Service.PEER, ONE, LOOPBACK, 17443) as name:
        speaker = AsyncZeroconf(interfaces=["127.0.0.1"])
        info = AsyncServiceInfo(Service.PEER.value, f"{name}.{Service.PEER}")
        assert await info.async_request(speaker.zeroconf, 3_000)
        await speaker.async_close()
    assert info.properties == {b"v": b"1"}
    assert info.server == f"{name}.local."
