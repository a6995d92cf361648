"""Paired neighbours on disk: files that the configuration reads like [[neighbor]] tables.

    <peers>/<name>.toml         paths, address, role; the operator may edit it
    <peers>/<name>.node.pub     the neighbour's CA certificate
    <peers>/<name>.attestation  the link, signed by both ends; without it the two know each other only

The .toml file is written last and removed first, so that a crash leaves either
a whole neighbour or none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509

from ioe_router.adapters.attestation import AttestationFile, write_attestation
from ioe_router.adapters.files import make_directory, sync_directory, write_whole
from ioe_router.adapters.keystore import node_pub, read_node_pub
from ioe_router.daemon.errors import ConfigRefused
from ioe_router.daemon.settings import NeighborSection
from ioe_router.daemon.toml_text import parse_toml
from ioe_router.model.bech32m import node_short, node_text
from ioe_router.model.errors import UsageError
from ioe_router.model.ids import NodeId

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_ADDRESS: Final = re.compile(r"^address *=.*\n", re.MULTILINE)
_ENDINGS: Final = (".toml", ".node.pub", ".attestation")


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerFile:
    """A paired neighbour; the paths of `section` are relative to `folder`."""

    folder: Path
    name: str
    node: NodeId
    section: NeighborSection

    @property
    def has_link(self) -> bool:
        """Whether an attestation of the link lies beside it."""
        return (self.folder / self.section.attestation).exists()


def read_peers(folder: Path) -> tuple[PeerFile, ...]:
    """The paired neighbours, by name; none without a folder. ConfigRefused or UsageError names a bad file."""
    return tuple(_read(path) for path in sorted(folder.glob("*.toml")))


def _read(path: Path) -> PeerFile:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigRefused(f"{path} cannot be read ({error}); remove it and pair again") from error
    section = parse_toml(text, str(path), NeighborSection)
    node, _ = read_node_pub(path.parent / section.node_pub)
    return PeerFile(folder=path.parent, name=path.stem, node=node, section=section)


def check_name(name: str) -> str:
    """A name that may be given to a peer. UsageError otherwise."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot name a peer; use up to 32 lower-case letters, digits and hyphens,"
            " for example 'east'"
        )
    return name


def write_peer(
    folder: Path,
    ca: x509.Certificate,
    node: NodeId,
    *,
    name: str | None,
    address: str | None,
    link: AttestationFile | None,
    utc_s: int,
) -> PeerFile:
    """Store a paired neighbour; one that is known already is renewed, and keeps its name and link.

    UsageError when the name belongs to another neighbour.
    """
    make_directory(folder)
    known = {peer.node: peer for peer in read_peers(folder)}
    old = known.get(node)
    name = check_name(name or (old.name if old else node_short(node)))
    for other, peer in known.items():
        if peer.name == name and other != node:
            raise UsageError(f"the name {name!r} belongs to {node_short(other)}; give another with --name")
    if old is not None and old.name != name:
        raise UsageError(
            f"{node_short(node)} is paired as {old.name!r} already; leave --name out or remove it first"
        )
    write_whole(folder / f"{name}.node.pub", node_pub(ca).encode())
    if link is not None:
        write_attestation(folder / f"{name}.attestation", link)
    path = folder / f"{name}.toml"
    write_whole(path, _text(name, node, address, old, utc_s).encode())
    return _read(path)


def _text(name: str, node: NodeId, address: str | None, old: PeerFile | None, utc_s: int) -> str:
    """The file of a new peer; of a known one what the operator made of it, but for a new address."""
    if old is not None:
        kept = (old.folder / f"{name}.toml").read_text(encoding="utf-8")
        line = f'address = "{address}"\n'
        return kept if address is None else line + _ADDRESS.sub("", kept)
    when = datetime.fromtimestamp(utc_s, UTC).strftime("%Y-%m-%d %H:%M UTC")
    lines = [
        f"# Paired {when} with {node_text(node)}",
        f'node_pub = "{name}.node.pub"',
        f'attestation = "{name}.attestation"',
        *([f'address = "{address}"'] if address else []),
        'role = "sibling"',
        'transit = "paid"',
    ]
    return "\n".join(lines) + "\n"


def find_peer(folder: Path, text: str) -> PeerFile:
    """The one peer with this name, node id or beginning of a node id. UsageError unless there is one."""
    peers = read_peers(folder)
    found = [peer for peer in peers if peer.name == text] or [
        peer for peer in peers if node_text(peer.node).startswith(text) and len(text) >= len("ioe1xxx")
    ]
    if len(found) != 1:
        known = ", ".join(peer.name for peer in peers) or "none"
        many = "more than one peer begins" if found else "no peer is called or begins"
        raise UsageError(f"{many} with {text!r}; paired are: {known}")
    return found[0]


def remove_peer(peer: PeerFile) -> None:
    """Forget a paired neighbour. UsageError when its files cannot be removed."""
    try:
        for ending in _ENDINGS:
            (peer.folder / f"{peer.name}{ending}").unlink(missing_ok=True)
        sync_directory(peer.folder)
    except OSError as error:
        raise UsageError(
            f"the files of {peer.name} in {peer.folder} cannot be removed ({error.strerror}); check the owner"
        ) from error
