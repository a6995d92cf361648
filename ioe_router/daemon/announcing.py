"""Announcing a port by DNS-SD where the operator wants it (SPEC section 6.1.7).

The extra [discovery] may be absent.
"""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Callable

from ioe_router.daemon.settings import PairingSection
from ioe_router.model.errors import UsageError
from ioe_router.model.ids import NodeId

_EXTRA = "install it with pip install 'ioe-router[discovery]'"


def refuse_without_extra(what: str) -> None:
    """UsageError when the packages of the extra [discovery] are not installed."""
    for package in ("ifaddr", "zeroconf"):
        if importlib.util.find_spec(package) is None:
            raise UsageError(f"{what} needs the package {package!r}, which is not installed; {_EXTRA}")


def check_pairing(section: PairingSection) -> None:
    """UsageError when the [pairing] table asks for what is not installed."""
    if section.announce:
        refuse_without_extra("pairing.announce")


async def keep_announced(
    node: NodeId, listen: str, port: int, *, pairing: bool, told: Callable[[str, str], None]
) -> None:
    """Announce a port until cancelled; `told` gets ("name", it) or ("trouble", a sentence). Does not fail."""
    from ioe_router.adapters.dns_sd import TROUBLES, Service, announced

    try:
        async with announced(Service.PAIRING if pairing else Service.PEER, node, listen, port) as name:
            told("name", name)
            await asyncio.Event().wait()
    except TROUBLES as error:  # the node runs on without it
        why = str(error) or type(error).__name__
        told("trouble", f"this box cannot be announced ({why}); tell people its address")
