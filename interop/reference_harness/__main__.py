"""Answer vectors, one line of JSON each: `python -m reference_harness < lines`."""

from __future__ import annotations

import json
import sys
from typing import Any

from ioe_router.model.errors import PeerError
from reference_harness.runners import RUNNERS, run


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    """The reply to one line."""
    if asked["op"] not in RUNNERS:
        return {"id": asked["id"], "verdict": "unsupported"}
    try:
        return {"id": asked["id"], "verdict": "valid", "outputs": run(asked["op"], asked["inputs"])}
    except PeerError as refused:
        return {"id": asked["id"], "verdict": "invalid", "code": refused.code.name}


def main() -> int:
    """Read until the other side has no more lines."""
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
