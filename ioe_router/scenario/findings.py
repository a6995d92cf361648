"""What is wrong with a scenario folder, said so that its author can mend it.

Reading a folder never stops at the first fault: every reader and every check
writes into one `Report`, and whoever asked decides whether findings are a list
to print (`validate`) or a refusal (`load_scenario`).  A finding always says
where (file, line, field), why, and what to do about it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One fault. `line` is 1-based, 0 where the whole file is meant; `field` may be empty."""

    file: str  # relative to the scenario folder
    line: int
    field: str
    cause: str
    remedy: str

    def __str__(self) -> str:
        where = self.file if self.line == 0 else f"{self.file}:{self.line}"
        field = f" {self.field}:" if self.field else ""
        return f"{where}:{field} {self.cause}; {self.remedy}."


class ScenarioError(Exception):
    """A scenario could not be used. `findings` has at least one entry; str() is one line each."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("\n".join(str(finding) for finding in self.findings))


class Report:
    """Collects findings in the order they are met."""

    def __init__(self) -> None:
        self._findings: list[Finding] = []

    def add(self, file: str, line: int, field: str, cause: str, remedy: str) -> None:
        """Note one fault."""
        self._findings.append(Finding(file=file, line=line, field=field, cause=cause, remedy=remedy))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Everything noted so far."""
        return tuple(self._findings)

    def __len__(self) -> int:
        return len(self._findings)


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name most like `name`, as a remedy: `did you mean "x"` or the list of all."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f'did you mean "{close[0]}"'
    if not names:
        return "remove it"
    return "use one of " + ", ".join(names)
