"""The conformance kit against a reference router that was set up as its contract says."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ioe_conformance.selftest.reference import Reference

from tests.e2e.node_files import ENVIRONMENT

ROOT = Path(__file__).parents[2]
PATH = f"{ROOT}:{ROOT / 'interop'}"


def conformance(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the kit to its end."""
    return subprocess.run(
        [sys.executable, "-m", "ioe_conformance", *arguments],
        env={**ENVIRONMENT, "PYTHONPATH": PATH},
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reference]:
    """A running reference router, with the kit's folder beside it."""
    router = Reference(tmp_path_factory.mktemp("conformance") / "run")
    router.prepare()
    router.start()
    try:
        yield router
    finally:
        router.stop()


def test_the_reference_router_passes_and_every_report_is_written(
    reference: Reference, tmp_path: Path
) -> None:
    """Cases of transport, session and signatures pass against a daemon, and the run leaves every report."""
    done = conformance(
        "run",
        *("--target", reference.address, "--kit", str(reference.kit), "--report-dir", str(tmp_path)),
        *("--case", "transport.frame-*", "--case", "session.version-mismatch", "--case", "signatures.*"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "MUST " in done.stdout.splitlines()[-2]
    report = json.loads((tmp_path / "report.json").read_text())
    assert {one["verdict"] for one in report["cases"]} == {"PASS"}
    assert {path.name for path in tmp_path.iterdir()} == {
        "report.json",
        "report.html",
        "report.md",
        "junit.xml",
        "trace",
    }


def test_a_run_ends_with_a_code_and_a_sentence_for_what_is_wrong(
    reference: Reference, tmp_path: Path
) -> None:
    """Bad input has exit codes of its own, one sentence, and no traceback."""
    wrong, stale = tmp_path / "pics.toml", tmp_path / "expected.toml"
    wrong.write_text('format = "ioe-pics-1"\n[target]\nname="x"\nversion="1"\n[supports]\nresum = true\n')
    stale.write_text(
        '[[expected]]\ncheck = "session.version-mismatch"\nmessage = "x"\nreason = "y"\ndate = 2026-01-01\n'
    )
    common = ("--kit", str(reference.kit), "--case", "session.version-mismatch")
    tried = {
        2: ("run", "--target", "nowhere", *common),
        3: ("run", "--target", "127.0.0.1:1", *common),
        5: ("run", "--target", reference.address, *common, "--pics", str(wrong)),
        10: ("run", "--target", reference.address, *common, "--expected-failures", str(wrong)),
        11: ("run", "--target", reference.address, *common, "--expected-failures", str(stale)),
    }
    for code, arguments in tried.items():
        done = conformance(*arguments)
        assert done.returncode == code, (arguments, done.stdout, done.stderr)
        assert "Traceback" not in done.stdout + done.stderr
    assert "did you mean resume?" in conformance(*tried[5]).stderr
