"""Write what follows from the code: pages of docs/reference, and the Grafana dashboard.

    python tools/gen_reference.py [--check]

`--check` writes nothing and fails when a page and the code differ; the tests
run it.  Errors come from the registry of SPEC.md, with the remedies that the
log names for an operator.
"""

from __future__ import annotations

import argparse
import itertools
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import dashboard  # noqa: E402
import operator_pages  # noqa: E402
from spec_blocks import report, update_file  # noqa: E402

from ioe_router.adapters.metrics.table import LABELS, METRICS  # noqa: E402
from ioe_router.control.meanings import REMEDIES  # noqa: E402
from ioe_router.daemon.config_text import reference as options_text  # noqa: E402
from ioe_router.daemon.log_events import DAEMON, LogEvent, router_events  # noqa: E402
from ioe_router.model.errors import ErrorCode  # noqa: E402

REFERENCE = ROOT / "docs" / "reference"
_NOTE = "<!-- written by tools/gen_reference.py; change the code, not this page -->"
_METRICS_HEAD = """
A node with `metrics` in its `[node]` table serves these over HTTP at `/metrics`, without TLS and without
keys, so on an address that only the operator can reach. Counters begin with 0 at each start. There are also
the `process_*` metrics of every Prometheus client (memory, processor time, open files).
"""
_LOG_HEAD = """
A node writes its log to standard error, one JSON object per line. Every line has `event` (a name of this
page), `level` and `timestamp` (UTC); the other fields are those of the tables. Names are stable. Node ids
are in their text form, other ids and hashes in hexadecimal, codes are those of [errors](errors.md). A line
that an operator should act upon has the field `remedy`; lines of the router that have one are written as
errors. No line has a key, a passphrase or a code of a pairing in it.

`node.log_level` says which lines are written; `ioe log level` changes that while the node runs.
"""
_OPTIONS_HEAD = """
A node is configured by one TOML file, `node.toml`. `ioe config init` makes one to begin with, `ioe config
example` prints one with every option, `ioe config check` says what is wrong with one. Paths are relative to
the folder of the file.

*Live* options are taken up by a running node (`ioe config apply`, or SIGHUP); all others wait for a restart,
and `ioe config diff` says which do. An environment variable takes the place of what the file says.
"""
_ERRORS_HEAD = """
The codes by which nodes refuse each other's objects and end sessions, as registered in SPEC section 13.2;
they stand in the log (`code`), in metrics (in lower case), in the answers of the control API and on the
wire. *Again*: whether the same sender has a chance with the same content.
"""
_ROW = re.compile(r"^\| (\d+) \| ([A-Z_]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|")


def metrics_page() -> str:
    """Every metric, by group, and what its labels may be."""
    lines = ["# Metrics", "", _NOTE, _METRICS_HEAD.rstrip()]
    for group, rows in itertools.groupby(METRICS, key=lambda metric: metric.group):
        lines += ["", f"## {group}", "", "| Name | Kind | Labels | Meaning |", "|---|---|---|---|"]
        for metric in rows:
            labels = ", ".join(f"`{label}`" for label in metric.labels)
            lines.append(f"| `{metric.name}` | {metric.kind.value} | {labels} | {metric.says} |")
    lines += ["", "## Labels", "", "| Label | Values |", "|---|---|"]
    lines += [f"| `{name}` | {says} |" for name, says in LABELS.items()]
    return "\n".join(lines) + "\n"


def options_page() -> str:
    """Every option of node.toml."""
    return "\n".join(["# Configuration", "", _NOTE, _OPTIONS_HEAD.rstrip()]) + "\n" + options_text()


def log_page() -> str:
    """Every line of the log."""
    lines = ["# Lines of the log", "", _NOTE, _LOG_HEAD.rstrip()]
    for title, rows in (("About the daemon", DAEMON), ("Events of the router", router_events())):
        lines += ["", f"## {title}", "", "| Event | Level | Fields | Meaning |", "|---|---|---|---|"]
        lines += [_log_row(row) for row in rows]
    return "\n".join(lines) + "\n"


def _log_row(row: LogEvent) -> str:
    fields = ", ".join(f"`{field}`" for field in row.fields)
    return f"| `{row.name}` | {row.level} | {fields} | {row.says} |"


def errors_page(spec: str) -> str:
    """The registry of error codes, with what an operator does about each."""
    lines = ["# Errors", "", _NOTE, _ERRORS_HEAD]
    lines += ["| No. | Code | When | On | Again | What to do |", "|---|---|---|---|---|---|"]
    for line in spec.splitlines():
        found = _ROW.match(line)
        if found is not None and found[2] in ErrorCode.__members__:
            number, name, *cells = found.groups()
            remedy = REMEDIES.get(ErrorCode[name], "")
            lines.append(f"| {number} | {name} | {' | '.join(cells)} | {remedy} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write the pages, or compare them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="write nothing, fail when a page differs")
    check = parser.parse_args().check
    registry = (ROOT / "SPEC.md").read_text(encoding="utf-8").split("### 13.2 Codes", 1)[1]
    pages = {
        "configuration.md": options_page(),
        "metrics.md": metrics_page(),
        "log-events.md": log_page(),
        "errors.md": errors_page(registry.split("\n## ", 1)[0]),
        "cli.md": operator_pages.cli_page(),
        "control-api.md": operator_pages.control_page(),
        "exit-codes.md": operator_pages.exit_codes_page(),
    }
    REFERENCE.mkdir(exist_ok=True)
    findings = [
        finding
        for name, text in pages.items()
        for finding in update_file(REFERENCE / name, text, check=check)
    ]
    file = ROOT / "deploy" / "grafana" / "dashboards" / f"{dashboard.UID}.json"
    findings += update_file(file, dashboard.dashboard(), check=check)
    return report(findings, check=check, remedy="run tools/gen_reference.py")


if __name__ == "__main__":
    sys.exit(main())
