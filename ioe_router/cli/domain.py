"""`ioe domain`: the operators of a domain say who belongs to it.

each operator:  ioe domain key --root ops1
one of them:    ioe domain init --root ops1 --network NET --root-pub ops2.pub --root-pub ops3.pub NAME.trust
another one:    ioe domain sign --root ops2 NAME.trust
for each node:  ioe domain admit --root ops1 --trust NAME.trust --node east.node.pub east.member
                ioe domain sign --root ops2 east.member
other operators: ioe domain roots --root ops1 --add ops4.pub --drop ops3.pub NAME.trust
to expel one:   ioe domain remove --root ops1 --node east.node.pub NAME.trust
                ioe domain sign --root ops2 NAME.trust

A quorum of root keys has to sign whatever the domain says.  A file that waits for signatures names
who is missing; nodes do not use it before it is complete.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Final

import click

from ioe_router.adapters.clock import WallClock
from ioe_router.adapters.domain_files import (
    TRUST_FORMAT,
    TrustFile,
    read_certificate,
    read_trust,
    usable_trust,
    write_certificate,
    write_trust,
)
from ioe_router.adapters.envelope_json import parse_json_object
from ioe_router.adapters.files import read_file
from ioe_router.adapters.keystore import read_node_pub
from ioe_router.adapters.root_keys import create_root, load_root, read_root_pub
from ioe_router.cli.domain_operator import ROOT, Operator, operated
from ioe_router.cli.domain_text import described
from ioe_router.cli.identity import NETWORK, PASSPHRASE, first_line
from ioe_router.codec.root_signing import draft, missing, signed_by, stated
from ioe_router.model.bech32m import domain_text, node_short, parse_node
from ioe_router.model.domain import (
    MemberCertificate,
    MeterCertificate,
    Removal,
    RootKey,
    RootSigned,
    TrustList,
    domain_id_of,
    in_order,
)
from ioe_router.model.envelope import Envelope
from ioe_router.model.errors import UsageError
from ioe_router.model.ids import NodeId, link_id_of

_DAY_S: Final = 86_400
PATH: Final = click.Path(path_type=Path)
TRUST = click.option("--trust", required=True, type=PATH, help="The domain's trust file.")
NODE = click.option("--node", required=True, help="node.pub file of the node, or its node id.")
DAYS = click.option("--days", type=click.IntRange(1, 400), default=365, show_default=True, help="Validity.")
SERIAL = click.option(
    "--serial", type=click.IntRange(1), help="Number, higher than before; default: now in UTC seconds."
)
FILE = click.argument("file", type=PATH)


@click.group()
def domain() -> None:
    """Trust domains: who belongs, and who says so."""


@domain.command()
@ROOT
@PASSPHRASE
def key(root: Path, passphrase_file: Path | None) -> None:
    """Make a root key for one operator."""
    create_root(root, first_line(passphrase_file))
    click.echo(
        f"hand {root / 'root.pub'} to whoever founds the domain; keep {root / 'root.pem'} off every node"
    )


@domain.command()
@operated
@NETWORK
@click.option("--root-pub", "others", multiple=True, type=PATH, help="root.pub of each other operator.")
@click.option("--quorum", type=click.IntRange(1, 8), help="How many must sign; default: more than half.")
@click.option(
    "--grace-days", type=click.IntRange(0, 30), default=14, show_default=True, help="After the end."
)
@click.option("--certified-meters", is_flag=True, help="Let meter records count from certified meters only.")
@DAYS
@FILE
def init(
    by: Operator,
    network: str,
    others: tuple[Path, ...],
    quorum: int | None,
    grace_days: int,
    certified_meters: bool,
    days: int,
    file: Path,
) -> None:
    """Found a domain: write its first trust list to FILE and sign it."""
    _refuse_existing(file)
    keys = in_order((by.key.public_key, *map(read_root_pub, others)))
    if len(keys) != 1 + len(others):
        raise UsageError("a root key is named twice; give each other operator's root.pub once")
    quorum = quorum or len(keys) // 2 + 1
    if quorum > len(keys):
        raise UsageError(f"a quorum of {quorum} needs as many root keys; name them with --root-pub")
    now_s = WallClock().now().utc_s
    body = TrustList(
        network_id=network,
        domain=domain_id_of(network, quorum, keys),
        serial=1,
        quorum=quorum,
        roots=keys,
        signers=by.signers(keys, quorum),
        removals=(),
        certified_meters=certified_meters,
        grace_s=grace_days * _DAY_S,
        issued_utc_s=now_s,
        expires_utc_s=now_s + days * _DAY_S,
    )
    _put_list(file, (), signed_by(draft(body), by.key))


@domain.command()
@operated
@TRUST
@NODE
@click.option("--party", help="Its balance-responsible party, node id; default: itself.")
@click.option(
    "--duty",
    "duties",
    multiple=True,
    type=click.Choice(("border", "grid-forming")),
    help="border: it may have neighbours in other domains; grid-forming: it may be the root of a zone.",
)
@SERIAL
@DAYS
@FILE
def admit(
    by: Operator,
    trust: Path,
    node: str,
    party: str | None,
    duties: tuple[str, ...],
    serial: int | None,
    days: int,
    file: Path,
) -> None:
    """Certify a node as a member and write the certificate to FILE."""
    known, member, now_s = _in_force(trust), _node(node), WallClock().now().utc_s
    serial = serial or now_s
    voids = next((one.serial for one in known.removals if one.node == member), 0)
    if serial <= voids:
        raise UsageError(
            f"{node_short(member)} was removed up to serial {voids}; admit it with --serial {voids + 1}"
        )
    body = MemberCertificate(
        network_id=known.network_id,
        domain=known.domain,
        node=member,
        serial=serial,
        balance_party=member if party is None else parse_node(party),
        border="border" in duties,
        grid_forming="grid-forming" in duties,
        signers=by.signers(known.roots, known.quorum),
        issued_utc_s=now_s,
        expires_utc_s=now_s + days * _DAY_S,
    )
    _put_certificate(file, signed_by(draft(body), by.key))


@domain.command()
@operated
@TRUST
@NODE
@click.option("--neighbor", required=True, help="node.pub or node id of the link's other end.")
@click.option("--plate", required=True, help="What is on the meter's plate: maker, type, number.")
@click.option("--tolerance-ppm", type=click.IntRange(0, 1_000_000), required=True, help="Its largest error.")
@DAYS
@FILE
def meter(
    by: Operator,
    trust: Path,
    node: str,
    neighbor: str,
    plate: str,
    tolerance_ppm: int,
    days: int,
    file: Path,
) -> None:
    """Certify a member's meter on one link and write the certificate to FILE."""
    known, member, now_s = _in_force(trust), _node(node), WallClock().now().utc_s
    body = MeterCertificate(
        network_id=known.network_id,
        domain=known.domain,
        node=member,
        link=link_id_of(member, _node(neighbor), 0),
        serial=now_s,
        meter=hashlib.sha256(plate.encode()).digest(),
        tolerance_ppm=tolerance_ppm,
        signers=by.signers(known.roots, known.quorum),
        issued_utc_s=now_s,
        expires_utc_s=now_s + days * _DAY_S,
    )
    _put_certificate(file, signed_by(draft(body), by.key))


@domain.command()
@operated
@NODE
@click.option("--serial", type=click.IntRange(1), help="Highest that is void; default: all until now.")
@DAYS
@FILE
def remove(by: Operator, node: str, serial: int | None, days: int, file: Path) -> None:
    """Expel a node: add the next trust list to FILE and sign it."""
    _proceed(file, by, days, Removal(node=_node(node), serial=serial or WallClock().now().utc_s))


@domain.command()
@operated
@DAYS
@FILE
def renew(by: Operator, days: int, file: Path) -> None:
    """Add the next trust list to FILE with the same content and a later end, and sign it."""
    _proceed(file, by, days)


@domain.command()
@operated
@click.option("--add", "added", multiple=True, type=PATH, help="root.pub of a new operator.")
@click.option("--drop", "dropped", multiple=True, type=PATH, help="root.pub of one who leaves.")
@click.option("--quorum", type=click.IntRange(1, 8), help="How many must sign from then on; default: as now.")
@DAYS
@FILE
def roots(
    by: Operator,
    added: tuple[Path, ...],
    dropped: tuple[Path, ...],
    quorum: int | None,
    days: int,
    file: Path,
) -> None:
    """Change the operators: add the next trust list with other root keys to FILE, and sign it.

    A quorum of the present roots has to sign it, and one of the new ones.
    """
    known = _in_force(file)
    before, gone = {one.key for one in known.roots}, set(map(read_root_pub, dropped))
    if gone - before:
        raise UsageError(f"root key {min(gone - before).hex()[:12]} is none of the domain's; leave it out")
    after = in_order((before - gone) | set(map(read_root_pub, added)))
    quorum = quorum or known.quorum
    if quorum > len(after):
        raise UsageError(f"a quorum of {quorum} needs as many root keys; add some, or give a lower --quorum")
    _proceed(file, by, days, roots=after, quorum=quorum)


@domain.command()
@ROOT
@PASSPHRASE
@click.option("--yes", is_flag=True, help="Sign without asking.")
@FILE
def sign(root: Path, passphrase_file: Path | None, yes: bool, file: Path) -> None:
    """Show what FILE says and add this operator's signature."""
    trust = _as_trust(file)
    envelope = read_certificate(file) if trust is None else trust.lists[-1]
    if not missing(envelope):
        raise UsageError(f"{file} has all its signatures already; nothing is left to do")
    click.echo(described(stated(envelope), envelope))
    if not yes:
        click.confirm("sign this?", abort=True)
    signed = signed_by(envelope, load_root(root, first_line(passphrase_file)))
    if trust is None:
        _put_certificate(file, signed)
    else:
        _put_list(file, trust.lists[:-1], signed)


@domain.command()
@FILE
def show(file: Path) -> None:
    """Show what FILE says, and who still has to sign it."""
    trust = _as_trust(file)
    envelope = read_certificate(file) if trust is None else trust.lists[-1]
    if trust is not None and trust.complete:
        known = usable_trust(trust, trust.newest.network_id, str(file))
        click.echo(f"in force    list {known.newest.serial} of {domain_text(known.id)}")
    click.echo(described(stated(envelope), envelope))


# ------------------------------------------------------------------ files


def _as_trust(file: Path) -> TrustFile | None:
    """The trust file, None when the file is of another kind."""
    content = read_file(file, "name a .trust, .member or .meter file")
    found = parse_json_object(content, None, str(file)).get("format")
    return read_trust(file) if found == TRUST_FORMAT else None


def _in_force(trust: Path) -> TrustList:
    """The list in force of a trust file, fully checked."""
    file = read_trust(trust)
    return usable_trust(file, file.newest.network_id, str(trust)).newest


def _proceed(
    file: Path,
    by: Operator,
    days: int,
    removed: Removal | None = None,
    roots: tuple[RootKey, ...] | None = None,
    quorum: int | None = None,
) -> None:
    """The next list, as the one in force but for what is given."""
    known, lists = _in_force(file), read_trust(file).complete
    if missing(read_trust(file).lists[-1]):
        raise UsageError(f"{file} holds a list that waits for signatures; complete it with 'ioe domain sign'")
    now_s = WallClock().now().utc_s
    removals = {one.node: one for one in known.removals}
    if removed is not None:
        removals[removed.node] = removed
    after, wanted = roots or known.roots, quorum or known.quorum
    signers = by.signers(known.roots, known.quorum)
    heirs = [one for one in after if one not in signers]
    short = max(0, wanted - sum(one in after for one in signers))
    body = replace(
        known,
        serial=known.serial + 1,
        roots=after,
        quorum=wanted,
        signers=in_order(one.key for one in (*signers, *heirs[:short])),
        removals=tuple(removals[one] for one in sorted(removals)),
        issued_utc_s=max(now_s, known.issued_utc_s),
        expires_utc_s=now_s + days * _DAY_S,
    )
    _put_list(file, lists, signed_by(draft(body), by.key))


def _put_list(file: Path, before: tuple[Envelope, ...], newest: Envelope) -> None:
    write_trust(file, (*before, newest))
    _tell(file, stated(newest), newest, "hand it to the nodes of the domain")


def _put_certificate(file: Path, certificate: Envelope) -> None:
    write_certificate(file, certificate)
    _tell(file, stated(certificate), certificate, "hand it to its node, which names it in node.toml")


def _tell(file: Path, body: RootSigned, envelope: Envelope, then: str) -> None:
    click.echo(described(body, envelope))
    short = len(missing(envelope))
    if short:
        click.echo(f"{file} waits for {short} more: hand it to them for 'ioe domain sign'")
    else:
        click.echo(f"{file} is complete; {then}")


def _refuse_existing(file: Path) -> None:
    if file.exists():
        raise UsageError(f"{file} exists already; name another file, a domain is founded once")


def _node(given: str) -> NodeId:
    path = Path(given)
    return read_node_pub(path)[0] if path.exists() else parse_node(given)
