"""Link attestations between two operators (SPEC section 4): one states and signs, the other reads and signs.

The file that goes back and forth carries the attestation and the OperationalKey
objects of those who have signed it, so that it can be checked without either
node being up.  With both keys at hand - tests, a demo - `attest_both` does it at once.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ioe_router.adapters.envelope_json import envelope_from_json, envelope_to_json, parse_json_object
from ioe_router.adapters.files import read_file, write_whole
from ioe_router.adapters.keystore import Operational
from ioe_router.codec import mapping
from ioe_router.codec.sealing import CodecSealer
from ioe_router.model.clock import Now
from ioe_router.model.discovery import LinkAttestation, OperationalKey
from ioe_router.model.envelope import Envelope, ObjectType, Sealed
from ioe_router.model.errors import PeerError, UsageError

FORMAT: Final = "ioe-attestation-1"
_SIGNERS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestationFile:
    """An attestation with one or two signatures, and the keys that made them."""

    attestation: Envelope
    keys: tuple[Envelope, ...]  # OPERATIONAL_KEY envelopes

    @property
    def complete(self) -> bool:
        """Whether both ends have signed."""
        return len(self.attestation.signatures) == _SIGNERS


def attest(body: LinkAttestation, mine: Operational, now: Now) -> AttestationFile:
    """State a link as one of its ends. UsageError when this node is no end or a figure is out of bounds."""
    sealed = mine.sealer(now).seal(body)
    return AttestationFile(attestation=sealed.envelope, keys=(mine.statement.envelope,))


def countersign(
    file: AttestationFile, mine: Operational, now: Now
) -> tuple[AttestationFile, Sealed[LinkAttestation]]:
    """Add the second signature. UsageError when it is not ours to give or the first does not hold."""
    codec = mine.sealer(now)
    try:
        learn_keys(codec, file, now)
        sealed: Sealed[LinkAttestation] = codec.countersign(file.attestation)
    except PeerError as error:
        raise UsageError(f"the other end's statement does not hold ({error}); ask for a new one") from error
    both = AttestationFile(attestation=sealed.envelope, keys=(*file.keys, mine.statement.envelope))
    return both, sealed


def attest_both(body: LinkAttestation, one: Operational, other: Operational, now: Now) -> AttestationFile:
    """An attestation signed by both ends, when both keys are at hand."""
    return countersign(attest(body, one, now), other, now)[0]


def stated(file: AttestationFile) -> LinkAttestation:
    """What the file says, before any signature is checked. UsageError when it says nothing readable."""
    try:
        return mapping.decode(LinkAttestation, file.attestation.signed)
    except PeerError as error:
        raise UsageError(f"the attestation cannot be read ({error}); get the file again") from error


def learn_keys(codec: CodecSealer, file: AttestationFile, now: Now) -> None:
    """Take the signers' keys into the codec's key ring. Raises PeerError when one is not valid."""
    for key in file.keys:
        codec.ring.learn(codec.open(key, OperationalKey), now)


def open_attestation(
    codec: CodecSealer, file: AttestationFile, now: Now, where: str
) -> Sealed[LinkAttestation]:
    """The attestation, verified, in force at `now`. UsageError names `where`, the cause and the remedy."""
    if not file.complete:
        raise UsageError(f"{where} is signed by one end only; let the other run 'ioe link countersign'")
    try:
        learn_keys(codec, file, now)
        sealed = codec.open(file.attestation, LinkAttestation)
    except PeerError as error:
        raise UsageError(f"{where} does not hold ({error}); make a new attestation of the link") from error
    if not sealed.body.issued_utc_s - 60 <= now.utc_s < sealed.body.expires_utc_s:
        raise UsageError(
            f"{where} is not in force now; check the clock or make a new attestation of the link"
        )
    return sealed


def write_attestation(path: Path, file: AttestationFile) -> None:
    """Write the file for the other operator or for node.toml."""
    fields = {
        "format": FORMAT,
        "attestation": envelope_to_json(file.attestation),
        "keys": [envelope_to_json(key) for key in file.keys],
    }
    write_whole(path, (json.dumps(fields, indent=2) + "\n").encode())


def read_attestation(path: Path) -> AttestationFile:
    """Read such a file. UsageError when it is none."""
    content = read_file(path, "make it with 'ioe link attest' and 'ioe link countersign'")
    fields = parse_json_object(content, FORMAT, str(path))
    keys = fields.get("keys")
    if not isinstance(keys, list):
        raise UsageError(f"{path} names no keys; get the file again")
    attestation = envelope_from_json(fields.get("attestation"), str(path))
    if attestation.type is not ObjectType.LINK_ATTESTATION:
        raise UsageError(
            f"{path} holds a {attestation.type.name}, not a link attestation; get the file again"
        )
    return AttestationFile(
        attestation=attestation, keys=tuple(envelope_from_json(k, str(path)) for k in keys)
    )
