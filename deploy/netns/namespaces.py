"""Hosts and cables on one Linux machine: a network namespace for each host, a veth pair for each cable.

A host sees its neighbours only, each under its name and at the address of the
cable between them (`ip netns exec` puts /etc/netns/NAMESPACE/hosts in place of
/etc/hosts); there is no way out to the machine or to any other network.  So
what is configured with the names of neighbours runs here as it does in
containers, and a cable can be cut without touching anything else.

Wants root and Debian's iproute2, which `Namespaces.open` installs when it is missing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_HOSTS: Final = Path("/etc/netns")
_PATH: Final = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
_INSTALL: Final = (("apt-get", "update", "-qq"), ("apt-get", "install", "-qq", "-y", "iproute2"))


class NoNamespaces(Exception):
    """Namespaces cannot be made here; the sentence says why."""


class Namespaces:
    """Namespaces PREFIX-HOST and the cables between them, from `open` to `close`."""

    def __init__(self, prefix: str, hosts: Sequence[str], cables: Sequence[tuple[str, str]]) -> None:
        self._prefix = prefix
        self._hosts = tuple(hosts)
        self._cables = tuple(cables)

    def open(self) -> None:
        """Make everything. NoNamespaces when that is not possible here; then nothing is left behind."""
        if os.geteuid() != 0:
            raise NoNamespaces("network namespaces are made by root only; run this with sudo")
        _install_iproute2()
        try:
            for host in self._hosts:
                _ip("netns", "add", self.namespace(host))
                _ip("-n", self.namespace(host), "link", "set", "lo", "up")
            for number, (a, b) in enumerate(self._cables):
                self._lay(number, a, b)
            for host in self._hosts:
                self._write_hosts(host)
        except subprocess.CalledProcessError as error:
            self.close()
            raise NoNamespaces(
                f"'{' '.join(error.cmd)}' failed ({error.stderr.strip()}); give this container CAP_SYS_ADMIN"
            ) from error

    def close(self) -> None:
        """Remove everything, also what is there in part only. Processes inside are the caller's to end."""
        for host in self._hosts:
            subprocess.run(
                (_program(), "netns", "delete", self.namespace(host)), capture_output=True, check=False
            )
            shutil.rmtree(_HOSTS / self.namespace(host), ignore_errors=True)

    def namespace(self, host: str) -> str:
        """What `ip netns` calls a host."""
        return f"{self._prefix}-{host}"

    def inside(self, host: str, *command: str) -> tuple[str, ...]:
        """A command as it is run on a host."""
        return (_program(), "netns", "exec", self.namespace(host), *command)

    def cut(self, a: str, b: str) -> None:
        """Take the cable between two hosts down; both ends lose the carrier."""
        self._set(a, b, "down")

    def mend(self, a: str, b: str) -> None:
        """Bring it up again."""
        self._set(a, b, "up")

    def _set(self, a: str, b: str, state: str) -> None:
        number = self._number(a, b)
        _ip("-n", self.namespace(a), "link", "set", f"cable{number}", state)

    def _number(self, a: str, b: str) -> int:
        return next(n for n, cable in enumerate(self._cables) if set(cable) == {a, b})

    def _lay(self, number: int, a: str, b: str) -> None:
        device, ends = f"cable{number}", (self.namespace(a), self.namespace(b))
        pair = ("type", "veth", "peer", "name", device, "netns", ends[1])
        _ip("link", "add", device, "netns", ends[0], *pair)
        for end, namespace in enumerate(ends):
            _ip("-n", namespace, "address", "add", f"{_address(number, end)}/30", "dev", device)
            _ip("-n", namespace, "link", "set", device, "up")

    def _write_hosts(self, host: str) -> None:
        lines = ["127.0.0.1 localhost"]
        for number, (a, b) in enumerate(self._cables):
            if host in {a, b}:
                other = b if host == a else a
                lines.append(f"{_address(number, 0 if other == a else 1)} {other}")
        folder = _HOSTS / self.namespace(host)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "hosts").write_text("\n".join(lines) + "\n")


def _address(number: int, end: int) -> str:
    """Of one end of a cable: a network of four addresses for each."""
    return f"10.71.{number}.{end + 1}"


def _program() -> str:
    return shutil.which("ip", path=_PATH) or "ip"


def _ip(*arguments: str) -> None:
    subprocess.run((_program(), *arguments), capture_output=True, text=True, check=True)


def _install_iproute2() -> None:
    if shutil.which("ip", path=_PATH) is not None:
        return
    if shutil.which("apt-get") is None:
        raise NoNamespaces("the command 'ip' is missing; install iproute2")
    for command in _INSTALL:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NoNamespaces(
                f"'{' '.join(command)}' failed; install iproute2 ({done.stderr.strip()[-200:]})"
            )
