"""Mutants of the reservation: capacity, hold time, promises, commit, release (SPEC sections 9 and 10)."""

from __future__ import annotations

from typing import Final

from mutants.patching import Edit

from tests.mutants.hunt import ROUTER, Mutant

AGREEMENT: Final = frozenset({"agreement"})
CAPACITY: Final = frozenset({"capacity"})
PROMISES: Final = frozenset({"promises"})

RESERVATION_MUTANTS: Final = (
    Mutant(
        name="expiry keeps capacity",
        says="A hold that expires does not give its capacity back.",
        changes=(
            Edit(
                "core.commit_path:CommitPath.end",
                "else:\n        self._hop.drop_all(record)",
                "elif code is not ErrorCode.HOLD_EXPIRED:\n        self._hop.drop_all(record)",
            ),
        ),
        finders=CAPACITY,
        faults="one-way,partition,clog,lose",
        seeds=range(3, 27),
    ),
    Mutant(
        name="hold timer restarted",
        says="A restart begins the hold time anew.",
        changes=(
            Edit(
                "core.durable_reservation:ReservationReader._deadline_ns",
                "min(until_utc_ms - self._now.utc_ms, self._hold_ms)",
                "self._hold_ms",
            ),
        ),
        finders=PROMISES,
        faults="crash",
        seeds=range(10, 34),
    ),
    Mutant(
        name="answer before persist",
        says="Answers leave before the records they rely on are durable.",
        changes=(
            Edit(
                "router:Router._effects",
                "(*records.values(), *effects)",
                "(*effects, *records.values())",
            ),
        ),
        finders=PROMISES | AGREEMENT | {"evidence"},
        faults="disk-full",
        events=40,
        seeds=range(8, 32),
    ),
    Mutant(
        name="repeated commit accepted again",
        says="An origin takes a repeated COMMIT as a new one.",
        changes=(
            Edit(
                "core.commit_path:CommitPath.commit",
                "if record.commit is not None:\n",
                "if record.commit is not None and record.toward_origin is None:\n"
                "        self._accept(record, commit, now, out)\n"
                "    elif record.commit is not None:\n",
            ),
        ),
        finders=PROMISES,
        faults="drop,slow,crash",
        seeds=range(7, 31),
    ),
    Mutant(
        name="refused downstream not rolled back",
        says="A REFUSE from the origin's side ends a reservation, but its packets stay on the ledgers.",
        changes=(Edit("core.grant_path:GrantPath.refuse", "self._hop.drop_all(record)", "pass"),),
        finders=CAPACITY,
        faults="network",
        slots=2,
        scenario="random8",
        seeds=range(4, 28),
    ),
    Mutant(
        name="own energy kept on refuse",
        says="An origin whose packets end does not offer their energy again.",
        changes=(Edit("core.hop:Hop.drop", "self.origin.give_back(record, (index,))", "pass"),),
        finders=frozenset({"offers"}),
        faults="network",
    ),
    Mutant(
        name="own energy sold twice",
        says="What others hold of an own offer is not taken off it.",
        changes=(
            Edit(
                "core.own_offers:OwnOffers.take",
                "self.free_j(offer, slot, key[:2])",
                "self.run(offer, slot).energy_j",
            ),
        ),
        finders=frozenset({"offers"}),
        faults="none",
        slots=1,
    ),
    Mutant(
        name="expiry by the wall clock",
        says="Holds end by UTC instead of the monotonic clock.",
        changes=(
            Edit(
                "core.commit_path:CommitPath.due",
                "elif record.deadline_ns <= now.monotonic_ns:",
                "elif record.deadline_ns <= now.utc_ms * 1_000_000"
                " - self.__dict__.setdefault('zero', now.utc_ms * 1_000_000 - now.monotonic_ns):",
            ),
        ),
        finders=PROMISES,
        faults="lie,offset",
        events=100,
        scenario="random5",
        seeds=range(7, 31),
    ),
    Mutant(
        name="offer run off by one",
        says="An offer's run is taken to cover one slot more than it states.",
        changes=(Edit("core.own_offers:run_at", "0 <= index < run.slots", "0 <= index <= run.slots"),),
        finders=frozenset({"offers"}),
        faults="none",
    ),
    Mutant(
        name="admission by the other end",
        says="The end that does not keep a link's ledger enters packets, and keeps to its own figures.",
        changes=(
            Edit("core.hold_path:HoldPath._ask_onward", "if leg.port.keeper:", "if True:"),
            Edit(
                "core.grant_path:GrantPath._entry",
                "if not leg.port.keeper:",
                "if not leg.port.keeper and self._hop.legs.entry(leg, record.slots[index], index) is None:",
            ),
        ),
        finders=AGREEMENT | {"ledger", "energy"},
        faults="none",
        scenario="random8",
        seeds=range(7, 31),
    ),
    Mutant(
        name="release forgotten by a restart",
        says="A release is not written down, so a crash makes the reservation stand again.",
        changes=(
            Edit(
                "core.promises:Promises.write",
                "if is_promise(record):",
                "if is_promise(record) and record.release is None:",
            ),
        ),
        finders=AGREEMENT | PROMISES | CAPACITY,
        faults="crash,release",
        events=60,
        seeds=range(8, 32),
    ),
    Mutant(
        name="commitment forgotten by a restart",
        says="COMMITTED is not written down.",
        changes=(
            Edit(
                "core.promises:Promises.write",
                "if is_promise(record):",
                "if is_promise(record) and record.committed is None:",
            ),
        ),
        finders=PROMISES | AGREEMENT,
        faults="crash",
    ),
    Mutant(
        name="outcome forgotten too early",
        says="Outcomes are forgotten as soon as they stand.",
        changes=(
            Edit(
                "core.reservation:ReservationTable._is_over",
                "return not books or record.last_slot < before",
                "return True",
            ),
            Edit(
                "core.reservation:ReservationTable._is_over",
                "record.ended_ns + self._kept_ns > now.monotonic_ns",
                "record.ended_ns > now.monotonic_ns",
            ),
        ),
        finders=CAPACITY | PROMISES | AGREEMENT | {"offers"},
        faults="none",
    ),
    Mutant(
        name="receipt taken for granted",
        says="An origin counts COMMITTED as received when it has only been sent.",
        changes=(
            Edit(
                "core.commit_path:CommitPath._conclude",
                "record.committed = committed\n",
                "record.committed = committed\n    record.receipt = record.toward_initiator is not None\n",
            ),
        ),
        finders=AGREEMENT | CAPACITY,
        faults="drop,partition,one-way,crash",
        events=60,
    ),
    Mutant(
        name="stranger's release",
        says="A RELEASE that somebody else has signed is obeyed.",
        changes=(
            Edit(
                "core.release_path:ReleasePath.release",
                " or sealed.signers != (record.core.body.initiator,)",
                "",
            ),
        ),
        finders=frozenset({"evidence"}),
        faults="lie",
        events=80,
        seeds=range(4, 28),
    ),
    Mutant(
        name="stranger's acceptance",
        says="COMMITTED is believed whoever has signed it.",
        changes=(
            Edit(
                "core.commit_path:CommitPath.committed",
                "if sealed.signers != (record.core.body.origin,):",
                "if False:",
            ),
        ),
        finders=frozenset({"evidence"}),
        faults="lie",
        events=150,
        seeds=range(20, 44),
    ),
    Mutant(
        name="envelope forgotten",
        says="A link's rating is taken for its limit, without the zone's operating envelope.",
        changes=(Edit("core.ports:Ports.limits", "if port.radial:", "if False:"),),
        finders=CAPACITY,
        faults="crash,partition",
        scenario="random5",
        slots=2,
    ),
    Mutant(
        name="increments rounded the other way",
        says="The odd joule of a packet's loss is left out.",
        changes=(Edit("core.loss:LinkModel.entry", "(inc + 1) // 2", "inc // 2"),),
        finders=frozenset({"ledger"}),
        faults="none",
        slots=1,
    ),
    Mutant(
        name="line number used twice",
        says="A keeper that restarts numbers its lines anew.",
        changes=(
            Edit("core.restart:_counter", "port.calendar.number_from(used)", "pass"),
            Edit("core.calendar:LinkCalendar.restore", "self.number_from(entry.number)", "pass"),
        ),
        finders=frozenset({"ledger"}),
        faults="crash",
    ),
    Mutant(
        name="price lost by a restart",
        says="A restored ledger line has no price, so nobody owes for it.",
        changes=(
            Edit(
                "core.durable_reservation:_entries", "price_micro_per_kwh=price,", "price_micro_per_kwh=None,"
            ),
        ),
        finders=AGREEMENT | {"energy", ROUTER},
        faults="crash",
    ),
    Mutant(
        name="near price forgotten",
        says="The far end of a link does not note the price of what its neighbour has confirmed.",
        changes=(Edit("core.commit_path:CommitPath.receipt", "self._settle_near(record, index)", "pass"),),
        finders=AGREEMENT | {"energy", ROUTER},
        faults="none",
        slots=1,
    ),
)
