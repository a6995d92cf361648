"""Write the appendices of SPEC.md: the worked session, and the index of all requirements.

Both are generated parts (spec_blocks.py), `session` and `index`; figures and
field tables are render_spec.py's. `--check` writes nothing and says what is out of date.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from make_spec_session import session_text  # noqa: E402
from spec_blocks import report, update_parts  # noqa: E402
from spec_index import requirement_index  # noqa: E402
from spec_requirements import read_requirements  # noqa: E402

SPEC: Final = "SPEC.md"


def parts(spec: str) -> dict[str, str]:
    """Both appendices by the names of their parts."""
    requirements, _ = read_requirements(spec, SPEC)
    return {"session": session_text(), "index": requirement_index(requirements.values())}


def main(arguments: list[str] | None = None) -> int:
    """Write the parts, or check them."""
    parser = argparse.ArgumentParser(description="write the appendices of SPEC.md")
    parser.add_argument("--check", action="store_true", help="write nothing, fail on differences")
    parser.add_argument("--root", type=Path, default=ROOT, help="repository to work on")
    given = parser.parse_args(arguments)
    path = given.root / SPEC
    findings = update_parts(path, parts(path.read_text(encoding="utf-8")), check=given.check)
    return report(findings, check=given.check, remedy="run .venv/bin/python tools/spec_appendices.py")


if __name__ == "__main__":
    raise SystemExit(main())
