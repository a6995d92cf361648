"""`ioe`: the entry point and its groups. What its exit codes mean is in exit_codes.py."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from typing import Final

# Before gRPC is imported anywhere: a forked child of a gRPC process hangs, so the support for
# it is off; and what gRPC writes to stderr by itself is said better by the log, which reads it
# in a node that runs (daemon/transport_log.py).
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
os.environ.setdefault("GRPC_VERBOSITY", "INFO" if "run" in sys.argv[1:2] else "NONE")

import click

from ioe_router.cli.exit_codes import ExitCode
from ioe_router.cli.near import nearest
from ioe_router.daemon.errors import ConfigRefused, InUse, StartRefused
from ioe_router.model.errors import IoeError

# name -> module, attribute, what the help says (so that help imports nothing)
_LAZY: Final = {
    "completion": ("ioe_router.cli.completion", "completion", "Print the completion script of a shell."),
    "config": ("ioe_router.cli.config", "config", "Make, check and change the configuration of a node."),
    "control-key": (
        "ioe_router.cli.control_key",
        "control_key",
        "Make a key and a certificate for the control service on TCP.",
    ),
    "demo": ("ioe_router.cli.demo", "demo", "Run a community's days on real routers."),
    "domain": ("ioe_router.cli.domain", "domain", "Say who belongs to a trust domain: root keys, members."),
    "drain": ("ioe_router.cli.drain", "drain", "Take a running node out of service."),
    "dump": ("ioe_router.cli.monitor", "dump", "Write all that a running node shows, as JSON lines."),
    "explain": ("ioe_router.cli.explain", "explain", "Say why: a route, a price, a refusal."),
    "health": ("ioe_router.cli.health", "health", "Ask a running node whether it serves, for probes."),
    "identity": (
        "ioe_router.cli.identity",
        "identity",
        "Make, show, certify and revoke a node's keys.",
    ),
    "lg": ("ioe_router.cli.lg", "lg", "Show nodes to people: web pages, read-only."),
    "link": ("ioe_router.cli.link", "link", "Attest links between two operators."),
    "log": ("ioe_router.cli.log", "log", "Ask or change how much a running node logs."),
    "monitor": ("ioe_router.cli.monitor", "monitor", "Follow the tables and events of a running node."),
    "pair": ("ioe_router.cli.pair", "pair", "Pair with another box by a short code."),
    "ping": ("ioe_router.cli.trace", "ping", "Measure round trips over the session with a neighbour."),
    "release": ("ioe_router.cli.trade", "release", "Give a reservation of a running node back."),
    "replay": (
        "ioe_router.cli.replay",
        "replay",
        "Repeat a recording and say where it comes out differently.",
    ),
    "reserve": ("ioe_router.cli.trade", "reserve", "Reserve energy with a running node."),
    "run": ("ioe_router.cli.run", "run", "Run a node."),
    "scenario": ("ioe_router.cli.scenario", "scenario", "List, show, validate and import scenarios."),
    "show": ("ioe_router.cli.show", "show", "Show the tables of a running node."),
    "sim": ("ioe_router.cli.sim", "sim", "Simulate a community with faults, on virtual time."),
    "store": (
        "ioe_router.cli.store",
        "store",
        "Look at what a node has promised: check, compact, back up, export.",
    ),
    "trace": ("ioe_router.cli.trace", "trace", "Show the way to a destination, hop by hop."),
}


class LazyGroup(click.Group):
    """Imports a command when it is used, so that each one costs and needs only its own packages."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Every command that this version has, whether or not its extras are installed."""
        present = {name for name, (module, _, _) in _LAZY.items() if importlib.util.find_spec(module)}
        return sorted(present)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands in the help, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, _LAZY[name][2]) for name in self.list_commands(ctx)])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name; a missing extra is one sentence."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module, attribute, _ = _LAZY[cmd_name]
        try:
            found = getattr(importlib.import_module(module), attribute)
        except ModuleNotFoundError as error:
            raise _missing(cmd_name, error) from error
        if not isinstance(found, click.Command):
            raise TypeError(f"{module}.{attribute} is no command")
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the nearest name where there is no such command."""
        if args and not args[0].startswith("-") and args[0] not in self.list_commands(ctx):
            ctx.fail(f"there is no command {args[0]!r}; {nearest(args[0], self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)


def _missing(command: str, error: ModuleNotFoundError) -> click.ClickException:
    extras = "lg" if command == "lg" else "node,sim"
    return click.ClickException(
        f"'{command}' needs the package {error.name!r}, which is not installed; "
        f"install the extras with pip install 'ioe-router[{extras}]'"
    )


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ioe-router")
def ioe() -> None:
    """A router for energy: run a node, make its keys, look at scenarios, run the demo."""


def main() -> None:
    """Run the command line; an error of ours is a sentence on stderr and an exit code, never a traceback."""
    try:
        ioe.main(prog_name="ioe", standalone_mode=False)
    except click.exceptions.Exit as exit_:
        sys.exit(exit_.exit_code)
    except BrokenPipeError:  # whoever reads has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(ExitCode.FAILED)
    except click.Abort:
        click.echo("interrupted", err=True)
        sys.exit(ExitCode.FAILED)
    except click.ClickException as error:
        error.show()
        sys.exit(getattr(error, "code", error.exit_code))
    except IoeError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(_exit_code(error))


def _exit_code(error: IoeError) -> ExitCode:
    if isinstance(error, ConfigRefused):
        return ExitCode.CONFIG
    if isinstance(error, InUse):
        return ExitCode.IN_USE
    return ExitCode.START if isinstance(error, StartRefused) else ExitCode.FAILED
