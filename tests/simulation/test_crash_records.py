"""What a durable record may look like: damaged, doubled, under another key, the same for the same state."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ioe_router.core.effects import RecordKind
from ioe_router.model.errors import UsageError
from tests.simulation.crash_line import committed, line, rows_of
from tests.simulation.crashing import crash, new_router, restart


def damage_core(text: bytes) -> bytes:
    """Cut the signed HOLD_CORE short."""
    return text.replace(b'"core":[20,"', b'"core":[20,"00')


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda text: text[:-4], "not JSON"),
        (lambda text: text.replace(b'"format":1', b'"format":9'), "format is 9"),
        (lambda text: text.replace(b'"receipt":true', b'"receipt":7'), "'receipt' is damaged"),
        (lambda text: text.replace(b'"accepted":[1],', b""), "'accepted' is missing"),
        (lambda text: text.replace(b'"accepted":[1]', b'"accepted":[2]'), "not granted"),
        (lambda text: text.replace(b'"state":4', b'"state":1'), "no promise"),
        (lambda text: text.replace(b'"state":4', b'"state":3'), "contradict"),
        (damage_core, "core cannot be decoded"),
    ],
)
def test_a_damaged_record_stops_the_start_and_says_which(spoil: object, why: str) -> None:
    """The sentence names the reservation, what is wrong with its record, and what to do."""
    assert callable(spoil)
    sim = committed(line())
    rows = [
        replace(row, record=spoil(row.record)) if row.kind is RecordKind.RESERVATION else row
        for row in rows_of(sim, "b")
    ]
    (record,) = sim.records("b")
    with pytest.raises(UsageError, match=why) as error:
        new_router(sim, "b").restore(tuple(rows), sim.wire.now)
    assert record.core.body.reservation.hex() in str(error.value)
    assert "backup" in str(error.value)


def test_a_store_that_books_a_packet_twice_is_refused() -> None:
    """Two rows for one reservation cannot both be right."""
    sim = committed(line())
    row = next(row for row in rows_of(sim, "b") if row.kind is RecordKind.RESERVATION)
    with pytest.raises(UsageError, match="booked twice"):
        new_router(sim, "b").restore((*rows_of(sim, "b"), row), sim.wire.now)


def test_the_record_of_another_reservation_under_a_key_is_refused() -> None:
    """A row has to be about the reservation that its key names."""
    sim = committed(line())
    rows = [
        replace(row, key=bytes(20)) if row.kind is RecordKind.RESERVATION else row
        for row in rows_of(sim, "b")
    ]
    with pytest.raises(UsageError, match="another reservation"):
        new_router(sim, "b").restore(tuple(rows), sim.wire.now)


def test_the_same_state_gives_the_same_record() -> None:
    """Restored and written again, a record has the bytes that it had."""
    sim = committed(line())
    before = {key: row.record for key, row in sim.wire.nodes[sim.node("b")].store.items()}
    crash(sim, "b")
    restart(sim, "b")
    for record in sim.records("b"):
        record.touch()
    sim.wire.give(sim.node("b"))
    sim.wait(1)
    after = {key: row.record for key, row in sim.wire.nodes[sim.node("b")].store.items()}
    reservations = [key for key in before if key[0] is RecordKind.RESERVATION]
    assert [after[key] for key in reservations] == [before[key] for key in reservations]
