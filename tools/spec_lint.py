"""Check SPEC.md, and what refers to it, so that specification and code cannot drift apart.

Requirements (spec_requirements.py): every key word stands in a requirement
with a unique id and one key word. References (spec_references.py): ids named
in code, tests, proto and docs exist, and quotes still match. Registries
(spec_registries.py): the tables of SPEC.md equal the enums in proto/. Attacks
(spec_attacks.py): section 16 and the tests that play its rows name each other.

Prints one line per finding, `file:line: what to repair`, and exits with 1.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from spec_attacks import check_attacks
from spec_references import check_references, files_to_scan
from spec_registries import check_registries
from spec_requirements import Finding, read_requirements

ROOT = Path(__file__).resolve().parents[1]
SPEC = "SPEC.md"


def lint(root: Path) -> tuple[str, list[Finding]]:
    """Check the repository at `root`; return a summary and the findings in file order."""
    path = root / SPEC
    if not path.is_file():
        return "", [Finding(path=SPEC, line=1, text="there is no specification at the top of the repository")]
    spec = path.read_text(encoding="utf-8")
    requirements, findings = read_requirements(spec, SPEC)
    if not requirements:
        findings.append(
            Finding(path=SPEC, line=1, text="no requirement found, **[IOE-AREA-nnn]** at a line's start")
        )
    protos = {str(file): file.read_text(encoding="utf-8") for file in sorted(root.glob("proto/**/*.proto"))}
    registries, registry_findings = check_registries(spec, SPEC, protos)
    references = 0
    for file in files_to_scan(root):
        name = file.relative_to(root).as_posix()
        count, reference_findings = check_references(
            file.read_text(encoding="utf-8", errors="replace"), name, requirements
        )
        references += count
        findings += reference_findings
    living = sum(not requirement.retired for requirement in requirements.values())
    summary = f"{living} requirements, {registries} registries, {references} references"
    return summary, sorted(findings + registry_findings + check_attacks(spec, SPEC, root))


def main(arguments: list[str] | None = None) -> int:
    """Print the findings; 0 when there are none."""
    parser = argparse.ArgumentParser(description="check SPEC.md and what refers to it")
    parser.add_argument("--root", type=Path, default=ROOT, help="repository to check")
    summary, findings = lint(parser.parse_args(arguments).root)
    for finding in findings:
        print(finding)
    if findings:
        print(f"spec-lint: {len(findings)} findings", file=sys.stderr)
        return 1
    print(f"spec-lint: {summary}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
