"""Which daemon a command asks, and how what goes wrong becomes an exit code.

Looked at in this order: --socket, --connect, --config, their environment
variables, ./node.toml, /run/ioe/control.sock.  Of node.toml only what names
the socket is read, so that a mistake elsewhere in it does not keep an operator
from asking the daemon that runs.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

import click

from ioe_router.cli.exit_codes import ExitCode
from ioe_router.model.errors import UsageError

if TYPE_CHECKING:
    from ioe_router.control.client import Address, ControlClient

SYSTEM_SOCKET: Final = Path("/run/ioe/control.sock")
CONFIG: Final = Path("node.toml")
THIS_NODE: Final = "(this node)"
F = TypeVar("F", bound=Callable[..., Any])


class AskFailed(click.ClickException):
    """One sentence and its exit code, which `main` reads from `code`."""

    def __init__(self, sentence: str, code: ExitCode) -> None:
        super().__init__(sentence)
        self.code = code

    def show(self, file: Any = None) -> None:
        """On stderr, as every other error of `ioe`."""
        click.echo(f"error: {self.message}", err=True, file=file)


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """What the command line says about the daemon to ask."""

    socket: Path | None
    config: Path | None
    connect: str | None
    certificate: Path | None
    key: Path | None
    daemon_certificate: Path | None


_OPTIONS: Final = (
    click.option(
        "-s",
        "--socket",
        type=click.Path(path_type=Path),
        envvar="IOE_SOCKET",
        help="Control socket of the daemon. [env: IOE_SOCKET]",
    ),
    click.option(
        "-c",
        "--config",
        type=click.Path(path_type=Path),
        envvar="IOE_CONFIG",
        help="node.toml of the daemon, instead. [env: IOE_CONFIG; default: ./node.toml]",
    ),
    click.option(
        "--connect", envvar="IOE_CONNECT", help="HOST:PORT of control.listen, instead. [env: IOE_CONNECT]"
    ),
    click.option(
        "--certificate",
        type=click.Path(path_type=Path),
        envvar="IOE_CERTIFICATE",
        help="With --connect: this caller's certificate, PEM. [env: IOE_CERTIFICATE]",
    ),
    click.option(
        "--key",
        type=click.Path(path_type=Path),
        envvar="IOE_KEY",
        help="With --connect: its private key, PEM. [env: IOE_KEY]",
    ),
    click.option(
        "--daemon-certificate",
        type=click.Path(path_type=Path),
        envvar="IOE_DAEMON_CERTIFICATE",
        help="With --connect: the daemon's certificate, PEM. [env: IOE_DAEMON_CERTIFICATE]",
    ),
)


def asks(command: F) -> F:
    """Give a command the options that say which daemon it asks; it gets them as `where`."""

    def wrapped(
        socket: Path | None,
        config: Path | None,
        connect: str | None,
        certificate: Path | None,
        key: Path | None,
        daemon_certificate: Path | None,
        **others: Any,
    ) -> Any:
        where = Where(
            socket=socket,
            config=config,
            connect=connect,
            certificate=certificate,
            key=key,
            daemon_certificate=daemon_certificate,
        )
        return command(where=where, **others)

    wrapped.__name__, wrapped.__doc__ = command.__name__, command.__doc__
    wrapped.__click_params__ = list(getattr(command, "__click_params__", []))  # type: ignore[attr-defined]
    decorated: Any = wrapped
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    result: F = decorated
    return result


# ------------------------------------------------------------------ which daemon


def address_of(where: Where) -> Address:
    """Where to ask. AskFailed: the command line names nothing that can be asked."""
    from ioe_router.control.address import Address

    if where.connect is not None:
        return Address(
            target=where.connect,
            certificate=_pem(where.certificate, "--certificate"),
            key=_pem(where.key, "--key"),
            server_certificate=_pem(where.daemon_certificate, "--daemon-certificate"),
        )
    return Address(path=socket_of(where))


def socket_of(where: Where) -> Path:
    """The control socket that the command line, or what lies around, names."""
    if where.socket is not None:
        return where.socket
    if where.config is not None:
        return _of_config(where.config)
    if CONFIG.is_file():
        return _of_config(CONFIG)
    if SYSTEM_SOCKET.exists():
        return SYSTEM_SOCKET
    sentence = (
        f"there is neither {CONFIG} here nor {SYSTEM_SOCKET}: name the daemon with --config node.toml"
        " or --socket PATH, or set IOE_CONFIG"
    )
    raise AskFailed(sentence, ExitCode.NOT_RUNNING)


def _of_config(config: Path) -> Path:
    try:
        tables = tomllib.loads(config.read_text(encoding="utf-8"))
    except OSError as error:
        raise AskFailed(f"{config} cannot be read ({error.strerror})", ExitCode.CONFIG) from error
    except ValueError as error:
        raise AskFailed(f"{config} is not valid TOML: {error}", ExitCode.CONFIG) from error
    named = os.environ.get("IOE_CONTROL_SOCKET", _text(tables, "control", "socket"))
    if named is not None and not named:
        sentence = f'{config} has control.socket = "": its daemon has no local socket; use --connect'
        raise AskFailed(sentence, ExitCode.CONFIG)
    store = os.environ.get("IOE_NODE_STORE", _text(tables, "node", "store"))
    if named is None and store is None:
        raise AskFailed(f"{config} names no node.store; is it the configuration of a node?", ExitCode.CONFIG)
    return config.parent / (named if named is not None else f"{store}/control.sock")


def _text(tables: dict[str, Any], table: str, option: str) -> str | None:
    found = tables.get(table)
    value = found.get(option) if isinstance(found, dict) else None
    return value if isinstance(value, str) else None


def _pem(path: Path | None, option: str) -> bytes:
    if path is None:
        raise AskFailed(f"--connect needs {option} as well", ExitCode.USAGE)
    try:
        return path.read_bytes()
    except OSError as error:
        raise AskFailed(f"{path} cannot be read ({error.strerror})", ExitCode.CONFIG) from error


def client_of(where: Where) -> ControlClient:
    """A client of the daemon that the command line names."""
    from ioe_router.control.client import ControlClient

    try:
        return ControlClient(address_of(where))
    except UsageError as error:
        fail(error)


def names_of(control: ControlClient) -> dict[str, str]:
    """What nodes are called in tables: neighbours as configured, and the node that is asked."""
    names = {row.node: row.name for row in control.neighbors() if row.name}
    return {**names, control.status().node: THIS_NODE}


# ------------------------------------------------------------------ what goes wrong


def fail(error: UsageError) -> NoReturn:
    """End the command with the sentence of an error and the exit code of its kind."""
    raise AskFailed(str(error), code_of(error)) from error


def code_of(error: UsageError) -> ExitCode:
    """The exit code of an error of the control client."""
    import grpc

    from ioe_router.control.address import NotAllowed, Unreachable
    from ioe_router.control.client import ControlError

    if isinstance(error, NotAllowed):
        return ExitCode.NOT_ALLOWED
    if isinstance(error, Unreachable):
        return ExitCode.NOT_RUNNING
    if not isinstance(error, ControlError):
        return ExitCode.FAILED
    kinds = {
        grpc.StatusCode.PERMISSION_DENIED: ExitCode.NOT_ALLOWED,
        grpc.StatusCode.UNAUTHENTICATED: ExitCode.NOT_ALLOWED,
        grpc.StatusCode.UNIMPLEMENTED: ExitCode.VERSION,
        grpc.StatusCode.NOT_FOUND: ExitCode.NOT_FOUND,
        grpc.StatusCode.FAILED_PRECONDITION: ExitCode.REFUSED,
        grpc.StatusCode.INVALID_ARGUMENT: ExitCode.USAGE,
        grpc.StatusCode.DEADLINE_EXCEEDED: ExitCode.NO_ANSWER,
    }
    return kinds.get(error.status, ExitCode.FAILED)
