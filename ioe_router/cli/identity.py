"""`ioe identity`: make a node's keys, show them, renew the operational key."""

from __future__ import annotations

from pathlib import Path

import click

from ioe_router.adapters.certificates import expires_utc_s
from ioe_router.adapters.clock import WallClock
from ioe_router.adapters.keystore import (
    Identity,
    create_identity,
    load_ca,
    load_identity,
    node_pub,
    renew_operational,
)
from ioe_router.adapters.node import wall_utc_s
from ioe_router.cli.text import instant
from ioe_router.model.bech32m import node_short, node_text

KEYS = click.option(
    "--keys",
    type=click.Path(path_type=Path),
    default=Path("keys"),
    show_default=True,
    help="Folder of the keys.",
)
PASSPHRASE = click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path, exists=True),
    help="File whose first line is the passphrase.",
)
NETWORK = click.option("--network", required=True, help="network_id that the operational key is for.")
_DAY_S = 86_400
_DAYS = click.option(
    "--days", type=click.IntRange(1, 90), default=7, show_default=True, help="Life of an operational key."
)


@click.group()
def identity() -> None:
    """A node's identity and its keys."""


@identity.command()
@KEYS
@NETWORK
@PASSPHRASE
@_DAYS
def new(keys: Path, network: str, passphrase_file: Path | None, days: int) -> None:
    """Make an identity, its CA certificate and a first operational key."""
    made = create_identity(keys, wall_utc_s=wall_utc_s(), passphrase=first_line(passphrase_file))
    _renew(keys, made, network, days)
    click.echo(
        f"{node_text(made.node)}\nhand {keys / 'node.pub'} to the neighbours; keep the rest of {keys} private"
    )


@identity.command()
@KEYS
@NETWORK
@PASSPHRASE
@_DAYS
def renew(keys: Path, network: str, passphrase_file: Path | None, days: int) -> None:
    """Put a new operational key in force."""
    _renew(keys, load_identity(keys, passphrase=first_line(passphrase_file)), network, days)


@identity.command()
@KEYS
@click.option("--pub", is_flag=True, help="Print node.pub instead.")
def show(keys: Path, pub: bool) -> None:
    """Show who the node is."""
    node, ca = load_ca(keys)
    if pub:
        click.echo(node_pub(ca), nl=False)
        return
    for name, value in (
        ("node", node_text(node)),
        ("short", node_short(node)),
        ("CA until", instant(expires_utc_s(ca))),
    ):
        click.echo(f"{name:10} {value}")


def _renew(keys: Path, made: Identity, network: str, days: int) -> None:
    operational = renew_operational(
        keys,
        made,
        network_id=network,
        now=WallClock().now(),
        wall_utc_s=wall_utc_s(),
        lifetime_s=days * _DAY_S,
    )
    body = operational.statement.body
    click.echo(f"operational key {body.serial} for network {network!r} until {instant(body.expires_utc_s)}")


def first_line(path: Path | None) -> bytes | None:
    """The first line of a passphrase file, None without one."""
    return path.read_bytes().split(b"\n", 1)[0] if path is not None else None
