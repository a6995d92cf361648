"""`ioe scenario` prints, writes and refuses."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ioe_router.cli.scenario import scenario
from ioe_router.scenario import load_scenario

TINY = Path(__file__).parents[2] / "scenarios" / "tiny"


def run(*arguments: str) -> Result:
    """One command; an exception other than SystemExit fails the test."""
    return CliRunner().invoke(scenario, list(arguments), catch_exceptions=False)


def test_list_names_the_bundled_scenarios() -> None:
    """Each bundled scenario has a line with its title."""
    result = run("list")
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.output.splitlines()] == ["feeder33", "village"]


@pytest.mark.parametrize("name", ["village", str(TINY)])
def test_show_describes_a_scenario(name: str) -> None:
    """A bundled name or a folder is described with its days and licence."""
    result = run("show", name)
    assert result.exit_code == 0
    assert "slots of 900 s" in result.output
    assert "licence" in result.output


def test_validate_is_silent_about_a_good_folder() -> None:
    """A sound folder exits with 0."""
    result = run("validate", str(TINY))
    assert (result.exit_code, result.output) == (0, f"{TINY}: nothing wrong\n")


def test_validate_prints_every_finding(tmp_path: Path) -> None:
    """A faulty folder exits with 1 and one line for each fault on stderr."""
    folder = tmp_path / "tiny"
    shutil.copytree(TINY, folder)
    (folder / "LICENSE").unlink()
    path = folder / "links.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("20000,8000", "0,0"), encoding="utf-8")
    result = run("validate", str(folder))
    assert result.exit_code == 1
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 2
    assert "links.csv:3: r_micro_ohm" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("show", "vilage"), 'did you mean "village"'),
        (("validate", "nowhere"), "there is no such folder"),
        (("import", "pandapower", "n.json", "--profiles", "p", "--assets", "a"), "file is missing"),
    ],
)
def test_faults_are_one_sentence(arguments: tuple[str, ...], words: str) -> None:
    """What cannot be done is said on one line of stderr, with exit code 1."""
    result = run(*arguments)
    assert result.exit_code == 1
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_import_writes_a_folder_and_overwrites_none(tmp_path: Path) -> None:
    """`import simbench` writes a valid folder once and refuses to write over it."""
    pytest.importorskip(
        "simbench", reason="not run: simbench (91 MB of grids) is missing; pip install 'ioe-router[import]'"
    )
    out = tmp_path / "village"
    arguments = ("import", "simbench", "1-LV-rural1--1-sw", "--days", "2016-06-15", "--out", str(out))
    assert run(*arguments).exit_code == 0
    assert load_scenario(out).days[0].label == "2016-06-15"
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    again = run(*arguments)
    assert again.exit_code == 1
    assert "is not empty" in again.output
    assert {path: path.read_bytes() for path in before} == before
