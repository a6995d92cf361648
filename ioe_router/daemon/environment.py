"""Options from the environment: IOE_<TABLE>_<OPTION> takes the place of what the file says.

    IOE_NODE_LISTEN=0.0.0.0:7443    IOE_CONNECTION_IMPORT_W=11000
    IOE_NODE_SIGNER='["/usr/bin/signer"]'    IOE_BUDGETS_FRAMES='{ per_s = 100, burst = 2000 }'

For options outside lists of tables.  A value is TOML; that of a text option is taken as it is.
A variable that begins with a table's name and is no option is refused with the nearest one:
a typing error must not go unseen.
"""

from __future__ import annotations

import difflib
import tomllib
import typing
from collections.abc import Mapping
from typing import Any, Final

from ioe_router.daemon.errors import ConfigRefused
from ioe_router.daemon.toml_text import Override, Section, fields_of, table_of

PREFIX: Final = "IOE_"


def variable_of(option: str) -> str:
    """The variable of an option by its dotted name."""
    return PREFIX + option.replace(".", "_").upper()


def overrides(environ: Mapping[str, str], kind: type[Section]) -> tuple[Override, ...]:
    """What the environment says about the options of a file. ConfigRefused names the variable."""
    known = {variable_of(option): (option, hint) for option, hint in overridable(kind).items()}
    tables = tuple(variable_of(name) + "_" for name in fields_of(kind))
    found = []
    for name, text in sorted(environ.items()):
        if name in known:
            option, hint = known[name]
            found.append(Override(option, _value(name, text, hint), f"environment variable {name}"))
        elif name.startswith(tables):
            near = difflib.get_close_matches(name, known, n=1)
            advice = f"did you mean {near[0]}?" if near else "unset it"
            raise ConfigRefused(f"environment variable {name} names no option; {advice}")
    return tuple(found)


def overridable(kind: type) -> dict[str, Any]:
    """The options that a variable can state, with their types: those outside lists of tables."""
    found: dict[str, Any] = {}
    for name, hint in fields_of(kind).items():
        table = table_of(hint)
        if table is None or typing.get_origin(hint) is tuple:
            continue
        for inner, inner_hint in fields_of(table).items():
            rows = typing.get_origin(inner_hint) is tuple and table_of(inner_hint) is not None
            if not rows:
                found[f"{name}.{inner}"] = inner_hint
    return found


def _value(name: str, text: str, hint: object) -> object:
    if _is_text(hint):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except ValueError as error:
        raise ConfigRefused(
            f"environment variable {name} is {text!r}, which is no TOML value; write like 11000 or true"
        ) from error


def _is_text(hint: object) -> bool:
    if typing.get_origin(hint) in (tuple, dict):
        return False
    return any(part is str or isinstance(part, str) for part in (hint, *typing.get_args(hint)))
