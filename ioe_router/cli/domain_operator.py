"""Who runs a command of `ioe domain`: the holder of one root key, and those who are to sign as well."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Concatenate, ParamSpec

import click

from ioe_router.adapters.root_keys import load_root, read_root_pub
from ioe_router.cli.identity import PASSPHRASE, first_line
from ioe_router.codec.signing import Signer
from ioe_router.model.domain import RootKey, in_order
from ioe_router.model.errors import UsageError

P = ParamSpec("P")
_PATH = click.Path(path_type=Path)
ROOT = click.option("--root", required=True, type=_PATH, help="Folder of this operator's root key.")
SIGNERS = click.option(
    "--signer", "signers", multiple=True, type=_PATH, help="root.pub of who is to sign; default: a quorum."
)


@dataclass(frozen=True, slots=True)
class Operator:
    """Whoever runs the command: one root key, and the public keys of those who are to sign as well."""

    key: Signer
    others: tuple[bytes, ...]

    def signers(self, roots: tuple[RootKey, ...], quorum: int) -> tuple[RootKey, ...]:
        """This operator and those named, or so many other roots that they are a quorum."""
        known = [root.key for root in roots]
        if self.key.public_key not in known:
            raise UsageError("this root key is none of the domain's; name the folder of one of its root keys")
        rest = [one for one in known if one != self.key.public_key][: quorum - 1]
        chosen = in_order((self.key.public_key, *(self.others or rest)))
        strange = [one for one in chosen if one.key not in known]
        if strange:
            raise UsageError(f"root key {strange[0].key.hex()[:12]} is none of the domain's; leave it out")
        if len(chosen) < quorum:
            raise UsageError(f"{len(chosen)} of {quorum} roots would sign; name more of them with --signer")
        return chosen


def operated(command: Callable[Concatenate[Operator, P], None]) -> Callable[..., None]:
    """Options that name the operator's root key, and who else is to sign."""

    @ROOT
    @PASSPHRASE
    @SIGNERS
    @functools.wraps(command)
    def run(
        root: Path, passphrase_file: Path | None, signers: tuple[Path, ...], *args: P.args, **given: P.kwargs
    ) -> None:
        by = Operator(load_root(root, first_line(passphrase_file)), tuple(map(read_root_pub, signers)))
        command(by, *args, **given)

    return run
