"""The register of requirements is current, and its check finds each kind of gap that it promises to find."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
import spec_register

# Ids of the samples are put together here, so that the lint does not take them for references.
SEEN, LOCAL, MAY, NONE = (f"IOE-ADV-{number}" for number in ("010", "020", "030", "999"))

SPEC = f"""# Title

## 7. Offers

### 7.1 One

**[{SEEN}]** Sender MUST (wire) hurry.

**[{LOCAL}]** The keeper SHOULD NOT (local) sleep.

**[{MAY}]** Each end MAY (wire) rest.
"""
REASON = "Nobody outside can see whether it sleeps at night."
UNTESTABLE = f'[{LOCAL}]\nobserved = "untestable"\nreason = "{REASON}"\n'
VECTOR = {"id": "x", "op": "x", "reqs": [SEEN]}
CASE = f'@case("adv.hurry", reqs=("{SEEN}",))\nasync def hurry(bench):\n    pass\n'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository in which everything is covered."""
    for folder in ("interop/requirements", "interop/vectors/v1", "interop/ioe_conformance/cases"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "SPEC.md").write_text(SPEC)
    (tmp_path / "interop/requirements/observed.toml").write_text(UNTESTABLE)
    (tmp_path / "interop/requirements/uncovered.txt").write_text("")
    (tmp_path / "interop/vectors/v1/x.json").write_text(json.dumps({"vectors": [VECTOR]}))
    assert spec_register.main(["--root", str(tmp_path)]) == 0
    return tmp_path


def _says(root: Path, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    code = spec_register.main(["--root", str(root), "--check"])
    text = capsys.readouterr().out
    assert code == (1 if text.count("\n") > 1 else 0)
    return text


def test_the_register_is_current() -> None:
    """The committed register is what SPEC.md and observed.toml say today, and nothing else is open."""
    assert spec_register.main(["--check"]) == 0


def test_rows_say_who_is_bound_and_where() -> None:
    """A row has section, role, level and who sees it; what is untestable has its reason."""
    rows = spec_register.read_rows(SPEC, tomllib.loads(UNTESTABLE))
    assert [(row.section, row.role, row.level, row.seen, row.observed) for row in rows] == [
        ("7.1", "sender", "MUST", "wire", "wire"),
        ("7.1", "keeper", "SHOULD NOT", "local", "untestable"),
        ("7.1", "both ends", "MAY", "wire", "wire"),
    ]
    assert rows[1].reason == REASON


def test_a_case_covers_as_a_vector_does(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A function under the case decorator covers the ids in it; any other function does not."""
    (root / "interop/vectors/v1/x.json").write_text('{"vectors": []}')
    assert f"{SEEN} is covered by no case" in _says(root, capsys)
    case = root / "interop/ioe_conformance/cases/adverts.py"
    case.write_text(CASE.replace("@case", "@note"))
    assert f"{SEEN} is covered by no case" in _says(root, capsys)
    case.write_text(CASE)
    assert _says(root, capsys).endswith("open 0\n")
    case.unlink()
    (root / "interop/ioe_conformance/cases/malformed.toml").write_text(f'reqs = ["{SEEN}"]')
    assert _says(root, capsys).endswith("open 0\n")


def test_what_waits_is_named_and_only_gets_less(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An uncovered requirement passes while it is listed; writing takes out what is covered, adds none."""
    waiting = root / "interop/requirements/uncovered.txt"
    (root / "interop/vectors/v1/x.json").write_text('{"vectors": []}')
    assert spec_register.main(["--root", str(root)]) == 1
    assert waiting.read_text() == ""
    waiting.write_text(f"{SEEN}\n")
    assert "open 1" in _says(root, capsys)
    (root / "interop/vectors/v1/x.json").write_text(json.dumps({"vectors": [VECTOR]}))
    assert spec_register.main(["--root", str(root)]) == 0
    assert waiting.read_text() == ""


@pytest.mark.parametrize(
    ("observed", "says"),
    [
        ("", f"{LOCAL} is marked (local); observed.toml has to say"),
        (UNTESTABLE.replace(REASON, "no"), f"{LOCAL} is untestable; observed.toml has to give a reason"),
        (UNTESTABLE.replace('"untestable"', '"hook"'), f"{LOCAL} has a reason"),
        (UNTESTABLE.replace(LOCAL, SEEN), f"{SEEN} is called untestable in observed.toml, but"),
        (UNTESTABLE.replace(LOCAL, SEEN), "1 of 1 MUSTs are untestable; 15 % may be"),
        (f"{UNTESTABLE}[{NONE}]\n", f"SPEC.md has no living {NONE}"),
        (UNTESTABLE.replace('"untestable"', '"seldom"'), f"{LOCAL} is marked (local)"),
    ],
)
def test_what_observed_says_is_checked(
    root: Path, capsys: pytest.CaptureFixture[str], observed: str, says: str
) -> None:
    """Each kind of wrong entry in observed.toml is named."""
    (root / "interop/requirements/observed.toml").write_text(observed)
    assert says in _says(root, capsys)


def test_ids_that_are_missing_and_vectors_without_any_are_named(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A vector or case that cites an unknown id is named, and a vector that cites none."""
    vectors = [VECTOR, {"id": "y", "op": "x", "reqs": []}, {"id": "z", "op": "x", "reqs": [NONE]}]
    (root / "interop/vectors/v1/x.json").write_text(json.dumps({"vectors": vectors}))
    text = _says(root, capsys)
    assert "vector y cites no requirement" in text
    assert f"vector z cites {NONE}, which SPEC.md does not have" in text


def test_a_changed_sentence_makes_the_register_stale(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """When SPEC.md says something else, the check asks for the register to be written again."""
    (root / "SPEC.md").write_text(SPEC.replace("hurry", "wait"))
    assert "ioe-1.json: differs" in _says(root, capsys)
