"""Shell completion with what the daemon knows at this moment: neighbours, destinations, reservations.

A shell waits while this runs, so whatever goes wrong completes to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.shell_completion import CompletionItem

from ioe_router.cli.asking import Where, address_of
from ioe_router.model.errors import IoeError

if TYPE_CHECKING:
    from ioe_router.control.client import ControlClient

SHOWN: Final = 200
Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def _where(ctx: click.Context) -> Where:
    given: dict[str, Any] = ctx.params
    paths = {
        name: Path(given[name]) if given.get(name) else None
        for name in ("socket", "config", "certificate", "key", "daemon_certificate")
    }
    return Where(connect=given.get("connect"), **paths)


def _completer(ask: Callable[[ControlClient], Iterable[tuple[str, str]]]) -> Completer:
    def complete(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from ioe_router.control.client import ControlClient

        try:
            with ControlClient(address_of(_where(ctx))) as control:
                found = ((name, text) for name, text in ask(control) if name.startswith(incomplete))
                return [CompletionItem(name, help=text) for name, text in islice(found, SHOWN)]
        except (IoeError, click.ClickException, OSError):
            return []

    return complete


def _neighbors(control: ControlClient) -> Iterator[tuple[str, str]]:
    for row in control.neighbors():
        if row.name:
            yield row.name, row.node
        yield row.node, row.address


def _destinations(control: ControlClient) -> Iterator[tuple[str, str]]:
    seen = set()
    for row in control.routes():
        if row.destination and row.destination not in seen:
            seen.add(row.destination)
            yield row.destination, f"{len(row.hops)} hops"


def _reservations(control: ControlClient) -> Iterator[tuple[str, str]]:
    for row in control.reservations():
        yield row.reservation, f"{row.energy_j} J"


complete_neighbor: Final = _completer(_neighbors)
complete_destination: Final = _completer(_destinations)
complete_reservation: Final = _completer(_reservations)
