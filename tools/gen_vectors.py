"""Write interop/vectors/v1: the test vectors that another implementation checks itself against.

    python tools/gen_vectors.py [--check]

Seeds and instants are fixed, so the same code writes the same bytes; a change
in the diff is a change of the protocol.  Ids are never used again.  The table
of operations in interop/vectors/README.md is written, too.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "interop")]

import vector_books  # noqa: E402
import vector_bounds  # noqa: E402
import vector_cuts  # noqa: E402
import vector_domains  # noqa: E402
import vector_ed25519  # noqa: E402
import vector_frames  # noqa: E402
import vector_freshness  # noqa: E402
import vector_fsm  # noqa: E402
import vector_hello  # noqa: E402
import vector_loss  # noqa: E402
import vector_market  # noqa: E402
import vector_objects  # noqa: E402
import vector_pairing  # noqa: E402
import vector_pairs  # noqa: E402
import vector_receive_domains  # noqa: E402
import vector_receive_grid  # noqa: E402
import vector_receive_routing  # noqa: E402
import vector_receive_settlement  # noqa: E402
import vector_receive_trust  # noqa: E402
import vector_reserve  # noqa: E402
import vector_select  # noqa: E402
import vector_session  # noqa: E402
import vector_structure  # noqa: E402
import vector_tables  # noqa: E402
import vector_wire  # noqa: E402
import vector_zone  # noqa: E402
from spec_blocks import report, update_file, update_parts  # noqa: E402
from vector_file import Vector, render  # noqa: E402
from vector_ledger import updated  # noqa: E402
from vector_ops import OPS  # noqa: E402

TARGET: Final = ROOT / "interop" / "vectors" / "v1"
LEDGER: Final = TARGET.parent / "ids.txt"
MANIFEST: Final = "manifest.json"

GROUPS: Final[Mapping[str, tuple[str, Callable[[], list[Vector]]]]] = {
    "identity": ("node ids, their text form, link ids", vector_objects.identity),
    "signature-input": ("the bytes under a signature", vector_objects.signature_inputs),
    "ed25519-edge": ("strict Ed25519: key, data, signature", vector_ed25519.vectors),
    "envelope": (
        "SignedEnvelope bytes, opened with known certificates at an instant",
        vector_objects.envelopes,
    ),
    "freshness": (
        "offers and withdrawals of one origin, heard from one neighbour: taken, without effect, or a code",
        vector_freshness.vectors,
    ),
    "domain": (
        "trust domains: ids, lists that follow, until when certificates count",
        vector_domains.vectors,
    ),
    "receive-routing": (
        "offers, paths and link states told to a router",
        vector_receive_routing.vectors,
    ),
    "receive-grid": (
        "zone reports, operating envelopes and sweeps told to a router",
        vector_receive_grid.vectors,
    ),
    "receive-settlement": (
        "meter records, statements and imbalance records told to a router",
        vector_receive_settlement.vectors,
    ),
    "receive-trust": (
        "keys, attestations, revocations and what belongs to a session, told to a router",
        vector_receive_trust.vectors,
    ),
    "hello": ("parameters and their digest, HELLOs, proofs, features", vector_hello.vectors),
    "timers": (
        "the timetable of a slot on both sides of each edge, and budgets",
        lambda: [*vector_market.gates(), *vector_tables.budgets()],
    ),
    "price": ("the price of a packet at its origin", vector_market.prices),
    "capacity": ("how much may flow, and a keeper's ledger step by step", vector_market.capacity),
    "route": ("rank, export, choice of paths, link state in steps", vector_select.vectors),
    "zone": ("operating envelopes of a zone", vector_zone.vectors),
    "errors": ("registered codes and object types", vector_tables.errors),
    "transcript": ("whole sessions, frame by frame", vector_tables.transcripts),
    "reserve": ("reservations at an origin and in transit, step by step", vector_reserve.vectors),
    "reserve-books": (
        "quotas, ways given, sessions anew, meters, statements and imbalance records, step by step",
        vector_books.vectors,
    ),
    "receive-domain": (
        "lists, members and strangers told to a router of a domain",
        vector_receive_domains.vectors,
    ),
    "path-hash": ("the running hash of a path's signed entries", vector_objects.path_hashes),
    "frame": ("Frame bytes, verified with the neighbour's operational key", vector_frames.frames),
    "malformed": ("serialised bodies: read, MALFORMED or OUT_OF_BOUNDS", vector_wire.malformed),
    "malformed-structure": (
        "every message cut, with fields that it does not have, or twice",
        vector_structure.vectors,
    ),
    "malformed-bounds": ("every field of every message beyond its bounds", vector_bounds.vectors),
    "malformed-pairs": (
        "fields that do not fit each other, envelopes of a type that does not belong there",
        vector_pairs.vectors,
    ),
    "session-fsm": ("state and event of a neighbour session: next state or code", vector_session.machine),
    "session-id": ("the id of a session from both HELLOs", vector_session.session_ids),
    "retained": ("digests of what is retained, and what they allow to keep", vector_session.retained),
    "reservation-fsm": (
        "state and event of a reservation: next state or code, what is sent",
        vector_fsm.reservation,
    ),
    "pairing-code": ("pairing codes: drawn, shown, typed and mistyped", vector_pairing.codes),
    "pairing-cpace": ("CPace of a pairing, step by step", vector_pairing.exchanges),
    "pairing-talk": ("conversations on the pairing port, message by message", vector_pairing.conversations),
    "cut-arith": ("what a CURTAIL at one end of a link leaves of a committed packet", vector_cuts.cuts),
    "loss-arith": ("losses, packets and prices on one link, in integers", vector_loss.arithmetic),
}


def files() -> dict[str, bytes]:
    """The content of every file of v1, the manifest among them, by file name."""
    made = {group: make() for group, (_, make) in GROUPS.items()}
    found = {f"{group}.json": render(group, GROUPS[group][0], vectors) for group, vectors in made.items()}
    rows = {
        name: {"sha256": sha256(found[name]).hexdigest(), **_counts(made[name.removesuffix(".json")])}
        for name in sorted(found)
    }
    every = [one for vectors in made.values() for one in vectors]
    manifest = {"schema": "ioe-vector-manifest-1", "protocol": "ioe.v1", **_counts(every), "files": rows}
    return found | {MANIFEST: (json.dumps(manifest, indent=1) + "\n").encode()}


def _counts(vectors: Sequence[Vector]) -> dict[str, int]:
    valid = sum(one.code is None for one in vectors)
    return {"valid": valid, "invalid": len(vectors) - valid}


def ids(content: Mapping[str, bytes]) -> dict[str, str]:
    """Every vector id with its operation."""
    groups = [json.loads(raw) for name, raw in content.items() if name != MANIFEST]
    return {one["id"]: one["op"] for group in groups for one in group["vectors"]}


def operations() -> str:
    """The operations as the tables of README.md, one per operation."""
    parts = []
    for op in OPS:
        rows = [f"| `{name}` | in | {text} |" for name, text in op.inputs.items()]
        rows += [f"| `{name}` | out | {text} |" for name, text in op.answer.items()]
        rows = rows or ["| | | |"]
        parts.append(
            "\n".join(
                (
                    f"#### `{op.name}`",
                    "",
                    f"{op.about[0].upper()}{op.about[1:]}.",
                    "",
                    "| Name | | Content |",
                    "|---|---|---|",
                    *rows,
                )
            )
        )
    return "\n\n".join(parts)


def main(arguments: list[str] | None = None) -> int:
    """Write the files, or say which of them differ."""
    parser = argparse.ArgumentParser(description="write interop/vectors")
    parser.add_argument("--check", action="store_true", help="write nothing, fail on differences")
    check = parser.parse_args(arguments).check
    findings = []
    content = files()
    for name, raw in content.items():
        findings += update_file(TARGET / name, raw.decode(), check=check)
    ledger = updated(LEDGER.read_text(encoding="utf-8"), ids(content))
    findings += update_file(LEDGER, ledger, check=check)
    findings += update_parts(TARGET.parent / "README.md", {"operations": operations()}, check=check)
    return report(findings, check=check, remedy="run .venv/bin/python tools/gen_vectors.py")


if __name__ == "__main__":
    sys.exit(main())
