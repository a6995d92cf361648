"""A node that listens in a process of its own, for attacks on what holds for a whole process.

It makes the keys of both sides and tells them on its standard output, with its
port; a line on its standard input ends it, and it tells how many streams it
has accepted.
"""

from __future__ import annotations

import asyncio
import json
import sys

from ioe_router.adapters.certificates import pem
from tests.unit.adapters.rig import RecordingCore, node_of, sorted_keys, wall


async def main() -> None:
    """Listen until told to stop."""
    (a, a_op), (b, b_op) = sorted_keys()
    node = node_of(RecordingCore(), b_op, [(a, None)])
    port = await node.start(epoch=1)
    leaf = a_op.leaf(wall())
    told = {"port": port, "ca": pem(b.ca).decode(), "key": leaf.key_pem.decode()}
    _say({**told, "chain": leaf.chain_pem.decode()})
    await asyncio.to_thread(sys.stdin.readline)
    _say({"accepted": node.port_counts().streams_accepted})
    await node.stop()


def _say(fields: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
