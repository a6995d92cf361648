"""How much faster than real time the simulator runs a community's day: `python benchmarks/simulator.py`.

One process, one core, real keys, checkers on.  Processor time counts, not wall
time, so that other work on the machine does not blur the figure.
"""

from __future__ import annotations

import argparse
import resource
import time

from ioe_router.sim.run import Plan, run

KIB = 1024


def main() -> None:
    """Run and print one row of the table in benchmarks/README.md."""
    parser = argparse.ArgumentParser(description="Speed of the simulator over a community's day.")
    parser.add_argument("--scenario", default="feeder33")
    parser.add_argument("--faults", default="default")
    parser.add_argument("--slots", type=int, default=96)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--verify-all", action="store_true", help="verify every signature once in earnest")
    asked = parser.parse_args()
    plan = Plan(
        seed=asked.seed,
        scenario=asked.scenario,
        faults=asked.faults,
        slots=asked.slots,
        trusting=not asked.verify_all,
    )
    began = time.process_time()
    outcome = run(plan)
    spent_s = time.process_time() - began
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB // 1_000_000
    print(
        f"| {asked.scenario}, {asked.slots} slots, {asked.faults} | {outcome.routers} | {outcome.injected} | "
        f"{outcome.calls:,} | {outcome.frames:,} | {outcome.signatures_verified:,} | {spent_s:.0f} | "
        f"{outcome.simulated_s / spent_s:.0f} | {peak_mb} |"
    )


if __name__ == "__main__":
    main()
