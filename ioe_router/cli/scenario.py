"""`ioe scenario`: list, show, validate and import scenario folders.

Everything is decided in `ioe_router.scenario`; this prints it.  What is wrong
with an input goes to stderr, one sentence a line, and the exit code is 1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import click

from ioe_router.scenario import (
    ScenarioError,
    bundled,
    bundled_names,
    load_scenario,
    write_scenario,
)
from ioe_router.scenario import validate as find_faults
from ioe_router.scenario.model import Day, Scenario
from ioe_router.scenario.pandapower_import import import_pandapower
from ioe_router.scenario.simbench_import import import_simbench


@click.group()
def scenario() -> None:
    """Scenario folders: what a community looks like."""


@scenario.command("list")
def list_scenarios() -> None:
    """List the scenarios that come with the package."""
    for name in bundled_names():
        click.echo(f"{name:12} {_read(name).title}")


@scenario.command()
@click.argument("name")
def show(name: str) -> None:
    """Show a bundled scenario, or the one in a folder."""
    found = _read(name)
    click.echo(f"{found.title} ({found.name})\n\n{found.description}\n")
    click.echo(f"buses   {len(found.buses)}, slack {found.slack}")
    click.echo(f"links   {_counts(link.kind for link in found.links)}")
    click.echo(f"assets  {_counts(asset.kind for asset in found.assets)}")
    for day in found.days:
        click.echo(f"day     {_day(found, day)}")
    click.echo(f"source  {found.attribution.source}\nlicence {found.attribution.licence}")


@scenario.command()
@click.argument("folder", type=click.Path(path_type=Path))
def validate(folder: Path) -> None:
    """Say everything that is wrong with a scenario folder."""
    findings = find_faults(folder)
    if findings:
        _fail(ScenarioError(findings))
    click.echo(f"{folder}: nothing wrong")


@scenario.group("import")
def import_group() -> None:
    """Convert somebody else's grid into a scenario folder."""


@import_group.command("simbench")
@click.argument("code")
@click.option("--days", required=True, help="Local days, such as 2016-01-15,2016-06-15.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write, default the code.")
def simbench(code: str, days: str, out: Path | None) -> None:
    """Import a SimBench grid and some days of its profiles."""
    wanted = [day.strip() for day in days.split(",") if day.strip()]
    _write(lambda: import_simbench(code, wanted), out)


@import_group.command("pandapower")
@click.argument("net", type=click.Path(path_type=Path))
@click.option("--profiles", required=True, type=click.Path(path_type=Path), help="CSV of profiles.")
@click.option("--assets", required=True, type=click.Path(path_type=Path), help="TOML of assets.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write, default the name.")
def pandapower(net: Path, profiles: Path, assets: Path, out: Path | None) -> None:
    """Import a pandapower net (JSON) with its profiles and assets."""
    _write(lambda: import_pandapower(net, profiles, assets), out)


def _read(name: str) -> Scenario:
    try:
        if name in bundled_names() or not Path(name).exists():
            return bundled(name)
        return load_scenario(name)
    except ScenarioError as error:
        _fail(error)


def _write(convert: Callable[[], Scenario], out: Path | None) -> None:
    try:
        converted = convert()
        folder = out or Path(converted.name)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise click.ClickException(f"{folder} is not empty; name another folder with --out.")
        write_scenario(converted, folder)
    except ScenarioError as error:
        _fail(error)
    except OSError as error:
        message = f"{error.filename} cannot be written ({error.strerror}); choose another --out."
        raise click.ClickException(message) from error
    else:
        click.echo(f"wrote {folder}; look through its tariffs before you use it")


def _fail(error: ScenarioError) -> NoReturn:
    for finding in error.findings:
        click.echo(str(finding), err=True)
    raise SystemExit(1)


def _counts(kinds: Iterable[str]) -> str:
    counted = Counter(str(kind) for kind in kinds)
    return ", ".join(f"{count} {kind}" for kind, count in counted.items())


def _day(found: Scenario, day: Day) -> str:
    start = datetime.fromtimestamp(day.start_utc_s, tz=UTC)
    length = f"{day.slots} slots of {found.market.slot_s} s"
    return f"{day.label}, {length} from {start:%Y-%m-%d %H:%M} UTC"
