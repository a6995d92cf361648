"""A real Prometheus beside real nodes: Debian's package, installed here when it is absent and can be."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.daemons import wait_for
from tests.e2e.node_files import free_port

PACKAGE = "prometheus"


def need(program: str) -> str:
    """The path of a program of the package; the test is skipped, with the cause, where it cannot be had."""
    found = shutil.which(program)
    if found is None:
        why = _install()
        found = shutil.which(program)
        if found is None:
            pytest.skip(f"Debian's package {PACKAGE!r} is not installed and could not be: {why}")
    return found


def _install() -> str:
    """Try to install the package; why it did not work, if it did not."""
    if shutil.which("apt-get") is None:
        return "there is no apt-get"
    if os.geteuid():
        return "only root may install it ('apt-get install prometheus')"
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}  # no service is started
    said = ""
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", PACKAGE]):
        done = subprocess.run(
            ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=120", *arguments],
            env=quiet,
            capture_output=True,
            text=True,
            timeout=170,
            check=False,
        )
        said = done.stderr.strip().rpartition("\n")[2]
    return said or "apt-get says nothing"


@dataclass
class Prometheus:
    """A server that scrapes some nodes every second."""

    process: subprocess.Popen[bytes]
    address: str

    def get(self, path: str, **query: str) -> Any:  # noqa: ANN401 - JSON
        """The data of an API answer, whose status has to be success."""
        url = f"{self.address}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=20) as answer:  # noqa: S310 - our own http
            body = json.load(answer)
        assert body["status"] == "success", body
        return body["data"]

    def value(self, query: str) -> float:
        """The value of a query that finds one series; 0 when there is none yet."""
        rows = self.get("query", query=query)["result"]
        assert len(rows) <= 1, rows
        return float(rows[0]["value"][1]) if rows else 0.0

    def is_up(self, targets: int) -> bool:
        """Whether so many targets answer."""
        return self.value("sum(up)") == targets


def start(folder: Path, targets: dict[str, int], rules: Path) -> Prometheus:
    """Start a server for nodes by name and metrics port, with a file of alert rules."""
    program, port = need("prometheus"), free_port()
    jobs = "".join(
        f'      - targets: ["127.0.0.1:{at}"]\n        labels: {{instance: {name}}}\n'
        for name, at in targets.items()
    )
    config = folder / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 2s}\n"
        f"rule_files: [{rules}]\nscrape_configs:\n  - job_name: ioe\n    static_configs:\n{jobs}"
    )
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={config}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )
    server = Prometheus(process, f"http://127.0.0.1:{port}")

    def answers() -> bool:
        assert process.poll() is None, (folder / "prometheus.log").read_text()
        try:
            return server.is_up(len(targets))
        except OSError:
            return False

    wait_for(answers)
    return server
