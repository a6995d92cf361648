"""Root keys of a domain on disk (SPEC section 4.10): one folder per operator, on no node.

root.pem   the private key, readable by its owner alone, encrypted unless there is no passphrase
root.pub   the public key, to be handed to whoever founds the domain
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ioe_router.adapters.envelope_json import parse_json_object
from ioe_router.adapters.files import make_directory, read_file, read_private, write_private, write_whole
from ioe_router.codec.signing import KEY_BYTES, Ed25519Signer, key_is_sound
from ioe_router.model.errors import UsageError

FORMAT: Final = "ioe-root-1"
_MAKE: Final = "make a root key with 'ioe domain key'"


def create_root(directory: Path, passphrase: bytes | None) -> Ed25519Signer:
    """A new root key on disk. UsageError when the folder holds one already: none is ever overwritten."""
    key = Ed25519PrivateKey.generate()
    lock: serialization.KeySerializationEncryption = (
        serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    )
    make_directory(directory)
    content = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)
    write_private(directory / "root.pem", content)
    root = Ed25519Signer(key)
    fields = {"format": FORMAT, "root_key": root.public_key.hex()}
    write_whole(directory / "root.pub", (json.dumps(fields, indent=2) + "\n").encode())
    return root


def load_root(directory: Path, passphrase: bytes | None) -> Ed25519Signer:
    """The root key in a folder. UsageError names what is missing, open to others or damaged."""
    path = directory / "root.pem"
    content = read_private(path, _MAKE)
    try:
        key = serialization.load_pem_private_key(content, passphrase)
    except TypeError as error:  # how the library tells of a passphrase missing or too much
        remedy = "no passphrase is needed, leave it out" if passphrase else "give its passphrase"
        raise UsageError(f"{path}: {remedy}") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UsageError(
            f"{path} cannot be loaded: the passphrase is wrong or the file is damaged;"
            " try again or restore it from a backup"
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(f"{path} holds no Ed25519 key; {_MAKE}")
    return Ed25519Signer(key)


def read_root_pub(path: Path) -> bytes:
    """The public root key in a root.pub file. UsageError when it is none."""
    content = read_file(path, "ask that operator for the root.pub and put it there")
    text = parse_json_object(content, FORMAT, str(path)).get("root_key")
    try:
        key = bytes.fromhex(str(text))
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES or not key_is_sound(key):
        raise UsageError(f"{path} holds no usable root key; ask that operator for the root.pub again")
    return key
