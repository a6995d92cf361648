"""What is different between two configurations, and what of it a running node can take up.

Options are compared by their dotted names; neighbours by who they are, so that the order
of their tables does not matter.  Which options are live is in the table of options.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec

from ioe_router.daemon.assembly import Plan, name_of
from ioe_router.daemon.options import by_name
from ioe_router.daemon.settings import Settings
from ioe_router.daemon.toml_text import Section, fields_of, table_of

_INDEX: Final = re.compile(r"\[[^]]*\]")

S = TypeVar("S", bound=Section)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One option that is not the same; None: not stated. `live`: a running node takes it up."""

    option: str
    before: str | None
    after: str | None
    live: bool


def differences(before: Plan, after: Plan) -> tuple[Difference, ...]:
    """Everything that is different, in the order of the options."""
    old, new = dict(_flat(before)), dict(_flat(after))
    return tuple(
        Difference(option=name, before=old.get(name), after=new.get(name), live=is_live(name))
        for name in (*old, *(name for name in new if name not in old))
        if old.get(name) != new.get(name)
    )


def is_live(option: str) -> bool:
    """Whether a running node takes a change of this option up."""
    plain = _INDEX.sub("", option)
    known = by_name().get(plain)
    return known.live if known is not None else plain in ("neighbor", "agent.offer", "agent.need")


def taken_up(before: Settings, after: Settings) -> Settings:
    """The settings of a running node: what is live as it is now, everything else as it was."""
    return _merged(before, after, "")


def _merged(before: S, after: S, prefix: str) -> S:
    changes: dict[str, Any] = {}
    for name, hint in fields_of(type(before)).items():
        old, new = getattr(before, name), getattr(after, name)
        table = table_of(hint)
        if table is None and is_live(prefix + name):
            changes[name] = new
        elif isinstance(old, Section) and isinstance(new, Section):
            changes[name] = _merged(old, new, f"{prefix}{name}.")
        elif isinstance(old, tuple) and table is not None:
            changes[name] = new  # of the lists of tables all options are live
    return msgspec.structs.replace(before, **changes)


# ------------------------------------------------------------------ by name


def _flat(plan: Plan) -> Iterator[tuple[str, str]]:
    settings = plan.settings
    for name in fields_of(Settings):
        if name != "neighbor":
            yield from _options(name, getattr(settings, name))
    for neighbor in plan.neighbors:
        yield from _options(f"neighbor[{name_of(neighbor)}]", neighbor.section)


def _options(prefix: str, value: object) -> Iterator[tuple[str, str]]:
    if value is None:
        return
    if isinstance(value, tuple) and value and table_of(type(value[0])) is not None:
        for index, one in enumerate(value):
            yield from _options(f"{prefix}[{getattr(one, 'name', index)}]", one)
    elif table_of(type(value)) is not None:
        for name in fields_of(type(value)):
            yield from _options(f"{prefix}.{name}", getattr(value, name))
    elif value not in ((), {}):
        yield prefix, str(list(value) if isinstance(value, tuple) else value)
