"""`ioe lg`: the looking glass, web pages that show what nodes say of themselves."""

from __future__ import annotations

from pathlib import Path

import click

from ioe_router.lg.privacy import key_digest, new_key
from ioe_router.lg.serving import serve, watch_of
from ioe_router.lg.settings import EXAMPLE, read_settings
from ioe_router.lg.words import count


@click.group()
def lg() -> None:
    """Web pages about one or many nodes, read-only, from a process of their own."""


@lg.command()
@click.option(
    "--config", required=True, type=click.Path(path_type=Path), help="lg.toml, see 'ioe lg example'."
)
def run(config: Path) -> None:
    """Serve the pages until SIGTERM or SIGINT."""
    serve(config)


@lg.command()
@click.argument("file", type=click.Path(path_type=Path))
def check(file: Path) -> None:
    """Say whether FILE and what it names would be accepted; nothing is started, no node is asked."""
    settings = read_settings(file)
    watch_of(settings, file)
    nodes = count(len(settings.node), "node")
    click.echo(f"{file} is sound: {nodes}, audience {settings.looking_glass.audience}")


@lg.command()
def example() -> None:
    """Print a commented configuration with every option."""
    click.echo(EXAMPLE.read_text(encoding="utf-8"), nl=False)


@lg.command()
def key() -> None:
    """Make a key to a home's own page, and the line for lg.toml that admits it."""
    made = new_key()
    click.echo(f"for the household, once: {made}")
    click.echo(f'for lg.toml: key_sha256 = "{key_digest(made)}"')
