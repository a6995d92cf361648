"""What is printed from the table of options: a whole example file, and the reference page.

Defaults are read from the sections, so that nothing here can say another one than holds.
"""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Iterator
from typing import Any, Final, Literal

import msgspec

from ioe_router.daemon.environment import overridable, variable_of
from ioe_router.daemon.options import Option, Table, tables
from ioe_router.daemon.settings import Settings
from ioe_router.daemon.toml_text import fields_of, table_of
from ioe_router.daemon.units import unit_of

_COMMENT_AT: Final = 37
_INTRODUCTION: Final = """\
# Configuration of one node. Paths are relative to the folder of this file.
# Energy is in joules (3 600 000 J are 1 kWh), power in watts, prices in millionths
# of the network's currency per kWh (250000 is 0.25), times in the unit of the name.
# Values after "default" hold when the option is left out; "live" options are taken
# up by a running node ('ioe config apply' or SIGHUP), all others at its next start.
"""


def example() -> str:
    """A commented file with every option."""
    return _INTRODUCTION + "".join(_example_table(table) for table in tables())


def _example_table(table: Table) -> str:
    header = f"[[{table.name}]]" if table.many else f"[{table.name}]"
    lines = [_with_comment(header, table.text)]
    lines += [_with_comment(f"{_last(one)} = {one.example}", comment_of(one)) for one in table.options]
    return "\n" + "\n".join(lines) + "\n"


def comment_of(option: Option) -> str:
    """What an option means, its range and default, in one line."""
    parts = [option.text]
    if option.range():
        parts.append(option.range())
    choices = choices_of(option.name)
    if choices:
        parts.append(", ".join(choices))
    default = default_of(option)
    if default is not None:
        parts.append(f"default {default}")
    return "; ".join(parts) + ("; live" if option.live else "")


def _with_comment(text: str, comment: str) -> str:
    return f"{text.ljust(_COMMENT_AT - 1)} # {comment}"


def _last(option: Option) -> str:
    return option.name.rpartition(".")[2]


# ------------------------------------------------------------------ what the sections say


def default_of(option: Option) -> str | None:
    """The default in words; None: the option has to be stated."""
    if option.default is not None:
        return option.default
    kind, name = _section_of(option.name)
    value = _default(kind, name)
    return None if value is msgspec.NODEFAULT else _shown(value)


def choices_of(name: str) -> tuple[str, ...]:
    """The texts that an option may have, empty where any will do."""
    kind, last = _section_of(name)
    return tuple(_choices(fields_of(kind)[last]))


def _section_of(name: str) -> tuple[type, str]:
    kind: type = Settings
    *path, last = name.split(".")
    for part in path:
        inner = table_of(fields_of(kind)[part])
        if inner is None:
            raise LookupError(f"{name} is in no table")
        kind = inner
    return kind, last


def _default(kind: type, name: str) -> Any:  # noqa: ANN401 - any value of an option
    if dataclasses.is_dataclass(kind):
        field = next(one for one in dataclasses.fields(kind) if one.name == name)
        return field.default
    info = next(one for one in msgspec.structs.fields(kind) if one.name == name)
    if info.default_factory is not msgspec.NODEFAULT:
        return info.default_factory()
    return info.default


def _choices(hint: object) -> Iterator[str]:
    if typing.get_origin(hint) is Literal:
        yield from typing.get_args(hint)
    elif typing.get_origin(hint) is not dict:
        for inner in typing.get_args(hint):
            yield from _choices(inner)


def _shown(value: Any) -> str:  # noqa: ANN401 - any value of an option
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = (f"{one.name} = {getattr(value, one.name)}" for one in dataclasses.fields(value))
        return f"{{ {', '.join(fields)} }}"
    if value in ((), {}, None):
        return "none"
    return value if isinstance(value, str) else json.dumps(value)


# ------------------------------------------------------------------ the reference page


def reference() -> str:
    """The page with every option: unit, default, range, environment variable, whether it is live."""
    variables = {option: variable_of(option) for option in overridable(Settings)}
    return "\n".join(_page(variables)) + "\n"


def _page(variables: dict[str, str]) -> Iterator[str]:
    for table in tables():
        yield ""
        yield f"## `{f'[[{table.name}]]' if table.many else f'[{table.name}]'}`"
        yield ""
        yield _sentence(table.text)
        yield ""
        yield "| Option | Meaning | Unit | Default | Range | Live | Environment |"
        yield "|---|---|---|---|---|---|---|"
        for option in table.options:
            yield _row(option, variables.get(option.name))


def _row(option: Option, variable: str | None) -> str:
    default = default_of(option)
    choices = ", ".join(f"`{one}`" for one in choices_of(option.name))
    cells = (
        f"`{_last(option)}`",
        _sentence(option.text),
        unit_of(option.name) or "",
        "**required**" if default is None else default,
        choices or option.range(),
        "yes" if option.live else "",
        f"`{variable}`" if variable else "",
    )
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
