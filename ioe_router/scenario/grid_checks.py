"""Checks of buses.csv and links.csv that need more than one cell.

The picture that must come out is one tree of RADIAL links, rooted at the slack
bus and reaching every bus, with each link's `parent` nearer the slack; the
CONTROLLED links lie across it (SPEC: a passive meshed AC area is not routable
by path, and version 1 has one voltage reference).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from ioe_router.scenario.findings import Report, nearest
from ioe_router.scenario.model import ScenarioLinkKind
from ioe_router.scenario.schema import BUSES_FILE, HEADER_FILE, LINKS_FILE, MILLION
from ioe_router.scenario.tables import Row, check_name

_CONTROLLED_ZERO: Final = ("magnetising_var", "charging_var")
_RADIAL_ZERO: Final = ("b_ppm", "c_pico_per_w")


def check_unique_names(report: Report, file: str, rows: Iterable[Row]) -> None:
    """Every row has a valid name of its own and a title where the table has titles."""
    first: dict[str, int] = {}
    for row in rows:
        name = row.text("name")
        if not check_name(report, file, row.line, "name", name):
            continue
        if name in first:
            cause = f'"{name}" is the name of line {first[name]} too'
            report.add(file, row.line, "name", cause, "give each row a name of its own")
        first.setdefault(name, row.line)
        if "title" in row.texts and not row.text("title"):
            report.add(file, row.line, "title", "the title is empty", "write what people call it")


def check_grid(report: Report, slack: str, buses: Sequence[Row], links: Sequence[Row]) -> None:
    """Everything about buses and links; `slack` may be empty where the header is faulty."""
    check_unique_names(report, BUSES_FILE, buses)
    check_unique_names(report, LINKS_FILE, links)
    names = [bus.text("name") for bus in buses]
    if slack and slack not in names:
        cause = f'there is no bus "{slack}"'
        report.add(HEADER_FILE, 0, "slack", cause, nearest(slack, names))
    whole = [check_link(report, link, names) for link in links]
    if slack in names and all(whole):
        _check_tree(report, slack, buses, links)


def check_link(report: Report, link: Row, bus_names: Sequence[str]) -> bool:
    """The link's own consistency; True if its ends and kind are known."""
    fine = True
    for end in ("parent", "child"):
        if link.text(end) not in bus_names:
            cause = f'there is no bus "{link.text(end)}"'
            report.add(LINKS_FILE, link.line, end, cause, nearest(link.text(end), bus_names))
            fine = False
    if fine and link.text("parent") == link.text("child"):
        cause = "the link begins and ends at the same bus"
        report.add(LINKS_FILE, link.line, "child", cause, "name the bus at its other end")
        fine = False
    kinds = [kind.value for kind in ScenarioLinkKind]
    if link.text("kind") not in kinds:
        cause = f'unknown kind "{link.text("kind")}"'
        report.add(LINKS_FILE, link.line, "kind", cause, nearest(link.text("kind"), kinds))
        return False
    _check_electric(report, link)
    return fine


def _check_electric(report: Report, link: Row) -> None:
    radial = link.text("kind") == ScenarioLinkKind.RADIAL
    numbers = link.numbers
    if radial and numbers.get("r_micro_ohm") == 0 and numbers.get("x_micro_ohm") == 0:
        cause = "a RADIAL link has zero impedance"
        remedy = "give its resistance and reactance, or merge the two buses"
        report.add(LINKS_FILE, link.line, "r_micro_ohm", cause, remedy)
    for name in _RADIAL_ZERO if radial else _CONTROLLED_ZERO:
        if numbers.get(name, 0) != 0:
            kind = "RADIAL" if radial else "CONTROLLED"
            cause = f"a {kind} link has no {name}"
            report.add(LINKS_FILE, link.line, name, cause, "write 0 or change the kind")
    if not radial and numbers.get("tap_ratio_ppm", MILLION) != MILLION:
        cause = "a CONTROLLED link has no tap ratio"
        report.add(LINKS_FILE, link.line, "tap_ratio_ppm", cause, f"write {MILLION}")


def _check_tree(report: Report, slack: str, buses: Sequence[Row], links: Sequence[Row]) -> None:
    radial = [link for link in links if link.text("kind") == ScenarioLinkKind.RADIAL]
    linked = _reach(slack, links, both_ways=True)
    in_zone = _reach(slack, radial, both_ways=True)
    from_slack = _reach(slack, radial, both_ways=False)
    for bus in buses:
        name = bus.text("name")
        if name not in linked:
            cause = f'bus "{name}" is not connected to the slack bus "{slack}"'
            report.add(BUSES_FILE, bus.line, "name", cause, "add a link to it or remove it")
        elif name not in in_zone:
            cause = f'bus "{name}" is reached over CONTROLLED links only'
            remedy = "make one of its links radial, so that the slack gives it its voltage"
            report.add(BUSES_FILE, bus.line, "name", cause, remedy)
    _check_parents(report, slack, radial)
    for link in radial:
        if link.text("parent") in in_zone and link.text("parent") not in from_slack:
            cause = f'its parent "{link.text("parent")}" is not reached from the slack bus downwards'
            remedy = "let parent be the end nearer the slack bus on every RADIAL link"
            report.add(LINKS_FILE, link.line, "parent", cause, remedy)


def _check_parents(report: Report, slack: str, radial: Sequence[Row]) -> None:
    feeding: dict[str, Row] = {}
    for link in radial:
        child = link.text("child")
        if child == slack:
            cause = f'the slack bus "{slack}" is the child of a RADIAL link'
            report.add(LINKS_FILE, link.line, "child", cause, "swap parent and child")
        elif child in feeding:
            other = feeding[child].text("name")
            cause = f'bus "{child}" is the child of "{other}" too, so RADIAL links form no tree'
            remedy = "make one of them controlled, remove it, or swap parent and child"
            report.add(LINKS_FILE, link.line, "child", cause, remedy)
        else:
            feeding[child] = link


def _reach(start: str, links: Sequence[Row], *, both_ways: bool) -> frozenset[str]:
    onward: dict[str, list[str]] = {}
    for link in links:
        parent, child = link.text("parent"), link.text("child")
        onward.setdefault(parent, []).append(child)
        if both_ways:
            onward.setdefault(child, []).append(parent)
    seen, waiting = {start}, [start]
    while waiting:
        for bus in onward.get(waiting.pop(), ()):
            if bus not in seen:
                seen.add(bus)
                waiting.append(bus)
    return frozenset(seen)
