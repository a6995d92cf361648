"""`ioe link`: two operators state what they know about the link between them.

one:    ioe link attest --keys keys --neighbor east.node.pub --terms terms.toml --network village FILE
other:  ioe link countersign --keys keys FILE
both:   name FILE as `attestation` of the neighbour in node.toml
"""

from __future__ import annotations

from pathlib import Path

import click

from ioe_router.adapters.attestation import attest as sign_first
from ioe_router.adapters.attestation import countersign as sign_second
from ioe_router.adapters.attestation import read_attestation, stated, write_attestation
from ioe_router.adapters.clock import WallClock
from ioe_router.adapters.keystore import read_node_pub
from ioe_router.cli.identity import KEYS, NETWORK
from ioe_router.cli.secrets import PASSPHRASE, unlock
from ioe_router.cli.text import instant
from ioe_router.daemon.link_terms import attestation_of, read_terms
from ioe_router.model.bech32m import node_text
from ioe_router.model.discovery import LinkAttestation
from ioe_router.model.errors import UsageError

FILE = click.argument("file", type=click.Path(path_type=Path))


@click.group()
def link() -> None:
    """Attestations of links."""


@link.command()
@KEYS
@NETWORK
@PASSPHRASE
@click.option("--neighbor", required=True, type=click.Path(path_type=Path), help="The neighbour's node.pub.")
@click.option(
    "--terms", required=True, type=click.Path(path_type=Path), help="TOML file with the link's terms."
)
@FILE
def attest(
    keys: Path, network: str, passphrase_file: Path | None, neighbor: Path, terms: Path, file: Path
) -> None:
    """State the link to a neighbour, sign it, and write FILE for the neighbour to countersign."""
    if file.exists():
        raise UsageError(f"{file} exists already; name another file")
    mine = unlock(keys, passphrase_file)
    (node, _), now = read_node_pub(neighbor), WallClock().now()
    body = attestation_of(
        read_terms(terms), mine=mine.node, neighbor=node, network_id=network, utc_s=now.utc_s
    )
    write_attestation(file, sign_first(body, mine))
    click.echo(describe(body))
    click.echo(f"hand {file} to the neighbour, who runs 'ioe link countersign'")


@link.command()
@KEYS
@PASSPHRASE
@click.option("--yes", is_flag=True, help="Sign without asking.")
@FILE
def countersign(keys: Path, passphrase_file: Path | None, yes: bool, file: Path) -> None:
    """Show what FILE states about a link of this node, and sign it."""
    half = read_attestation(file)
    if half.complete:
        raise UsageError(f"{file} is signed by both ends already; nothing is left to do")
    body = stated(half)
    mine = unlock(keys, passphrase_file)
    both, _ = sign_second(half, mine)
    click.echo(describe(body))
    if not yes:
        click.confirm("sign this?", abort=True)
    write_attestation(file, both)
    click.echo(f"{file} is complete; both ends name it in node.toml")


def describe(body: LinkAttestation) -> str:
    """What an attestation states, in words."""
    lines = (
        ("keeper", node_text(body.keeper)),
        ("other end", node_text(body.other)),
        ("kind", body.kind.name.lower()),
        ("rating", f"{body.rating_down_va} VA from the keeper, {body.rating_up_va} VA to it"),
        ("fees", f"up to {body.fee_down_micro_per_kwh} and {body.fee_up_micro_per_kwh} micro-units per kWh"),
        (
            "impedance",
            f"{body.loss.r_micro_ohm} and {body.loss.x_micro_ohm} micro-ohm at {body.loss.vn_mv} mV",
        ),
        ("valid", f"{instant(body.issued_utc_s)} to {instant(body.expires_utc_s)}"),
    )
    return "\n".join(f"{name:10} {value}" for name, value in lines)
