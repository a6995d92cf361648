"""How an attack is shown twice: the product withstands it, and does not once its defence is taken out.

A scenario plays one row of the attack list (SPEC section 16) against a running
router: frames in, and what can be seen from outside out.  What it demands, it
demands with `holds`.  `@attack` makes two tests of it:

    defended    the product as it is: everything holds
    undefended  the test has taken the defence out of the product for a while,
                and the same scenario must now report `Broken`

A scenario that ends in any other way in the second world fails: then it cannot
tell a defended router from an undefended one, or the patch is out of date.
Nothing in the product knows of this.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import pytest
from mutants.patching import everywhere

Scenario = Callable[[], None]
ROWS: Final = range(1, 43)


class Broken(AssertionError):
    """The attack has succeeded; the text is the claim that does not hold."""


def holds(condition: object, claim: str) -> None:
    """Demand what a defended router does, in words that say it."""
    if not condition:
        raise Broken(claim)


@dataclass(frozen=True, slots=True)
class Swap:
    """A function or method (`core.paths:PathChecker._check_chain`) is another one for a while."""

    where: str
    by: Callable[..., Any]

    def apply(self, patch: pytest.MonkeyPatch) -> None:
        """Put it in place, wherever it has been imported. AttributeError: there is no such function."""
        module_name, path = self.where.split(":")
        module = importlib.import_module(f"ioe_router.{module_name}")
        *owners, name = path.split(".")
        owner: Any = module
        for part in owners:
            owner = getattr(owner, part)
        found = inspect.getattr_static(owner, name)
        if owner is module:
            everywhere(patch, found, self.by, name)
        else:
            patch.setattr(owner, name, self.by)


@dataclass(frozen=True, slots=True)
class Value:
    """A constant of a module (`codec.bound_tables:FRAME_BYTES`) has another value for a while."""

    where: str
    value: object

    def apply(self, patch: pytest.MonkeyPatch) -> None:
        """Put it in place, wherever it has been imported."""
        module_name, name = self.where.split(":")
        module = importlib.import_module(f"ioe_router.{module_name}")
        everywhere(patch, getattr(module, name), self.value, name)


class Patch(Protocol):
    """Something that takes a defence out: `Edit`, `Entry`, `Swap`, `Value`, or what a test makes itself."""

    def apply(self, patch: pytest.MonkeyPatch) -> None:
        """Do it for as long as `patch` lasts."""
        ...


def attack(row: int, *, without: Sequence[Patch]) -> Callable[[Scenario], Callable[..., None]]:
    """Show a row of the attack list in both worlds; `without` takes the defence out."""
    if row not in ROWS:
        raise ValueError(f"there is no row {row} in the attack list")
    return both_worlds(*without)


def both_worlds(*without: Patch) -> Callable[[Scenario], Callable[..., None]]:
    """Two tests of a scenario: with the defence everything holds, without it the attack succeeds."""
    if not without:
        raise ValueError("name the defence that the second world is without")

    def of(scenario: Scenario) -> Callable[..., None]:
        @pytest.mark.parametrize("world", ["defended", "undefended"])
        def test(world: str, monkeypatch: pytest.MonkeyPatch) -> None:
            if world == "defended":
                scenario()
                return
            for patch in without:
                patch.apply(monkeypatch)
            with pytest.raises(Broken):
                scenario()

        test.__doc__ = scenario.__doc__
        test.__name__ = scenario.__name__
        test.__module__ = scenario.__module__
        return test

    return of
