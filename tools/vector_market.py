"""Vectors of when, at which price and how much: timetable, price, admission (SPEC section 9)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from math import isqrt

from vector_cast import ATTESTATION
from vector_file import Json, Vector
from vector_loss import CONVERTER, FEEDER, LOSSLESS

from ioe_router.core.loss import Increment, LinkModel, signed
from ioe_router.model.errors import ErrorCode
from ioe_router.model.parameters import TIMETABLES
from ioe_router.model.routing import Direction, Flow

E = ErrorCode
FLOORS = (300_000, 200_000)
NO_BAND = 255


# ------------------------------------------------------------------ timetable


def gates() -> list[Vector]:
    """HOLDs on both sides of every edge of the timetable, for each slot length."""
    return [one for slot_s in (300, 900, 1800, 3600) for one in _edges(slot_s)]


def _edges(slot_s: int) -> Iterator[Vector]:
    table = TIMETABLES[slot_s]
    bands_end = table.open_s - (len(FLOORS) + 1) * table.band_s
    edges = {
        "opening": table.open_s,
        "second-band": table.open_s - table.band_s,
        "last-band": table.open_s - 2 * table.band_s,
        "repair": bands_end,
        "sweeps": table.provisional_gate_s,
        "correction": table.correction_s,
        "closed": table.final_gate_s,
        "start": 0,
        "end": -slot_s,
    }
    for name, before_s in edges.items():
        for side, at_s in (("before", before_s + 1), ("at", before_s)):
            for band in (0, 1, 2, NO_BAND):
                phase, code = judged(slot_s, at_s, band)
                shown = "none" if band == NO_BAND else str(band)
                yield Vector(
                    id=f"timers-gate-{slot_s}-{name}-{side}-{shown}",
                    notes=f"{at_s} s before the slot, in the phase {phase}",
                    inputs={
                        "slot_s": slot_s,
                        "floor_micro_per_kwh": list(FLOORS),
                        "before_slot_s": at_s,
                        "band": band,
                    },
                    intermediates={"phase": phase} if code is None else {},
                    code=code,
                    reqs=("IOE-CLK-010", "IOE-CLK-020"),
                )


def judged(slot_s: int, before_s: int, band: int) -> tuple[str, ErrorCode | None]:
    """The tables of section 9.1, apart from the product's code."""
    table = TIMETABLES[slot_s]
    bands_end = table.open_s - (len(FLOORS) + 1) * table.band_s
    outside = band == NO_BAND
    if before_s > table.open_s:
        return "BEFORE", E.TOO_EARLY
    if before_s > bands_end:
        open_band = (table.open_s - before_s) // table.band_s
        return "BANDS", E.TOO_EARLY if outside or band > open_band else None
    if before_s > table.provisional_gate_s:
        return "REPAIR", None
    if before_s > table.correction_s:
        return "SWEEPS", E.GATE_CLOSED
    if before_s > table.final_gate_s:
        return "CORRECTION", None if outside else E.GATE_CLOSED
    if before_s > 0:
        return "CLOSED", E.GATE_CLOSED
    return ("RUNNING" if before_s > -slot_s else "OVER"), E.IN_PAST


# ------------------------------------------------------------------ price at the origin


def prices() -> list[Vector]:
    """PRICE_AT_ORIGIN for both directions, with and without floor, at and beyond the limit."""
    return list(_prices())


def _prices() -> Iterator[Vector]:
    cases = [
        (direction, default, ask, band, limit)
        for direction in (Direction.SUPPLY, Direction.DEMAND)
        for default in (False, True)
        for band in (0, 2, NO_BAND)
        for ask in (150_000, 250_000, 350_000)
        for limit in (149_999, 150_000, 299_999, 300_000, 350_001)
    ]
    for number, (direction, default, ask, band, limit) in enumerate(cases):
        shown, code = priced(direction, default=default, ask=ask, band=band, limit=limit)
        yield Vector(
            id=f"price-origin-{number:03d}",
            notes="PRICE_AT_ORIGIN" if code is None else f"refused at an ask of {ask} and a limit of {limit}",
            inputs={
                "floor_micro_per_kwh": list(FLOORS),
                "direction": int(direction),
                "is_default": default,
                "ask_micro_per_kwh": ask,
                "band": band,
                "price_limit_micro_per_kwh": limit,
            },
            intermediates=shown,
            code=code,
            reqs=("IOE-PRC-050", "IOE-PRC-060"),
        )


def priced(
    direction: Direction, *, default: bool, ask: int, band: int, limit: int
) -> tuple[Json, ErrorCode | None]:
    """PRICE_AT_ORIGIN as SPEC.md writes it, apart from the product's code."""
    floor = FLOORS[band] if band < len(FLOORS) else None
    price = ask
    if floor is not None and direction is Direction.DEMAND:
        if ask < floor:
            return {}, E.TOO_EARLY
    elif floor is not None:
        if limit < floor:
            return {}, E.PRICE_LIMIT
        price = ask if default else max(ask, floor)
    if price > limit if direction is Direction.SUPPLY else price < limit:
        return {}, E.PRICE_LIMIT
    scarcity = max(0, price - ask)
    return {"price_micro_per_kwh": price, "scarcity_micro_per_kwh": scarcity}, None


# ------------------------------------------------------------------ how much may flow


def capacity() -> list[Vector]:
    """Limits of a slot, and what a keeper's ledger makes of one packet after another."""
    return [*_limits(), *_ledgers()]


def _limits() -> Iterator[Vector]:
    cases = (
        ("controlled", 50_000, None, 900_000, 0),
        ("controlled-margin", 50_000, None, 900_000, 100_000),
        ("radial", 50_000, (40_000, 0), 900_000, 0),
        ("radial-reactive", 50_000, (45_000, 20_000), 900_000, 0),
        ("radial-all-reactive", 50_000, (45_000, 45_000), 900_000, 0),
        ("radial-odd", 33_333, (33_333, 7_777), 912_345, 33_333),
        ("radial-no-power", 50_000, (0, 0), 900_000, 0),
    )
    for name, rating_va, envelope, lowest, margin_ppm in cases:
        for slot_s in (300, 900):
            power_w, reactive_var = envelope or (rating_va, 0)
            apparent = rating_va * lowest // 10**6
            usable_w = isqrt(max(0, apparent**2 - reactive_var**2))
            limit_j = min(power_w, usable_w) * slot_s * (10**6 - margin_ppm) // 10**6
            yield Vector(
                id=f"capacity-limit-{name}-{slot_s}",
                notes="the limit of section 9.4 in one direction",
                inputs={
                    "rating_va": rating_va,
                    "envelope": None
                    if envelope is None
                    else {"power_w": power_w, "reactive_var": reactive_var},
                    "voltage_min_micro_pu": lowest,
                    "margin_ppm": margin_ppm,
                    "slot_s": slot_s,
                },
                intermediates={"usable_w": usable_w, "limit_j": limit_j},
                reqs=("IOE-ADM-080",),
            )
    yield Vector(
        id="capacity-limit-no-envelope",
        notes="a RADIAL link without an operating envelope",
        inputs={
            "rating_va": 50_000,
            "envelope": {},
            "voltage_min_micro_pu": 900_000,
            "margin_ppm": 0,
            "slot_s": 900,
        },
        code=E.NOT_BOOKABLE,
        reqs=("IOE-ADM-070",),
    )


Step = tuple[str, int, Direction, Flow, int]  # what, which packet, whose offer, its sense, energy
S, D = Direction.SUPPLY, Direction.DEMAND
DOWN, UP = Flow.DOWN, Flow.UP
LEDGERS: tuple[tuple[str, str, tuple[Step, ...]], ...] = (
    ("one", "one packet is received", (("admit", 1, S, DOWN, 1_000_000),)),
    ("one-sent", "one packet is sent", (("admit", 1, D, UP, 1_000_000),)),
    (
        "order",
        "the second pays what it adds",
        (("admit", 1, S, DOWN, 4_000_000), ("admit", 2, S, DOWN, 4_000_000)),
    ),
    (
        "counter-cheap",
        "a counter-flow makes energy cheaper",
        (("admit", 1, S, DOWN, 9_000_000), ("admit", 2, S, UP, 4_000_000)),
    ),
    (
        "counter-no-room",
        "a counter-flow is no room",
        (
            ("admit", 1, S, DOWN, 20_000_000),
            ("admit", 2, S, UP, 20_000_000),
            ("admit", 3, S, DOWN, 10_000_000),
            ("admit", 4, S, DOWN, 1_000_000),
        ),
    ),
    (
        "full",
        "the largest that fits, then nothing",
        (("admit", 1, S, DOWN, 26_000_000), ("admit", 2, S, DOWN, 9_000_000), ("admit", 3, S, DOWN, 1)),
    ),
    (
        "full-sent",
        "the same by energies sent",
        (("admit", 1, D, DOWN, 26_000_000), ("admit", 2, D, DOWN, 9_000_000), ("admit", 3, D, DOWN, 1)),
    ),
    ("zero", "nothing is asked", (("admit", 1, S, DOWN, 0), ("admit", 2, D, UP, 0))),
    (
        "leave",
        "a packet leaves, the others keep their energies",
        (
            ("admit", 1, S, DOWN, 9_000_000),
            ("admit", 2, S, DOWN, 9_000_000),
            ("leave", 1, S, DOWN, 0),
            ("admit", 3, S, DOWN, 9_000_000),
        ),
    ),
    (
        "leave-twice",
        "it can leave once",
        (("admit", 1, S, UP, 9_000_000), ("leave", 1, S, UP, 0), ("leave", 1, S, UP, 0)),
    ),
    (
        "trim",
        "less is granted at the far end",
        (("admit", 1, S, DOWN, 9_000_000), ("trim", 1, S, DOWN, 4_000_000)),
    ),
    ("trim-demand", "the same of a sale", (("admit", 1, D, UP, 9_000_000), ("trim", 1, D, UP, 4_000_000))),
    ("trim-to-nothing", "nothing is granted", (("admit", 1, S, DOWN, 9_000_000), ("trim", 1, S, DOWN, 0))),
    (
        "trim-after-others",
        "others have come in between: it is priced anew",
        (("admit", 1, S, DOWN, 5_000_000), ("admit", 2, S, DOWN, 9_000_000), ("trim", 1, S, DOWN, 4_999_000)),
    ),
    (
        "trim-never-more",
        "others have left in between: never more at the near end",
        (
            ("admit", 1, S, DOWN, 9_000_000),
            ("admit", 2, S, DOWN, 5_000_000),
            ("leave", 1, S, DOWN, 0),
            ("trim", 2, S, DOWN, 5_200_000),
        ),
    ),
    (
        "limit-falls",
        "the limit falls below what is live: it stays, nothing more enters until there is room",
        (
            ("admit", 1, S, DOWN, 20_000_000),
            ("limit", 0, S, DOWN, 10_000_000),
            ("admit", 2, S, DOWN, 1_000_000),
            ("admit", 3, S, UP, 1_000_000),
            ("leave", 1, S, DOWN, 0),
            ("admit", 4, S, DOWN, 1_000_000),
        ),
    ),
    (
        "batch",
        "packets of a batch by their indexes",
        tuple(("admit", n, S, DOWN, 7_000_000) for n in range(1, 6)),
    ),
)
LIMIT_J = 30_000_000


def _ledgers() -> Iterator[Vector]:
    for model in ("feeder", "converter", "lossless"):
        loss = {"feeder": FEEDER, "converter": CONVERTER, "lossless": LOSSLESS}[model]
        for name, notes, steps in LEDGERS:
            yield Vector(
                id=f"capacity-ledger-{model}-{name}",
                notes=notes,
                inputs={
                    "loss": asdict(loss),
                    "slot_s": 900,
                    "limit_down_j": LIMIT_J,
                    "limit_up_j": LIMIT_J,
                    "steps": [
                        {
                            "do": do,
                            "packet": packet,
                            "direction": int(direction),
                            "flow": int(flow),
                            "energy_j": energy_j,
                        }
                        for do, packet, direction, flow, energy_j in steps
                    ],
                },
                intermediates=Ledger(LinkModel.of(replace(ATTESTATION, loss=loss), 900)).play(steps),
                reqs=(
                    *(
                        "IOE-ADM-020",
                        "IOE-ADM-080",
                        "IOE-ADM-090",
                        "IOE-ADM-100",
                        "IOE-ADM-110",
                        "IOE-ADM-120",
                    ),
                    *("IOE-LSS-020", "IOE-LSS-030", "IOE-LSS-050", "IOE-ADM-030"),
                ),
            )


class Ledger:
    """ADMIT and TRIM of section 9.5 as SPEC.md writes them; only section 8 comes from the product."""

    def __init__(self, model: LinkModel) -> None:
        """Nothing has entered."""
        self._model = model
        self._limit_j = {DOWN: LIMIT_J, UP: LIMIT_J}
        self._live: dict[int, tuple[Flow, Increment]] = {}
        self._number = 0

    def play(self, steps: tuple[Step, ...]) -> Json:
        """What each step comes to, and the sums at the end."""
        answers: list[Json | str] = []
        for do, packet, direction, flow, energy_j in steps:
            if do == "limit":
                self._limit_j[flow] = energy_j
                answers.append("done")
            elif do == "leave":
                answers.append("done" if self._live.pop(packet, None) else "not there")
            elif do == "admit":
                answers.append(self._enter(packet, flow, self._admit(direction, flow, energy_j)))
            else:
                answers.append(self._enter(packet, flow, self._trim(packet, direction, flow, energy_j)))
        used = {flow: sum(_gross(one) for f, one in self._live.values() if f is flow) for flow in (DOWN, UP)}
        return {"answers": answers, "net_j": self._net_j, "used_down_j": used[DOWN], "used_up_j": used[UP]}

    @property
    def _net_j(self) -> int:
        return sum(signed(one.flow_j, flow) for flow, one in self._live.values())

    def _free_j(self, flow: Flow) -> int:
        return max(0, self._limit_j[flow] - sum(_gross(one) for f, one in self._live.values() if f is flow))

    def _admit(self, direction: Direction, flow: Flow, energy_j: int) -> Increment | str:
        if energy_j == 0:
            return "ZERO_ENERGY"
        free_j = self._free_j(flow)
        if direction is S:
            found = self._model.for_received(self._net_j, energy_j, flow, 2 * energy_j + 2)
            room_j = free_j
        else:
            found, room_j = self._model.for_sent(self._net_j, energy_j, flow), min(free_j, energy_j)
        if found is None or _gross(found) > free_j:
            found = self._largest(room_j, flow)
        return found or "NO_CAPACITY"

    def _trim(self, packet: int, direction: Direction, flow: Flow, far_j: int) -> Increment | str:
        _, old = self._live.pop(packet)
        if far_j == 0:
            return "gone"
        if direction is S:
            found = self._model.for_sent(self._net_j, far_j, flow)
            if found is not None and found.received_j > old.received_j:
                found = replace(found, received_j=old.received_j)
            near_j, had_j = (found.received_j if found else 0), old.received_j
        else:
            found = self._model.for_received(self._net_j, far_j, flow, 2 * far_j + 2)
            near_j, had_j = (found.sent_j if found else 0), old.sent_j
        fits = found is not None and 0 < near_j <= had_j and _gross(found) <= self._free_j(flow)
        return found if found is not None and fits else "ZERO_ENERGY"

    def _largest(self, room_j: int, flow: Flow) -> Increment | None:
        """LARGEST by trial: the packet grows with its mid-link energy."""
        low, high = 0, 2 * room_j + 2
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (
                (middle, high)
                if _gross(self._model.entry(self._net_j, middle, flow)) <= room_j
                else (low, middle)
            )
        found = self._model.entry(self._net_j, low, flow)
        return found if low and found.received_j > 0 and found.sent_j > 0 else None

    def _enter(self, packet: int, flow: Flow, found: Increment | str) -> Json | str:
        if isinstance(found, str):
            return found
        self._number += 1
        self._live[packet] = (flow, found)
        return {"number": self._number, **asdict(found)}


def _gross(one: Increment) -> int:
    return max(one.sent_j, one.received_j)
