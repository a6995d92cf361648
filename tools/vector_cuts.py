"""Vectors of CUT (SPEC section 10.11): what a cut at one end of a link makes of a committed packet."""

from __future__ import annotations

from collections.abc import Iterable

from vector_file import Json, Vector

Packet = tuple[int, int, int]  # energies at the near end, at the far end, at mid-link, joules

WHOLE: Packet = (3_600_000, 3_618_091, 3_609_045)
SMALL: Packet = (10, 1_000, 500)
TURNED: Packet = (1_000, 10, 500)
CROSSED: Packet = (450_000, 450_141, 450_070)

# (what it shows, the packet as committed and as it is, the end at which it is cut, what remains there)
CASES: tuple[tuple[str, Packet, Packet, str, int], ...] = (
    ("half, rounded down", WHOLE, WHOLE, "near", 1_800_000),
    ("the same at the other end", WHOLE, WHOLE, "far", 1_800_000),
    ("all of it: nothing changes", WHOLE, WHOLE, "far", 3_618_091),
    ("never below a joule", SMALL, SMALL, "far", 1),
    ("one joule where the other end has few", TURNED, TURNED, "far", 1),
    ("a deeper cut counts from what was committed", WHOLE, (1_799_999, 1_809_045, 1_804_521), "far", 900_000),
    ("a weaker cut changes nothing", WHOLE, (900_000, 904_522, 902_261), "near", 1_800_000),
    ("cuts that cross: the smaller at each end", CROSSED, (56_250, 56_267, 56_258), "far", 56_267),
)


def cuts() -> list[Vector]:
    """One vector per case."""
    return list(_vectors())


def _vectors() -> Iterable[Vector]:
    for number, (shows, committed, live, end, remains_j) in enumerate(CASES, start=1):
        inputs = {"committed": _packet(committed), "live": _packet(live), "end": end, "remains_j": remains_j}
        yield Vector(
            id=f"cut-{number:02d}",
            notes=shows,
            inputs=inputs,
            intermediates=expected(committed, live, end, remains_j),
            reqs=("IOE-RSV-610",),
        )


def _packet(energies_j: Packet) -> Json:
    near_j, far_j, flow_j = energies_j
    return {"near_j": near_j, "far_j": far_j, "flow_j": flow_j}


def expected(committed: tuple[int, int, int], live: tuple[int, int, int], end: str, remains_j: int) -> Json:
    """CUT as SPEC.md writes it, apart from the product's code."""
    here, there = (0, 1) if end == "near" else (1, 0)
    ends = [0, 0]
    ends[here] = min(live[here], remains_j)
    ends[there] = min(live[there], max(1, committed[there] * remains_j // committed[here]))
    flow_j = max(1, committed[2] * ends[0] // committed[0])
    return {"near_j": ends[0], "far_j": ends[1], "flow_j": flow_j}
