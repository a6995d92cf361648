"""Reading a TOML text as tables of known options, and naming every mistake with its file and line.

Unknown options are refused with the nearest known name, or, where only the unit
is another, with what to write instead; wrong values with their place.  Values from
elsewhere (the environment) take the place of those in the text and are named by where
they came from.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import tomllib
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar

import msgspec

from ioe_router.daemon.errors import ConfigRefused
from ioe_router.daemon.units import in_other_unit, meant, unit_of

Unsigned = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Positive = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
Signed = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]

_TYPES: Final = {"int": "a whole number", "str": "a text", "bool": "true or false", "array": "a list"}
_HEADER: Final = re.compile(r"\s*(\[\[?)\s*([A-Za-z0-9_.\s\"-]+?)\s*\]")
_KEY: Final = re.compile(r"\s*([A-Za-z0-9_-]+)\s*=")


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of a file."""


S = TypeVar("S", bound=Section)


@dataclass(frozen=True, slots=True)
class Override:
    """A value from elsewhere; `origin` is how to name the place."""

    option: str  # dotted
    value: object
    origin: str


class Source:
    """A text and the values that take the place of some of its own."""

    def __init__(self, text: str, where: str, overrides: tuple[Override, ...] = ()) -> None:
        """`where` names the text in errors. ConfigRefused when it is no TOML."""
        self.where = where
        try:
            self.raw = tomllib.loads(text)
        except (
            ValueError,
            RecursionError,
        ) as error:  # beside TOMLDecodeError: digits or brackets without end
            raise ConfigRefused(f"{where} is not valid TOML: {error}; correct that line") from error
        self._lines = lines_of(text)
        self._origins = {override.option: override.origin for override in overrides}
        for override in overrides:
            self._put(override)

    def _put(self, override: Override) -> None:
        *tables, name = override.option.split(".")
        table = self.raw
        for one in tables:
            inner = table.setdefault(one, {})
            if not isinstance(inner, dict):
                return  # refused with its place when the text is converted
            table = inner
        table[name] = override.value

    def place(self, option: str) -> str:
        """File and line of an option, or where its value came from."""
        if option in self._origins:
            return self._origins[option]
        while option and option not in self._lines:
            option = option.rpartition(".")[0]
        return f"{self.where}:{self._lines[option]}" if option else self.where

    def value(self, option: str) -> object:
        """What is stated for an option; None where there is nothing."""
        found: Any = self.raw
        for part in option.split("."):
            name, _, index = part.partition("[")
            found = found.get(name) if isinstance(found, dict) else None
            if index and isinstance(found, list):
                found = found[int(index.rstrip("]"))]
        return found


def parse_toml(text: str, where: str, kind: type[S]) -> S:
    """A TOML text as a table of this kind. ConfigRefused: what is wrong, where, what to write."""
    return convert(Source(text, where), kind)


def convert(source: Source, kind: type[S]) -> S:
    """What a source says, as a table of this kind. ConfigRefused as above."""
    _refuse_unknown(source, source.raw, kind, "")
    try:
        return msgspec.convert(source.raw, kind)
    except msgspec.ValidationError as error:
        raise ConfigRefused(_readable(str(error), source)) from error


def lines_of(text: str) -> dict[str, int]:
    """The line of every table and key by its dotted name, with an index in lists: `neighbor[0].fee`."""
    lines: dict[str, int] = {}
    counts: dict[str, int] = {}
    prefix = ""
    for number, line in enumerate(text.splitlines(), start=1):
        header = _HEADER.match(line)
        if header is not None:
            name = ".".join(part.strip().strip('"') for part in header[2].split("."))
            if header[1] == "[[":
                counts[name] = counts.get(name, -1) + 1
                lines.setdefault(name, number)
                name = f"{name}[{counts[name]}]"
            lines.setdefault(name, number)
            prefix = f"{name}."
        elif (key := _KEY.match(line)) is not None:
            lines.setdefault(prefix + key[1], number)
    return lines


def fields_of(kind: type) -> dict[str, Any]:
    """The options and tables of a table, with their types."""
    return typing.get_type_hints(kind)


def table_of(hint: object) -> type | None:
    """The table type inside an annotation, None for a plain value."""
    for inner in (hint, *typing.get_args(hint)):
        if isinstance(inner, type) and (issubclass(inner, Section) or dataclasses.is_dataclass(inner)):
            return inner
    return None


def options_of(kind: type, prefix: str = "") -> list[str]:
    """Every option under a table as dotted names."""
    found: list[str] = []
    for name, inner in fields_of(kind).items():
        table = table_of(inner)
        found += [prefix + name] if table is None else options_of(table, f"{prefix}{name}.")
    return found


def _refuse_unknown(source: Source, raw: Mapping[str, Any], kind: type, prefix: str) -> None:
    """Walk the tables of a file beside their types; what has no field is refused with the nearest name."""
    fields = fields_of(kind)
    for name, value in raw.items():
        if name not in fields:
            plain = re.sub(r"\[\d+\]", "", prefix + name)
            advice = _advice(name, value, fields)
            raise ConfigRefused(f"{source.place(prefix + name)}: there is no option {plain!r}; {advice}")
        table = table_of(fields[name])
        if table is None:
            continue
        if isinstance(value, dict):
            _refuse_unknown(source, value, table, f"{prefix}{name}.")
        for index, one in enumerate(value if isinstance(value, list) else ()):
            if isinstance(one, dict):
                _refuse_unknown(source, one, table, f"{prefix}{name}[{index}].")


def _advice(name: str, value: object, fields: Mapping[str, Any]) -> str:
    other_unit = meant(name, value, fields)
    if other_unit is not None:
        return other_unit
    near = difflib.get_close_matches(name, fields, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(fields)}"


def _readable(message: str, source: Source) -> str:
    """A message of msgspec with the place first, types as people call them, and the unit."""
    what, _, option = message.partition(" - at ")
    option = option.strip("`").removeprefix("$").removeprefix(".")
    where = source.place(option)
    name = re.sub(r"\[[^]]*\]$", "", option.rpartition(".")[2])
    instead = in_other_unit(name, source.value(option)) if option and "..." not in option else None
    if instead is not None:
        return f"{where}: {option} {instead}"
    for name_of_type, words in _TYPES.items():
        what = what.replace(f"`{name_of_type}`", words)
    what = what.replace("`", "")
    what = what[:1].lower() + what[1:]
    if not option:
        return f"{where}: {what}; add it"
    unit = unit_of(name)
    return f"{where}: {option}: {what}{f', in {unit}' if unit else ''}; correct the value"
