"""The pages of docs/reference for operators: command line, control API, exit codes; part of gen_reference.py.

The command line is read from click, the control API from the comments of its
proto, the exit codes from their enumeration.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import click

from ioe_router.cli.exit_codes import MEANINGS
from ioe_router.cli.main import ioe

PROTO: Final = Path(__file__).resolve().parents[1] / "proto" / "ioe" / "control" / "v1" / "control.proto"
NOTE: Final = "<!-- written by tools/gen_reference.py; change the code, not this page -->"

# The words in lower case that `Reason.code` has beside the registered codes.
REASON_WORDS: Final = {
    "best": "the first choice: the lowest rank of a destination, the best price of a direction",
    "rank": "a route of a higher rank than the first choice",
    "links": "a route of the same rank with more links",
    "hash": "a route as good and as short as the first choice; the order of path hashes decides",
    "restarting": "its neighbour is restarting; it is not used until it is told again",
    "own": "this node's own",
    "reachable": "an offer with at least one usable route",
    "told": "the route is told to the neighbour",
    "no_session": "not told: there is no session with the neighbour",
    "draining": "not told: this node is being drained",
    "displaced": "not told: the neighbour is told the best few routes, and this is none of them",
    "waiting": "not told yet: it goes with the next batch",
    "configured": "a limit of the configuration",
    "rating": "a limit by the rating of the link",
    "envelope": "a limit by the operating envelope of the zone and the rating of the link",
    "timeout": "no answer in time",
}

_CONTROL_HEAD: Final = """
What a running daemon can be asked, by `ioe show` and its like, by the looking glass, and by scripts: the
gRPC service `ioe.control.v1.ControlService` of `proto/ioe/control/v1/control.proto`. It is no part of the
protocol between nodes.

## Where

`[control]` of node.toml says where it is served:

- `control.socket`: a local socket of mode 0660, without TLS; without a word it is `control.sock` in the
  folder of the store. Whoever may write to it is an **operator** and may do everything. The folder of the
  store is private to its user; for a group, name another place, such as `/run/ioe/control.sock`.
- `control.read_only_socket`: the same for **viewers**, who may only read; give its group to a looking
  glass.
- `control.listen`: TCP with TLS 1.3 and certificates on both sides. `ioe control-key NAME` makes a key
  and a certificate; the daemon's go to `control.certificate` and `control.key`, those of callers are
  listed in `control.operators` and `control.viewers`. Certificates are compared whole, nobody signs for
  others.

A path of a socket has at most 107 bytes. A socket file without anybody behind it is replaced at the
start; one that answers is left alone, and the start is refused.

## Versions

Every call states the caller's version as metadata `ioe-control-version`, every answer the daemon's; the
same major number is compatible. A daemon refuses another major number with UNIMPLEMENTED and a sentence;
a method that it does not have is UNIMPLEMENTED as well. Fields are only added; what a caller does not
know it leaves alone.

## Values

Node ids are in their text form, other ids in lower-case hexadecimal. Energies are joules, powers watts,
prices micro-units of the network's currency per kWh, amounts micro-units, instants UTC in the unit of the
name. Where a request names a node, a beginning of its id that fits one known node only is enough, and so
is the name of a paired neighbour. List methods answer in pieces, the first of them small; all pieces show
one moment, in which nothing that a crash could undo is shown. What an offer comes to here
(`delivered_micro_per_kwh`) is worked out as its row is sent.

## Errors

| gRPC status | Means | Exit code of `ioe` |
|---|---|---|
| INVALID_ARGUMENT | the request makes no sense | 2 |
| NOT_FOUND | what it names is not known | 8 |
| PERMISSION_DENIED | a viewer asked for a change | 6 |
| FAILED_PRECONDITION | understood, and refused by how things stand | 9 |
| UNIMPLEMENTED | another version | 7 |
| UNAVAILABLE | nobody answers | 5 |

The details of a status are one sentence for people.

## From Python

    from pathlib import Path
    from ioe_router.control.client import Address, ControlClient, pb

    with ControlClient(Address(path=Path("store/control.sock"))) as control:
        for route in control.routes(direction=pb.DIRECTION_SUPPLY, stage=pb.STAGE_BEST):
            print(route.destination, route.rank, route.reason.text)

`AsyncControlClient` has the same methods under asyncio.
"""
_CLI_HEAD: Final = """
Commands that ask a running node find its daemon by `--socket`, `--connect`, `--config`, their environment
variables, `./node.toml`, `/run/ioe/control.sock`, in this order. With `-o json` or `-o jsonl` they write
every field of the [control API](control-api.md) by its name; tables are for people and may change.
Commands of `ioe show` and `ioe explain` may be shortened (`ioe show nei`). What exit codes mean is in
[exit-codes.md](exit-codes.md).

`eval "$(ioe completion bash)"` (or `zsh`; `fish`: see there) teaches the shell to complete commands,
options, and the nodes and reservations that the daemon knows at that moment.
"""
_EXIT_HEAD: Final = """
A script may rely on these; sentences on stderr are for people.
"""


# ------------------------------------------------------------------ exit codes


def exit_codes_page() -> str:
    """Every exit code."""
    lines = ["# Exit codes of `ioe`", "", NOTE, _EXIT_HEAD, "| Code | Name | Meaning |", "|---|---|---|"]
    lines += [f"| {code.value} | {code.name} | {says} |" for code, says in MEANINGS.items()]
    return "\n".join(lines) + "\n"


# ------------------------------------------------------------------ command line


def cli_page() -> str:
    """Every command with its options."""
    lines = ["# The command line", "", NOTE, _CLI_HEAD.rstrip()]
    context = click.Context(ioe, info_name="ioe")
    for name in ioe.list_commands(context):
        command = ioe.get_command(context, name)
        if command is not None:
            lines += _command(command, click.Context(command, parent=context, info_name=name), 2)
    return "\n".join(lines) + "\n"


def _command(command: click.Command, context: click.Context, depth: int) -> Iterator[str]:
    yield ""
    yield f"{'#' * depth} `{context.command_path}`"
    if command.help:
        yield from ("", *_paragraphs(command.help))
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                under = click.Context(inner, parent=context, info_name=name)
                yield from _command(inner, under, depth + 1)
        return
    usage = " ".join(command.collect_usage_pieces(context))
    yield from ("", f"    {context.command_path} {usage}")
    rows = list(_records(command, context))
    if rows:
        yield from ("", "| Option | Meaning |", "|---|---|")
        yield from (f"| `{_cell(name)}` | {_cell(says)} |" for name, says in rows)


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in text.split("\n\n"):
        if paragraph.startswith("\b"):
            yield from (f"    {line}" for line in paragraph.splitlines()[1:])
        else:
            yield " ".join(paragraph.split())
        yield ""


def _records(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and record[1] and "--help" not in record[0]:
            yield record


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


# ------------------------------------------------------------------ control API


@dataclass(slots=True)
class _Block:
    """A service, enumeration or message of the proto: its comment and its lines."""

    kind: str
    name: str
    says: str
    rows: list[tuple[str, str]] = field(default_factory=list)


_OPENING: Final = re.compile(r"^(service|enum|message) (\w+) \{(\})?$")
_RPC: Final = re.compile(r"^rpc (\w+)\((\w+)\) returns \((stream )?(\w+)\);$")
_FIELD: Final = re.compile(r"^(repeated |map<[^>]+> )?([\w.]+ )?(\w+) = (\d+);$")


def blocks() -> list[_Block]:
    """The blocks of the proto in their order; a oneof's members are rows of their message."""
    found: list[_Block] = []
    comment: list[str] = []
    for raw in PROTO.read_text(encoding="utf-8").splitlines():
        line = raw.strip()
        if line.startswith("//"):
            comment.append(line.removeprefix("//").strip())
            continue
        opening = _OPENING.match(line)
        if opening is not None:
            found.append(_Block(opening[1], opening[2], " ".join(comment)))
        elif found:
            found[-1].rows += _rows(line, " ".join(comment))
        comment = []
    return found


def _rows(line: str, says: str) -> Iterator[tuple[str, str]]:
    rpc, one = _RPC.match(line), _FIELD.match(line)
    if rpc is not None:
        stream = "stream of " if rpc[3] else ""
        yield f"{rpc[1]}({_link(rpc[2])}) → {stream}{_link(rpc[4])}", says
    elif one is not None:
        kind = ((one[1] or "") + (one[2] or "")).strip()
        yield f"{one[4]} | `{one[3]}` | {_typed(kind)}", says


def _typed(kind: str) -> str:
    if not kind:
        return ""
    repeated, _, name = kind.rpartition(" ")
    shown = _link(name) if name[:1].isupper() else name
    return f"{repeated} {shown}".strip()


def _link(name: str) -> str:
    return f"[{name}](#{name.lower()})"


def control_page() -> str:
    """Methods, enumerations and messages."""
    lines = ["# The control API", "", NOTE, _CONTROL_HEAD.rstrip()]
    every = blocks()
    (service,) = (one for one in every if one.kind == "service")
    lines += ["", "## Methods", "", service.says, "", "| Method | Meaning |", "|---|---|"]
    lines += [f"| {head} | {says} |" for head, says in service.rows]
    lines += [
        "",
        "## Reasons",
        "",
        "A `Reason` has a registered code ([errors](errors.md)) or one of these words:",
        "",
    ]
    lines += [
        "| Word | Meaning |",
        "|---|---|",
        *(f"| {word} | {says} |" for word, says in REASON_WORDS.items()),
    ]
    for title, kind, head in (
        ("Enumerations", "enum", "| No. | Name | | Meaning |\n|---|---|---|---|"),
        ("Messages", "message", "| No. | Field | Type | Meaning and unit |\n|---|---|---|---|"),
    ):
        lines += ["", f"## {title}"]
        for block in every:
            if block.kind == kind:
                lines += ["", f"### {block.name}", "", block.says]
                if block.rows:
                    lines += ["", head, *(f"| {row} | {says} |" for row, says in block.rows)]
    return "\n".join(lines) + "\n"
