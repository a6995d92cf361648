"""The log: one JSON line per event, levels that change while it is written, nothing secret in it."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from typing import get_args

import pytest

from ioe_router.core.events import Event, NeighborDown, NeighborUp, OfferLost, PeerFault
from ioe_router.daemon.log_events import log_events
from ioe_router.daemon.reporting import REMEDIES, Log
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import NodeId

NODE = NodeId(bytes(range(32)))


def _lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_the_level_may_change_while_lines_are_written(capsys: pytest.CaptureFixture[str]) -> None:
    """What is below the level is not written, each change is, and the lines are counted by level."""
    log = Log("info")
    quiet, loud = OfferLost(origin=NODE, offer_no=1), NeighborUp(neighbor=NODE)
    for level in ("debug", "error", "info"):
        for event in (quiet, loud):
            log.event(event)
        log.level = level
    names = [line["event"] for line in _lines(capsys)]
    first, second, third = ["NeighborUp"], ["OfferLost", "NeighborUp"], list[str]()
    changed = ["LogLevelChanged"]
    assert names == first + changed + second + changed + third + changed
    assert log.lines == {"info": 5, "debug": 1}


def test_a_refusal_with_a_remedy_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    """An operator sees what to do at every level; without a remedy the same event is a warning."""
    log = Log("error")
    for code in (ErrorCode.CLOCK_UNSYNCED, ErrorCode.NO_ENERGY):
        log.event(PeerFault(neighbor=NODE, code=code, detail="why"))
    (line,) = _lines(capsys)
    assert (line["event"], line["level"], line["remedy"]) == (
        "PeerFault",
        "error",
        REMEDIES[ErrorCode.CLOCK_UNSYNCED],
    )


def test_ids_of_nodes_are_written_as_people_write_them(capsys: pytest.CaptureFixture[str]) -> None:
    """Text form for nodes, names for codes, and the three fields that every line has."""
    Log("info").event(NeighborDown(neighbor=NODE, code=ErrorCode.NEIGHBOR_LOST, reason="gone"))
    (line,) = _lines(capsys)
    assert str(line["neighbor"]).startswith("ioe1")
    assert line["code"] == "NEIGHBOR_LOST"
    assert {"event", "level", "timestamp"} <= set(line)


def test_no_line_has_a_field_for_secrets() -> None:
    """Whatever an event has a field for may be written: no key that signs, no passphrase, no code."""
    secret = re.compile(r"private|secret|passphrase|password|seed|token|pairing_code")
    for event in log_events():
        assert not [name for name in event.fields if secret.search(name)], event.name
    for kind in get_args(Event):
        assert not [field for field in fields(kind) if "Signer" in str(field.type)], kind
