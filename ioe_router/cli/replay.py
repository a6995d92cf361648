"""`ioe replay`: repeat a recording call by call and say where it comes out differently."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from ioe_router.adapters.recording import RecordingFile
from ioe_router.adapters.replayer import Replayed, Replayer
from ioe_router.cli.describe import described
from ioe_router.cli.text import instant
from ioe_router.daemon.errors import ConfigRefused
from ioe_router.model.bech32m import node_text
from ioe_router.model.errors import UsageError


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--until", type=click.IntRange(1), help="Stop after this call.")
@click.option(
    "--show", type=click.IntRange(1), multiple=True, help="Print inputs and effects of this call; repeatable."
)
def replay(file: Path, until: int | None, show: tuple[int, ...]) -> None:
    """Repeat the recording FILE; exit code 1 at the first difference, 3 when it cannot be read."""
    counts: Counter[str] = Counter()
    last: Replayed | None = None
    try:
        recording = RecordingFile(file)
        for last in Replayer(recording.head).replay(recording.calls()):
            _count(last, counts)
            if last.number in show:
                _show(last)
            if last.number == until:
                break
    except UsageError as error:
        raise ConfigRefused(str(error)) from error
    if recording.cut_off:
        click.echo(
            f"{file} was cut off inside call {counts['calls'] + 1}; everything before it was replayed",
            err=True,
        )
    _report(node_text(recording.head.config.node), counts, last)


def _count(replayed: Replayed, counts: Counter[str]) -> None:
    counts["calls"] += 1
    counts["inputs"] += len(replayed.inputs)
    counts["effects"] += len(replayed.effects)
    counts["signatures"] += len(replayed.call.signed)


def _report(node: str, counts: Counter[str], last: Replayed | None) -> None:
    """The summary of a replay without difference. UsageError with the difference otherwise."""
    if last is not None and last.difference is not None:
        raise UsageError(
            f"call {last.number} ({instant(last.call.now.utc_s)}) comes out differently: {last.difference};"
            f" look at it with --show {last.number}"
        )
    until = "" if last is None else f" until {instant(last.call.now.utc_s)}"
    click.echo(
        f"node {node}{until}: {counts['calls']} calls, {counts['inputs']} inputs, {counts['effects']} effects"
        f" and {counts['signatures']} signatures are the same as recorded"
    )


def _show(replayed: Replayed) -> None:
    call = replayed.call
    click.echo(f"call {replayed.number} at {call.monotonic_ns} ns, {call.utc_ms} ms UTC")
    for title, values in (("input", replayed.inputs), ("effect", replayed.effects)):
        for number, value in enumerate(values, start=1):
            click.echo(f"  {title} {number}:")
            for line in described(value):
                click.echo(f"    {line}")
    if call.raised is not None:
        click.echo(f"  recorded as raised: {call.raised}")
    click.echo(f"  next deadline: {call.deadline_ns} ns")
