"""How a mutant is put into the product for one run: a piece of one function is replaced for a while.

An `Edit` names a function of the product by its module and name, and a text
in its source that is to read otherwise.  The function is compiled anew from
the changed source in the module's own namespace.  A text that is not there
exactly once is an error: then the product has changed, and so must the mutant.
"""

from __future__ import annotations
import __future__

import importlib
import inspect
import sys
import textwrap
from dataclasses import dataclass
from typing import Any, Protocol


class Patch(Protocol):
    """What puts something in place: pytest's MonkeyPatch for a while, `ForGood` for the life of a process."""

    def setattr(self, target: Any, name: str, value: object) -> None:
        """Set an attribute."""

    def setitem(self, dic: Any, name: Any, value: object) -> None:
        """Set an item."""


class ForGood:
    """Puts things in place and never takes them back."""

    def setattr(self, target: Any, name: str, value: object) -> None:
        """Set an attribute."""
        setattr(target, name, value)

    def setitem(self, dic: Any, name: Any, value: object) -> None:
        """Set an item."""
        dic[name] = value


class MutantRotten(Exception):
    """The product no longer has what a mutant changes; bring the mutant up to date."""


@dataclass(frozen=True, slots=True)
class Edit:
    """In `where` (`core.hop:Hop.drop`, below ioe_router) the text `old` is to read `new`."""

    where: str
    old: str
    new: str

    def apply(self, patch: Patch) -> None:
        """Compile the function with the change and put it in place. MutantRotten: there is no such text."""
        module_name, path = self.where.split(":")
        module = importlib.import_module(f"ioe_router.{module_name}")
        *owners, name = path.split(".")
        owner: Any = module
        for part in owners:
            owner = getattr(owner, part)
        found = inspect.getattr_static(owner, name)
        changed = self._compiled(found, module, name)
        if owner is module:
            everywhere(patch, found, changed, name)
        else:
            patch.setattr(owner, name, changed)

    def _compiled(self, found: object, module: Any, name: str) -> object:
        function = found.fget if isinstance(found, property) else found
        source = getattr(function, "mutated_source", None) or textwrap.dedent(
            inspect.getsource(inspect.unwrap(function))  # type: ignore[arg-type]
        )
        if source.count(self.old) != 1:
            raise MutantRotten(f"{self.where} has {source.count(self.old)} times: {self.old}")
        changed = source.replace(self.old, self.new)
        code = compile(
            changed, f"<mutant of {self.where}>", "exec", __future__.annotations.compiler_flag, True
        )
        names: dict[str, Any] = {}
        exec(code, module.__dict__, names)  # noqa: S102 - our own source with one piece changed
        made: Any = names[name]
        inner: Any = made.fget if isinstance(made, property) else made
        inner.mutated_source = changed
        return made


@dataclass(frozen=True, slots=True)
class Entry:
    """In a table of the product (`core.reservation_fsm:TRANSITIONS`) a key has another value."""

    where: str
    key: Any
    value: Any

    def apply(self, patch: Patch) -> None:
        """Put it in place. MutantRotten: the table has no such key, or the value already."""
        module_name, name = self.where.split(":")
        table = getattr(importlib.import_module(f"ioe_router.{module_name}"), name)
        if self.key not in table or table[self.key] == self.value:
            raise MutantRotten(f"{self.where} has no entry {self.key} that differs from {self.value}")
        patch.setitem(table, self.key, self.value)


@dataclass(frozen=True, slots=True)
class Value:
    """A constant of a module (`codec.signing:GROUP_ORDER`) is another."""

    where: str
    value: Any

    def apply(self, patch: Patch) -> None:
        """Put it in place. MutantRotten: the module has no such constant, or the value already."""
        module_name, name = self.where.split(":")
        module = importlib.import_module(f"ioe_router.{module_name}")
        if not hasattr(module, name) or getattr(module, name) == self.value:
            raise MutantRotten(f"{self.where} is no constant that differs from {self.value}")
        patch.setattr(module, name, self.value)


Change = Edit | Entry | Value


def everywhere(patch: Patch, found: object, changed: object, name: str) -> None:
    """A function of a module is known by its name in every module that imports it."""
    for module in [m for n, m in sys.modules.items() if n.startswith("ioe_router")]:
        if getattr(module, name, None) is found:
            patch.setattr(module, name, changed)
