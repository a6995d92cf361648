"""The command line run inside the test's own process, as an operator would see it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ioe_router.cli.main import main

Run = Callable[..., tuple[int, str, str]]  # exit code, stdout, stderr


def runner(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *command: str) -> Run:
    """Runs `ioe`, or one command of it, with the arguments of each call."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["ioe", *command, *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return call
