"""Link attestations between two operators (SPEC section 6.2): one end states, the other agrees.

Identity keys sign them, so a renewed operational key leaves them in force, and
the file that goes back and forth needs nothing beside the attestation: it can
be signed and checked on a machine that has never seen either node.  With both
keys at hand - tests, a demo - `attest_both` does it at once.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ioe_router.adapters.envelope_json import envelope_from_json, envelope_to_json, parse_json_object
from ioe_router.adapters.files import read_file, write_whole
from ioe_router.adapters.keystore import Identity
from ioe_router.codec import identity_signing, mapping
from ioe_router.model.clock import Now
from ioe_router.model.discovery import LinkAttestation
from ioe_router.model.envelope import Envelope, ObjectType, Sealed
from ioe_router.model.errors import PeerError, UsageError

FORMAT: Final = "ioe-attestation-2"
_SIGNERS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestationFile:
    """An attestation with one or two signatures."""

    attestation: Envelope

    @property
    def complete(self) -> bool:
        """Whether both ends have signed."""
        return len(self.attestation.signatures) == _SIGNERS


def attest(body: LinkAttestation, mine: Identity) -> AttestationFile:
    """State a link as one of its ends. UsageError when this node is no end or a figure is out of bounds."""
    return AttestationFile(attestation=identity_signing.state(body, mine.signer).envelope)


def countersign(file: AttestationFile, mine: Identity) -> tuple[AttestationFile, Sealed[LinkAttestation]]:
    """Add the second signature. UsageError when it is not ours to give or the first does not hold."""
    try:
        sealed: Sealed[LinkAttestation] = identity_signing.countersign(file.attestation, mine.signer)
    except PeerError as error:
        raise UsageError(f"the other end's statement does not hold ({error}); ask for a new one") from error
    return AttestationFile(attestation=sealed.envelope), sealed


def attest_both(body: LinkAttestation, one: Identity, other: Identity) -> AttestationFile:
    """An attestation signed by both ends, when both keys are at hand."""
    return countersign(attest(body, one), other)[0]


def stated(file: AttestationFile) -> LinkAttestation:
    """What the file says, before any signature is checked. UsageError when it says nothing readable."""
    try:
        return mapping.decode(LinkAttestation, file.attestation.signed)
    except PeerError as error:
        raise UsageError(f"the attestation cannot be read ({error}); get the file again") from error


def open_attestation(file: AttestationFile, network_id: str, now: Now, where: str) -> Sealed[LinkAttestation]:
    """The attestation, verified, in force at `now`. UsageError names `where`, the cause and the remedy."""
    if not file.complete:
        raise UsageError(f"{where} is signed by one end only; let the other run 'ioe link countersign'")
    if (other := stated(file).network_id) != network_id:
        raise UsageError(
            f"{where} is of the network {other!r}, this node is in {network_id!r};"
            " correct network_id or attest the link in this network"
        )
    try:
        sealed: Sealed[LinkAttestation] = identity_signing.open_stated(file.attestation, network_id)
    except PeerError as error:
        raise UsageError(f"{where} does not hold ({error}); make a new attestation of the link") from error
    if not sealed.body.issued_utc_s - 60 <= now.utc_s < sealed.body.expires_utc_s:
        raise UsageError(
            f"{where} is not in force now; check the clock or make a new attestation of the link"
        )
    return sealed


def write_attestation(path: Path, file: AttestationFile) -> None:
    """Write the file for the other operator or for node.toml."""
    fields = {"format": FORMAT, "attestation": envelope_to_json(file.attestation)}
    write_whole(path, (json.dumps(fields, indent=2) + "\n").encode())


def read_attestation(path: Path) -> AttestationFile:
    """Read such a file. UsageError when it is none."""
    content = read_file(path, "make it with 'ioe link attest' and 'ioe link countersign'")
    fields = parse_json_object(content, FORMAT, str(path))
    attestation = envelope_from_json(fields.get("attestation"), str(path))
    if attestation.type is not ObjectType.LINK_ATTESTATION:
        raise UsageError(
            f"{path} holds a {attestation.type.name}, not a link attestation; get the file again"
        )
    return AttestationFile(attestation=attestation)
