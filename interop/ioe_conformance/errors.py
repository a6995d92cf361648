"""How a run can end otherwise than with verdicts, each with an exit code and one sentence.

0   the target conforms in everything that was tested
1   it does not
2   the command line is wrong
3   the target cannot be reached
4   the kit went wrong itself
5   the PICS or the kit's folder is wrong
6   the target has stopped answering
7   the target floods the kit
8   the target has gone away during the run
9   what the target says is no HTTP/2 or no gRPC
10  the file of expected failures is malformed
11  an expected failure is stale, or matches nothing
12  the hook cannot be run, or answers nothing that can be read
"""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """What the process ends with."""

    CONFORMS = 0
    DOES_NOT_CONFORM = 1
    USAGE = 2
    UNREACHABLE = 3
    KIT_ERROR = 4
    PICS = 5
    HANGS = 6
    FLOODS = 7
    GONE = 8
    GARBAGE = 9
    EXPECTED_MALFORMED = 10
    EXPECTED_STALE = 11
    HOOK = 12


class KitError(Exception):
    """The run ends, or does not begin; one sentence that names cause and remedy."""

    def __init__(self, exit_code: Exit, sentence: str) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code


class NotTestable(Exception):
    """What a case needs is not there: a hook, an own offer of the target, a phase of a slot."""


class Broken(AssertionError):
    """A check did not hold, and the case cannot go on behind it; the check has been recorded."""
