"""`ioe identity`: make a node's keys, show, renew, certify and revoke them.

With the identity key on the box:      ioe identity new, rotate, revoke
With the identity key kept elsewhere:  there: new --offline, certify REQUEST CERTIFICATE, revoke
                                       on the box: rotate (writes a request), rotate --certified CERTIFICATE
"""

from __future__ import annotations

from pathlib import Path

import click

from ioe_router.adapters.certificates import expires_utc_s, pem
from ioe_router.adapters.clock import WallClock
from ioe_router.adapters.files import make_directory, write_whole
from ioe_router.adapters.key_requests import (
    certify_request,
    install_key,
    issued_serial,
    read_certificate,
    read_request,
    request_key,
    write_certificate,
    write_request,
)
from ioe_router.adapters.keystore import (
    Identity,
    create_identity,
    held_elsewhere,
    last_serial,
    load_ca,
    node_pub,
    read_node_pub,
    renew_operational,
)
from ioe_router.adapters.node import wall_utc_s
from ioe_router.adapters.revocation_files import heed, make_revocation, read_revocation, write_revocation
from ioe_router.cli.secrets import PASSPHRASE, SIGNER, first_line, new_secret, newest_external, unlock
from ioe_router.cli.text import instant
from ioe_router.model.bech32m import node_short, node_text
from ioe_router.model.discovery import IDENTITY_SERIAL, OperationalKey
from ioe_router.model.errors import UsageError
from ioe_router.model.ids import NodeId

__all__ = ["KEYS", "NETWORK", "PASSPHRASE", "first_line", "identity"]

KEYS = click.option(
    "--keys",
    type=click.Path(path_type=Path),
    default=Path("keys"),
    show_default=True,
    help="Folder of the keys.",
)
NETWORK = click.option("--network", required=True, help="network_id that the operational key is for.")
_PATH = click.Path(path_type=Path)
_DAY_S = 86_400
_DAYS = click.option(
    "--days", type=click.IntRange(1, 90), default=7, show_default=True, help="Life of an operational key."
)
_REQUEST = Path("key.request")


@click.group()
def identity() -> None:
    """A node's identity and its keys."""


@identity.command()
@KEYS
@click.option("--network", help="network_id that the first operational key is for.")
@PASSPHRASE
@_DAYS
@SIGNER
@click.option("--unencrypted", is_flag=True, help="Do not encrypt the identity key.")
@click.option("--offline", is_flag=True, help="Make no operational key: this is not the node's machine.")
def new(
    keys: Path,
    network: str | None,
    passphrase_file: Path | None,
    days: int,
    signer: str | None,
    unencrypted: bool,
    offline: bool,
) -> None:
    """Make an identity, its CA certificate and, unless --offline, a first operational key."""
    if offline == (network is not None):
        raise UsageError("name the --network of the first operational key, or say --offline for none")
    secret = new_secret(passphrase_file, unencrypted=unencrypted)
    made = create_identity(keys, wall_utc_s=wall_utc_s(), passphrase=secret)
    click.echo(node_text(made.node))
    if network is not None:
        _renew(keys, made, network, days, signer)
        click.echo(f"hand {keys / 'node.pub'} to the neighbours; keep the rest of {keys} private")
    else:
        click.echo(f"hand {keys / 'node.pub'} to the neighbours and to the box of this node")


@identity.command()
@KEYS
@click.option("--network", help="network_id that the operational key is for; default: that of the last.")
@PASSPHRASE
@_DAYS
@SIGNER
@click.option("--node-pub", type=_PATH, help="A first key on a new box: the node.pub of its identity.")
@click.option("--certified", type=_PATH, help="The certificate that has come back for the last request.")
@click.argument("request", type=_PATH, default=_REQUEST)
def rotate(
    keys: Path,
    network: str | None,
    passphrase_file: Path | None,
    days: int,
    signer: str | None,
    node_pub: Path | None,
    certified: Path | None,
    request: Path,
) -> None:
    """Put a new operational key in force; a node that runs takes it up by itself, sessions go on.

    Without the identity key in the folder, write REQUEST for the machine that has it instead.
    """
    if certified is not None:
        external = newest_external(signer)
        installed = install_key(keys, read_certificate(certified), external and external[0].key(external[1]))
        _say(installed.statement.body)
        return
    if node_pub is not None:
        _adopt(keys, node_pub)
    if network is None:
        raise UsageError("name the --network that the key is for")
    if (keys / "identity.pem").exists():
        _renew(keys, unlock(keys, passphrase_file), network, days, signer)
        return
    external = newest_external(signer)
    write_request(request, request_key(keys, network, external and external[0].key(external[1])))
    click.echo(
        f"take {request} to the machine with the identity key and run 'ioe identity certify' there;"
        " then run this again with --certified and the file that comes back"
    )


@identity.command()
@KEYS
@PASSPHRASE
@click.option(
    "--days", type=click.IntRange(1, 90), default=90, show_default=True, help="Life of the operational key."
)
@click.argument("request", type=_PATH)
@click.argument("certificate", type=_PATH)
def certify(keys: Path, passphrase_file: Path | None, days: int, request: Path, certificate: Path) -> None:
    """Where the identity key is: certify the key in REQUEST into CERTIFICATE, and sign its revocation."""
    asked, mine, utc_s = read_request(request), unlock(keys, passphrase_file), wall_utc_s()
    given, body = certify_request(keys, mine, asked, utc_s, days * _DAY_S)
    revocation = certificate.with_name(f"{certificate.name}.revocation")
    write_revocation(revocation, make_revocation(mine, asked.network_id, body.serial, utc_s), private=True)
    write_certificate(certificate, given)
    _say(body)
    click.echo(f"take {certificate} to the box and run 'ioe identity rotate --certified' there")
    click.echo(
        f"keep {revocation} in a safe place: whoever has it can end this key, without the identity key"
    )


@identity.command()
@KEYS
@click.option("--network", help="network_id in which the keys are revoked.")
@PASSPHRASE
@SIGNER
@click.option("--identity", "whole", is_flag=True, help="Revoke the identity itself, for good.")
@click.option("--told", type=_PATH, help="A revocation that somebody else has signed, or you in advance.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.argument("file", type=_PATH, default=Path("node.revocation"))
def revoke(
    keys: Path,
    network: str | None,
    passphrase_file: Path | None,
    signer: str | None,
    whole: bool,
    told: Path | None,
    yes: bool,
    file: Path,
) -> None:
    """Declare the operational keys of this node void, in all sessions at once, and put a new one in force.

    FILE is for other nodes: any node that heeds it (--told FILE) passes it on.
    """
    if told is not None:
        sealed = read_revocation(told)
        heed(keys, sealed)
        click.echo(f"the node with {keys} heeds it: {_named(sealed.body.node, sealed.body.up_to_serial)}")
        return
    if network is None:
        raise UsageError("name the --network in which the keys are revoked")
    if not (keys / "identity.pem").exists():
        raise UsageError(
            f"{keys} has no identity key; run this where it is, or heed a revocation signed in advance"
            " with --told"
        )
    mine = unlock(keys, passphrase_file)
    serial = IDENTITY_SERIAL if whole else max(last_serial(keys), issued_serial(keys, network))
    if serial == 0:
        raise UsageError(
            f"{keys} holds no operational key, and none was certified here; nothing is to be revoked"
        )
    what = _named(mine.node, serial)
    if not yes:
        click.confirm(f"{what}: this cannot be taken back; go on?", abort=True)
    if not whole and last_serial(keys):
        if held_elsewhere(keys) and signer is None:
            raise UsageError(
                "an external signer holds the key; give it a newer one, and here its command with --signer"
            )
        _renew(keys, mine, network, 7, signer)
    sealed = make_revocation(mine, network, serial, wall_utc_s())
    write_revocation(file, sealed)
    heed(keys, sealed)
    click.echo(f"{what}; a node that runs with {keys} tells its neighbours at once")
    click.echo(f"hand {file} to a neighbour, too: 'ioe identity revoke --told {file}' makes its node heed it")


@identity.command()
@KEYS
@click.option("--pub", is_flag=True, help="Print node.pub instead.")
def show(keys: Path, pub: bool) -> None:
    """Show who the node is."""
    node, ca = load_ca(keys)
    if pub:
        click.echo(node_pub(ca), nl=False)
        return
    here = "here" if (keys / "identity.pem").exists() else "not in this folder"
    for name, value in (
        ("node", node_text(node)),
        ("short", node_short(node)),
        ("identity", f"key {here}"),
        ("CA until", instant(expires_utc_s(ca))),
        ("last key", str(last_serial(keys) or "none")),
    ):
        click.echo(f"{name:10} {value}")


def _renew(keys: Path, made: Identity, network: str, days: int, signer: str | None) -> None:
    external = newest_external(signer)
    operational = renew_operational(
        keys,
        made,
        network_id=network,
        now=WallClock().now(),
        wall_utc_s=wall_utc_s(),
        lifetime_s=days * _DAY_S,
        key=external and external[0].key(external[1]),
    )
    _say(operational.statement.body)


def _say(body: OperationalKey) -> None:
    click.echo(
        f"operational key {body.serial} for network {body.network_id!r} until {instant(body.expires_utc_s)}"
    )


def _adopt(keys: Path, path: Path) -> None:
    """A box that has never seen its identity: take its public part."""
    _, ca = read_node_pub(path)
    if (keys / "ca.pem").exists():
        raise UsageError(f"{keys} belongs to a node already; leave --node-pub out")
    make_directory(keys)
    write_whole(keys / "ca.pem", pem(ca))
    write_whole(keys / "node.pub", node_pub(ca).encode())


def _named(node: NodeId, serial: int) -> str:
    name = node_short(node)
    if serial == IDENTITY_SERIAL:
        return f"the identity of {name} is revoked, with every key that it has certified or will"
    return f"the operational keys of {name} up to serial {serial} are revoked"
