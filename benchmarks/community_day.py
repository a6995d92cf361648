"""Rows of benchmarks/README.md from the summaries of demo runs.

.venv/bin/ioe demo village --out demo-out/village
.venv/bin/ioe demo feeder33 --out demo-out/feeder33
.venv/bin/python benchmarks/community_day.py demo-out/village demo-out/feeder33
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

PPM_PER_PERCENT = 10_000
ROWS = (
    ("slots", "slots", 1, 0),
    ("wall time, s", "wall_s", 1, 0),
    ("CPU, s", "cpu_s", 1, 0),
    ("peak memory, MB", "peak_rss_bytes", 1_000_000, 0),
    ("frames", "grpc_messages", 1, 0),
    ("frame bytes, MB", "grpc_bytes", 1_000_000, 0),
    ("signatures verified", "signatures_verified", 1, 0),
    ("offers received", "offers_received", 1, 0),
    ("HOLDs", "holds_attempted", 1, 0),
    ("refused, %", "rejected_hold_share_ppm", PPM_PER_PERCENT, 2),
    ("reservations committed", "reservations_committed", 1, 0),
    (
        "cost gap to the optimum with the same forecasts, without fees, %",
        "cost_gap_without_fees_ppm",
        PPM_PER_PERCENT,
        3,
    ),
    ("excess loss, %", "excess_loss_ppm", PPM_PER_PERCENT, 2),
    ("loss error against AC, worst slot, %", "loss_error_vs_ac_worst_slot_ppm", PPM_PER_PERCENT, 3),
    ("firm demand without a booking, J", "unserved_j", 1, 0),
    ("voltage violations", "voltage_violations", 1, 0),
    ("overloads", "overload_violations", 1, 0),
    ("highest loading, %", "max_loading_ppm", PPM_PER_PERCENT, 1),
    ("books out of balance, J", "books_imbalance_j", 1, 0),
    ("obligations out of balance, micro-units", "obligations_imbalance_micro", 1, 0),
)


def main(folders: list[str]) -> int:
    """Print one Markdown table with a column per folder."""
    if not folders:
        print("name the folders that ioe demo wrote, e.g. demo-out/village", file=sys.stderr)
        return 2
    summaries = [json.loads((Path(folder) / "summary.json").read_text()) for folder in folders]
    print("| | " + " | ".join(f"{s['scenario']}, {len(s['days'])} day(s)" for s in summaries) + " |")
    print("|---" * (len(summaries) + 1) + "|")
    for title, key, unit, digits in ROWS:
        print(f"| {title} | " + " | ".join(f"{s[key] / unit:,.{digits}f}" for s in summaries) + " |")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
