"""`vectors check` passes our own codec, and says of every kind of bad harness what is wrong with it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from ioe_conformance import vector_check

Lying = Callable[..., tuple[int, str]]
ROOT = Path(__file__).resolve().parents[3]

# A harness that answers from the files themselves, but for what a test lets it do instead.
LIAR = f"""
import json, pathlib, sys, time
known = {{}}
folder = pathlib.Path({str(vector_check.VECTORS)!r})
def load(op):
    group = op.split(".")[0]
    for path in folder.glob(f"{{group}}*.json"):
        for one in json.loads(path.read_text()).get("vectors", ()):
            known[one["id"]] = one
def right(asked):
    if asked["id"] not in known:
        load(asked["op"])
    one = known[asked["id"]]
    answer = {{"id": asked["id"], **one["result"]}}
    return answer | ({{"outputs": one["intermediates"]}} if answer["verdict"] == "valid" else {{}})
for line in sys.stdin:
    asked = json.loads(line)
    answer = right(asked)
    WHAT
    print(json.dumps(answer), flush=True)
"""


@pytest.fixture
def lying(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Lying:
    """Run the check against a harness with one more line; returns exit code and output."""

    def run(what: str, *options: str) -> tuple[int, str]:
        script = tmp_path / "harness.py"
        script.write_text(LIAR.replace("WHAT", what))
        code = vector_check.main([*options, "--", sys.executable, str(script)])
        caught = capsys.readouterr()
        return code, caught.out + caught.err

    return run


def test_our_own_codec_passes_everything(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reference harness, run as a command, passes every vector there is."""
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{ROOT / 'interop'}")
    assert vector_check.main(["--", sys.executable, "-m", "reference_harness"]) == vector_check.OK
    passed, _, asked = capsys.readouterr().out.split()[1].rstrip(",").partition("/")
    assert int(passed) == int(asked) > 500


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("answer = {'id': asked['id'], 'verdict': 'valid', 'outputs': {}}", "node is missing"),
        ("answer['outputs']['text'] = 'x'", 'text: expected "ioe1'),
        ("answer = {'id': asked['id'], 'verdict': 'invalid', 'code': 'STALE'}", "got invalid, STALE"),
        ("answer = {'id': 'other', 'verdict': 'valid'}", "no answer to identity-node-alice"),
        ("answer = ['valid']", "no answer to identity-node-alice"),
        ("print('debug: here'); continue", "no JSON"),
        ("sys.exit(3)", "exit code 3"),
        ("import os; os.abort()", "signal 6"),
        ("time.sleep(99)", "no answer within 1 s"),
        ("answer['verdict'] = 'acceptable'", "none of valid, invalid, unsupported"),
        ("answer['outputs'] = 7", "outputs is no JSON object"),
    ],
)
def test_a_wrong_answer_fails_its_vector(lying: Lying, what: str, says: str) -> None:
    """Each kind of wrong answer ends in exit code 1 and a line that says what was wrong."""
    patience_s = "1" if "sleep" in what else "60"
    code, text = lying(what, "--only", "identity-node-alice", "--answer-s", patience_s)
    assert code == vector_check.NOT_CONFORMANT
    assert "FAIL identity-node-alice: " in text
    assert says in text
    assert "vectors 0/1, failed 1" in text


def test_whoever_accepts_everything_fails_every_negative(lying: Lying) -> None:
    """A harness that calls everything valid fails each invalid vector and no other."""
    code, text = lying(
        "answer = {'id': asked['id'], 'verdict': 'valid', 'outputs': known[asked['id']]['intermediates']}"
    )
    outcomes = vector_check.load(vector_check.VECTORS, [])
    negatives = [one["id"] for one in outcomes if one["result"]["verdict"] == "invalid"]
    assert code == vector_check.NOT_CONFORMANT
    assert [line.split()[1].rstrip(":") for line in text.splitlines() if line.startswith("FAIL")] == negatives


def test_whoever_refuses_everything_fails_every_positive(lying: Lying) -> None:
    """A harness that refuses everything as MALFORMED passes only what is MALFORMED."""
    _, text = lying("answer = {'id': asked['id'], 'verdict': 'invalid', 'code': 'MALFORMED'}")
    passed = [
        one for one in vector_check.load(vector_check.VECTORS, []) if one["result"].get("code") == "MALFORMED"
    ]
    assert f"vectors {len(passed)}/" in text


def test_unsupported_is_counted_and_no_success(lying: Lying, tmp_path: Path) -> None:
    """What a harness does not support is counted apart, stands in the report, and the exit code is 1."""
    report = tmp_path / "report.json"
    code, text = lying(
        "answer = {'id': asked['id'], 'verdict': 'unsupported'}",
        "--only",
        "session-id",
        "--report",
        str(report),
    )
    assert code == vector_check.NOT_CONFORMANT
    assert "not supported 2" in text
    assert {one["verdict"] for one in json.loads(report.read_text())["outcomes"]} == {"NOT_SUPPORTED"}


def test_ten_breakdowns_end_the_run(lying: Lying) -> None:
    """A harness that dies at every question is asked ten times, and the rest is counted as not run."""
    code, text = lying("sys.exit(1)", "--only", "malformed")
    assert code == vector_check.NOT_CONFORMANT
    assert "failed 10, not supported 0, not run " in text
    assert not text.rstrip().endswith("not run 0")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--only", "no-such-*", "--", "true"], vector_check.USAGE, "no vector matches no-such-*"),
        ([], vector_check.USAGE, "name the harness after --"),
        (["--", "/no/such/harness"], vector_check.UNREACHABLE, "/no/such/harness cannot be started"),
        (["--vectors", "/no/such", "--", "true"], vector_check.SUITE_ERROR, "no vectors in /no/such"),
    ],
)
def test_bad_input_has_an_exit_code_of_its_own(
    arguments: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wrong usage, a missing harness and missing vectors end with one sentence each."""
    assert vector_check.main(arguments) == code
    text = capsys.readouterr().err
    assert says in text
    assert text.count("\n") == 1


def test_damaged_vectors_are_no_fault_of_the_harness(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is no file of vectors ends with the exit code for a damaged suite."""
    (tmp_path / "x.json").write_text("{}")
    assert vector_check.main(["--vectors", str(tmp_path), "--", "true"]) == vector_check.SUITE_ERROR
    assert "x.json is no file of vectors" in capsys.readouterr().err
