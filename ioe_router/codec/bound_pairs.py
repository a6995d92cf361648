"""Bounds that need more than one field of a message: order, sums, ends that must differ (SPEC section 14).

Each check names the field and what is wrong with it, or says None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from ioe_router.codec.bound_rules import INDEX, SLOTS_MAX
from ioe_router.model import discovery, domain, grid, reservation, routing
from ioe_router.model.parameters import BANDS_MAX, NO_BAND

Complaint = tuple[str, str] | None


def _validity(value: Any) -> Complaint:
    if value.expires_utc_s <= value.issued_utc_s:
        return "expires_utc_s", "does not lie after issued_utc_s"
    return None


def _rising(name: str, indexes: Sequence[int]) -> Complaint:
    if any(later <= earlier for earlier, later in pairwise(indexes)):
        return name, "indexes do not rise"
    return None


def _items(value: Any) -> Complaint:
    return _rising("items", [item.index for item in value.items])


def _lines(value: reservation.KeeperEntry) -> Complaint:
    return _rising("lines", [line.index for line in value.lines])


def _accepted(value: reservation.Commit) -> Complaint:
    if value.accepted[0] < INDEX.low or value.accepted[-1] > INDEX.high:
        return "accepted", f"index outside {INDEX.low}..{INDEX.high}"
    return _rising("accepted", value.accepted)


def _attestation(value: discovery.LinkAttestation) -> Complaint:
    if value.keeper == value.other:
        return "other", "is the keeper itself"
    return _validity(value)


def _ascending(value: Any, name: str, field: str) -> Complaint:
    """Every entry once, in ascending order: there is one way to write a set."""
    entries = [getattr(entry, field) for entry in getattr(value, name)]
    if any(later <= earlier for earlier, later in pairwise(entries)):
        return name, f"{field}s do not ascend"
    return None


def _certificate(value: Any) -> Complaint:
    if value.expires_utc_s - value.issued_utc_s > domain.LIFETIME_S_MAX:
        return "expires_utc_s", f"lies more than {domain.LIFETIME_S_MAX} s after issued_utc_s"
    return _ascending(value, "signers", "key") or _validity(value)


def _trust_list(value: domain.TrustList) -> Complaint:
    if value.quorum > len(value.roots):
        return "quorum", f"{value.quorum} roots are wanted of {len(value.roots)}"
    return _ascending(value, "roots", "key") or _ascending(value, "removals", "node") or _certificate(value)


def _hello(value: discovery.Hello) -> Complaint:
    if value.node == value.neighbor:
        return "neighbor", "is the sender itself"
    if value.version_max < value.version_min:
        return "version_max", "lies below version_min"
    return None


def _offer(value: routing.Offer) -> Complaint:
    slots = sum(run.slots for run in value.runs)
    if slots > SLOTS_MAX:
        return "runs", f"{slots} slots in total, above {SLOTS_MAX}"
    return _validity(value)


def _path_entry(value: routing.PathEntry) -> Complaint:
    return ("next_node", "is the signing hop itself") if value.node == value.next_node else None


def _hold_core(value: reservation.HoldCore) -> Complaint:
    if BANDS_MAX <= value.band != NO_BAND:
        return "band", f"{value.band} is neither below {BANDS_MAX} nor {NO_BAND}"
    if any(item.index != number for number, item in enumerate(value.items, start=1)):
        return "items", "indexes do not count from 1"
    return None


CROSS_CHECKS: Final[Mapping[type, Callable[[Any], Complaint]]] = {
    discovery.OperationalKey: _validity,
    discovery.LinkAttestation: _attestation,
    discovery.Hello: _hello,
    domain.TrustList: _trust_list,
    domain.MemberCertificate: _certificate,
    domain.MeterCertificate: _certificate,
    routing.Offer: _offer,
    routing.PathEntry: _path_entry,
    reservation.HoldCore: _hold_core,
    reservation.KeeperEntry: _lines,
    reservation.Hold: _items,
    reservation.Grant: _items,
    reservation.Refuse: _items,
    reservation.Commit: _accepted,
    reservation.Curtail: _items,
    reservation.CurtailHop: _items,
    grid.ConnectionLimit: _validity,
}
