"""Makes the secrets of compose.yaml: passphrases of all identities, passwords of Grafana and of the broker.

    python3 deploy/make_secrets.py             once, before the first `compose up`; needs nothing but Python

They go to deploy/secrets/, which is never committed, each readable by whom its
container runs as.  A secret that is a file keeps its owner inside a container,
and a node refuses a passphrase that others can read.  So as root the files are
given to user 10001, which the image runs as; else the nodes run as you, which
deploy/.env tells compose.  Secrets that are there already stay as they are.
"""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
import sys
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
IMAGE_USER: Final = 10_001
_ITERATIONS: Final = 101  # what mosquitto_passwd 2.0 writes; the password has 192 random bits
_SALT_BYTES: Final = 12
_BROKER_USER: Final = "node"


def main() -> int:
    """Make what is missing; says what it has done."""
    folder = HERE / "secrets"
    folder.mkdir(mode=0o700, exist_ok=True)
    owner = IMAGE_USER if os.geteuid() == 0 else os.geteuid()
    group = IMAGE_USER if os.geteuid() == 0 else os.getegid()
    names = sorted(path.stem for path in (HERE / "community" / "nodes").glob("*.toml"))
    for name in (*names, "operators"):
        _write(folder / f"passphrase-{name}", _random(), 0o600, owner, group)
    # Their containers run as users of their own images; the folder keeps others on this machine out.
    _write(folder / "grafana-admin", _random(), 0o644, owner, group)
    password = _random()
    if _write(folder / "mosquitto-node", password, 0o600, owner, group):
        (folder / "mosquitto-passwords").unlink(missing_ok=True)
        line = f"{_BROKER_USER}:{_hashed(password)}"
        _write(folder / "mosquitto-passwords", line, 0o644, owner, group)
    (HERE / ".env").write_text(f"IOE_UID={owner}\nIOE_GID={group}\n", encoding="utf-8")
    sys.stdout.write(f"secrets are in {folder}; the nodes run as user {owner}, as {HERE / '.env'} says\n")
    return 0


def _random() -> str:
    return secrets.token_urlsafe(24)


def _write(path: Path, text: str, mode: int, owner: int, group: int) -> bool:
    """Make a file unless it is there."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text + "\n")
        os.fchmod(file.fileno(), mode)
        if os.geteuid() == 0:
            os.fchown(file.fileno(), owner, group)
    return True


def _hashed(password: str) -> str:
    """A password as the broker keeps it: PBKDF2 with SHA-512, form 7."""
    salt = secrets.token_bytes(_SALT_BYTES)
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS)
    return f"$7${_ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}"


if __name__ == "__main__":
    sys.exit(main())
