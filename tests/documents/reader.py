"""A reader who does what a document says, in an empty folder, in one shell after the other."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tests.documents.blocks import Block, Command, blocks_of, commands_of, fits
from tests.e2e.daemons import wait_for
from tests.e2e.node_files import ENVIRONMENT

WAIT_S = 150.0
_WRAPPER = "#!/bin/sh\nexec {python} -c 'from ioe_router.cli.main import main; main()' \"$@\"\n"


@dataclass
class _Running:
    process: subprocess.Popen[bytes]
    output: Path


class Reader:
    """Follows documents word by word; `close` ends what still runs."""

    def __init__(
        self,
        folder: Path,
        changes: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`folder` is empty; `changes` are texts that are others on this reader's machine, such as ports.

        `environment` is what is set there beside the usual.
        """
        self._changes = dict(changes or {})
        self.folder = self._here = folder / "reader"
        self.folder.mkdir()
        programs = folder / "bin"
        programs.mkdir()
        ioe = programs / "ioe"
        ioe.write_text(_WRAPPER.format(python=shlex.quote(sys.executable)))
        ioe.chmod(0o755)
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        self._environment = {**ENVIRONMENT, "PATH": path, "COLUMNS": "120", **(environment or {})}
        self._outputs = folder / "outputs"
        self._outputs.mkdir()
        self._running: dict[str, _Running] = {}

    def follow(self, document: Path) -> None:
        """Do everything that a document says. AssertionError names the line that does not hold."""
        for block in blocks_of(document):
            if block.is_for_the_test:
                self._do(self._here_is(block), f"{document.name}:{block.line}")

    def close(self) -> None:
        """End what still runs."""
        for running in self._running.values():
            running.process.kill()
            running.process.wait()

    # ------------------------------------------------------------- inside

    def _here_is(self, block: Block) -> Block:
        text = block.text
        for there, here in self._changes.items():
            text = text.replace(there, here)
        return replace(block, text=text)

    def _do(self, block: Block, where: str) -> None:
        match block.verb:
            case "skip":
                assert block.rest, f"{where}: skipped without a reason"
            case "write":
                path = self._here / block.rest
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.text)
            case "background":
                name, _, text = block.rest.partition(" until ")
                (command,) = commands_of(block)
                self._start(name, command.text)
                self._wait(name, text, where)
            case "wait":
                name, _, text = block.rest.partition(" until ")
                self._wait(name, text, where)
            case "stop":
                self._stop(block.rest, where)
            case "" | "fails":
                code = int(block.rest) if block.verb == "fails" else 0
                for command in commands_of(block):
                    self._run(command, code, where)
            case _:
                raise AssertionError(f"{where}: there is no mark {block.verb!r}")

    def _run(self, command: Command, code: int, where: str) -> None:
        """One command in a shell that knows where the last one has gone."""
        place = self._outputs / "place"
        script = f"set -e\n{command.text}\npwd > {shlex.quote(str(place))}\n"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self._here,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=WAIT_S,
            check=False,
        )
        said = f"{where}: {command.text}\n{done.stdout}"
        with (self._outputs / "transcript").open("a") as transcript:
            transcript.write(f"{said}\n")
        assert done.returncode == code, f"exit code {done.returncode} of {said}"
        if command.prints:
            assert fits(command.prints, done.stdout), said
        if done.returncode == 0:
            self._here = Path(place.read_text().strip())

    def _start(self, name: str, command: str) -> None:
        output = self._outputs / f"{name}.{len(list(self._outputs.iterdir()))}"
        with output.open("wb") as file:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {command}"],
                cwd=self._here,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        self._running[name] = _Running(process, output)

    def _wait(self, name: str, text: str, where: str) -> None:
        running = self._running[name]

        def is_over() -> bool:
            return running.process.poll() is not None or text in running.output.read_text()

        with contextlib.suppress(AssertionError):  # said better below
            wait_for(is_over, within_s=WAIT_S)
        said, code = running.output.read_text(), running.process.poll()
        assert text in said, f"{where}: {name} does not say {text!r}, exit code {code}\n{said}"

    def _stop(self, name: str, where: str) -> None:
        running = self._running.pop(name)
        running.process.send_signal(signal.SIGINT)
        code = running.process.wait(30)
        assert code == 0, f"{where}: {name} ends with {code}\n{running.output.read_text()}"
