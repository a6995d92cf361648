"""An external signer for operational keys, as small as it can be: keys in files, one question a line.

    python signer.py FOLDER        answers on standard output until standard input ends
    python signer.py FOLDER --new  makes another key and prints its public part

The protocol is in README.md beside this file.  This one keeps its keys in files,
which is no better than a router that does so; put a token, a vault or a
service in its place.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def held(folder: Path) -> dict[str, Ed25519PrivateKey]:
    """The keys in a folder by their public part, oldest first."""
    keys = {}
    for path in sorted(folder.glob("*.pem")):
        key = serialization.load_pem_private_key(path.read_bytes(), None)
        if isinstance(key, Ed25519PrivateKey):
            keys[key.public_key().public_bytes_raw().hex()] = key
    return keys


def make(folder: Path) -> str:
    """Make another key; returns its public part."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / f"{len(list(folder.glob('*.pem'))) + 1:06}.pem"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
    return key.public_key().public_bytes_raw().hex()


def answer(folder: Path, words: list[str]) -> str:
    """What to say to one question."""
    keys = held(folder)
    match words:
        case ["keys"]:
            return " ".join(("keys", *keys))
        case ["sign", public_key, data] if public_key in keys:
            return f"signature {keys[public_key].sign(bytes.fromhex(data)).hex()}"
        case ["sign", _, _]:
            return "error no such key is held here"
    return "error the question is not understood"


def main() -> None:
    """Answer until there are no more questions."""
    folder = Path(sys.argv[1])
    if "--new" in sys.argv:
        sys.stdout.write(make(folder) + "\n")
        return
    for line in sys.stdin:
        sys.stdout.write(answer(folder, line.split()) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
