"""Writes the bundled scenarios; running it again gives the same bytes.

    python tools/make_scenarios.py [FOLDER]

FOLDER is ioe_router/scenarios by default.  Needs the `import` extra, with
simbench 1.6.3 and pandapower 3.5.6; other versions may bring other data.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
warnings.filterwarnings("ignore")  # of pandas and simbench, about each other

from scenario_feeder33 import feeder33  # noqa: E402 - its folder is on the path only now
from scenario_village import village  # noqa: E402

from ioe_router.scenario import validate, write_scenario  # noqa: E402


def main(arguments: list[str]) -> int:
    """Write every scenario into its folder; 1 if one of them does not validate."""
    default = Path(__file__).resolve().parent.parent / "ioe_router" / "scenarios"
    root = Path(arguments[0]) if arguments else default
    for make in (village, feeder33):
        scenario = make()
        write_scenario(scenario, root / scenario.name)
        for finding in validate(root / scenario.name):
            print(finding, file=sys.stderr)
            return 1
        print(f"{scenario.name}: {len(scenario.buses)} buses, {len(scenario.assets)} assets")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
