"""`ioe completion`: the script that teaches a shell to complete `ioe`, with names asked from the daemon."""

from __future__ import annotations

from typing import Final

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

_CLASSES: Final[dict[str, type[ShellComplete]]] = {
    "bash": BashComplete,
    "zsh": ZshComplete,
    "fish": FishComplete,
}


_HELP: Final = """Print the completion script of SHELL.

\b
bash  eval "$(ioe completion bash)"  in ~/.bashrc
zsh   eval "$(ioe completion zsh)"  in ~/.zshrc, behind compinit
fish  ioe completion fish > ~/.config/fish/completions/ioe.fish
"""


@click.command(help=_HELP)
@click.argument("shell", type=click.Choice(tuple(_CLASSES)))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script."""
    kind = _CLASSES[shell]
    click.echo(kind(ctx.find_root().command, {}, "ioe", "_IOE_COMPLETE").source())
