"""What is fuzzed: every reader of bytes that this package has, each with examples to begin with.

A reader may refuse with its declared error and with nothing else; what it
takes has to survive being written and read again.  Anything else that comes
out of `run` is a crash.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from tests.fuzz.choices import Choices
from tests.fuzz.mutation import mutated_bytes, mutated_message, mutated_text

Mutate = Callable[[bytes, random.Random], bytes]
_CHANGES_MAX: Final = 6
_CHOICE_BYTES: Final = 48


class Crash(Exception):
    """A reader did something that it must not do; the text says what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One reader: `run` raises for a crash and for nothing else, equal bytes do the same."""

    name: str
    says: str
    run: Callable[[bytes], None]
    seeds: Callable[[], Sequence[bytes]]
    mutate: Mutate
    modules: tuple[str, ...]  # whose lines are counted as coverage
    share: int = 1  # of the time that is given to all


def demand(condition: bool, what: str) -> None:
    """Crash unless the condition holds."""
    if not condition:
        raise Crash(what)


def _mutator(change: Callable[[bytes, Choices], bytes], head: int = 0) -> Mutate:
    """Some changes of one kind, behind a head of bytes that choose what the rest is."""

    def mutate(data: bytes, draw: random.Random) -> bytes:
        front, rest = data[:head], data[head:]
        if head and not draw.randrange(16):
            front = draw.randbytes(head)
        for _ in range(draw.randint(1, _CHANGES_MAX)):
            rest = change(rest, Choices(draw.randbytes(_CHOICE_BYTES)))
        return front + rest

    return mutate


messages: Final = _mutator(mutated_message)
headed_messages: Final = _mutator(mutated_message, head=1)
texts: Final = _mutator(mutated_text)
headed_texts: Final = _mutator(mutated_text, head=1)
octets: Final = _mutator(mutated_bytes)
headed_octets: Final = _mutator(mutated_bytes, head=1)
