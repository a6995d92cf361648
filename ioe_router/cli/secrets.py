"""How commands ask for a passphrase: an option that names where it is, or a person at the terminal."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import click

from ioe_router.adapters import passphrase
from ioe_router.adapters.external_signer import ExternalSigner
from ioe_router.adapters.keystore import Identity, is_encrypted, load_identity
from ioe_router.model.errors import UsageError

F = TypeVar("F", bound=Callable[..., object])

_SOURCES: Final = "ioe passphrase"
_NOTHING_GIVEN: Final = (
    "a new identity key is encrypted, and no passphrase is given; name one by --passphrase-fd,"
    " --passphrase-credential or --passphrase-file, run this at a terminal, or say --unencrypted"
)


def _note(context: click.Context, parameter: click.Parameter, value: object) -> None:
    if value is not None:
        context.meta.setdefault(_SOURCES, {})[parameter.name] = value


def PASSPHRASE(command: F) -> F:  # noqa: N802 - stands beside the other options
    """The options that say where a passphrase is. `first_line` reads it."""
    for option in (
        click.option(
            "--passphrase-file",
            type=click.Path(path_type=Path, exists=True),
            help="Private file whose first line is the passphrase.",
        ),
        click.option(
            "--passphrase-fd",
            type=click.IntRange(min=0),
            callback=_note,
            expose_value=False,
            help="Open file descriptor to read it from, as in 3<file.",
        ),
        click.option(
            "--passphrase-credential",
            callback=_note,
            expose_value=False,
            help="Name of a credential in $CREDENTIALS_DIRECTORY.",
        ),
    ):
        command = option(command)
    return command


def first_line(path: Path | None) -> bytes | None:
    """The passphrase from where the options say, None without one. UsageError: two places, or none there."""
    context = click.get_current_context(silent=True)
    noted = {} if context is None else context.meta.get(_SOURCES, {})
    if len(noted) + (path is not None) > 1:
        raise UsageError("the passphrase is said to be in two places; name one")
    if "passphrase_fd" in noted:
        return passphrase.from_descriptor(noted["passphrase_fd"])
    if "passphrase_credential" in noted:
        return passphrase.from_credential(noted["passphrase_credential"])
    return None if path is None else passphrase.from_file(path)


def unlock(keys: Path, path: Path | None) -> Identity:
    """The identity in a folder; a person is asked for its passphrase when no option says where it is."""
    secret = first_line(path)
    if secret is None and is_encrypted(keys) and sys.stdin.isatty():
        secret = click.prompt(f"passphrase of {keys}", hide_input=True, err=True).encode()
    return load_identity(keys, passphrase=secret)


def new_secret(path: Path | None, *, unencrypted: bool) -> bytes | None:
    """The passphrase for a new key. UsageError when none is given and none is not asked for."""
    secret = first_line(path)
    if secret is not None and unencrypted:
        raise UsageError("a passphrase is given and --unencrypted said; leave one of the two out")
    if secret is None and not unencrypted:
        if not sys.stdin.isatty():
            raise UsageError(_NOTHING_GIVEN)
        text = click.prompt("passphrase of the new key", hide_input=True, confirmation_prompt=True, err=True)
        secret = text.encode()
    return secret


SIGNER = click.option(
    "--signer", help="Command of the external signer that holds the operational key, as in node.toml."
)


def newest_external(command: str | None) -> tuple[ExternalSigner, bytes] | None:
    """The external signer and the newest of its keys, None without a command. SignerLost: it fails."""
    if command is None:
        return None
    signer = ExternalSigner(shlex.split(command))
    return signer, signer.keys()[-1]
