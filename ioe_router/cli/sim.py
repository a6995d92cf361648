"""`ioe sim`: a community on virtual time, with faults that a seed draws, judged after every event."""

from __future__ import annotations

import time
from pathlib import Path

import click

from ioe_router.adapters.recordings import Recordings
from ioe_router.model.errors import IoeError
from ioe_router.router import Router
from ioe_router.scenario import ScenarioError
from ioe_router.sim.assembly import RouterMaker
from ioe_router.sim.checkers.verdict import CheckFailed
from ioe_router.sim.faults import MENUS
from ioe_router.sim.run import Outcome, Plan, run


@click.command()
@click.argument("scenario", default="random20")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Draws everything.")
@click.option(
    "--faults",
    default="default",
    show_default=True,
    help=f"A menu ({'|'.join(MENUS)}), or names of menus and faults, comma-separated.",
)
@click.option("--slots", type=click.IntRange(min=1), default=3, show_default=True, help="Slots of the day.")
@click.option("--events", type=click.IntRange(min=0), help="How many faults; default 20 a slot.")
@click.option("--verify-all", is_flag=True, help="Verify every signature once, also those made in this run.")
@click.option("--trace", type=click.Path(path_type=Path, dir_okay=False), help="Write what happened here.")
@click.option(
    "--record",
    type=click.Path(path_type=Path, file_okay=False),
    help="Record every life of every router into this folder, for 'ioe replay'.",
)
def sim(
    scenario: str,
    seed: int,
    faults: str,
    slots: int,
    events: int | None,
    verify_all: bool,
    trace: Path | None,
    record: Path | None,
) -> None:
    """Run SCENARIO (a bundled name, a folder, or random20 for a drawn one) on virtual time.

    Prints what was done and the digest of the trace; a check that fails is
    one line with the command that repeats it, and exit code 1.
    """
    plan = Plan(
        seed=seed, scenario=scenario, faults=faults, slots=slots, events=events, trusting=not verify_all
    )
    began = time.process_time()
    try:
        outcome = _run(plan, trace) if record is None else _recorded(plan, trace, record)
    except CheckFailed as failure:
        raise click.ClickException(str(failure)) from failure
    except ScenarioError as error:
        raise click.ClickException("; ".join(map(str, error.findings))) from error
    _print(outcome, time.process_time() - began)


def _recorded(plan: Plan, trace: Path | None, folder: Path) -> Outcome:
    recordings = Recordings(folder, lambda sentence: click.echo(sentence, err=True))
    try:
        return _run(plan, trace, recordings.router)
    finally:
        recordings.close()


def _run(plan: Plan, trace: Path | None, make_router: RouterMaker = Router) -> Outcome:
    def progress(over: int, slots: int) -> None:
        click.echo(f"\rslot {over} of {slots}", nl=over == slots, err=True)

    if trace is None:
        return run(plan, progress=progress, make_router=make_router)
    try:
        with trace.open("w", encoding="utf-8") as file:
            return run(
                plan,
                progress=progress,
                make_router=make_router,
                lines=lambda line: print(line, file=file),
            )
    except OSError as error:
        raise IoeError(f"{trace} cannot be written ({error.strerror}); choose another --trace") from error


def _print(outcome: Outcome, cpu_s: float) -> None:
    def counts(of: dict[str, int]) -> str:
        return ", ".join(f"{name} {count}" for name, count in of.items()) or "none"

    times = outcome.simulated_s / cpu_s if cpu_s else 0.0
    click.echo(f"{outcome.routers} routers, {outcome.simulated_s} s simulated, {times:.0f} times real time")
    click.echo(f"faults        {counts(outcome.faults)}")
    click.echo(f"reservations  {counts(outcome.reservations)}")
    click.echo(f"calls {outcome.calls}, frames {outcome.frames}, disputed statements {outcome.disputed}")
    click.echo(f"trace digest  {outcome.digest}")
