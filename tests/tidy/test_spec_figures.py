"""The figures, tables and state machines of SPEC.md are those of the code."""

from __future__ import annotations

import re
from dataclasses import fields
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor
from pathlib import Path

import field_tables
import message_sizes
import pytest
import render_fsm
import render_spec
import spec_blocks

from ioe_router.adapters import channel_options, inbox, openings, peer_stream, peer_table
from ioe_router.codec import bound_rules, bound_tables, bounds, mapping
from ioe_router.codec.bound_types import Range
from ioe_router.codec.registry import REGISTRY
from ioe_router.config import BUDGET_BOUNDS, Budgets, Limits, Rate, Timers
from ioe_router.core import (
    budgets,
    curtailment,
    gates,
    hop,
    imbalance,
    reservation_fsm,
    steps,
    sweep,
    trade,
    zone,
)
from ioe_router.model import clock
from ioe_router.model.clock import Now
from ioe_router.model.envelope import ObjectType
from ioe_router.model.errors import ErrorCode, PeerError, Persistence
from ioe_router.model.parameters import BANDS_MAX, NO_BAND, TIMETABLES, NetworkParameters
from ioe_router.model.reservation import ReservationState
from ioe_router.model.slot import SLOT_LENGTHS_S, Slot
from tests.tidy.product import ROOT

SPEC = ROOT / "SPEC.md"


def _rows(name: str) -> list[list[str]]:
    """The cells of the table of SPEC.md that follows the mark of that name, without its head."""
    text = SPEC.read_text(encoding="utf-8")
    found = re.search(rf"<!-- table: {name} -->\n((?:\|.*\n)+)", text)
    assert found, f"SPEC.md has no table marked {name}"
    lines = found[1].splitlines()[2:]
    return [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines]


def test_generated_parts_of_the_specification_are_current() -> None:
    """Field tables, timetable, worked example and message sizes in SPEC.md equal what the code gives."""
    text = SPEC.read_text(encoding="utf-8")
    assert spec_blocks.update_parts(SPEC, render_spec.parts(text), check=True) == []


def test_state_machines_are_current() -> None:
    """The reservation table in SPEC.md and the diagrams in docs/fsm equal the transition tables."""
    assert render_fsm.render(ROOT, check=True) == []


def test_check_mode_finds_a_difference_and_writes_nothing(tmp_path: Path) -> None:
    """An altered part is reported, the file stays as it is, and writing repairs it."""
    path = tmp_path / "SPEC.md"
    old = f"before\n{spec_blocks.marked('one', 'old')}\nafter\n"
    path.write_text(old, encoding="utf-8")
    assert spec_blocks.update_parts(path, {"one": "new"}, check=True) == [
        "SPEC.md: the part 'one' differs from the code"
    ]
    assert path.read_text(encoding="utf-8") == old
    spec_blocks.update_parts(path, {"one": "new"}, check=False)
    assert path.read_text(encoding="utf-8") == f"before\n{spec_blocks.marked('one', 'new')}\nafter\n"
    assert spec_blocks.update_parts(path, {"one": "new"}, check=True) == []


def test_missing_marks_are_a_finding() -> None:
    """A part whose marks were deleted does not pass unnoticed."""
    with pytest.raises(spec_blocks.MissingBlock):
        spec_blocks.replaced("no marks at all", "one", "body")


# ------------------------------------------------------------------ timers and limits


def test_timers_of_the_specification_are_those_of_the_configuration() -> None:
    """Every timer has a row, in order, with the default of the code inside its bounds, the profile too."""
    rows = _rows("timers")
    assert [row[0] for row in rows] == [field.name for field in fields(Timers)]
    for name, default, low, high, profile, *_ in rows:
        assert int(default) == getattr(Timers(), name), name
        assert int(low) <= int(default) <= int(high), name
        assert int(low) <= int(profile) <= int(high), name


def test_conformance_profile_keeps_what_the_defaults_keep() -> None:
    """In the profile, too, a hold outlasts its steps and retries, and signs of life outlast a handshake."""
    profile = {row[0]: int(row[4]) for row in _rows("timers")}
    assert profile["hold_ms"] > 2 * profile["hold_step_ms"]
    assert profile["hold_ms"] > 2 * profile["commit_retry_ms"]
    assert 3 * profile["keepalive_ms"] > profile["handshake_ms"]


def test_limits_of_the_specification_are_those_of_the_configuration() -> None:
    """Every limit has a row, in order, with the default of the code, not below its minimum."""
    rows = _rows("limits")
    assert [row[0] for row in rows] == [field.name for field in fields(Limits)]
    for name, default, low, *_ in rows:
        assert int(low) <= int(default) == getattr(Limits(), name), name


def test_budgets_of_the_specification_are_those_of_the_configuration() -> None:
    """Every budget has a row, in order, with the defaults and bounds of the code, which are in order."""
    rows = _rows("budgets")
    assert [row[0] for row in rows] == [field.name for field in fields(Budgets)]
    for name, per, rate, least, most, burst, least_burst, _ in rows:
        assert Rate(per_s=int(rate), burst=int(burst)) == getattr(Budgets(), name), name
        assert (int(least), int(most), int(least_burst)) == BUDGET_BOUNDS[name], name
        assert int(least) <= int(rate) <= int(most), name
        assert int(least_burst) <= int(burst), name
        assert per == ("signer" if name.startswith("signer_") else "neighbour"), name


def test_urgent_types_of_the_specification_are_those_of_the_code() -> None:
    """The list of section 14.5 names exactly the types with budgets of their own."""
    text = " ".join(SPEC.read_text(encoding="utf-8").split())
    found = re.search(r"keep a session alive: ([A-Z_, ]*)\.", text)
    assert found
    assert {ObjectType[name] for name in found[1].split(", ")} == budgets.URGENT


def test_constants_of_the_specification_are_those_of_the_code() -> None:
    """The values that nobody may configure stand in the code as in SPEC.md."""
    assert {row[0]: int(row[1]) for row in _rows("constants")} == {
        "clock tolerance, s": clock.CLOCK_TOLERANCE_S,
        "dead after, intervals": channel_options.dead_after_ms(1),
        "connection limit, s": zone.LIMIT_LIFETIME_S,
        "envelope, slots": zone.ENVELOPE_SLOTS,
        "sweep rounds": sweep.ROUNDS,
        "sweep horizon, slots": sweep.SLOTS_AHEAD,
        "imbalance retry, ms": imbalance.RETRY_MS,
        "settlement window, slots": steps.KEPT_SLOTS,
        "rounds per band": trade.ROUNDS,
        "cut at once, ms": curtailment.AT_ONCE_MS,
        "notices": curtailment.NOTICES_MAX,
        "turn, frames": inbox.TURN_FRAMES,
        "turn, bytes": inbox.TURN_BYTES,
        "streams of a connection": channel_options.STREAMS_MAX,
        "metadata, bytes": channel_options.METADATA_BYTES_MAX,
        "transport handshake, ms": channel_options.HANDSHAKE_MAX_MS,
        "ping interval, ms": channel_options.PING_INTERVAL_MIN_MS,
        "openings, 1/s": openings.OPENINGS.per_s,
        "openings, burst": openings.OPENINGS.burst,
        "unread, ms": int(peer_stream.STALL_S * 1000),
        "barred, ms": int(peer_table.BARRED_S * 1000),
    }


def test_wire_limits_of_the_specification_are_those_of_the_codec() -> None:
    """The limits on the wire stand in the codec as in SPEC.md."""
    assert {row[0]: int(row[1]) for row in _rows("wire-limits")} == {
        "Signed bytes of an envelope": bound_rules.ENVELOPE_BYTES,
        "Bytes of a frame": bound_rules.FRAME_BYTES,
        "Envelopes in a frame": bound_rules.FRAME_ENVELOPES,
        "Slots in an offer": bound_rules.SLOTS_MAX,
        "Packets in a batch": bound_rules.PACKETS_MAX,
        "Links in a path": bound_rules.PATH_LINKS,
        "Lines in an operating envelope": bound_rules.LINES_MAX,
        "Bands": BANDS_MAX,
    }


# ------------------------------------------------------------------ largest messages


@pytest.mark.parametrize("kind", list(REGISTRY), ids=lambda kind: kind.name)
def test_largest_message_is_legal_and_survives_the_codec(kind: ObjectType) -> None:
    """The message behind a size in SPEC.md is inside all bounds and is read back as it was."""
    one = message_sizes.largest(kind)
    bounds.check(one.body)
    data = mapping.encode(one.body)
    assert len(data) == one.signed_bytes
    assert mapping.decode(type(one.body), data) == one.body


@pytest.mark.parametrize("kind", list(REGISTRY), ids=lambda kind: kind.name)
def test_no_other_choice_of_one_field_is_longer(kind: ObjectType) -> None:
    """Putting the other end of its range into any field of the largest message never makes it longer."""
    one = message_sizes.largest(kind)
    for name, rule in bound_tables.TABLES[type(one.body)].items():
        if not isinstance(rule, Range):
            continue
        values = {field.name: getattr(one.body, field.name) for field in fields(one.body)}
        for number in (rule.low, rule.high, (rule.low + rule.high) // 2):
            other = type(one.body)(**(values | {name: number}))
            assert len(mapping.encode(other)) <= one.signed_bytes, (kind.name, name, number)


def test_only_zone_reports_could_outgrow_an_envelope() -> None:
    """Every message but ZONE_REPORT fits into an envelope whatever its fields hold."""
    large = {
        kind.name
        for kind in REGISTRY
        if message_sizes.largest(kind).signed_bytes > bound_rules.ENVELOPE_BYTES
    }
    assert large == {"ZONE_REPORT"}


def test_a_field_table_names_every_field_with_its_number() -> None:
    """The table of a message has one row per field of the dataclass, in wire order."""
    rows = field_tables.table("HoldItem").splitlines()[2:]
    assert [row.split("|")[1].strip() for row in rows] == ["1", "2", "3", "4"]
    assert "`energy_min_j` | uint64 | 1..2^53-1 |" in rows[3]


# ------------------------------------------------------------------ worked example

_PRICE = re.compile(r"= (ceil|floor)\(\((-?\d+) \* (\d+) ([+-]) (\d+) \* (\d+)\) / (\d+)\) = (-?\d+)")
_AMOUNT = re.compile(r"floor\((-?\d+) \* (\d+) / 3600000\) = (-?\d+)")
_PACKET = re.compile(r"^link \d: d = (\d+), s = (\d+), y = (\d+)$", re.MULTILINE)
_LINK = re.compile(
    r"^\| \d \(.*\) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", re.MULTILINE
)


def _example() -> str:
    text = SPEC.read_text(encoding="utf-8")
    return text.split("<!-- generated: loss-example -->")[1].split("<!-- /generated: loss-example -->")[0]


def test_every_quotient_of_the_worked_example_is_right() -> None:
    """Prices and amounts in SPEC.md follow from the figures printed beside them, by exact fractions."""
    prices, amounts = _PRICE.findall(_example()), _AMOUNT.findall(_example())
    assert (len(prices), len(amounts)) == (4, 4)
    for rounding, price, energy, sign, fee, flow, divisor, result in prices:
        charge = int(fee) * int(flow) * (1 if sign == "+" else -1)
        exact = Fraction(int(price) * int(energy) + charge, int(divisor))
        assert (ceil(exact) if rounding == "ceil" else floor(exact)) == int(result)
    for price, energy, result in amounts:
        assert floor(Fraction(int(price) * int(energy), 3_600_000)) == int(result)


def test_losses_of_the_worked_example_follow_from_its_resistances() -> None:
    """L_int as printed is the ceiling of r F^2 / (V^2 T), computed here from ohms, volts and seconds."""
    links = _LINK.findall(_example())
    assert len(links) == 2
    for r_micro_ohm, _, _, _, _, net_j, loss_j in links:
        exact = Fraction(int(r_micro_ohm), 10**6) * int(net_j) ** 2 / (Fraction(396) ** 2 * 900)
        assert ceil(exact) == int(loss_j)


def test_packets_of_the_worked_example_are_the_smallest_and_largest() -> None:
    """By the definition of section 8.4, in fractions: d of the HOLD is least, d of the GRANT is greatest."""
    links = {
        row[0]: (Fraction(int(row[0]), 10**6) / (Fraction(396) ** 2 * 900), int(row[5]))
        for row in _LINK.findall(_example())
    }
    (one, net_1), (two, net_2) = links["80000"], links["120000"]
    packets = [tuple(map(int, found)) for found in _PACKET.findall(_example())][:4]

    def ends(k: Fraction, net_j: int, flow_j: int, sense: int) -> tuple[int, int]:
        inc = ceil(k * (net_j + sense * flow_j) ** 2) - ceil(k * net_j**2)
        return flow_j + ceil(Fraction(inc, 2)), flow_j - floor(Fraction(inc, 2))

    for k, net_j, sense, (flow_j, sent_j, received_j) in (
        (two, net_2, 1, packets[0]),
        (one, net_1, -1, packets[1]),
    ):
        assert ends(k, net_j, flow_j, sense)[0] == sent_j
        assert ends(k, net_j, flow_j, sense)[1] >= received_j > ends(k, net_j, flow_j - 1, sense)[1]
    for k, net_j, sense, (flow_j, sent_j, received_j) in (
        (one, net_1, -1, packets[2]),
        (two, net_2, 1, packets[3]),
    ):
        assert ends(k, net_j, flow_j, sense)[1] == received_j
        assert ends(k, net_j, flow_j, sense)[0] <= sent_j < ends(k, net_j, flow_j + 1, sense)[0]


# ------------------------------------------------------------------ phases and refusals


def _instants(slot_s: int) -> dict[str, tuple[int, int]]:
    """First and last whole second of every phase, relative to the start of the slot, for three bands."""
    table = TIMETABLES[slot_s]
    edges = [
        ("BEFORE", -10 * slot_s),
        ("BANDS", -table.open_s),
        ("REPAIR", -table.open_s + 3 * table.band_s),
        ("SWEEPS", -table.provisional_gate_s),
        ("CORRECTION", -table.correction_s),
        ("CLOSED", -table.final_gate_s),
        ("RUNNING", 0),
        ("OVER", slot_s),
        ("", 2 * slot_s),
    ]
    return {name: (at, after - 1) for (name, at), (_, after) in pairwise(edges)}


@pytest.mark.parametrize("slot_s", SLOT_LENGTHS_S)
def test_the_phase_table_is_what_the_gates_do(slot_s: int) -> None:
    """At the first and last second of every phase a HOLD gets the answer of section 9.1, for each T."""
    text = SPEC.read_text(encoding="utf-8")
    cells = {
        row[0]: row[3:5]
        for row in (line.strip("| ").split(" | ") for line in text.splitlines())
        if len(row) == 5
    }
    parameters = NetworkParameters(
        network_id="phases",
        currency="EUR",
        slot_s=slot_s,
        reference_price_micro_per_kwh=0,
        floor_micro_per_kwh=(2, 1),
        link_state_steps=16,
        voltage_min_micro_pu=900_000,
        voltage_max_micro_pu=1_100_000,
        voltage_guard_micro_pu=5_000,
    )
    slot = Slot(1_000 * slot_s)
    for phase, instants in _instants(slot_s).items():
        for at in instants:
            now = Now(monotonic_ns=0, utc_ms=(slot + at) * 1000)
            for band, cell in zip((0, NO_BAND), cells[phase], strict=True):
                code = gates.refusal_of(parameters, slot, band, now, forward=False)
                stated = "passes" if code is None else f"`{code.name}`"
                assert cell.startswith(stated), (phase, at, band)
    second = Now(monotonic_ns=0, utc_ms=(slot - TIMETABLES[slot_s].open_s + TIMETABLES[slot_s].band_s) * 1000)
    answers = [gates.refusal_of(parameters, slot, band, second, forward=False) for band in (0, 1, 2)]
    assert answers == [None, None, ErrorCode.TOO_EARLY]


def test_persistence_of_refusals_is_that_of_the_code() -> None:
    """The list of section 10.3 names exactly the codes that the core sends as TEMPORARY and RELATIVE."""
    text = " ".join(SPEC.read_text(encoding="utf-8").split())
    found = re.search(r"carries: TEMPORARY for ([^;]*); RELATIVE for ([^;]*); PERMANENT for all others", text)
    assert found
    for names, persistence in zip(found.groups(), (Persistence.TEMPORARY, Persistence.RELATIVE), strict=True):
        stated = {ErrorCode[name] for name in re.findall(r"[A-Z_]{2,}", names)}
        assert stated == {code for code, kind in hop.PERSISTENCE.items() if kind is persistence}


# ------------------------------------------------------------------ state table


def test_every_pair_of_state_and_event_has_an_answer() -> None:
    """The reservation table is complete, and only its own states and events stand in it."""
    pairs = {(state, event) for state in ReservationState for event in reservation_fsm.ReservationEvent}
    assert set(reservation_fsm.TRANSITIONS) == pairs


def test_no_event_brings_an_ended_reservation_back() -> None:
    """From FAILED, RELEASED and EXPIRED every event leads to the same state or is refused."""
    ended = (ReservationState.FAILED, ReservationState.RELEASED, ReservationState.EXPIRED)
    for state in ended:
        for event in reservation_fsm.ReservationEvent:
            if reservation_fsm.allows(state, event):
                assert reservation_fsm.advance(state, event) is state
            else:
                with pytest.raises(PeerError):
                    reservation_fsm.advance(state, event)
