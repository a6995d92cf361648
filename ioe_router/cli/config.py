"""`ioe config`: check a configuration without starting anything, or print one to begin with."""

from __future__ import annotations

from pathlib import Path

import click

from ioe_router.adapters.keystore import load_operational
from ioe_router.daemon.assembly import read_plan, router_config
from ioe_router.daemon.config_text import example as example_text
from ioe_router.daemon.errors import StartRefused
from ioe_router.model.bech32m import node_text
from ioe_router.model.errors import UsageError


@click.group()
def config() -> None:
    """node.toml."""


@config.command()
@click.argument("file", type=click.Path(path_type=Path))
def check(file: Path) -> None:
    """Say whether a node would accept FILE and everything it names; nothing is changed."""
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
    click.echo(example_text(), nl=False)
