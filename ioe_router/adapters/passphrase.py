"""Where the passphrase of a key comes from (SPEC section 4.2): never from arguments or the environment.

A file descriptor that the caller has opened, a credential that the service
manager has put into $CREDENTIALS_DIRECTORY, a private file, or a person at a
terminal.  Only the first line counts, so that a file made with an editor works.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from ioe_router.adapters.files import read_private
from ioe_router.model.errors import UsageError

_BYTES_MAX: Final = 1_024
_DIRECTORY: Final = "CREDENTIALS_DIRECTORY"


def from_descriptor(descriptor: int) -> bytes:
    """The first line that can be read from an open file descriptor. UsageError when there is none."""
    content = b""
    try:
        while b"\n" not in content and len(content) <= _BYTES_MAX:
            piece = os.read(descriptor, _BYTES_MAX)
            if not piece:
                break
            content += piece
    except OSError as error:
        raise UsageError(
            f"the passphrase cannot be read from file descriptor {descriptor} ({error.strerror});"
            " open it for reading, for example with '3<file'"
        ) from error
    return _line(content, f"file descriptor {descriptor}")


def from_credential(name: str) -> bytes:
    """The first line of a credential. UsageError when the service manager has passed none of this name."""
    directory = os.environ.get(_DIRECTORY)
    if not directory:
        raise UsageError(
            f"there is no ${_DIRECTORY} for the credential {name!r}; run as a service with LoadCredential="
        )
    if Path(name).name != name:
        raise UsageError(f"{name!r} is a path and not the name of a credential; give the name alone")
    return from_file(Path(directory) / name)


def from_file(path: Path) -> bytes:
    """The first line of a private file. UsageError when it is missing, empty or open to others."""
    return _line(read_private(path, "write the passphrase there"), str(path))


def _line(content: bytes, where: str) -> bytes:
    line = content.split(b"\n", 1)[0].rstrip(b"\r")
    if not line:
        raise UsageError(f"{where} holds no passphrase; its first line is empty")
    if len(line) > _BYTES_MAX:
        raise UsageError(f"the passphrase in {where} is longer than {_BYTES_MAX} bytes; shorten it")
    return line
