"""Draw the state machines of the core: tables into SPEC.md, diagrams into docs/fsm.

The transition tables of `ioe_router/core/*_fsm.py` are data; this script only
writes them down, so that the specification, the diagrams and the program
cannot say different things. `--check` writes nothing and fails on a difference.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from spec_blocks import report, update_file, update_parts  # noqa: E402

from ioe_router.core import reservation_fsm, session_fsm  # noqa: E402
from ioe_router.model.errors import ErrorCode, PeerError, UsageError  # noqa: E402
from ioe_router.model.reservation import ReservationState  # noqa: E402

LEGEND = "What a node in transit sends (i, o: toward initiator, origin; s: to the sender)"
UNKNOWN = "NEW"  # how the state without a record is called in prose


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A state machine by names: `moves` are next states, `refusals` codes; other pairs cannot happen."""

    title: str
    section: int
    module: str
    states: tuple[str, ...]
    events: tuple[str, ...]
    initial: str
    terminal: frozenset[str]
    moves: Mapping[tuple[str, str], str]
    refusals: Mapping[tuple[str, str], str]


def reservation() -> Machine:
    """The reservation at one node."""
    table = reservation_fsm.TRANSITIONS
    return Machine(
        title="Reservation at one node",
        section=10,
        module="ioe_router/core/reservation_fsm.py",
        states=tuple(map(_name, ReservationState)),
        events=tuple(event.name for event in reservation_fsm.ReservationEvent),
        initial=UNKNOWN,
        terminal=frozenset(map(_name, reservation_fsm.TERMINAL)),
        moves={
            (_name(state), event.name): _name(to)
            for (state, event), to in table.items()
            if isinstance(to, ReservationState)
        },
        refusals={
            (_name(state), event.name): code.name
            for (state, event), code in table.items()
            if isinstance(code, ErrorCode)
        },
    )


def _name(state: ReservationState) -> str:
    return UNKNOWN if state is ReservationState.UNSPECIFIED else state.name


def session() -> Machine:
    """The session with one neighbour: what a neighbour may not send now is UNEXPECTED."""
    table = session_fsm.TRANSITIONS
    states, events = tuple(session_fsm.SessionState), tuple(session_fsm.SessionEvent)
    refusals = {
        (state.name, event.name): code
        for state in states
        for event in events
        if (state, event) not in table and (code := _refusal(state, event)) is not None
    }
    return Machine(
        title="Session with one neighbour",
        section=6,
        module="ioe_router/core/session_fsm.py",
        states=tuple(state.name for state in states),
        events=tuple(event.name for event in events),
        initial=session_fsm.SessionState.IDLE.name,
        terminal=frozenset(),
        moves={(state.name, event.name): to.name for (state, event), to in table.items()},
        refusals=refusals,
    )


def _refusal(state: session_fsm.SessionState, event: session_fsm.SessionEvent) -> str | None:
    """Ask the machine itself which code it answers with; None where only our own misuse leads there."""
    try:
        session_fsm.advance(state, event)
    except PeerError as error:
        return error.code.name
    except UsageError:
        return None
    raise AssertionError("the table and the machine differ")


def table(machine: Machine) -> str:
    """State x event as Markdown: the next state in bold, a refusal in code, a dash where it cannot happen."""
    rows = ["| State | " + " | ".join(machine.events) + " |", "|---" * (len(machine.events) + 1) + "|"]
    for state in machine.states:
        cells = [_cell(machine, state, event) for event in machine.events]
        rows.append(f"| {state} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def _cell(machine: Machine, state: str, event: str) -> str:
    if (to := machine.moves.get((state, event))) is not None:
        return "stays" if to == state else f"**{to}**"
    code = machine.refusals.get((state, event))
    return "-" if code is None else f"`{code}`"


def answer_table() -> str:
    """State x event: what a node in transit sends on a reservation's event, and which way."""
    events = tuple(reservation_fsm.ReservationEvent)
    rows = ["| State | " + " | ".join(e.name for e in events) + " |", "|---" * (len(events) + 1) + "|"]
    for state in ReservationState:
        cells = [_answers(state, event) for event in events]
        rows.append(f"| {_name(state)} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def _answers(state: ReservationState, event: reservation_fsm.ReservationEvent) -> str:
    told = reservation_fsm.answers(state, event)
    return ", ".join(f"{one.kind} {one.toward.value[0]}" for one in told) or "-"


def diagram(machine: Machine) -> str:
    """Mermaid text of the transitions that change the state."""
    lines = ["stateDiagram-v2", f"    [*] --> {machine.initial}"]
    for state in machine.states:
        targets: dict[str, list[str]] = {}
        for event in machine.events:
            to = machine.moves.get((state, event))
            if to is not None and to != state:
                targets.setdefault(to, []).append(event)
        lines += [f"    {state} --> {to}: {', '.join(events)}" for to, events in targets.items()]
    lines += [f"    {state} --> [*]" for state in machine.states if state in machine.terminal]
    return "\n".join(lines)


def page(machine: Machine) -> str:
    """The page of docs/fsm for one machine."""
    return (
        f"# {machine.title}\n\n"
        f"Drawn by `make fsm` from `{machine.module}`; SPEC.md section {machine.section} says what is sent"
        " on each transition.\nBold is the next state, code is the answer while the state stays.\n\n"
        f"```mermaid\n{diagram(machine)}\n```\n\n{table(machine)}\n"
    )


def render(root: Path, *, check: bool) -> list[str]:
    """Write (or compare) everything; return what differed."""
    machines: Iterable[tuple[str, Machine]] = (("reservation", reservation()), ("session", session()))
    parts = {"reservation-fsm": table(reservation()), "reservation-answers": answer_table()}
    findings = update_parts(root / "SPEC.md", parts, check=check)
    for name, machine in machines:
        text = page(machine)
        if name == "reservation":
            text += f"\n{LEGEND}:\n\n{answer_table()}\n"
        findings += update_file(root / "docs" / "fsm" / f"{name}.md", text, check=check)
    return findings


def main(arguments: list[str] | None = None) -> int:
    """Write the tables and diagrams, or check them."""
    parser = argparse.ArgumentParser(description="draw the state machines into SPEC.md and docs/fsm")
    parser.add_argument("--check", action="store_true", help="write nothing, fail on differences")
    parser.add_argument("--root", type=Path, default=ROOT, help="repository to work on")
    given = parser.parse_args(arguments)
    return report(render(given.root, check=given.check), check=given.check, remedy="run make fsm")


if __name__ == "__main__":
    raise SystemExit(main())
