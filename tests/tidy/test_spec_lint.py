"""The spec lint finds each kind of drift it promises to find, and nothing in a sound text."""

from __future__ import annotations

from pathlib import Path

import pytest
import spec_lint
from spec_references import check_references
from spec_registries import check_registries, read_enums
from spec_requirements import Requirement, read_requirements

# Ids of the samples are put together here, so that the lint does not take them for references.
A, B, C, OLD, UNKNOWN = (f"IOE-ADV-{number}" for number in ("010", "020", "030", "040", "999"))
SHORT = f"{A[:-3]}1"

SOUND = f"""# Title

<!-- non-normative -->
Nodes MUST like this text, but nobody checks.
<!-- /non-normative -->

The key words "MUST", "MUST NOT", "SHOULD" and "MAY" are those of BCP 14; `MUST` is code.

**[{A}]** Receiver MUST (wire): if its own id is
in the `path`, **drop** the offer.

- **[{B}]** Sender MUST
  NOT send it back.
- An aside.

```
a MUST in a fence
```

| **[{C}]** | Sender SHOULD hurry. |

**[{OLD}]** retired: never worked.
"""

ENUM = """
// enum Commented { COMMENTED_X = 9; }
enum ErrorCode {
  // none
  ERROR_CODE_UNSPECIFIED = 0;
  ERROR_CODE_LOOP = 1; // the path
  ERROR_CODE_TOO_EARLY = 2 [deprecated = true];
  reserved 7;
}
"""

REGISTRY = """
<!-- registry: ErrorCode -->

| Code | Name | When |
|---|---|---|
| 1 | `LOOP` | path |
| 2 | ERROR_CODE_TOO_EARLY | gate |
| 7 | reserved | |
| 1000-1999 | private use | |

After.
"""


def _requirements_of(spec: str) -> dict[str, Requirement]:
    return read_requirements(spec, "SPEC.md")[0]


def _findings_of(spec: str) -> list[str]:
    return [str(finding) for finding in read_requirements(spec, "SPEC.md")[1]]


def test_sound_text_has_no_findings() -> None:
    """A text in the documented form yields its requirements and no finding."""
    requirements, findings = read_requirements(SOUND, "SPEC.md")
    assert findings == []
    assert {name: requirement.retired for name, requirement in requirements.items()} == {
        A: False,
        B: False,
        C: False,
        OLD: True,
    }
    assert requirements[A].text == ("Receiver MUST (wire): if its own id is in the path, drop the offer.")
    assert requirements[B].text == "Sender MUST NOT send it back."


@pytest.mark.parametrize(
    ("spec", "finding"),
    [
        ("A node MUST sing.", "SPEC.md:1: MUST without a requirement id"),
        ("\nA node MUST\nNOT sing.", "SPEC.md:2: MUST NOT without a requirement id"),
        ("| a | it MAY sing |", "SPEC.md:1: MAY without a requirement id"),
        (f"- **[{A}]** It MUST sing.\n- It SHOULD dance.", "SPEC.md:2: SHOULD without a requirement id"),
        (f"**[{A}]** It MUST sing.\n\nIt MAY rest.", "SPEC.md:3: MAY without a requirement id"),
        (f"**[{A}]** It MUST sing and SHOULD dance.", f"SPEC.md:1: {A} has 2 key words (MUST, SHOULD); "),
        (f"**[{A}]** It sings.", f"SPEC.md:1: {A} has 0 key words (none); "),
        (f"**[{A}]** It MUST a.\n**[{A}]** It MUST b.", f"SPEC.md:2: {A} is already used in line 1; "),
        (f"**[{A}]** retired: no.\n**[{A}]** It MUST b.", f"SPEC.md:2: {A} is already retired in line 1; "),
        (f"**[{A}]** retired:", f"SPEC.md:1: {A} is retired without saying why"),
        (f"**[{A}]** retired: no.\nIt MUST.", f"SPEC.md:1: {A} is retired and can require nothing (MUST)"),
        (f"**[{SHORT}]** It MUST a.", f"SPEC.md:1: {SHORT} is no requirement id; "),
        ("**[IOE-adv-010]** It MUST a.", "SPEC.md:1: IOE-adv-010 is no requirement id; "),
        ("It SHALL sing.", "SPEC.md:1: SHALL is not one of our key words; "),
        ("<!-- non-normative -->\nIt MUST sing.", "SPEC.md:1: <!-- non-normative --> is never closed"),
        ("<!-- /non-normative -->", "SPEC.md:1: <!-- /non-normative --> without its partner"),
    ],
)
def test_each_fault_of_form_is_found(spec: str, finding: str) -> None:
    """Every rule about requirements produces exactly its own finding, at its line."""
    found = _findings_of(spec)
    assert len(found) == 1
    assert found[0].startswith(finding)


def test_comment_before_a_fault_does_not_move_its_line() -> None:
    """A comment over several lines is ignored and line numbers stay true."""
    assert _findings_of("<!-- it MUST\nnot count -->\nIt MUST.") == [
        "SPEC.md:3: MUST without a requirement id"
    ]


@pytest.mark.parametrize(
    ("code", "finding"),
    [
        (f"x = 1\n# see {UNKNOWN}", f"a.py:2: {UNKNOWN} is not in SPEC.md"),
        (f"# {OLD}", f"a.py:1: {OLD} is retired: never worked."),
        (f'# SPEC {A}: "drop the demand"', f'a.py:1: {A} (SPEC.md line 9) no longer says "drop the demand"'),
        (f'# SPEC {A}: "drop', f"a.py:1: the quote of {A} has no closing quotation mark"),
        (f'# SPEC {A}: ""', f"a.py:1: the quote of {A} is empty"),
    ],
)
def test_each_stale_reference_is_found(code: str, finding: str) -> None:
    """A reference to nothing, to something retired, and a stale or broken quote are each reported."""
    assert [str(found) for found in check_references(code, "a.py", _requirements_of(SOUND))[1]] == [finding]


@pytest.mark.parametrize(
    "code",
    [
        f'# SPEC {A}: "its own id is in the path"',
        f'    # SPEC {A}: "its own id\n    # is in the path, drop\n    # the offer"\n',
        f'  // SPEC {A}: "its own id is\n  // in the path"',
        f"tests {A} and **[{B}]**",
    ],
)
def test_living_references_pass(code: str) -> None:
    """Quotes over several comment lines and bare ids are accepted while SPEC.md says the same."""
    assert check_references(code, "a.py", _requirements_of(SOUND)) == (1, [])


def test_a_retired_id_has_its_row_in_the_index() -> None:
    """The index of requirements lists a retired id as retired; as anything else it is reported."""
    requirements = _requirements_of(SOUND)
    assert check_references(f"| {OLD} | retired | retired: never worked. |", "a.md", requirements) == (0, [])
    assert len(check_references(f"| {OLD} | must | never worked. |", "a.md", requirements)[1]) == 1


def test_example_ids_are_no_references() -> None:
    """Ids of the area EXAMPLE illustrate and need not exist."""
    assert check_references("IOE-EXAMPLE-040", "a.py", {}) == (0, [])


def test_enums_are_read_without_prefix_and_comments() -> None:
    """Enum values lose their prefix; commented enums do not exist."""
    assert read_enums({"a.proto": ENUM}) == {"ErrorCode": {0: "UNSPECIFIED", 1: "LOOP", 2: "TOO_EARLY"}}


def test_equal_registry_passes() -> None:
    """A registry that equals its enum, reserved rows and ranges included, has no finding."""
    assert check_registries(REGISTRY, "SPEC.md", {"a.proto": ENUM}) == (1, [])


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("registry: ErrorCode", "registry: Other", "SPEC.md:2: proto/ has no enum Other"),
        ("| 1 | `LOOP` | path |\n", "", "SPEC.md:2: registry ErrorCode lacks what proto/ has: 1 LOOP"),
        ("`LOOP`", "LOOPS", "SPEC.md:6: registry ErrorCode calls 1 LOOPS, proto/ calls it LOOP"),
        (
            "| 7 | reserved",
            "| 7 | LATE",
            "SPEC.md:8: registry ErrorCode has 7 LATE, proto/ has no such value",
        ),
        (
            "| 7 | reserved",
            "| x | LATE",
            "SPEC.md:8: registry ErrorCode: 'x' is neither a number nor a range",
        ),
        ("| 7 | reserved | |", "| 2 | TOO_EARLY | |", "SPEC.md:8: registry ErrorCode lists 2 twice"),
        ("1000-1999", "2-5", "SPEC.md:9: registry ErrorCode keeps 2-5 free, proto/ has 2 TOO_EARLY"),
        (
            "| 7 | reserved",
            "| 2 | retired",
            "SPEC.md:8: registry ErrorCode keeps 2 free, proto/ has 2 TOO_EARLY",
        ),
    ],
)
def test_each_difference_of_a_registry_is_found(old: str, new: str, finding: str) -> None:
    """A missing, renamed, extra, doubled or malformed row and a taken range are each reported."""
    assert old in REGISTRY
    found = check_registries(REGISTRY.replace(old, new), "SPEC.md", {"a.proto": ENUM})[1]
    assert [str(one) for one in found] == [finding]


def test_registry_without_table_is_found() -> None:
    """A registry mark must be followed by its table."""
    found = check_registries("<!-- registry: ErrorCode -->\n\nText.", "SPEC.md", {"a.proto": ENUM})[1]
    assert [str(one) for one in found] == ["SPEC.md:1: no table follows registry ErrorCode"]


def test_missing_specification_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without SPEC.md the command says so and fails."""
    assert spec_lint.main(["--root", str(tmp_path)]) == 1
    assert capsys.readouterr().out.startswith("SPEC.md:1: there is no specification")


def test_command_reports_findings_of_every_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command walks the repository, prints file:line for each finding and fails; repaired, it passes."""
    (tmp_path / "proto").mkdir()
    (tmp_path / "proto" / "a.proto").write_text(ENUM)
    (tmp_path / "ioe_router").mkdir()
    code = tmp_path / "ioe_router" / "a.py"
    code.write_text(f"# {UNKNOWN}\n")
    spec = tmp_path / "SPEC.md"
    spec.write_text(SOUND + "\nA node MUST sing.\n" + REGISTRY.replace("LOOP", "RING"))
    assert spec_lint.main(["--root", str(tmp_path)]) == 1
    printed = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in printed] == ["SPEC.md", "SPEC.md", "ioe_router/a.py"]

    code.write_text(f"# {A}\n")
    spec.write_text(SOUND + REGISTRY)
    assert spec_lint.main(["--root", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "spec-lint: 3 requirements, 1 registries, 1 references\n"
