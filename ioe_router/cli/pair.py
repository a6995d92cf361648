"""`ioe pair`: two boxes become neighbours by a code that one person reads to another (SPEC section 6.1).

one:    ioe pair show --config node.toml                          shows a code, valid for five minutes
other:  ioe pair with ADDRESS --config node.toml --terms terms.toml   asks for it
both:   start or restart the node

Without --terms the two know each other, but no link between them is attested,
and they have no session yet.
"""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path

import click

from ioe_router.adapters.clock import WallClock
from ioe_router.adapters.keystore import Identity, load_identity
from ioe_router.adapters.node import wall_utc_s
from ioe_router.adapters.pairing import Judge, Listener, Result, call
from ioe_router.adapters.peer_server import split_address
from ioe_router.cli.link import describe
from ioe_router.daemon.announcing import keep_announced, refuse_without_extra
from ioe_router.daemon.assembly import Plan, read_plan
from ioe_router.daemon.key_keeper import Secret
from ioe_router.daemon.link_terms import LinkTerms, read_terms
from ioe_router.daemon.pairing import (
    Guest,
    agreed_link,
    complete_link,
    dial_address,
    own_card,
    read_card,
    read_link,
    stated_link,
)
from ioe_router.daemon.peer_files import PeerFile, check_name, find_peer, read_peers, remove_peer, write_peer
from ioe_router.daemon.settings import read_settings
from ioe_router.model.bech32m import node_short, node_text
from ioe_router.model.envelope import Envelope
from ioe_router.model.errors import UsageError
from ioe_router.model.pairing import CODE_LIFETIME_S, PORT, Card
from ioe_router.model.pairing_code import ENTROPY_BYTES, make_code, parse_code, shown

CONFIG = click.option(
    "--config",
    type=click.Path(path_type=Path),
    default=Path("node.toml"),
    show_default=True,
    help="node.toml of this node.",
)
NAME = click.option("--name", help="What to call the other box here; default: the start of its node id.")
_MINUTES = CODE_LIFETIME_S // 60
_ANY = ("0.0.0.0", "::")


@click.group()
def pair() -> None:
    """Pair with another box, list paired ones, remove one."""


@pair.command()
@CONFIG
@NAME
@click.option("--yes", is_flag=True, help="Agree to whatever link the other operator states.")
def show(config: Path, name: str | None, yes: bool) -> None:
    """Show a code and wait for the box that it is typed into."""
    plan = _plan(config, name)
    asyncio.run(_show(plan, _Host(plan, name, agree=yes)))


@pair.command(name="with")
@click.argument("address")
@CONFIG
@NAME
@click.option("--terms", type=click.Path(path_type=Path), help="TOML file with the link's terms.")
def with_(address: str, config: Path, name: str | None, terms: Path | None) -> None:
    """Ask for the code that the box at ADDRESS (host or host:port) shows, and pair with it."""
    plan = _plan(config, name)
    address = address if ":" in address else f"{address}:{PORT}"
    split_address(address)
    host = _Host(plan, name, terms=read_terms(terms) if terms is not None else None)
    code = parse_code(click.prompt("code shown by the other box", type=str))
    result = asyncio.run(call(address, code, own_card(plan), host.judge))
    host.store(result, dialled=True)


@pair.command()
@CONFIG
@click.option(
    "--seconds", type=click.FloatRange(1, 60), default=3, show_default=True, help="How long to listen."
)
def found(config: Path, seconds: float) -> None:
    """List the boxes that announce themselves in the local network."""
    refuse_without_extra("'ioe pair found'")
    from ioe_router.adapters.dns_sd import TROUBLES, Service, look

    settings = read_settings(config)
    paired = {node_short(peer.node): peer.name for peer in read_peers(_folder(config))}
    try:
        heard = asyncio.run(look(settings.pairing.listen, seconds))
    except TROUBLES as error:
        raise UsageError(
            f"the local network cannot be listened to ({error}); check its interfaces"
        ) from error
    if not heard:
        click.echo("no box is announced; set pairing.announce = true there, or type its address")
    for one in heard:
        waits = one.service is Service.PAIRING
        known = f"  (like {paired[one.name]})" if one.name in paired else ""
        advice = f"shows a code: ioe pair with {one.host}:{one.port}" if waits else f"runs on port {one.port}"
        click.echo(f"{one.name:15} {one.host:15} {advice}{known}")


@pair.command(name="list")
@CONFIG
def list_(config: Path) -> None:
    """List the paired boxes."""
    peers = read_peers(_folder(config))
    if not peers:
        click.echo("no box is paired; begin with 'ioe pair show' on one of the two")
    for peer in peers:
        click.echo(f"{peer.name:20} {node_text(peer.node)}  {_state(peer)}")


@pair.command()
@CONFIG
@click.argument("peer")
def remove(config: Path, peer: str) -> None:
    """Forget the paired box PEER (its name or node id); a running node ends its session with it."""
    found = find_peer(_folder(config), peer)
    remove_peer(found)
    click.echo(
        f"{found.name} ({node_short(found.node)}) is no neighbour any more; a running node cuts it off"
    )


def _plan(config: Path, name: str | None) -> Plan:
    if name is not None:
        check_name(name)
    return read_plan(config)


def _folder(config: Path) -> Path:
    return config.resolve().parent / read_settings(config).pairing.peers


def _state(peer: PeerFile) -> str:
    if not peer.has_link:
        return "no link attested yet: pair again with --terms, or 'ioe link attest'"
    return f"dialled at {peer.section.address}" if peer.section.address else "dials this node"


async def _show(plan: Plan, host: _Host) -> None:
    code = make_code(secrets.token_bytes(ENTROPY_BYTES))
    listener = Listener(code, own_card(plan), host.judge, listen=plan.settings.pairing.listen)
    port = await listener.start()
    announcing = _announce(plan, port)
    click.echo(f"code  {shown(code)}")
    click.echo(
        f"type it within {_MINUTES} minutes at the other box: ioe pair with {_place(plan, port)}\n"
        f"this box is {node_text(plan.node)} of the network {plan.parameters.network_id}"
    )
    try:
        host.store(await listener.outcome(), dialled=False)
    finally:
        if announcing is not None:
            announcing.cancel()
            await asyncio.gather(announcing, return_exceptions=True)
        await listener.stop()


def _announce(plan: Plan, port: int) -> asyncio.Task[None] | None:
    """Tell the local network that a code is shown here, where the configuration wants it."""
    section = plan.settings.pairing
    if not section.announce:
        return None
    told = keep_announced(plan.node, section.listen, port, pairing=True, told=_on_announced)
    return asyncio.create_task(told)


def _on_announced(what: str, words: str) -> None:
    click.echo(f"announced in the local network as {words}" if what == "name" else words)


def _place(plan: Plan, port: int) -> str:
    """Where the other box finds this one, as far as this one knows."""
    host = split_address(plan.settings.pairing.listen)[0]
    if ":" in host and host not in _ANY:
        return f"[{host}]:{port}"
    shown_host = "ADDRESS-OF-THIS-BOX" if host in _ANY else host
    return shown_host if port == PORT else f"{shown_host}:{port}"


class _Host:
    """The operator's side of a pairing: judges what the other box says, and stores what came of it."""

    def __init__(
        self, plan: Plan, name: str | None, *, terms: LinkTerms | None = None, agree: bool = False
    ) -> None:
        self.judge: Judge = self._judge
        self._plan = plan
        self._name = name
        self._terms = terms
        self._agree = agree
        self._unable = ""  # why this box cannot sign a link
        self._identity = self._load_identity(needed=terms is not None)

    def _load_identity(self, *, needed: bool) -> Identity | None:
        """The identity key signs links; where it is kept elsewhere, a box can pair but attest none."""
        try:
            return load_identity(self._plan.keys, passphrase=Secret(self._plan).read())
        except UsageError as error:
            if needed:
                raise
            self._unable = str(error)
            return None

    async def _judge(self, card: Card, link: Envelope | None) -> Envelope | None:
        guest = read_card(card, self._plan, wall_utc_s())
        if self._terms is not None and self._identity is not None:
            return stated_link(self._terms, guest, self._plan, self._identity, WallClock().now())
        return None if link is None else self._consider(guest, link)

    def _consider(self, guest: Guest, link: Envelope) -> Envelope | None:
        """Ask the operator about a link that the other one states; None leaves it out."""
        body = read_link(link, guest, self._plan)
        click.echo(f"{node_short(guest.node)} knows the code and states this link:\n{describe(body)}")
        if self._identity is None:
            click.echo(f"the link is left out, because this box cannot sign it: {self._unable}")
            return None
        if not (self._agree or click.confirm("sign this?")):
            return None
        return agreed_link(link, self._identity)

    def store(self, result: Result, *, dialled: bool) -> None:
        """Write the peer's files and say what has been paired."""
        plan, now = self._plan, WallClock().now()
        guest = read_card(result.paired.card, plan, wall_utc_s())
        link = result.paired.link
        peer = write_peer(
            plan.peer_folder,
            guest.ca,
            guest.node,
            name=self._name,
            address=dial_address(result.host, guest, plan, dialled=dialled),
            link=None if link is None else complete_link(link, guest, plan, now),
            utc_s=now.utc_s,
        )
        click.echo(f"paired with {node_text(guest.node)}, called {peer.name} here: {_state(peer)}")
        if link is None and self._terms is not None:
            click.echo("the other operator did not sign the link; agree on its terms and pair again")
        if peer.has_link:
            click.echo("start this node; one that runs takes the neighbour up by itself within seconds")
