"""A node with domains, their lists and members, for the tests of core/domains."""

# ruff: noqa: ANN401 - a test names the fields that it changes, of any type
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from ioe_router.codec.bounds import clipped_text
from ioe_router.codec.root_signing import open_root_signed
from ioe_router.config import DomainConfig, NeighborConfig
from ioe_router.core.domains import Domains
from ioe_router.model.clock import Now
from ioe_router.model.discovery import Role
from ioe_router.model.envelope import Envelope, Sealed
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.ids import link_id_of
from tests.realm import Realm
from tests.unit.core.plain_sealer import node_named
from tests.unit.core.routing_rig import PARAMETERS, START_UTC_S, Wire, attest, config_of

T = TypeVar("T")

NETWORK = PARAMETERS.network_id
ME, OTHER, STRANGER = node_named("me"), node_named("other"), node_named("stranger")
NOW = Now(0, START_UTC_S * 1000)
LINK = link_id_of(ME, OTHER, 0)


def at(utc_s: int) -> Now:
    """An instant."""
    return Now(0, utc_s * 1000)


def opened(envelope: Envelope) -> Sealed[Any]:
    """What the codec hands to the core."""
    return open_root_signed(envelope, NETWORK)


def configured(envelope: Envelope, body: type[T]) -> Sealed[T]:
    """The same of a configured object."""
    found = opened(envelope)
    assert isinstance(found.body, body)
    return found


def realm(name: str = "ours", **fields: Any) -> Realm:
    """A domain founded a minute ago."""
    return Realm(name, NETWORK, START_UTC_S - 60, **fields)


def domains(stated: DomainConfig | None, **changes: Any) -> Domains:
    """The table of a node with this domain."""
    config = config_of("me", (Wire("me", "other"),))
    table = Domains(replace(config, domain=stated, **changes))
    table.load(configured)
    return table


def neighbor(role: Role) -> NeighborConfig:
    """The neighbour at the other end."""
    return NeighborConfig(node=OTHER, attestation=attest(Wire("me", "other")).envelope, role=role)


@contextmanager
def refused(code: ErrorCode) -> Iterator[None]:
    """What is inside has to be refused with this code, in words that reach the neighbour whole."""
    with pytest.raises(PeerError) as caught:
        yield
    assert caught.value.code is code
    assert caught.value.detail == clipped_text(caught.value.detail)


# ------------------------------------------------------------------ trust lists
