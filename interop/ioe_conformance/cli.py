"""`ioe-conformance`: the command line of the kit; exit codes are in `errors.py`."""

from __future__ import annotations

import os

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # what gRPC has to say is in the verdicts
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

import asyncio
import json
import sys
import time
from pathlib import Path

import click

from ioe_conformance import __version__
from ioe_conformance.case import cases, chosen
from ioe_conformance.clock import Clock
from ioe_conformance.errors import Exit, KitError
from ioe_conformance.expected import Expected, applied, read_expected
from ioe_conformance.hook import ACTIONS, Hook
from ioe_conformance.kitdir import make_kit, read_kit
from ioe_conformance.model import BAD, CaseResult, RunResult, Verdict
from ioe_conformance.pics import read_pics
from ioe_conformance.report import json_report, markdown, traces
from ioe_conformance.report.all import write_reports
from ioe_conformance.report.console import case_line, last_lines, worth_a_line
from ioe_conformance.requirements import requirements, spec_version
from ioe_conformance.rig import Rig, cannot_connect
from ioe_conformance.runner import Plan
from ioe_conformance.runner import run as run_plan
from ioe_conformance.text_codec import BODIES, decode, encode
from ioe_conformance.trace import told

_PATH = click.Path(path_type=Path)
_KIT = click.option(
    "--kit", "folder", type=_PATH, default=Path("kit"), show_default=True, help="Folder of init."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message=f"ioe-conformance %(version)s, SPEC.md version {spec_version()}")
def kit() -> None:
    """Does a router keep SPEC.md, as far as its neighbours can see?"""


@kit.command()
@click.option("--target-ca", required=True, type=_PATH, help="The target's CA certificate (PEM) or node.pub.")
@click.option("--network", default="conformance", show_default=True, help="network_id of the test network.")
@click.argument("folder", type=_PATH, default=Path("kit"))
def init(target_ca: Path, network: str, folder: Path) -> None:
    """Make FOLDER: keys of the testers A, B, C, links to the target, a PICS form."""
    make_kit(folder, target_ca, network)
    click.echo(
        f"made {folder}; now countersign {folder}/a.attestation, b.attestation and c.attestation\n"
        f"with the target's identity key, configure it by {folder}/node.toml, fill in {folder}/pics.toml"
    )


# ------------------------------------------------------------------ run


@kit.command()
@click.option("--target", required=True, help="Address of the target's peer port, HOST:PORT.")
@click.option("--pics", "pics_path", type=_PATH, help="The PICS; default: pics.toml in the kit's folder.")
@_KIT
@click.option("--hook", help="Command for deeper control of the target (CONTRACT.md).")
@click.option("--case", "globs", multiple=True, help="Only cases that match; may be repeated.")
@click.option("--strict", is_flag=True, help="A broken SHOULD fails like a MUST.")
@click.option("--expected-failures", "expected_path", type=_PATH, help="What is known to fail.")
@click.option("--seed", type=int, default=1, show_default=True, help="Repeats what cases draw.")
@click.option(
    "--repeat", type=click.IntRange(1, 1_000), default=1, show_default=True, help="Rounds of all cases."
)
@click.option(
    "--retry", type=click.IntRange(0, 5), default=0, show_default=True, help="A pass on retry is FLAKY."
)
@click.option("--report-dir", type=_PATH, help="Where the reports go; default: none are written.")
@click.option(
    "--clock-offset-ms", type=int, default=0, show_default=True, help="The target's clock is ahead by this."
)
@click.option("--verbose", "-v", is_flag=True, help="Name the cases that pass, too.")
def run(  # noqa: PLR0913 - one parameter an option
    target: str,
    pics_path: Path | None,
    folder: Path,
    hook: str | None,
    globs: tuple[str, ...],
    strict: bool,
    expected_path: Path | None,
    seed: int,
    repeat: int,
    retry: int,
    report_dir: Path | None,
    clock_offset_ms: int,
    verbose: bool,
) -> int:
    """Test the router at --target."""
    entries = read_expected(expected_path) if expected_path else ()
    rig = make_rig(folder, pics_path, target, seed=seed, hook=hook, clock_offset_ms=clock_offset_ms)

    def progress(one: CaseResult) -> None:
        if worth_a_line(one, verbose=verbose):
            click.echo(case_line(one))

    plan = Plan(cases=chosen(globs), strict=strict, retries=retry, repeat=repeat, progress=progress)
    result, trouble = asyncio.run(run_plan(rig, plan))
    result = applied(result, [one for one in entries if one.case in {case.id for case in plan.cases}])
    click.echo(last_lines(result))
    if report_dir is not None:
        write_reports(result, report_dir)
        click.echo(f"reports  {report_dir}/report.html, report.json, report.md, junit.xml, trace/")
    if trouble is not None:
        raise trouble
    return int(exit_of(result, entries))


def make_rig(
    folder: Path, pics_path: Path | None, target: str, *, seed: int, hook: str | None, clock_offset_ms: int
) -> Rig:
    """All that a run needs, read and checked before the target is touched. KitError."""
    made = read_kit(folder)
    pics = read_pics(pics_path or folder / "pics.toml")
    if not target.rpartition(":")[0] or not target.rpartition(":")[2].isdigit():
        raise KitError(Exit.USAGE, f"--target {target!r} is no address; write HOST:PORT")
    if why := cannot_connect(target):
        raise KitError(
            Exit.UNREACHABLE, f"nothing answers at {target} ({why}); start the target, or correct --target"
        )
    bands = len(made.network.floor_micro_per_kwh) + 1
    clock = Clock(slot_s=made.network.slot_s, bands=bands, offset_ms=clock_offset_ms)
    run_id = f"{time.time_ns():x}"
    return Rig(made, pics, target, clock, seed=seed, run_id=run_id, hook=Hook(hook) if hook else None)


def exit_of(result: RunResult, entries: tuple[Expected, ...]) -> Exit:
    """The exit code of a run that came to its end."""
    if any(one.verdict is Verdict.ERROR for one in result.cases):
        return Exit.KIT_ERROR
    if entries and result.findings:
        return Exit.EXPECTED_STALE
    return Exit.DOES_NOT_CONFORM if any(one.verdict in BAD for one in result.cases) else Exit.CONFORMS


# ------------------------------------------------------------------ looking


@kit.command("list")
@click.option("--requirements", "by_requirement", is_flag=True, help="Requirements with their cases.")
@click.argument("globs", nargs=-1)
def list_(by_requirement: bool, globs: tuple[str, ...]) -> None:
    """Name the cases, or those that match GLOBS."""
    found = chosen(globs)
    if not by_requirement:
        for one in found:
            click.echo(f"{one.id:44} {one.title}")
        click.echo(f"{len(found)} cases")
        return
    cited = {id_: [one.id for one in found if id_ in one.requirements] for id_ in requirements()}
    for id_, names in cited.items():
        if names:
            click.echo(f"{id_}  {requirements()[id_].level:6}  {', '.join(names)}")
    click.echo(f"{sum(map(bool, cited.values()))} requirements")


@kit.command()
@click.argument("name", metavar="CASE")
def explain(name: str) -> None:
    """Say what CASE asks, by which requirements, and what it needs."""
    for one in chosen((name,)):
        click.echo(f"{one.id}\n  {one.title}")
        for id_ in one.requirements:
            found = requirements()[id_]
            click.echo(f"  {id_} ({found.level}, SPEC.md {found.section}): {found.text}")
        needs = [f"PICS {feature}" for feature in one.supports] + [f"hook {action}" for action in one.hook]
        needs += [f"a slot in phase {one.phase}"] if one.phase else []
        needs += [f"attack: {one.attack}"] if one.attack else []
        click.echo(f"  needs: {', '.join(needs) or 'nothing beside the testers'}")


@kit.command()
@click.option("--target", help="Run the case again at this address and compare.")
@_KIT
@click.option("--clock-offset-ms", type=int, default=0, help="The target's clock is ahead by this.")
@click.argument("trace", type=_PATH)
def replay(target: str | None, folder: Path, clock_offset_ms: int, trace: Path) -> int:
    """Show TRACE; with --target play its case again and say where it goes another way."""
    head, steps = traces.read(trace)
    for step in steps:
        arrow = {"sent": f"{step.tester} ->", "heard": f"{step.tester} <-"}.get(step.way, "    ")
        click.echo(f"{step.at_ms:7} ms {arrow:5} {step.text}")
    click.echo(f"{head['verdict']} {head['case']} {head['reason']}")
    if target is None:
        return 0
    rig = make_rig(folder, None, target, seed=int(head["seed"]), hook=None, clock_offset_ms=clock_offset_ms)
    result, trouble = asyncio.run(run_plan(rig, Plan(cases=chosen((str(head["case"]),)))))
    if trouble is not None:
        raise trouble
    again = result.cases[0]
    before, after = ([one for one in told(some) if one[2] != "KEEPALIVE"] for some in (steps, again.steps))
    place = next((i for i, pair in enumerate(zip(before, after, strict=False)) if pair[0] != pair[1]), None)
    if place is None and len(before) == len(after):
        click.echo(f"played again: {again.verdict}, the same {len(after)} objects")
    else:
        place = min(len(before), len(after)) if place is None else place
        then, now = ((" ".join(one[place]) if place < len(one) else "nothing") for one in (before, after))
        click.echo(f"played again: {again.verdict}; object {place + 1} was {then}, is {now}")
    return int(again.verdict in BAD)


@kit.command("decode")
@click.option(
    "--as", "message", default="Frame", show_default=True, help=f"One of {', '.join(sorted(BODIES))}."
)
@click.argument("hexadecimal", metavar="HEX")
def decode_(message: str, hexadecimal: str) -> None:
    """Say what the bytes HEX mean (- reads them from stdin)."""
    text = sys.stdin.read() if hexadecimal == "-" else hexadecimal
    click.echo(json.dumps(decode(text, message), indent=2))


@kit.command("encode")
@click.argument("text", metavar="JSON")
def encode_(text: str) -> None:
    """Make the bytes of a message in JSON, in the form that decode prints (- reads it from stdin)."""
    click.echo(encode(sys.stdin.read() if text == "-" else text).hex())


@kit.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def vectors(arguments: tuple[str, ...]) -> int:
    """Check a codec of your own: `vectors check -- CMD`."""
    from ioe_conformance import vector_check

    if arguments[:1] != ("check",):
        raise KitError(Exit.USAGE, "write 'vectors check -- COMMAND', or 'vectors check --help'")
    return vector_check.main(arguments[1:])


@kit.command()
@click.argument("reports", nargs=-1, required=True, type=_PATH)
def matrix(reports: tuple[Path, ...]) -> None:
    """Compare several report.json: requirements by target, in Markdown."""
    click.echo(markdown.matrix([json_report.verdicts(path) for path in reports]), nl=False)


@kit.command()
@click.option("--full", is_flag=True, help="Twenty runs of the reference router, and all mutants.")
@click.option(
    "--state", type=_PATH, default=Path("selftest.json"), show_default=True, help="To go on with --full."
)
def selftest(full: bool, state: Path) -> int:
    """Show that the kit can pass and can fail: on the reference router, and on servers that are none."""
    from ioe_conformance.selftest.run import selftest as run_selftest

    return run_selftest(full=full, state=state, say=click.echo)


@kit.command("hooks")
def hooks() -> None:
    """Say what a hook may be asked for."""
    for action, meaning in ACTIONS.items():
        needed = [one.id for one in cases().values() if action in one.hook]
        click.echo(f"{action:10} {meaning}; for {', '.join(needed) or 'no case'}")


def main() -> int:
    """The entry point: one sentence on stderr for what goes wrong, never a traceback."""
    try:
        return int(kit.main(standalone_mode=False) or 0)
    except KitError as error:
        click.echo(f"error: {error}", err=True)
        return int(error.exit_code)
    except click.UsageError as error:
        error.show()
        return int(Exit.USAGE)
    except (click.Abort, KeyboardInterrupt):
        click.echo("error: interrupted", err=True)
        return 130
    except Exception as error:  # noqa: BLE001 - the outermost frame: a sentence, and an exit code of its own
        click.echo(f"error: the kit went wrong itself: {type(error).__name__}: {error}", err=True)
        return int(Exit.KIT_ERROR)
