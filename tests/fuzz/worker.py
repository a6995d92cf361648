"""One slice of one target in a process of its own; `tools/fuzz.py` starts it and reads what it prints.

python -m tests.fuzz.worker TARGET --seconds 60 --runs 0 --seed 1 --folder build/fuzz --engine atheris
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path


def main() -> int:
    """Fuzz until a bound is reached; 1 when something crashed (atheris ends the process by itself)."""
    asked = _arguments()
    crashes_of = asked.folder / "crashes"
    if asked.engine == "atheris":
        _with_atheris(asked, crashes_of)
        return 0
    from tests.fuzz.all_targets import TARGETS
    from tests.fuzz.engine import Crashes, drawn

    crashes = Crashes(crashes_of, asked.target)
    runs = asked.runs or 1 << 60
    done = drawn(TARGETS[asked.target], crashes, seed=asked.seed, runs=runs, seconds=asked.seconds)
    sys.stdout.write(f"stat::number_of_executed_units: {done}\n")
    return 1 if crashes.places else 0


def _with_atheris(asked: argparse.Namespace, crashes_of: Path) -> None:
    """The product is imported under instrumentation, so that atheris sees which lines are reached."""
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["ioe_router"], enable_loader_override=False):
        from tests.fuzz.all_targets import TARGETS
    from tests.fuzz.engine import INPUT_BYTES_MAX, Crashes, under_atheris

    crashes_of.mkdir(parents=True, exist_ok=True)
    options = [
        f"-max_total_time={asked.seconds}",
        f"-runs={asked.runs or -1}",
        f"-seed={asked.seed}",
        f"-max_len={INPUT_BYTES_MAX}",
        "-timeout=60",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
        "-reload=0",
        f"-artifact_prefix={crashes_of}/{asked.target}-",
    ]
    crashes = Crashes(crashes_of, asked.target)
    under_atheris(atheris, TARGETS[asked.target], crashes, asked.folder / "corpus" / asked.target, options)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Fuzz one target for a while.")
    parser.add_argument("target")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--runs", type=int, default=0, help="0: as many as the time allows")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("build/fuzz"))
    parser.add_argument("--engine", choices=["atheris", "drawn"], default="drawn")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
