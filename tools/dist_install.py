"""Install a wheel into empty environments, one for each way people install it, and import what that promises.

What is installed beside the wheel comes from requirements.txt with its hashes,
cut down to what the wheel's own metadata asks for, so a dependency that only
the development environment has is found missing here.
"""

from __future__ import annotations

import re
import shutil
import sys
import zipfile
from dataclasses import dataclass
from email.parser import Parser
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Final

from dist_build import DistFailed, run
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_BLOCK: Final = re.compile(r"^([A-Za-z0-9._-]+)==.*\n(?:    .*\n)*", re.MULTILINE)

_IMPORT_ALL: Final = """
import importlib, pkgutil, sys
import ioe_router
count = 0
for name in sys.argv[1:]:
    package = importlib.import_module(name)
    count += 1
    for info in pkgutil.walk_packages(getattr(package, "__path__", ()), name + "."):
        importlib.import_module(info.name)
        count += 1
print(count)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What whoever installs these extras gets: modules that import, commands that run, what is absent."""

    extras: tuple[str, ...]
    modules: tuple[str, ...]
    commands: tuple[tuple[str, ...], ...] = ()
    absent: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The extras as a word."""
        return "-".join(self.extras) or "core"


_CORE: Final = ("model", "codec", "core", "router", "config", "view", "agents")
PROMISES: Final = (
    Promise(
        extras=(),
        modules=tuple(f"ioe_router.{name}" for name in _CORE),
        absent=("grpc", "click", "numpy", "zeroconf"),
    ),
    Promise(
        extras=("node",),
        modules=("ioe_router.daemon", "ioe_router.cli.run", "ioe_router.cli.pair", "ioe_router.cli.identity"),
        commands=(("--version",), ("config", "example"), ("pair", "--help")),
        absent=("numpy", "zeroconf"),
    ),
    Promise(
        extras=("node", "discovery"),
        modules=("ioe_router.adapters", "ioe_router.daemon"),
        commands=(("pair", "found", "--help"),),
        absent=("numpy",),
    ),
    Promise(extras=("mqtt",), modules=("aiomqtt", "ioe_router.model"), absent=("grpc",)),
    Promise(
        extras=("node", "mqtt", "sim", "discovery"),
        modules=("ioe_router",),
        commands=(("scenario", "list"), ("sim", "--help")),
    ),
)


def install(promise: Promise, wheel: Path, pins: str, work: Path) -> Path:
    """Make an empty environment with the wheel in it; return its Python. DistFailed when that fails."""
    folder = work / f"env-{promise.name}"
    shutil.rmtree(folder, ignore_errors=True)
    run([sys.executable, "-m", "venv", "--without-pip", str(folder)], work)
    python = folder / "bin" / "python"
    requirements = work / f"requirements-{promise.name}.txt"
    requirements.write_text(needed(wheel, promise.extras, pins), encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check", "--quiet"]
    run([*pip, "install", "--no-deps", "--require-hashes", "-r", str(requirements)], work)
    run([*pip, "install", "--no-deps", "--no-index", str(wheel)], work)
    run([*pip, "check"], work)
    return python


def keep(promise: Promise, python: Path, work: Path) -> int:
    """Import and run what is promised, away from the sources; return how many modules were imported."""
    for module in promise.absent:
        code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is not None)"
        run([str(python), "-I", "-c", code], work)
    imported = run([str(python), "-I", "-c", _IMPORT_ALL, *promise.modules], work)
    for command in promise.commands:
        run([str(python.with_name("ioe")), *command], work)
    return int(imported)


def needed(wheel: Path, extras: tuple[str, ...], pins: str) -> str:
    """The lines of a hashed requirements file that a wheel needs with these extras, and no others."""
    blocks: dict[str, str] = {canonicalize_name(match[1]): match[0] for match in _BLOCK.finditer(pins)}
    names = closure(_wheel_requirements(wheel), extras)
    missing = sorted(names - blocks.keys())
    if missing:
        raise DistFailed(f"requirements.txt does not pin {', '.join(missing)}; run make lock")
    return "".join(blocks[name] for name in sorted(names))


def closure(requirements: list[Requirement], extras: tuple[str, ...]) -> set[str]:
    """Every package that is needed, directly or not, as this interpreter would install them."""
    found: set[str] = set()
    waiting = [(one, extras) for one in requirements]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        requirement, asked = waiting.pop()
        if not _applies(requirement, asked):
            continue
        name = canonicalize_name(requirement.name)
        found.add(name)
        key = (name, frozenset(requirement.extras))
        if key not in seen:
            seen.add(key)
            waiting += [(one, tuple(requirement.extras)) for one in _requirements(_installed(name))]
    return found


def _applies(requirement: Requirement, extras: tuple[str, ...]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in (*extras, ""))


def _installed(name: str) -> Distribution:
    try:
        return distribution(name)
    except PackageNotFoundError as error:
        raise DistFailed(f"{name} is not installed in .venv; run make setup") from error


def _requirements(package: Distribution) -> list[Requirement]:
    return [Requirement(text) for text in package.requires or ()]


def _wheel_requirements(wheel: Path) -> list[Requirement]:
    with zipfile.ZipFile(wheel) as opened:
        name = next(name for name in opened.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(opened.read(name).decode())
    return [Requirement(text) for text in metadata.get_all("Requires-Dist", [])]
