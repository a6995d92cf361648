"""Every option of node.toml, from the one table beside this file (options.toml).

    checks of ranges                settings.py
    `ioe config example`            config_text.py
    docs/reference/configuration.md tools/render_config.py, drift-checked
    what a running node takes up    changes.py

Types and defaults are those of the sections in settings.py, units those of the names
(units.py).  A test keeps table and sections to the same names.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

_TABLE: Final = Path(__file__).with_name("options.toml")
_LEAST: Final = -(2**63)
_MOST: Final = 2**63 - 1
_ENDS: Final = {"-": _LEAST, "+": _MOST}


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option; `least` and `most` bound whole numbers, None: it is none or has no bound."""

    name: str  # dotted, without indexes
    example: str  # as TOML
    text: str
    least: int | None = None
    most: int | None = None
    zero: bool = False  # 0 is allowed below `least`
    default: str | None = None  # in words, where the section's default is not the whole story
    live: bool = False  # a running node takes a change up; all others wait for a restart

    def allows(self, value: int) -> bool:
        """Whether a number is within the bounds."""
        if self.zero and value == 0:
            return True
        above = self.least is None or value >= self.least
        return above and (self.most is None or value <= self.most)

    def range(self) -> str:
        """The bounds in words; nothing where only the size of a number bounds it."""
        least = None if self.least in (None, _LEAST) else self.least
        most = None if self.most in (None, _MOST) else self.most
        words = "" if least is None else f"{least} or more" if most is None else f"{least} to {most}"
        return f"0, or {words}" if self.zero else words


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table of the file; of a list of tables there may be many."""

    name: str
    text: str
    options: tuple[Option, ...]
    many: bool = False


@cache
def tables() -> tuple[Table, ...]:
    """All tables in the order of the file."""
    raw = tomllib.loads(_TABLE.read_text(encoding="utf-8"))
    return tuple(_table(name, fields) for name, fields in raw.items())


@cache
def by_name() -> dict[str, Option]:
    """Every option by its dotted name."""
    return {option.name: option for table in tables() for option in table.options}


def _table(name: str, fields: dict[str, dict[str, Any]]) -> Table:
    options = (
        Option(name=f"{name}.{key}", **{what: _ends(value) for what, value in row.items()})
        for key, row in fields.items()
        if key != "_"
    )
    return Table(name=name, options=tuple(options), **fields["_"])


def _ends(value: Any) -> Any:  # noqa: ANN401 - any TOML value
    return _ENDS.get(value, value) if isinstance(value, str) else value
