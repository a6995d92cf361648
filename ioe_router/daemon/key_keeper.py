"""Keeps a running node's operational key fresh, and heeds revocations (SPEC sections 4.2 and 4.11).

Every few seconds it looks whether

    half of the key's life is over   and certifies the next one, if the identity key can be used here,
                                     or says once what to do, with how long there is still time
    a newer key is in force on disk  ('ioe identity rotate') and hands it to the router; sessions go on
    a revocation has been brought    ('ioe identity revoke') and hands it to the router

TLS changes to the new key when the router says that it has.
"""

from __future__ import annotations

import asyncio
import getpass
import sys
from pathlib import Path
from typing import Final

from ioe_router.adapters import passphrase
from ioe_router.adapters.external_signer import ExternalSigner
from ioe_router.adapters.keystore import (
    Identity,
    Operational,
    held_elsewhere,
    is_encrypted,
    last_serial,
    load_identity,
    load_operational,
    renew_operational,
)
from ioe_router.adapters.node import Node, wall_utc_s
from ioe_router.adapters.revocation_files import heeded, read_revocation
from ioe_router.core.events import Event, KeyRenewed
from ioe_router.core.inputs import RenewKey, RevokeKeys
from ioe_router.daemon.assembly import Plan, is_due
from ioe_router.daemon.errors import ConfigRefused
from ioe_router.daemon.reporting import Log
from ioe_router.model.errors import UsageError
from ioe_router.router import Router

LOOK_S: Final = 2.0
_DAY_S: Final = 86_400


class Secret:
    """The passphrase of the identity key, from where the configuration says or from the terminal."""

    def __init__(self, plan: Plan) -> None:
        """What can be read once only is read now. ConfigRefused: the source does not exist."""
        self._plan = plan
        self._kept: bytes | None = None
        kind, _, rest = (plan.settings.node.passphrase or "").partition(":")
        try:
            if kind == "fd":
                self._kept = passphrase.from_descriptor(int(rest))
            elif not kind and self._asks():
                asked = f"passphrase of {plan.keys} (empty: do not renew keys): "
                self._kept = getpass.getpass(asked).encode()
        except UsageError as error:
            raise ConfigRefused(f"node.passphrase: {error}") from error

    def _asks(self) -> bool:
        here = (self._plan.keys / "identity.pem").exists()
        return here and sys.stdin is not None and sys.stdin.isatty() and is_encrypted(self._plan.keys)

    def read(self) -> bytes | None:
        """The passphrase, None when there is none. UsageError when its source fails."""
        return self._kept or passphrase_of(self._plan)


def passphrase_of(plan: Plan) -> bytes | None:
    """The passphrase from a source that can be read again. UsageError when it fails."""
    kind, _, rest = (plan.settings.node.passphrase or "").partition(":")
    if kind == "file":
        return passphrase.from_file(plan.folder / rest)
    return passphrase.from_credential(rest) if kind == "credential" else None


class KeyKeeper:
    """Looks after the keys of one running node."""

    def __init__(
        self,
        plan: Plan,
        router: Router,
        operational: Operational,
        log: Log,
        secret: Secret,
        external: ExternalSigner | None,
    ) -> None:
        """`operational` is the key in use; `node` is to be set before `run`."""
        self.node: Node | None = None
        self._plan = plan
        self._router = router
        self._operational = operational
        self._log = log
        self._secret = secret
        self._external = external
        self._coming: Operational | None = None
        self._heeded: set[Path] = set()
        self._complained: dict[str, str] = {}

    async def run(self) -> None:
        """Look, again and again."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_S)

    def look(self) -> None:
        """Look once. What is wrong is said in the log, once, and the node goes on."""
        self._attempt("KeyDue", self._renew_if_due)
        self._attempt("KeyRefused", self._take_up)
        for path in heeded(self._plan.keys):
            if path not in self._heeded:
                self._heeded.add(path)
                self._attempt("RevocationRefused", lambda path=path: self._heed(path))

    def on_event(self, event: Event) -> None:
        """The router has changed to the key that it was given: TLS follows."""
        if isinstance(event, KeyRenewed) and self._coming is not None and self.node is not None:
            self._operational, self._coming = self._coming, None
            self.node.renew(self._operational)

    # ------------------------------------------------------------- inside

    def _attempt(self, what: str, step: object) -> None:
        try:
            step()  # type: ignore[operator]
        except UsageError as error:
            if self._complained.get(what) != str(error):
                self._complained[what] = str(error)
                self._log.warn(what, remedy=str(error))

    def _renew_if_due(self) -> None:
        now, plan = self._plan.clock.now(), self._plan
        if self._coming is not None or not is_due(self._operational, now, wall_utc_s()):
            return
        if last_serial(plan.keys) > self._operational.statement.body.serial:
            return  # the next one is there already
        days = max(0, self._operational.statement.body.expires_utc_s - now.utc_s) // _DAY_S
        renew_operational(
            plan.keys,
            self._identity(days),
            network_id=plan.parameters.network_id,
            now=now,
            wall_utc_s=wall_utc_s(),
            lifetime_s=plan.settings.node.operational_lifetime_s,
        )

    def _identity(self, days: int) -> Identity:
        """The identity key. UsageError when it cannot be used here: what to do, and by when."""
        plan = self._plan
        network, keys = plan.parameters.network_id, plan.settings.node.keys
        command = f"'ioe identity rotate --keys {keys} --network {network}'"
        left = f"the operational key ends in {days} days"
        if held_elsewhere(plan.keys):
            raise UsageError(f"{left}; give the external signer another key and run {command} with --signer")
        if not (plan.keys / "identity.pem").exists():
            raise UsageError(f"{left}; run {command} and have its request certified")
        try:
            return load_identity(plan.keys, passphrase=self._secret.read())
        except UsageError as error:
            raise UsageError(f"{left} and cannot be renewed ({error}); run {command}") from error

    def _take_up(self) -> None:
        plan = self._plan
        if self._coming is not None or last_serial(plan.keys) <= self._operational.statement.body.serial:
            return
        held = load_operational(plan.keys, plan.parameters.network_id, plan.clock.now(), self._external)
        if held is None or self.node is None:
            return
        self._coming = held
        self._router.add_signer(held.signer)
        self.node.submit(RenewKey(certificate=held.statement.envelope))

    def _heed(self, path: Path) -> None:
        sealed = read_revocation(path)
        if self.node is not None:
            self.node.submit(RevokeKeys(revocation=sealed.envelope))
