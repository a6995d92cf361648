"""The bounds of what the roots of a domain sign (SPEC section 4.10); part of `bound_tables.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ioe_router.codec.bound_rules import BOOL, HASH, NETWORK_ID, NUMBERED, SHORT_ID, UTC_S
from ioe_router.codec.bound_types import Count, Nested, Range, Rule
from ioe_router.model import domain

_ROOT_SIGNED: Final[Mapping[str, Rule]] = {
    "network_id": NETWORK_ID,
    "domain": HASH,
    "serial": NUMBERED,
    "signers": Count(1, domain.SIGNERS_MAX, Nested()),
    "issued_utc_s": UTC_S,
    "expires_utc_s": UTC_S,
}

DOMAIN_TABLES: Final[Mapping[type, Mapping[str, Rule]]] = {
    domain.RootKey: {"key": HASH},
    domain.Removal: {"node": HASH, "serial": NUMBERED},
    domain.TrustList: {
        **_ROOT_SIGNED,
        "quorum": Range(1, domain.ROOTS_MAX),
        "roots": Count(1, domain.ROOTS_MAX, Nested()),
        "removals": Count(0, domain.REMOVALS_MAX, Nested()),
        "certified_meters": BOOL,
        "grace_s": Range(0, domain.GRACE_S_MAX),
    },
    domain.MemberCertificate: {
        **_ROOT_SIGNED,
        "node": HASH,
        "balance_party": HASH,
        "border": BOOL,
        "grid_forming": BOOL,
    },
    domain.MeterCertificate: {
        **_ROOT_SIGNED,
        "node": HASH,
        "link": SHORT_ID,
        "meter": HASH,
        "tolerance_ppm": Range(0, 1_000_000),
    },
}
