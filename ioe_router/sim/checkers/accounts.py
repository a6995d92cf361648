"""The books of a link go on from slot to slot, through every restart (SPEC section 12).

A meter's counters go up by just what was counted in each slot; a statement
names the one before it.  A router keeps the books of the settlement window:
what it has forgotten is the one beginning that a row may lack.
"""

from __future__ import annotations

from collections.abc import Sized

from ioe_router.core.settled import NO_OBJECT
from ioe_router.model.ids import LinkId, ObjectId
from ioe_router.model.parameters import SETTLEMENT_SLOTS
from ioe_router.model.settlement import LinkStatement, MeterRecord
from ioe_router.sim.checkers.verdict import require
from ioe_router.sim.host import Host


def check_accounts(host: Host) -> None:
    """At the end: counters and statements of every link form one row each."""
    assert host.router is not None  # noqa: S101 - the run ends with living hosts
    settlement = host.router.inspect().settlement
    meters: dict[LinkId, list[MeterRecord]] = {}
    statements: dict[LinkId, dict[ObjectId, LinkStatement]] = {}
    for (_, link), row in settlement.rows.items():
        if row.own_meter is not None:
            meters.setdefault(link, []).append(row.own_meter.body)
        if row.own_statement is not None:
            statements.setdefault(link, {})[row.own_statement.object_id] = row.own_statement.body
    for link, records in meters.items():
        _check_counters(host, link, records)
    for link, said in statements.items():
        _check_chain(host, link, said)


def _may_be_cut(books: Sized) -> bool:
    """Whether there are so many that the first may have been forgotten."""
    return len(books) >= SETTLEMENT_SLOTS


def _check_counters(host: Host, link: LinkId, records: list[MeterRecord]) -> None:
    in_order = sorted(records, key=lambda one: (one.counter_imported_j, one.counter_exported_j))
    imported_j = in_order[0].counter_imported_j - in_order[0].imported_j
    exported_j = in_order[0].counter_exported_j - in_order[0].exported_j
    name = f"link {link.hex()[:8]}"
    from_zero = (imported_j, exported_j) == (0, 0)
    require(from_zero or _may_be_cut(records), host, f"{name}: the counters do not begin at 0 J")
    for record in in_order:
        imported_j += record.imported_j
        exported_j += record.exported_j
        counted = (record.counter_imported_j, record.counter_exported_j)
        told = f"slot {record.slot_utc_s}, {name}: the counters show {counted} J"
        require(counted == (imported_j, exported_j), host, f"{told}, not {(imported_j, exported_j)} J")


def _check_chain(host: Host, link: LinkId, said: dict[ObjectId, LinkStatement]) -> None:
    befores = [body.previous for body in said.values()]
    begins = sum(one == NO_OBJECT or one not in said for one in befores)
    name = f"the statements about link {link.hex()[:8]}"
    require(begins == 1, host, f"{name} begin {begins} times")
    require(NO_OBJECT in befores or _may_be_cut(befores), host, f"{name} go on from one that is not there")
    require(len(set(befores)) == len(befores), host, f"{name} are not one chain")
