"""Build sdist and wheel from a commit, and show that the bytes depend on nothing else.

The source is what git has, not the work tree, so that nothing slips in.  It is
built twice, in two folders, with other times on the files and another umask;
the wheel is built once more from the unpacked sdist.  All must be equal.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_ANOTHER_TIME_S: Final = 1_000_000_000


class DistFailed(Exception):
    """What keeps a release from being made, in one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """The two files of a release."""

    sdist: Path
    wheel: Path


def run(command: list[str], cwd: Path, **environment: str) -> str:
    """Run a command and return what it says on stdout. DistFailed with the end of stderr when it fails."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        command, cwd=cwd, env=kept | environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-6:]
        raise DistFailed(f"{' '.join(command)} ended with {done.returncode}: " + " / ".join(said))
    return done.stdout


def commit_of(root: Path) -> tuple[str, int]:
    """The commit that is released, and its time in UTC seconds."""
    name, time_s = run(["git", "log", "-1", "--format=%H %ct"], root).split()
    return name, int(time_s)


def changed_files(root: Path) -> list[str]:
    """Files of the work tree that are not as in the commit."""
    return run(["git", "status", "--porcelain", "--untracked-files=no"], root).splitlines()


def check_out(root: Path, commit: str, folder: Path) -> Path:
    """The files of a commit in a new folder."""
    folder.mkdir(parents=True)
    archive = folder.with_suffix(".tar")
    run(["git", "archive", "--output", str(archive), commit], root)
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="data")
    archive.unlink()
    return folder


def disturb(folder: Path) -> None:
    """Give files another time and mode, as another machine would have them."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            path.chmod(path.stat().st_mode & 0o700)
            os.utime(path, (_ANOTHER_TIME_S, _ANOTHER_TIME_S))


def build(source: Path, target: Path, time_s: int, *, kinds: tuple[str, ...] = ("sdist", "wheel")) -> Path:
    """Build in `source` into `target`; times inside the files are the commit's."""
    kind_arguments = [word for kind in kinds for word in ("-t", kind)]
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(target), *kind_arguments]
    run(command, source, SOURCE_DATE_EPOCH=str(time_s))
    return target


def build_twice(root: Path, work: Path) -> tuple[Built, str]:
    """Build the commit of a repository; return the files and the commit. DistFailed when builds differ."""
    commit, time_s = commit_of(root)
    one = build(check_out(root, commit, work / "one"), work / "built-one", time_s)
    copy = check_out(root, commit, work / "elsewhere" / "two")
    disturb(copy)
    two = build(copy, work / "built-two", time_s)
    built = Built(sdist=_only(one, "*.tar.gz"), wheel=_only(one, "*.whl"))
    _refuse_different(built.sdist, _only(two, "*.tar.gz"))
    _refuse_different(built.wheel, _only(two, "*.whl"))
    unpacked = work / "unpacked"
    with tarfile.open(built.sdist) as opened:
        opened.extractall(unpacked, filter="data")
    three = build(_only(unpacked, "*"), work / "built-three", time_s, kinds=("wheel",))
    _refuse_different(built.wheel, _only(three, "*.whl"))
    return built, commit


def place(built: Built, target: Path) -> Built:
    """Put the files of a release into a folder that holds nothing else."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    return Built(sdist=Path(shutil.copy2(built.sdist, target)), wheel=Path(shutil.copy2(built.wheel, target)))


def digest(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _only(folder: Path, pattern: str) -> Path:
    found = list(folder.glob(pattern))
    if len(found) != 1:
        raise DistFailed(f"{folder} holds {len(found)} files {pattern}, not one")
    return found[0]


def _refuse_different(one: Path, other: Path) -> None:
    if digest(one) != digest(other):
        raise DistFailed(f"{one.name} comes out differently when it is built again; nothing is released")
