"""Revocations as files (SPEC section 4.11): made where the identity key is, heeded wherever they are brought.

A file holds one REVOCATION envelope and no secret; but whoever has the file of a
key that is still in use can end it, so one that is signed in advance is private.
A node heeds every file in the folder `revocations` of its keys.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from ioe_router.adapters.envelope_json import envelope_from_json, envelope_to_json, parse_json_object
from ioe_router.adapters.files import make_directory, read_file, write_private, write_whole
from ioe_router.adapters.keystore import Identity
from ioe_router.codec import identity_signing
from ioe_router.codec.registry import REGISTRY
from ioe_router.model.bech32m import node_text
from ioe_router.model.discovery import Revocation
from ioe_router.model.envelope import Sealed
from ioe_router.model.errors import PeerError, UsageError

FORMAT: Final = "ioe-revocation-1"
FOLDER: Final = "revocations"
_SUFFIX: Final = ".revocation"


def make_revocation(identity: Identity, network_id: str, up_to_serial: int, utc_s: int) -> Sealed[Revocation]:
    """Declare the operational keys of a node up to a serial void."""
    body = Revocation(
        network_id=network_id, node=identity.node, up_to_serial=up_to_serial, issued_utc_s=utc_s
    )
    return identity_signing.state(body, identity.signer)


def write_revocation(path: Path, sealed: Sealed[Revocation], *, private: bool = False) -> None:
    """Write a file; a private one is never written over another."""
    fields = {"format": FORMAT, "revocation": envelope_to_json(sealed.envelope)}
    content = (json.dumps(fields, indent=2) + "\n").encode()
    if private:
        write_private(path, content)
    else:
        write_whole(path, content)


def read_revocation(path: Path) -> Sealed[Revocation]:
    """Read and verify a file. UsageError when it is none, or does not hold."""
    fields = parse_json_object(read_file(path, "get it from who has made it"), FORMAT, str(path))
    envelope = envelope_from_json(fields.get("revocation"), str(path))
    try:
        body = identity_signing.decoded(envelope, REGISTRY[envelope.type])
        if not isinstance(body, Revocation):
            raise UsageError(f"{path} holds a {envelope.type.name}, not a revocation; get the file again")
        sealed: Sealed[Revocation] = identity_signing.open_stated(envelope, body.network_id)
    except PeerError as error:
        raise UsageError(f"{path} does not hold ({error}); get the file again") from error
    return sealed


def heed(keys: Path, sealed: Sealed[Revocation]) -> Path:
    """Put a revocation where the node with these keys finds it; returns the file."""
    folder = keys / FOLDER
    make_directory(folder)
    path = folder / f"{node_text(sealed.body.node)}-{sealed.body.up_to_serial}{_SUFFIX}"
    write_revocation(path, sealed)
    return path


def heeded(keys: Path) -> tuple[Path, ...]:
    """The files that a node with these keys has to heed."""
    return tuple(sorted((keys / FOLDER).glob(f"*{_SUFFIX}")))
