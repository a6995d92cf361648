"""Feed the vectors to a vendor's harness and compare what it answers: `vectors check -- CMD`.

A valid vector is passed when every value that its operation asks for is
answered as the vector has it; an invalid one when the code is the vector's.
What a harness says it does not support is counted apart and is no success.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

from ioe_conformance.harness import Harness, HarnessFailed, HarnessMissing

VECTORS: Final = Path(__file__).resolve().parents[1] / "vectors" / "v1"
BREAKDOWNS_MAX: Final = 10
ANSWER_S: Final = 10.0
SHOWN_CHARACTERS: Final = 200
OK, NOT_CONFORMANT, USAGE, UNREACHABLE, SUITE_ERROR = range(5)


class Verdict(StrEnum):
    """What came of one vector."""

    PASS = "PASS"  # noqa: S105 - a verdict
    FAIL = "FAIL"
    NOT_SUPPORTED = "NOT_SUPPORTED"
    NOT_RUN = "NOT_RUN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One vector with its verdict and, unless it passed, what was expected and what came."""

    id: str
    group: str
    verdict: Verdict
    detail: str = ""


class SuiteError(Exception):
    """The vectors themselves cannot be used."""


def load(folder: Path, globs: Sequence[str]) -> list[Mapping[str, Any]]:
    """The vectors whose id, operation or group matches one of the globs, in the order of the files."""
    paths = sorted(path for path in folder.glob("*.json") if path.name != "manifest.json")
    if not paths:
        raise SuiteError(f"there are no vectors in {folder}")
    found = []
    for path in paths:
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            ops = content["ops"]
            found += [
                {
                    **one,
                    "inputs": expanded(one["inputs"], content["shared"]),
                    "group": content["group"],
                    "answer": sorted(ops[one["op"]]["answer"]),
                }
                for one in content["vectors"]
            ]
        except (ValueError, KeyError, TypeError) as error:
            raise SuiteError(f"{path} is no file of vectors: {error!r}") from None
    names = ("id", "op", "group")
    return [one for one in found if not globs or any(fnmatch(one[n], g) for n in names for g in globs)]


def expanded(inputs: Mapping[str, Any], shared: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs with what a file writes once put in where a vector names it. KeyError: no such name."""
    return {
        name: shared[value["shared"]] if isinstance(value, dict) and value.keys() == {"shared"} else value
        for name, value in inputs.items()
    }


def check(vectors: Iterable[Mapping[str, Any]], harness: Harness) -> Iterator[Outcome]:
    """Ask the harness vector by vector. HarnessMissing."""
    for vector in vectors:
        if harness.broke_down >= BREAKDOWNS_MAX:
            yield _outcome(vector, Verdict.NOT_RUN, f"the harness broke down {BREAKDOWNS_MAX} times")
            continue
        question = {name: vector[name] for name in ("id", "op", "inputs")}
        try:
            yield judge(vector, harness.ask(question))
        except HarnessFailed as failed:
            yield _outcome(vector, Verdict.FAIL, str(failed))


def judge(vector: Mapping[str, Any], answer: Mapping[str, Any]) -> Outcome:
    """Compare an answer with a vector."""
    verdict, wanted = answer.get("verdict"), vector["result"]
    if verdict == "unsupported":
        return _outcome(vector, Verdict.NOT_SUPPORTED, str(answer.get("why", "")))
    if verdict not in ("valid", "invalid"):
        return _outcome(vector, Verdict.FAIL, f"verdict {verdict!r} is none of valid, invalid, unsupported")
    if wanted["verdict"] == "invalid":
        expected, actual = f"invalid, {wanted['code']}", f"{verdict}, {answer.get('code')}"
        if verdict == "valid":
            actual = "valid"
        passed = expected == actual
        detail = "" if passed else f"expected {expected}; got {actual} ({vector['notes']})"
        return _outcome(vector, Verdict.PASS if passed else Verdict.FAIL, detail)
    if verdict == "invalid":
        detail = f"expected valid; got invalid, {answer.get('code')} ({vector['notes']})"
        return _outcome(vector, Verdict.FAIL, detail)
    return _compare(vector, answer.get("outputs", {}))


def _compare(vector: Mapping[str, Any], outputs: object) -> Outcome:
    if not isinstance(outputs, dict):
        return _outcome(vector, Verdict.FAIL, "outputs is no JSON object")
    wanted = vector["intermediates"]
    for name in sorted({*vector["answer"], *(outputs.keys() & wanted.keys())}):
        if name not in outputs:
            return _outcome(vector, Verdict.FAIL, f"{name} is missing in outputs")
        if not _same(outputs[name], wanted[name]):
            detail = f"{name}: expected {_short(wanted[name])}; got {_short(outputs[name])}"
            return _outcome(vector, Verdict.FAIL, f"{detail} ({vector['notes']})")
    return _outcome(vector, Verdict.PASS, "")


def _same(one: object, other: object) -> bool:
    """Equality in which true is not 1 and 1 is not 1.0."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _short(value: object) -> str:
    text = json.dumps(value, sort_keys=True)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}... ({len(text)} characters)"


def _outcome(vector: Mapping[str, Any], verdict: Verdict, detail: str) -> Outcome:
    return Outcome(id=vector["id"], group=vector["group"], verdict=verdict, detail=detail)


def headline(outcomes: Sequence[Outcome]) -> str:
    """One line: what passed of what, and what was not supported or not run."""
    counts = Counter(one.verdict for one in outcomes)
    return (
        f"vectors {counts[Verdict.PASS]}/{len(outcomes)}, failed {counts[Verdict.FAIL]}, "
        f"not supported {counts[Verdict.NOT_SUPPORTED]}, not run {counts[Verdict.NOT_RUN]}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the check and print it. Exit codes as in interop/vectors/README.md."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    cut = given.index("--") if "--" in given else len(given)
    parser = argparse.ArgumentParser(
        prog="ioe-conformance vectors check", usage="%(prog)s [options] -- CMD [ARG...]", description=__doc__
    )
    parser.add_argument(
        "--only", metavar="GLOB", action="append", default=[], help="ids, operations or groups"
    )
    parser.add_argument("--vectors", metavar="DIR", type=Path, default=VECTORS, help="folder of the vectors")
    parser.add_argument("--report", metavar="FILE", type=Path, help="write all outcomes as JSON")
    parser.add_argument("--answer-s", metavar="S", type=float, default=ANSWER_S, help="time for one answer")
    options = parser.parse_args(given[:cut])
    command = given[cut + 1 :]
    if not command:
        print("vectors check: name the harness after --, as in: vectors check -- ./harness", file=sys.stderr)
        return USAGE
    try:
        vectors = load(options.vectors, options.only)
        return _run(vectors, command, options)
    except HarnessMissing as missing:
        print(f"vectors check: {missing}", file=sys.stderr)
        return UNREACHABLE
    except (SuiteError, OSError) as error:
        print(f"vectors check: {error}", file=sys.stderr)
        return SUITE_ERROR


def _run(vectors: Sequence[Mapping[str, Any]], command: Sequence[str], options: argparse.Namespace) -> int:
    if not vectors:
        print(f"vectors check: no vector matches {' '.join(options.only)}", file=sys.stderr)
        return USAGE
    harness = Harness(command, options.answer_s)
    try:
        outcomes = list(check(vectors, harness))
    finally:
        harness.close()
    for one in outcomes:
        if one.verdict is Verdict.FAIL:
            print(f"FAIL {one.id}: {one.detail}")
    if options.report is not None:
        rows = [{"id": o.id, "group": o.group, "verdict": o.verdict, "detail": o.detail} for o in outcomes]
        content = {"schema": "ioe-vector-report-1", "headline": headline(outcomes), "outcomes": rows}
        options.report.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(headline(outcomes))
    return OK if all(one.verdict is Verdict.PASS for one in outcomes) else NOT_CONFORMANT


if __name__ == "__main__":
    sys.exit(main())
