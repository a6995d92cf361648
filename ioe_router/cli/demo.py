"""`ioe demo`: a community's day (or days) on real routers, checked and written down."""

from __future__ import annotations

import os
from pathlib import Path

import click
from rich.console import Console

from ioe_router.community.scenarios import read_scenario
from ioe_router.demo.coordinator import Kill
from ioe_router.demo.report import write_report
from ioe_router.demo.run import NodesIn, Options, run_demo
from ioe_router.demo.summary import summary_of, write_summary, write_trades
from ioe_router.demo.table import Display, print_tables
from ioe_router.scenario import ScenarioError
from ioe_router.scenario.findings import nearest
from ioe_router.scenario.model import Scenario


@click.command()
@click.argument("scenario", default="village")
@click.option("--out", type=click.Path(path_type=Path), default=Path("demo-out"), show_default=True)
@click.option(
    "--nodes-in",
    type=click.Choice([one.value for one in NodesIn]),
    default=NodesIn.ONE_PROCESS.value,
    show_default=True,
    help="All nodes in this process, or each in its own.",
)
@click.option(
    "--seed", type=int, default=1, show_default=True, help="Draws forecast errors and random starts."
)
@click.option("--days", help="Labels of days, comma-separated; default all.")
@click.option("--slots", type=click.IntRange(min=1), help="Only the first slots of each day.")
@click.option(
    "--first-port",
    type=click.IntRange(0, 65_000),
    default=0,
    help="Listen on consecutive ports from here; default: any free ones.",
)
@click.option(
    "--kill", multiple=True, metavar="BUS@SLOT", help="Kill a router in the middle of a slot's trading."
)
def demo(
    scenario: str,
    out: Path,
    nodes_in: str,
    seed: int,
    days: str | None,
    slots: int | None,
    first_port: int,
    kill: tuple[str, ...],
) -> None:
    """Run SCENARIO (a bundled name or a folder) on real routers, one for each bus.

    Writes summary.json, trades.csv and report.html to the folder given by --out.
    """
    found = _scenario(scenario)
    _refuse_unwritable(out)
    options = Options(
        scenario=found,
        source=scenario,
        days=_days(found, days),
        slots=slots,
        seed=seed,
        nodes_in=NodesIn(nodes_in),
        first_port=first_port,
        kills=tuple(map(_kill, kill)),
    )
    console = Console()
    with Display(console) as display:
        record = run_demo(options, display.show)
    figures = summary_of(record)
    try:
        write_summary(figures, out / "summary.json")
        write_trades(record, out / "trades.csv")
        write_report(record, figures, out / "report.html")
    except OSError as error:
        raise click.ClickException(
            f"{out} cannot be written ({error.strerror}); choose another --out"
        ) from error
    print_tables(console, record, figures)
    console.print(f"wrote {out}/summary.json, {out}/trades.csv and {out}/report.html")
    if figures["books_imbalance_j"] or figures["obligations_imbalance_micro"]:
        raise click.ClickException(f"the books do not balance; {out}/summary.json says by how much")


def _scenario(name: str) -> Scenario:
    try:
        return read_scenario(name)
    except ScenarioError as error:
        for finding in error.findings:
            click.echo(str(finding), err=True)
        raise SystemExit(1) from error


def _refuse_unwritable(out: Path) -> None:
    """A run takes minutes: find out now whether its results can be kept."""
    probe = out / f".probe-{os.getpid()}"
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise click.ClickException(
            f"{out} cannot be written ({error.strerror}); choose another --out"
        ) from error


def _days(scenario: Scenario, wanted: str | None) -> tuple[int, ...]:
    labels = [day.label for day in scenario.days]
    if wanted is None:
        return tuple(range(len(labels)))
    chosen = [label.strip() for label in wanted.split(",") if label.strip()]
    for label in chosen:
        if label not in labels:
            raise click.ClickException(f"{scenario.name} has no day {label!r}; {nearest(label, labels)}")
    return tuple(labels.index(label) for label in chosen)


def _kill(text: str) -> Kill:
    bus, _, slot = text.rpartition("@")
    if not bus or not slot.isdecimal():
        raise click.ClickException(
            f"--kill {text!r} is not understood; write BUS@SLOT, for example bakery@40"
        )
    return Kill(bus=bus, slot_index=int(slot))
