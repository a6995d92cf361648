"""What a document asks its reader to do: its fenced blocks in order, with the marks of the test before them.

A mark is a comment that a reader does not see:

    <!-- test: write west/node.toml -->        the block is the text of this file
    <!-- test: background west until Started -->  the command goes on; wait until it has said that
    <!-- test: wait west until Booked -->      the block shows what a running command says; wait for it
    <!-- test: stop west -->                   the block shows how it ends; end it as Ctrl-C would
    <!-- test: fails 4 -->                     the commands of the block end with this code
    <!-- test: skip needs a container engine --> the block is not run, and why

`console` blocks have commands after `$ ` and, where there is any, what they
print; `...` stands for anything.  `sh` blocks are commands only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>[\w.-]*)[^\n]*$")
_MARK = re.compile(r"^ *<!-- test: (?P<verb>\w+) ?(?P<rest>.*?) *-->$")
RUN = ("console", "sh")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block; `line` is that of its fence in the document."""

    line: int
    language: str
    text: str
    verb: str
    rest: str

    @property
    def is_for_the_test(self) -> bool:
        """Whether the test does something with it."""
        return bool(self.verb) or self.language in RUN


@dataclass(frozen=True, slots=True)
class Command:
    """A command of a block, and what it is said to print (nothing: not said)."""

    text: str
    prints: tuple[str, ...]


def blocks_of(document: Path) -> list[Block]:
    """All fenced blocks in order."""
    found: list[Block] = []
    lines = document.read_text(encoding="utf-8").splitlines()
    at, verb, rest = 0, "", ""
    while at < len(lines):
        mark, fence = _MARK.match(lines[at]), _FENCE.match(lines[at])
        if mark is not None:
            verb, rest = mark["verb"], mark["rest"]
        elif fence is not None:
            end = next(i for i in range(at + 1, len(lines)) if lines[i].strip() == "```")
            inside = [line.removeprefix(fence["indent"]) for line in lines[at + 1 : end]]
            text = "\n".join(inside) + "\n"
            found.append(Block(line=at + 1, language=fence["language"], text=text, verb=verb, rest=rest))
            at, verb, rest = end, "", ""
        elif lines[at].strip():
            verb = rest = ""
        at += 1
    return found


def commands_of(block: Block) -> list[Command]:
    """The commands of a block; a line that ends with a backslash goes on."""
    if block.language == "sh":
        return [Command(block.text, ())]
    found: list[Command] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append(Command(line[2:], ()))
        elif found and found[-1].text.endswith("\\"):
            found[-1] = Command(f"{found[-1].text}\n{line.removeprefix('> ')}", ())
        elif found:
            found[-1] = Command(found[-1].text, (*found[-1].prints, line))
    return found


def fits(prints: tuple[str, ...], output: str) -> bool:
    """Whether an output is what the document shows; `...` is anything, also nothing and many lines."""
    wanted = "\n".join(line.rstrip() for line in prints).strip()
    pattern = re.escape(wanted)
    pattern = pattern.replace(re.escape("\n..."), "(\n.*?)?").replace(re.escape("..."), ".*?")
    said = "\n".join(line.rstrip() for line in output.splitlines()).strip()
    return re.fullmatch(pattern, said, re.DOTALL) is not None
