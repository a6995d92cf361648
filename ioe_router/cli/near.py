"""Groups of commands: a beginning of a name will do, a wrong name is met with a near one."""

from __future__ import annotations

import difflib

import click


def nearest(name: str, known: list[str]) -> str:
    """Advice about a name that does not exist."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"


class NearGroup(click.Group):
    """A group whose commands may be shortened, as routers' command lines allow."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name, of its plural, or of its only beginning."""
        known = self.list_commands(ctx)
        found = self.commands.get(cmd_name) or self.commands.get(f"{cmd_name}s")
        if found is None:
            fitting = [name for name in known if name.startswith(cmd_name)]
            found = self.commands[fitting[0]] if len(fitting) == 1 else None
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the nearest name where there is no such command."""
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            advice = nearest(args[0], self.list_commands(ctx))
            ctx.fail(f"there is no {args[0]!r} in 'ioe {ctx.info_name}'; {advice}")
        return super().resolve_command(ctx, args)
