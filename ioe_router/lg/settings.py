"""lg.toml: which nodes the looking glass asks, where it listens and who may see what.

`audience` is the decision that matters.  For "operator" everything is shown to
whoever reaches the page, so that audience may listen on loopback only.  For
"public" nothing is shown that tells of one household: see `privacy.py`.

Every option is documented in lg.example.toml beside this file; a test keeps
the two equal.  Unknown options are refused with the nearest known name.
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from ioe_router.daemon.errors import ConfigRefused
from ioe_router.daemon.toml_text import Section, parse_toml

EXAMPLE: Final = Path(__file__).with_name("lg.example.toml")
LOOPBACK_HOSTS: Final = ("localhost", "127.0.0.1", "[::1]")
_KEY: Final = re.compile(r"^[0-9a-f]{64}$")
_SLUG: Final = re.compile(r"[^a-z0-9]+")
_PORT_MAX: Final = 65_535


class LookingGlassSection(Section, frozen=True, kw_only=True):
    """[looking_glass]: the web process."""

    listen: str = "127.0.0.1:8480"
    audience: Literal["operator", "public"] = "operator"
    hosts: tuple[str, ...] = ()
    title: Annotated[str, msgspec.Meta(min_length=1, max_length=60)] = "Energy network"
    time_zone: str = "UTC"
    poll_s: Annotated[int, msgspec.Meta(ge=1, le=3_600)] = 5
    secure_cookie: bool = False


class NodeSection(Section, frozen=True, kw_only=True):
    """[[node]]: one node whose control API is asked."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
    control: Annotated[str, msgspec.Meta(min_length=1)]
    key_sha256: str | None = None
    tls: str | None = None


class Settings(Section, frozen=True, kw_only=True):
    """The whole file."""

    looking_glass: LookingGlassSection = LookingGlassSection()
    node: tuple[NodeSection, ...]


def read_settings(path: Path) -> Settings:
    """The settings in a file. ConfigRefused says in one sentence what is wrong, where, and what to write."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigRefused(f"{path} does not exist; 'ioe lg example' prints a file to begin with") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigRefused(
            f"{path} cannot be read ({error}); check its mode and that it is UTF-8 text"
        ) from error
    return parse_settings(text, str(path))


def parse_settings(text: str, where: str) -> Settings:
    """The settings in a text; `where` names it in errors."""
    settings = parse_toml(text, where, Settings)
    _refuse_bad_nodes(settings.node, where)
    host, _ = address_of(settings.looking_glass.listen, where)
    if settings.looking_glass.audience == "operator" and not is_loopback(host):
        raise ConfigRefused(
            f"{where}: looking_glass.listen is {settings.looking_glass.listen}, but the audience 'operator'"
            ' sees every household\'s trades; listen on 127.0.0.1, or write audience = "public"'
        )
    if settings.looking_glass.audience == "public" and not is_loopback(host):
        _refuse_no_hosts(settings.looking_glass, where)
    return settings


def address_of(listen: str, where: str) -> tuple[str, int]:
    """Host and port of `host:port`. ConfigRefused if it is none."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit() or int(port) > _PORT_MAX:
        raise ConfigRefused(
            f"{where}: looking_glass.listen is {listen!r}; write host:port, such as 127.0.0.1:8480"
        )
    return host.strip("[]"), int(port)


def is_loopback(host: str) -> bool:
    """Whether an address is reachable from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def slug(name: str) -> str:
    """A node's name as part of an address: lower-case letters, digits and hyphens."""
    return _SLUG.sub("-", name.lower()).strip("-")


def _refuse_no_hosts(section: LookingGlassSection, where: str) -> None:
    if not section.hosts:
        raise ConfigRefused(
            f"{where}: looking_glass.hosts is empty; name the hosts under which browsers reach this page,"
            ' such as hosts = ["grid.example.org"]'
        )


def _refuse_bad_nodes(nodes: tuple[NodeSection, ...], where: str) -> None:
    """At least one node, names that differ in an address, keys that are digests."""
    if not nodes:
        raise ConfigRefused(f"{where}: there is no [[node]]; name at least one node to look at")
    seen: dict[str, str] = {}
    for node in nodes:
        short = slug(node.name)
        if not short:
            raise ConfigRefused(f"{where}: the node name {node.name!r} has no letter or digit; give it one")
        if short in seen:
            raise ConfigRefused(
                f"{where}: the node names {seen[short]!r} and {node.name!r} are too alike; change one"
            )
        seen[short] = node.name
        if node.key_sha256 is not None and not _KEY.match(node.key_sha256):
            raise ConfigRefused(
                f"{where}: key_sha256 of {node.name!r} is no SHA-256 in lower-case hex;"
                " 'ioe lg key' prints a key and the line for this file"
            )
