"""`ioe config`: make, check and change the configuration of a node.

init, example, check   about a file; nothing runs
diff, apply, confirm, undo   about a running node and its file
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import click

from ioe_router.cli.asking import Where, asks, client_of, fail
from ioe_router.cli.exit_codes import ExitCode
from ioe_router.cli.near import NearGroup
from ioe_router.model.errors import UsageError


@click.group(cls=NearGroup)
def config() -> None:
    """node.toml."""


@config.command()
@click.argument("file", type=click.Path(path_type=Path))
def check(file: Path) -> None:
    """Say whether a node would accept FILE and everything it names; nothing is changed."""
    from ioe_router.adapters.keystore import load_operational
    from ioe_router.daemon.assembly import read_plan, router_config
    from ioe_router.daemon.errors import StartRefused
    from ioe_router.model.bech32m import node_text

    plan = read_plan(file)
    now = plan.clock.now()
    try:
        held = load_operational(plan.keys, plan.parameters.network_id, now)
    except UsageError as error:
        raise StartRefused(str(error)) from error
    if held is None:
        click.echo("the operational key is made at the first start")
    router_config(plan, now)
    click.echo(f"{file} is sound: node {node_text(plan.node)}, {len(plan.neighbors)} neighbours")


@config.command()
def example() -> None:
    """Print a commented configuration with every option."""
    from ioe_router.daemon.config_text import example as text

    click.echo(text(), nl=False)


# name of the answer, question, answer to nothing; flags answer beforehand
_QUESTIONS: Final = (
    ("network", "Name of the network", "village"),
    ("listen", "Peer port, host:port", "0.0.0.0:7443"),
    ("import_w", "Most power drawn from the network, watts", 11_000),
    ("export_w", "Most power fed in, watts", 10_000),
)


@config.command()
@click.argument("file", type=click.Path(path_type=Path), default=Path("node.toml"))
@click.option("--network", help="network_id of all its nodes. [default: village]")
@click.option("--listen", help="Where neighbours dial, host:port. [default: 0.0.0.0:7443]")
@click.option("--import-w", type=click.IntRange(0), help="Most power drawn, watts. [default: 11000]")
@click.option("--export-w", type=click.IntRange(0), help="Most power fed in, watts. [default: 10000]")
@click.option("--sell", type=click.IntRange(1), help="Offer so many joules of energy in every slot.")
@click.option("--buy", type=click.IntRange(1), help="Want so many joules of energy in every slot.")
@click.option(
    "--slot-s",
    type=click.Choice(("300", "900", "1800", "3600")),
    default="900",
    show_default=True,
    help="Length of a slot in the network.",
)
def init(file: Path, **answers: Any) -> None:
    """Write a working, commented FILE [default: node.toml].

    On a terminal a few questions are asked; elsewhere what is not said has its default.
    """
    from ioe_router.daemon.config_init import Answers, first_file

    if file.exists():
        raise UsageError(f"{file} exists already; name another file, or move it away")
    slot_s = int(answers.pop("slot_s"))
    for name, question, otherwise in _QUESTIONS:
        if answers[name] is None:
            asks_people = sys.stdin.isatty()
            answers[name] = click.prompt(question, default=otherwise) if asks_people else otherwise
    try:
        file.write_text(first_file(Answers(slot_s=slot_s, **answers)), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{file} cannot be written ({error.strerror}); check its folder") from error
    click.echo(f"{file} is written. Next:")
    if not (file.parent / "keys").exists():
        click.echo(f"  ioe identity new --network {answers['network']}   # the keys of this node")
    click.echo("  ioe pair show, or ioe pair with ADDRESS   # a neighbour")
    click.echo(f"  ioe config check {file}")
    click.echo(f"  ioe run --config {file}")


# ------------------------------------------------------------------ a running node


def _show(title: str, rows: Any) -> None:
    if not rows:
        return
    click.echo(title)
    for row in rows:
        before, after = row.before or "(not stated)", row.after or "(not stated)"
        wait = "" if row.live else "   [at the next start]"
        click.echo(f"  {row.option}: {before} -> {after}{wait}")


@config.command()
@asks
def diff(where: Where) -> None:
    """What is different between the file and the running node; exit code 9 if anything is."""
    from ioe_router.control._pb import operation_pb2 as pb

    with client_of(where) as control:
        try:
            answer = control.operate("GetDifferences", pb.GetDifferencesRequest())
        except UsageError as error:
            fail(error)
    if answer.confirm_within_s:
        click.echo(f"taken back in {answer.confirm_within_s} s unless confirmed: ioe config confirm")
    if not answer.differences:
        click.echo("the node runs with what the file says")
        return
    _show("running -> file", answer.differences)
    sys.exit(ExitCode.REFUSED)


@config.command()
@asks
@click.option("--soft", is_flag=True, help="Refuse what would end a session.")
@click.option(
    "--confirm-within", type=int, default=0, metavar="S", help="Take it back unless confirmed within S s."
)
def apply(where: Where, soft: bool, confirm_within: int) -> None:
    """Take the file up without a restart; refused, nothing changes."""
    from ioe_router.control._pb import operation_pb2 as pb

    if confirm_within < 0:
        raise click.UsageError("--confirm-within takes seconds, 1 or more")
    request = pb.ApplyConfigurationRequest(soft=soft, confirm_within_s=confirm_within)
    with client_of(where) as control:
        try:
            answer = control.operate("ApplyConfiguration", request)
        except UsageError as error:
            fail(error)
    _show("in force now", answer.applied)
    _show("waits for a restart", answer.waiting)
    if not answer.applied and not answer.waiting:
        click.echo("the node runs with what the file says; nothing to do")
    if confirm_within:
        click.echo(f"taken back in {confirm_within} s unless you say: ioe config confirm")


@config.command()
@asks
def confirm(where: Where) -> None:
    """Keep what was applied with --confirm-within."""
    from ioe_router.control._pb import operation_pb2 as pb

    with client_of(where) as control:
        try:
            answer = control.operate("ConfirmConfiguration", pb.ConfirmConfigurationRequest())
        except UsageError as error:
            fail(error)
    if not answer.waited:
        click.echo("nothing waits for a confirmation")
        sys.exit(ExitCode.REFUSED)
    click.echo("it stays")


@config.command()
@asks
def undo(where: Where) -> None:
    """Go back to what was in force before the last apply; the file is left as it is."""
    from ioe_router.control._pb import operation_pb2 as pb

    with client_of(where) as control:
        try:
            answer = control.operate("UndoConfiguration", pb.UndoConfigurationRequest())
        except UsageError as error:
            fail(error)
    _show("in force now", answer.applied)
    click.echo("the file is as it was; correct it before the next start or apply")
