"""Every report says every verdict: none is lost, none looks like another, nothing is markup."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest
from ioe_conformance.errors import Exit, KitError
from ioe_conformance.expected import Expected, applied, read_expected
from ioe_conformance.model import CaseResult, Check, Level, RunResult, Step, Target, Verdict, verdict_of
from ioe_conformance.report import html, json_report, junit, markdown, traces
from ioe_conformance.report.all import write_reports
from ioe_conformance.report.console import case_line, last_lines
from ioe_conformance.summary import headline, lines

HOSTILE = "<script>alert(1)</script> | \x1b[2J"
MUST, SHOULD = "IOE-TRN-010", "IOE-TRN-270"


def check(ok: bool, requirement: str = MUST) -> Check:
    """One check."""
    level = Level.MUST if requirement == MUST else Level.SHOULD
    actual = "it was so" if ok else HOSTILE
    return Check(
        id=requirement, requirement=requirement, level=level, ok=ok, expected="a frame", actual=actual
    )


def case(verdict: Verdict, *checks: Check, requirement: str = MUST) -> CaseResult:
    """A case that came out so."""
    return CaseResult(
        case=f"group.{verdict.lower()}",
        group="group",
        title="Something is so.",
        requirements=(requirement,),
        verdict=verdict,
        reason="" if verdict is Verdict.PASS else HOSTILE,
        checks=checks,
        steps=(Step(at_ms=1, tester="a", way="sent", text=HOSTILE, hex="00ff"),),
        duration_ms=12,
    )


def result(*cases: CaseResult) -> RunResult:
    """A run with these cases."""
    return RunResult(
        target=Target(address="127.0.0.1:1", node="ioe1x", name=HOSTILE, version="1"),
        spec="1 (0)",
        kit="1.0",
        seed=1,
        run_id="1",
        started_utc="2026-11-22T12:00:00Z",
        duration_ms=1,
        strict=False,
        pics={},
        cases=cases,
    )


EVERY = result(
    *(
        case(verdict, check(verdict in {Verdict.PASS, Verdict.XPASS}))
        for verdict in Verdict
        if verdict not in {Verdict.NOT_TESTABLE, Verdict.NOT_APPLICABLE, Verdict.ERROR}
    ),
    case(Verdict.NOT_TESTABLE),
    case(Verdict.NOT_APPLICABLE),
    case(Verdict.ERROR),
)


@pytest.mark.parametrize(
    ("checks", "strict", "verdict"),
    [
        ((check(True),), False, Verdict.PASS),
        ((check(True), check(False)), False, Verdict.FAIL),
        ((check(False, SHOULD),), False, Verdict.WARN),
        ((check(False, SHOULD),), True, Verdict.FAIL),
        ((check(False, SHOULD), check(False)), False, Verdict.FAIL),
        ((), False, Verdict.ERROR),
    ],
)
def test_a_verdict_follows_from_the_checks(checks: tuple[Check, ...], strict: bool, verdict: Verdict) -> None:
    """MUST makes FAIL, SHOULD makes WARN, and a case that has looked at nothing is an error, never green."""
    assert verdict_of(checks, strict=strict)[0] is verdict


def test_the_json_report_has_every_verdict_and_reads_back(tmp_path: Path) -> None:
    """Each case is there with its verdict, and the counts agree."""
    json_report.write(EVERY, tmp_path / "report.json")
    report = json_report.verdicts(tmp_path / "report.json")
    assert {one["id"]: one["verdict"] for one in report["cases"]} == {
        f"group.{verdict.lower()}": verdict.value for verdict in Verdict
    }
    assert report["verdicts"] == {verdict.value: 1 for verdict in Verdict}
    required = json.loads((Path(json_report.__file__).parent / "report.schema.json").read_text())["required"]
    assert sorted(report) == sorted(required)


def test_junit_tells_failures_errors_and_what_was_not_tested_apart() -> None:
    """FAIL, FLAKY and XPASS are failures, ERROR is an error; what was not tested is skipped."""
    tree = ET.fromstring(ET.tostring(junit.as_xml(EVERY)))  # noqa: S314 - written a line above
    kinds = {one.get("name"): [child.tag for child in one] for one in tree.iter("testcase")}
    assert {name for name, tags in kinds.items() if "failure" in tags} == {
        "group.fail",
        "group.flaky",
        "group.xpass",
    }
    assert {name for name, tags in kinds.items() if "error" in tags} == {"group.error"}
    assert {name for name, tags in kinds.items() if "skipped" in tags} == {
        "group.not_testable",
        "group.not_applicable",
        "group.xfail",
    }
    assert [tree.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["9", "3", "1", "3"]
    assert kinds["group.pass"] == []


class Tags(HTMLParser):
    """The tags of a page, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, _attrs: list[tuple[str, str | None]]) -> None:
        """Keep it."""
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        """Keep it."""
        self.text += data


def test_the_html_report_shows_every_verdict_and_runs_nothing() -> None:
    """Each case that did not pass has its log; what the target said is text; nothing is fetched."""
    page = html.as_html(EVERY)
    seen = Tags()
    seen.feed(page)
    assert not {"script", "link", "img", "iframe"} & set(seen.tags)
    assert not re.search(r"(src|href)=", page)
    for verdict in Verdict:
        assert f'class="v {verdict}">{verdict}' in page
    assert page.count("Wire log") == len(Verdict) - 1
    assert "<script>alert(1)</script>" in seen.text


def test_markdown_names_every_case_that_did_not_pass() -> None:
    """Each has a row of its own, and what the target said stays in its cell."""
    page = markdown.as_markdown(EVERY)
    for verdict in Verdict:
        assert (f"| group.{verdict.lower()} | {verdict} |" in page) is (verdict is not Verdict.PASS)
    assert "\x1b" not in page
    assert "<script>" not in page


def test_the_console_says_every_verdict() -> None:
    """The last lines count each, and end with the headline."""
    said = last_lines(EVERY)
    for verdict in Verdict:
        assert f"1 {verdict}" in said
    assert said.splitlines()[-1] == str(headline(EVERY))
    assert case_line(EVERY.cases[0]).startswith("PASS")


@pytest.mark.parametrize(
    ("verdict", "checks", "text"),
    [
        (Verdict.PASS, (check(True),), "MUST 1/1, SHOULD 0/0, not testable 0"),
        (Verdict.FAIL, (check(False),), "MUST 0/1, SHOULD 0/0, not testable 0"),
        (Verdict.XFAIL, (check(False),), "MUST 0/1, SHOULD 0/0, not testable 0"),
        (Verdict.XPASS, (check(True),), "MUST 0/1, SHOULD 0/0, not testable 0"),
        (Verdict.FLAKY, (check(True),), "MUST 0/1, SHOULD 0/0, not testable 0"),
        (Verdict.NOT_TESTABLE, (), "MUST 0/0, SHOULD 0/0, not testable 1"),
        (Verdict.ERROR, (), "MUST 0/0, SHOULD 0/0, not testable 1"),
        (Verdict.NOT_APPLICABLE, (), "MUST 0/0, SHOULD 0/0, not testable 0"),
    ],
)
def test_the_headline_counts_no_requirement_as_kept_that_was_not_shown(
    verdict: Verdict, checks: tuple[Check, ...], text: str
) -> None:
    """Only a check that held counts; what was not tested is counted apart."""
    assert str(headline(result(case(verdict, *checks)))) == text
    assert len(lines(result(case(verdict, *checks)))) == 1


def test_a_broken_should_counts_as_such() -> None:
    """WARN lowers SHOULD and nothing else."""
    warned = case(Verdict.WARN, check(False, SHOULD), requirement=SHOULD)
    assert str(headline(result(warned))) == "MUST 0/0, SHOULD 0/1, not testable 0"


def test_traces_read_back(tmp_path: Path) -> None:
    """Each case with steps has a trace, and it says the same as before."""
    write_reports(EVERY, tmp_path)
    found = sorted(path.stem for path in (tmp_path / "trace").iterdir())
    assert found == sorted(one.case for one in EVERY.cases)
    head, steps = traces.read(tmp_path / "trace" / "group.fail.jsonl")
    assert (head["verdict"], steps) == ("FAIL", EVERY.cases[1].steps)
    (tmp_path / "bad.jsonl").write_text("{}\n")
    with pytest.raises(KitError, match="is no trace of this kit"):
        traces.read(tmp_path / "bad.jsonl")


def entry(case_: str, message: str = "<script>", check_: str = "") -> Expected:
    """An expected failure."""
    return Expected(case=case_, check=check_, message=message, reason="ticket 1")


def test_expected_failures_cannot_rot() -> None:
    """A listed failure is XFAIL; a pass is XPASS; that, another message or an unknown check is a finding."""
    failing, passing = case(Verdict.FAIL, check(False)), case(Verdict.PASS, check(True))
    done = applied(result(failing, passing), [entry("group.fail")])
    assert [one.verdict for one in done.cases] == [Verdict.XFAIL, Verdict.PASS]
    assert done.findings == ()
    done = applied(result(failing, passing), [entry("group.pass")])
    assert [one.verdict for one in done.cases] == [Verdict.FAIL, Verdict.XPASS]
    assert "take the entry out" in done.findings[0]
    for wrong in (entry("group.fail", message="another text"), entry("group.fail", check_="IOE-TRN-020")):
        done = applied(result(failing), [wrong])
        assert done.cases[0].verdict is Verdict.FAIL
        assert len(done.findings) == 1


@pytest.mark.parametrize(
    ("text", "code", "sentence"),
    [
        ("= no toml", Exit.EXPECTED_MALFORMED, "cannot be read as TOML"),
        ("a = 1", Exit.EXPECTED_MALFORMED, "has to consist of"),
        ('[[expected]]\ncheck = "x"', Exit.EXPECTED_MALFORMED, "entry 1 needs message"),
        (
            '[[expected]]\ncheck = "no.such"\nmessage = "a"\nreason = "b"\ndate = 2026-01-01',
            Exit.EXPECTED_STALE,
            "names the case 'no.such'",
        ),
    ],
)
def test_a_malformed_list_is_refused(tmp_path: Path, text: str, code: Exit, sentence: str) -> None:
    """Each mistake has its exit code and a sentence that names the entry."""
    path = tmp_path / "expected.toml"
    path.write_text(text)
    with pytest.raises(KitError, match=re.escape(sentence)) as caught:
        read_expected(path)
    assert caught.value.exit_code is code
