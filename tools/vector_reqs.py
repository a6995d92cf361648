"""Which requirements a vector checks, by its id, where its generator does not say so itself.

Every rule whose pattern fits adds its requirements; the order of the rules is
the order in which they are written.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Final

RULES: Final[Sequence[tuple[str, tuple[str, ...]]]] = (
    ("identity-node-*", ("IOE-IDN-010",)),
    ("identity-link-*", ("IOE-LNK-015",)),
    ("identity-text-*", ("IOE-IDN-020",)),
    ("signature-input-*", ("IOE-SIG-170",)),
    ("ed25519-*", ("IOE-SIG-180",)),
    ("domain-id-*", ("IOE-IDN-305",)),
    ("envelope-offer", ("IOE-SIG-020", "IOE-SIG-170")),
    ("envelope-attestation", ("IOE-LNK-010", "IOE-SIG-075")),
    ("envelope-operational-key", ("IOE-IDN-090",)),
    ("envelope-revocation*", ("IOE-SIG-075",)),
    ("envelope-last-second", ("IOE-SIG-200",)),
    ("envelope-body-bit", ("IOE-SIG-020", "IOE-SIG-180")),
    ("envelope-signature-bit", ("IOE-SIG-180",)),
    ("envelope-short-signature", ("IOE-ERR-080",)),
    ("envelope-type-zero", ("IOE-ERR-080",)),
    ("envelope-unsigned", ("IOE-SIG-060", "IOE-SIG-050")),
    ("envelope-signed-twice", ("IOE-SIG-060",)),
    ("envelope-half-attested", ("IOE-SIG-060",)),
    ("envelope-other-*", ("IOE-SIG-180", "IOE-SIG-170")),
    ("envelope-by-another", ("IOE-SIG-070",)),
    ("envelope-by-identity", ("IOE-SIG-190",)),
    ("envelope-unknown-key", ("IOE-SIG-190",)),
    ("envelope-expired-key", ("IOE-SIG-200",)),
    ("envelope-attestation-*", ("IOE-LNK-050", "IOE-SIG-075")),
    ("envelope-certificate-half", ("IOE-SIG-060",)),
    ("envelope-certificate-order", ("IOE-IDN-090",)),
    ("envelope-certificate-stolen", ("IOE-IDN-090",)),
    ("envelope-certificate-forged", ("IOE-SIG-180",)),
    ("envelope-certificate-weak", ("IOE-IDN-100",)),
    ("envelope-*-of-other-network*", ("IOE-IDN-110",)),
    ("envelope-revocation-of-nothing", ("IOE-CNV-040",)),
    ("path-hash-*", ("IOE-ADV-200",)),
    ("frame-of-*", ("IOE-TRN-225",)),
    ("frame-own-signed", ("IOE-TRN-225",)),
    ("frame-unsigned", ("IOE-TRN-220", "IOE-TRN-225")),
    ("frame-*", ("IOE-TRN-230",)),
    ("frame-1025", ("IOE-TRN-260", "IOE-LIM-060", "IOE-SIG-160")),
    ("timers-gate-*-opening-before-*", ("IOE-CNV-020",)),
    ("receive-offer-eighth-renewed", ("IOE-LIM-050",)),
    ("frame-early", ("IOE-SIG-080",)),
    ("frame-unknown-type", ("IOE-SIG-140",)),
    ("malformed-valid-*", ("IOE-SIG-100",)),
    *((f"malformed-valid-{name}", ("IOE-SIG-150",)) for name in ("order", "padded", "packed", "unpacked")),
    ("malformed-valid-explicit-zero", ("IOE-SIG-150",)),
    ("malformed-valid-empty-id", ("IOE-SIG-150",)),
    ("malformed-valid-padded-*", ("IOE-SIG-150",)),
    ("malformed-valid-text", ("IOE-CNV-160",)),
    ("malformed-unknown-*field", ("IOE-SIG-110",)),
    ("malformed-field-zero", ("IOE-SIG-110",)),
    ("malformed-duplicate*", ("IOE-SIG-120",)),
    ("malformed-wire-type-*", ("IOE-SIG-110",)),
    ("malformed-group", ("IOE-SIG-110",)),
    ("malformed-cut*", ("IOE-SIG-100",)),
    ("malformed-huge-length", ("IOE-SIG-100",)),
    ("malformed-nested-length", ("IOE-SIG-100",)),
    ("malformed-nested-duplicate", ("IOE-SIG-120",)),
    ("malformed-nested-astride", ("IOE-SIG-100",)),
    ("malformed-nested-unknown", ("IOE-SIG-110",)),
    ("malformed-message-twice", ("IOE-SIG-120",)),
    ("malformed-eleven-bytes", ("IOE-SIG-130",)),
    ("malformed-*above-*-bits", ("IOE-SIG-130",)),
    ("malformed-bool-2", ("IOE-SIG-130",)),
    ("malformed-packed-cut", ("IOE-SIG-100",)),
    ("malformed-packed-wide", ("IOE-SIG-130",)),
    ("malformed-text-*", ("IOE-CNV-170",)),
    ("malformed-unknown-code", ("IOE-SIG-140",)),
    ("malformed-*-enum", ("IOE-SIG-140",)),
    ("malformed-missing-message", ("IOE-CNV-050",)),
    ("malformed-contract", ("IOE-LNK-040",)),
    ("malformed-one-ended", ("IOE-LNK-040",)),
    ("malformed-band-*", ("IOE-RSV-050",)),
    ("malformed-valid-band-255", ("IOE-RSV-050",)),
    ("malformed-bond", ("IOE-RSV-050", "IOE-VER-130")),
    ("malformed-hold-fee", ("IOE-RSV-050", "IOE-VER-130")),
    ("malformed-*193-slots", ("IOE-ADV-040", "IOE-ADV-030")),
    ("malformed-valid-192-slots", ("IOE-ADV-030",)),
    ("malformed-never-valid", ("IOE-SIG-270",)),
    ("malformed-indexes-gap", ("IOE-RSV-040",)),
    *(
        (f"malformed-{name}", ("IOE-CNV-040",))
        for name in (
            *("missing-id", "id-*", "text-129", "no-runs", "97-packets", "nested-type", "energy-2-53"),
            *("slot-zero", "epoch-zero", "price", "unspecified", "priority-8", "version-0", "indexes-*"),
        )
    ),
    ("pairing-code-typed-*", ("IOE-SES-410",)),
    ("loss-*", ("IOE-LSS-010", "IOE-CNV-060")),
    ("loss-entry-*", ("IOE-LSS-030", "IOE-PRC-010")),
    ("loss-received-*", ("IOE-LSS-060", "IOE-LSS-040")),
    ("loss-sent-*", ("IOE-LSS-060", "IOE-LSS-040")),
    ("loss-amount-*", ("IOE-PRC-040",)),
    ("cut-*", ("IOE-RSV-610",)),
    ("pairing-talk-wrong-code", ("IOE-SES-455", "IOE-SES-445")),
    ("pairing-talk-bent-tag", ("IOE-SES-455",)),
    ("pairing-talk-bent-seal", ("IOE-SES-460",)),
    ("pairing-talk-small-order", ("IOE-SES-450",)),
    ("pairing-talk-reflected", ("IOE-SES-450",)),
    ("pairing-talk-*-record", ("IOE-SES-470",)),
    ("pairing-talk-record-twice", ("IOE-SES-470",)),
    ("receive-offer-of-another", ("IOE-ADV-095",)),
    ("freshness-ended-early", ("IOE-SIG-310", "IOE-ADV-060")),
    ("freshness-order", ("IOE-ADV-060", "IOE-ADV-070")),
    ("freshness-equivocation", ("IOE-ADV-080",)),
    ("freshness-withdrawn", ("IOE-ADV-140", "IOE-ADV-150")),
    ("freshness-times", ("IOE-SIG-260", "IOE-ADV-040", "IOE-ADV-020")),
)


def reqs_for(vector: str, said: Sequence[str]) -> list[str]:
    """What the vector's generator says and what the rules add, each once. ValueError: nothing."""
    found = [*said, *(one for pattern, ids in RULES if fnmatchcase(vector, pattern) for one in ids)]
    if not found:
        raise ValueError(f"{vector} checks no requirement; see vector_reqs.py")
    return list(dict.fromkeys(found))
