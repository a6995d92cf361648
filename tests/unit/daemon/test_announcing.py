"""What happens where the extra [discovery] or the network is missing."""

from __future__ import annotations

import asyncio
import importlib.util

import pytest

from ioe_router.daemon.announcing import check_pairing, keep_announced
from ioe_router.daemon.settings import PairingSection
from ioe_router.model.errors import UsageError
from ioe_router.model.ids import NodeId

NODE = NodeId(b"n" * 32)


def test_announcing_without_the_extra_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """A configuration that asks for announcements is refused by name where the packages are missing."""
    check_pairing(PairingSection(announce=True))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    check_pairing(PairingSection(announce=False))
    with pytest.raises(
        UsageError, match=r"pairing.announce needs the package 'ifaddr'.*ioe-router\[discovery\]"
    ):
        check_pairing(PairingSection(announce=True))


# zeroconf leaves a socket to the garbage collector when it cannot start.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_network_without_multicast_is_told_and_survived() -> None:
    """An address that no interface has cannot be announced on: one sentence, and nothing fails."""
    told: list[tuple[str, str]] = []
    asyncio.run(
        keep_announced(NODE, "192.0.2.1:7443", 7443, pairing=False, told=lambda *words: told.append(words))
    )
    assert [what for what, _ in told] == ["trouble"]
    assert "cannot be announced" in told[0][1]
    assert "tell people its address" in told[0][1]
