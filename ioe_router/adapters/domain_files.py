"""What a domain's operators write for its nodes (SPEC section 4.10).

    NAME.trust    the trust lists of a domain, the oldest first; the last one may wait for signatures
    NAME.member   a member certificate
    NAME.meter    a meter certificate

Operators hand these files to each other until enough have signed; nodes name them in node.toml.
A list that waits for signatures is in nobody's force: a node goes on with the one before it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ioe_router.adapters.envelope_json import envelope_from_json, envelope_to_json, parse_json_object
from ioe_router.adapters.files import read_file, write_whole
from ioe_router.codec.root_signing import RootOpener, missing, open_root_signed, stated
from ioe_router.core.domain import Domain
from ioe_router.model.domain import MemberCertificate, MeterCertificate, TrustList
from ioe_router.model.envelope import Envelope, ObjectType
from ioe_router.model.errors import PeerError, UsageError

TRUST_FORMAT: Final = "ioe-trust-1"
CERTIFICATE_FORMAT: Final = "ioe-certificate-1"
_ASK: Final = "get the file again from the domain's operators"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustFile:
    """The lists of one domain, by rising serial."""

    lists: tuple[Envelope, ...]

    @property
    def complete(self) -> tuple[Envelope, ...]:
        """The lists that bear all their signatures."""
        return self.lists[:-1] if missing(self.lists[-1]) else self.lists

    @property
    def newest(self) -> TrustList:
        """What the last list says, whether or not it is signed."""
        return _list(self.lists[-1])


def read_trust(path: Path) -> TrustFile:
    """Read a trust file. UsageError when it is none."""
    content = read_file(path, "make it with 'ioe domain init' or get it from the domain's operators")
    fields = parse_json_object(content, TRUST_FORMAT, str(path))
    values = fields.get("lists")
    if not isinstance(values, list) or not values:
        raise UsageError(f"{path} holds no trust list; {_ASK}")
    lists = tuple(envelope_from_json(value, str(path)) for value in values)
    if any(one.type is not ObjectType.TRUST_LIST for one in lists):
        raise UsageError(f"{path} holds something else than trust lists; {_ASK}")
    return TrustFile(lists=lists)


def write_trust(path: Path, lists: Sequence[Envelope]) -> None:
    """Write a trust file."""
    fields = {"format": TRUST_FORMAT, "lists": [envelope_to_json(one) for one in lists]}
    write_whole(path, (json.dumps(fields, indent=2) + "\n").encode())


def read_certificate(path: Path) -> Envelope:
    """Read a member or meter certificate, signed or not. UsageError when it is none."""
    content = read_file(path, "ask the domain's operators to run 'ioe domain admit' and put it there")
    fields = parse_json_object(content, CERTIFICATE_FORMAT, str(path))
    envelope = envelope_from_json(fields.get("certificate"), str(path))
    if envelope.type not in (ObjectType.MEMBER_CERTIFICATE, ObjectType.METER_CERTIFICATE):
        raise UsageError(f"{path} holds a {envelope.type.name}, not a certificate; {_ASK}")
    return envelope


def write_certificate(path: Path, certificate: Envelope) -> None:
    """Write a member or meter certificate."""
    fields = {"format": CERTIFICATE_FORMAT, "certificate": envelope_to_json(certificate)}
    write_whole(path, (json.dumps(fields, indent=2) + "\n").encode())


# ------------------------------------------------------------------ what a node may use


def usable_trust(file: TrustFile, network_id: str, where: str) -> Domain:
    """The domain of a trust file, every signature and succession checked. UsageError: cause and remedy."""
    if not file.complete:
        short = len(missing(file.lists[-1]))
        raise UsageError(
            f"{where} waits for {short} more signature{'s' if short > 1 else ''};"
            " let the missing operators run 'ioe domain sign'"
        )
    try:
        return Domain([RootOpener(network_id)(one, TrustList) for one in file.complete])
    except PeerError as error:
        raise UsageError(f"{where} does not hold ({error}); {_ASK}") from error


def usable_certificate(
    envelope: Envelope, domain: Domain, network_id: str, utc_s: int, where: str
) -> MemberCertificate | MeterCertificate:
    """A certificate that its domain vouches for now. UsageError: cause and remedy."""
    if short := len(missing(envelope)):
        raise UsageError(
            f"{where} waits for {short} more signature{'s' if short > 1 else ''};"
            " let the missing operators run 'ioe domain sign'"
        )
    try:
        body: Any = open_root_signed(envelope, network_id).body
    except PeerError as error:
        raise UsageError(f"{where} does not hold ({error}); {_ASK}") from error
    if body.domain != domain.id:
        raise UsageError(f"{where} is of another domain than the trust file; name both from one domain")
    if body.expires_utc_s <= utc_s:
        raise UsageError(f"{where} has expired; have the node admitted anew with 'ioe domain admit'")
    if domain.until_utc_s(body) <= utc_s:
        raise UsageError(
            f"{where} is void: the node was removed, or the roots that signed are no roots any more;"
            " have it admitted anew with 'ioe domain admit'"
        )
    found: MemberCertificate | MeterCertificate = body
    return found


def _list(envelope: Envelope) -> TrustList:
    body = stated(envelope)
    if not isinstance(body, TrustList):
        raise UsageError(f"{envelope.type.name} in place of a trust list; {_ASK}")
    return body
