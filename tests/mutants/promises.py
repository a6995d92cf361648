"""More mutants of promises: holds that never end, cuts, dispatch and prices (SPEC section 10)."""

from __future__ import annotations

from typing import Final

from mutants.patching import Edit, Entry

from ioe_router.core.reservation_fsm import ReservationEvent
from ioe_router.model.reservation import ReservationState
from tests.mutants.hunt import ROUTER, Mutant

AGREEMENT: Final = frozenset({"agreement"})
PROMISES: Final = frozenset({"promises"})

PROMISE_MUTANTS: Final = (
    Mutant(
        name="an origin's holds never expire",
        says="An origin that hears no more of a hold keeps it for ever.",
        changes=(
            Edit(
                "core.commit_path:CommitPath.due",
                "elif record.deadline_ns <= now.monotonic_ns:",
                "elif record.deadline_ns <= now.monotonic_ns and record.toward_origin is not None:",
            ),
        ),
        finders=PROMISES,
        faults="network",
        seeds=range(12, 36),
    ),
    Mutant(
        name="in doubt expires",
        says="A timer ends what only a signed outcome may end.",
        changes=(
            Entry(
                "core.reservation_fsm:TRANSITIONS",
                (ReservationState.IN_DOUBT, ReservationEvent.EXPIRE),
                ReservationState.EXPIRED,
            ),
            Edit(
                "core.commit_path:CommitPath.due",
                "elif record.state is ReservationState.IN_DOUBT:",
                "elif record.state is ReservationState.IN_DOUBT and record.deadline_ns > now.monotonic_ns:",
            ),
        ),
        finders=PROMISES | AGREEMENT,
        faults="network,crash",
        scenario="random8",
        events=80,
        seeds=range(10, 40),
    ),
    Mutant(
        name="held energy dispatched",
        says="Devices are set to what is only held, not committed.",
        changes=(
            Edit("core.booked:booked_link", "if entry.price_micro_per_kwh is not None", "if entry.number"),
        ),
        finders=AGREEMENT | {"energy", ROUTER},
        faults="network",
        seeds=range(12, 36),
    ),
    Mutant(
        name="price at the wrong end",
        says="The far end of a link settles at its own price instead of the neighbour's.",
        changes=(
            Edit(
                "core.commit_path:CommitPath._settle_near",
                "near.near_price(record.granted[index].price_micro_per_kwh, entry.committed)",
                "record.granted[index].price_micro_per_kwh",
            ),
        ),
        finders=AGREEMENT,
        faults="none",
        slots=1,
    ),
    Mutant(
        name="cut not passed on",
        says="A node that is told to cut, or cuts, does so for itself alone.",
        changes=(
            Edit(
                "core.curtailment:Curtailments._apply",
                "self._send(leg, cut.curtail, news.get(leg.port.neighbor, {}), out)",
                "pass",
            ),
        ),
        finders=AGREEMENT | {"energy"},
        faults="curtail",
    ),
    Mutant(
        name="line above the rating",
        says="A keeper's line is mirrored however much energy it names.",
        changes=(
            Edit(
                "core.hop:Hop.lines",
                "if any(max(line.flow_j, line.sent_j, line.received_j) > most_j for line in body.lines):",
                "if False:",
            ),
        ),
        finders=frozenset({"capacity"}),
        faults="lie",
        scenario="random8",
        events=200,
        seeds=range(170, 200),
    ),
)
