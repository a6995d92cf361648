"""Cases: what they are called, what they check, what they need, and where they are registered."""

from __future__ import annotations

import fnmatch
import importlib
import pkgutil
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, Final

from ioe_conformance.errors import Exit, KitError
from ioe_conformance.requirements import requirements

if TYPE_CHECKING:
    from ioe_conformance.bench import Bench

Body = Callable[["Bench"], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One question to the target. `id` is stable: it is never used for another question.

    `own` names the tester whose standing session the case replaces by streams of its own ("c"),
    or is "-" when it needs no session, only connections; empty: the standing sessions of A and B;
    `phase` is "book" or "gate" when it needs a slot in that phase of its timetable;
    `supports` are features of the PICS; `hook` are actions that only a hook can do;
    `apart` cases run while no other case does.
    """

    id: str
    title: str
    requirements: tuple[str, ...]
    body: Body
    own: str
    phase: str
    supports: tuple[str, ...]
    hook: tuple[str, ...]
    apart: bool
    attack: str

    @property
    def group(self) -> str:
        """What it is about: the first part of its id."""
        return self.id.partition(".")[0]


_CASES: Final[dict[str, Case]] = {}


def case(
    id_: str,
    *,
    reqs: Sequence[str],
    own: str = "",
    phase: str = "",
    supports: Sequence[str] = (),
    hook: Sequence[str] = (),
    apart: bool = False,
    attack: str = "",
) -> Callable[[Body], Body]:
    """Register a case; its docstring is its claim in one sentence. ValueError: a mistake in the kit."""

    def register(body: Body) -> Body:
        title = (body.__doc__ or "").strip().splitlines()[0] if body.__doc__ else ""
        add(
            Case(
                id=id_,
                title=title,
                requirements=tuple(reqs),
                body=body,
                own=own,
                phase=phase,
                supports=tuple(supports),
                hook=tuple(hook),
                apart=apart,
                attack=attack,
            )
        )
        return body

    return register


def add(one: Case) -> None:
    """Put a case into the registry. ValueError: no title, an id that is taken, an unknown requirement."""
    if not one.title or one.id in _CASES:
        raise ValueError(f"case {one.id} has no title or is there twice")
    unknown = [requirement for requirement in one.requirements if requirement not in requirements()]
    if unknown or not one.requirements:
        raise ValueError(f"case {one.id} names {unknown or 'no requirement'}, which SPEC.md does not have")
    _CASES[one.id] = one


@cache
def cases() -> dict[str, Case]:
    """All cases by id, in the order of groups and of the files."""
    from ioe_conformance import cases as package

    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda one: one.name):
        importlib.import_module(f"{package.__name__}.{module.name}")
    return dict(sorted(_CASES.items()))


def chosen(globs: Sequence[str]) -> list[Case]:
    """The cases whose id matches one of `globs` (all without any). KitError (2) when a glob matches none."""
    found: dict[str, Case] = {}
    for glob in globs or ("*",):
        matching = {id_: one for id_, one in cases().items() if fnmatch.fnmatchcase(id_, glob)}
        if not matching:
            near = get_close_matches(glob, cases(), 1)
            hint = f"; did you mean {near[0]}?" if near else "; 'ioe-conformance list' names them"
            raise KitError(Exit.USAGE, f"no case matches {glob!r}{hint}")
        found |= matching
    return list(found.values())
