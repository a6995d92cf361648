"""What `ioe` tells a script by its exit code: one list, of which docs/reference/exit-codes.md is made."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class ExitCode(IntEnum):
    """Exit codes of every command."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    CONFIG = 3
    START = 4
    NOT_RUNNING = 5
    NOT_ALLOWED = 6
    VERSION = 7
    NOT_FOUND = 8
    REFUSED = 9
    NO_ANSWER = 10
    IN_USE = 11
    HUNG = 12


MEANINGS: Final = {
    ExitCode.DONE: "Done.",
    ExitCode.FAILED: "Failed; one sentence on stderr says why.",
    ExitCode.USAGE: "Wrong command line: unknown command, option or value; the nearest known name is given.",
    ExitCode.CONFIG: "A configuration, or a file it names, is refused; nothing was changed.",
    ExitCode.START: "The node cannot run here and now: port taken, twin, key expired, clock wrong.",
    ExitCode.NOT_RUNNING: "No daemon answers: no socket, or nobody behind it.",
    ExitCode.NOT_ALLOWED: "This user or certificate may not ask the daemon, or may not ask it this.",
    ExitCode.VERSION: "The command line and the daemon are of versions that do not understand each other.",
    ExitCode.NOT_FOUND: "What was named is not known to the daemon: neighbour, destination, reservation.",
    ExitCode.REFUSED: "The request was refused, or came to less than was wanted; the reason is printed.",
    ExitCode.NO_ANSWER: "A neighbour, or the daemon, did not answer in time.",
    ExitCode.IN_USE: "Another daemon has the store, or answers at the control socket.",
    ExitCode.HUNG: "The daemon hung while it was stopping; stderr names the step.",
}
