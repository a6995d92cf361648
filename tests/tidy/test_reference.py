"""The reference pages are those of the code, and the names that operators build on are well formed."""

from __future__ import annotations

import ast
import re
import subprocess
import sys

from ioe_router.adapters.metrics.table import LABELS, METRICS, Kind
from ioe_router.daemon.log_events import DAEMON, log_events
from tests.tidy.product import PRODUCT, ROOT, sources, tree_of

SAYERS = {"say", "warn", "_attempt", "_complain"}  # whose first argument is the name of a line
UNITS = ("joules", "watts", "seconds", "bytes", "ratio", "currency")


def test_reference_pages_are_current() -> None:
    """Metrics, lines of the log and errors in docs/reference are what the generator writes today."""
    done = subprocess.run(
        [sys.executable, "tools/gen_reference.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_metrics_follow_the_conventions() -> None:
    """Names are ioe_..., unique, have their unit last, and end with _total exactly when they only rise."""
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names)
    for metric in METRICS:
        assert re.fullmatch(r"ioe_[a-z_]+", metric.name), metric.name
        assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER), metric.name
        words = metric.name.removesuffix("_total").split("_")
        assert not set(UNITS) & set(words[:-1]), metric.name
        assert set(metric.labels) <= set(LABELS), metric.name


def test_every_label_is_used_and_bounded() -> None:
    """No label is documented in vain."""
    assert set(LABELS) == {label for metric in METRICS for label in metric.labels}


def test_every_line_of_the_log_is_listed() -> None:
    """Whatever the daemon says by a name is in the table, and what is in the table is said somewhere."""
    said = set[str]()
    for path in sources(PRODUCT / "daemon"):
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                first = node.args[0]
                if (
                    node.func.attr in SAYERS
                    and isinstance(first, ast.Constant)
                    and isinstance(first.value, str)
                ):
                    said.add(first.value)
    own = {"DialFailed", "LogLevelChanged"}  # written by Log itself
    assert said | own == {event.name for event in DAEMON}


def test_lines_have_one_meaning_each() -> None:
    """A name is listed once and says something."""
    names = [event.name for event in log_events()]
    assert len(set(names)) == len(names)
    assert all(event.says.endswith((".", ":")) or len(event.says) > 20 for event in log_events())
