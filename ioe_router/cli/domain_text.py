"""What the objects of a domain say, as operators read it before they sign."""

from __future__ import annotations

from ioe_router.cli.text import instant
from ioe_router.codec.root_signing import missing
from ioe_router.model.bech32m import domain_text, node_text
from ioe_router.model.domain import MemberCertificate, RootSigned, TrustList
from ioe_router.model.envelope import Envelope

_SHOWN = 12  # hexadecimal digits of a root key


def described(body: RootSigned, envelope: Envelope) -> str:
    """The lines about an object and its signatures."""
    if isinstance(body, TrustList):
        lines = _of_list(body)
    elif isinstance(body, MemberCertificate):
        lines = _of_member(body)
    else:
        lines = [
            ("meter of", node_text(body.node)),
            ("link", body.link.hex()),
            ("serial", str(body.serial)),
            ("plate", f"{body.meter.hex()} (SHA-256)"),
            ("tolerance", f"{body.tolerance_ppm} ppm"),
        ]
    lines = [
        ("domain", domain_text(body.domain)),
        ("network", body.network_id),
        *lines,
        ("valid", f"{instant(body.issued_utc_s)} to {instant(body.expires_utc_s)}"),
        *_signatures(body, envelope),
    ]
    return "\n".join(f"{name:11} {value}" for name, value in lines)


def _of_list(body: TrustList) -> list[tuple[str, str]]:
    return [
        ("trust list", str(body.serial)),
        ("quorum", f"{body.quorum} of {len(body.roots)}"),
        *(("root", one.key.hex()) for one in body.roots),
        *(("removed", f"{node_text(one.node)} up to serial {one.serial}") for one in body.removals),
        ("meters", "certified ones only" if body.certified_meters else "any"),
        ("grace", f"{body.grace_s // 86_400} days"),
    ]


def _of_member(body: MemberCertificate) -> list[tuple[str, str]]:
    duties = [name for name, has in (("border", body.border), ("grid-forming", body.grid_forming)) if has]
    return [
        ("member", node_text(body.node)),
        ("serial", str(body.serial)),
        ("party", node_text(body.balance_party)),
        ("duties", ", ".join(duties) or "none"),
    ]


def _signatures(body: RootSigned, envelope: Envelope) -> list[tuple[str, str]]:
    wanted = missing(envelope)
    return [
        ("waits for" if one.key in wanted else "signed by", one.key.hex()[:_SHOWN]) for one in body.signers
    ]
