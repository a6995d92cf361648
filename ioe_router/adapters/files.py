"""How this package writes and reads small files: keys privately, everything else whole or not at all.

A private file is created with O_EXCL and mode 0600 and refused at load when
others could have read it.  Other files are written beside their place, synced
and renamed, so that a crash leaves the old or the new content.  Every failure
is one UsageError sentence with the path and the remedy.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from ioe_router.model.errors import UsageError

PRIVATE_MODE: Final = 0o600
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def write_private(path: Path, content: bytes) -> None:
    """Create a file that only its owner may read. UsageError when it exists: no key is ever overwritten."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_MODE)
    except FileExistsError as error:
        raise UsageError(
            f"{path} exists already; move it away first if it is really to be replaced"
        ) from error
    except OSError as error:
        raise UsageError(f"{path} cannot be created ({error.strerror}); check the directory") from error
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), PRIVATE_MODE)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def read_private(path: Path, missing: str) -> bytes:
    """Read a private file; UsageError when it is absent (`missing` is the remedy) or open to others."""
    content = read_file(path, missing)
    mode = path.stat().st_mode
    if mode & _OTHERS:
        raise UsageError(
            f"{path} can be read by others (mode {stat.S_IMODE(mode):04o});"
            f" run 'chmod 600 {path}' and replace the key if others may have read it"
        )
    return content


def read_file(path: Path, missing: str) -> bytes:
    """Read a file; UsageError when that fails, with `missing` as the remedy when it is not there."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise UsageError(f"{path} does not exist; {missing}") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}); check its owner and mode") from error


def write_whole(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Replace a file so that a crash leaves either the old or the new content. UsageError when that fails."""
    temporary = path.with_name(path.name + ".new")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written ({error.strerror}); check the directory and free space"
        ) from error


def sync_directory(directory: Path) -> None:
    """Make a directory's entries durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(directory: Path) -> None:
    """Create a directory for the owner alone, unless it exists. UsageError when that fails."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{directory} cannot be made ({error.strerror}); check its parent directory"
        ) from error
