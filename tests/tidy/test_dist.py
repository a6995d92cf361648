"""What `make dist` relies on: equal bytes from one commit, only what is needed, an audit that admits gaps."""

from __future__ import annotations

import json
import re
import subprocess
import zipfile
from pathlib import Path

import dist_audit
import dist_build
import dist_install
import pytest
from dist_build import DistFailed
from packaging.requirements import Requirement

from tests.tidy.product import ROOT

BLOCK = "grpcio==1.0 ; python_version >= '3.11' \\\n    --hash=sha256:ab\n    # via x\n"


def _git() -> bool:
    done = subprocess.run(["git", "rev-parse"], cwd=ROOT, capture_output=True, check=False)
    return done.returncode == 0


@pytest.mark.skipif(not _git(), reason="not a git work tree, so there is no commit to build from")
def test_builds_of_one_commit_are_equal(tmp_path: Path) -> None:
    """Two builds in other places at other times, and a wheel from the sdist, have the same bytes."""
    built, commit = dist_build.build_twice(ROOT, tmp_path)
    assert len(commit) == 40
    placed = dist_build.place(built, tmp_path / "dist")
    assert sorted(path.name for path in (tmp_path / "dist").iterdir()) == [
        placed.wheel.name,
        placed.sdist.name,
    ]


@pytest.mark.skipif(not _git(), reason="not a git work tree, so there is no commit to build from")
def test_a_build_that_depends_on_its_time_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the time of the build gets into the files, nothing is released."""
    real, times = dist_build.build, iter(range(1_600_000_000, 1_700_000_000, 10_000_000))

    def build(
        source: Path, target: Path, _time_s: int, *, kinds: tuple[str, ...] = ("sdist", "wheel")
    ) -> Path:
        return real(source, target, next(times), kinds=kinds)

    monkeypatch.setattr(dist_build, "build", build)
    with pytest.raises(DistFailed, match="comes out differently when it is built again"):
        dist_build.build_twice(ROOT, tmp_path)


def test_an_environment_gets_what_its_extras_need_and_no_more() -> None:
    """The closure of an extra holds its packages and theirs, and nothing of another extra."""
    wanted = [
        Requirement(text)
        for text in ("cryptography>=46", "click>=8 ; extra == 'node'", "rich>=14 ; extra == 'node'")
    ]
    assert dist_install.closure(wanted, ()) >= {"cryptography", "cffi"}
    assert not dist_install.closure(wanted, ()) & {"click", "rich"}
    assert dist_install.closure(wanted, ("node",)) >= {"cryptography", "click", "rich", "markdown-it-py"}


def test_a_package_that_is_not_pinned_is_named(tmp_path: Path) -> None:
    """A dependency of the wheel that requirements.txt lacks ends the release with the remedy."""
    wheel = _wheel(tmp_path, "click>=8")
    with pytest.raises(DistFailed, match="does not pin click; run make lock"):
        dist_install.needed(wheel, (), BLOCK)


def _wheel(folder: Path, requirement: str) -> Path:
    path = folder / "x.whl"
    with zipfile.ZipFile(path, "w") as opened:
        opened.writestr("x-1.dist-info/METADATA", f"Name: x\nVersion: 1\nRequires-Dist: {requirement}\n\n")
    return path


@pytest.mark.parametrize(
    ("rows", "done", "words"),
    [
        ([{"name": "a", "version": "1", "vulns": []}], True, "1 packages audited, none has a known"),
        (
            [{"name": "a", "skip_reason": "not found"}],
            False,
            "NOT AUDITED: .* 1 of 1 packages: a .not found.; run",
        ),
        ([], False, "NOT AUDITED: .* 1 of 1 packages: unnamed"),
        (
            [{"name": "a", "version": "1", "vulns": [{"id": "CVE-1"}]}],
            True,
            r"a 1 \(CVE-1\); raise these pins",
        ),
    ],
)
def test_an_audit_counts_package_by_package(rows: list[object], done: bool, words: str) -> None:
    """What the advisory source knows nothing about has not been audited, whatever the tool says."""
    outcome = dist_audit.judge(json.dumps({"dependencies": rows, "fixes": []}), 1)
    assert outcome.done is done
    assert re.search(words, dist_audit.explain(outcome))


def test_an_unreadable_answer_is_no_audit() -> None:
    """An answer of the tool that cannot be read ends the release."""
    with pytest.raises(DistFailed, match="gave no readable answer"):
        dist_audit.judge("everything is fine", 3)
