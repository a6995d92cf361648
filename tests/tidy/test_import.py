"""Importing the product does nothing but define names.

An embedder imports the core into a process of its own: no thread, no open
file, no socket may come with it, and none of the optional packages.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.tidy.product import PRODUCT, ROOT

INSIDE = ("model", "core", "codec", "router", "agents")
EXTRAS = {"aiomqtt", "click", "cvxpy", "grpc", "msgspec", "numpy", "rich", "scipy", "structlog"}

PROBE = """
import importlib, json, os, pkgutil, sys, threading
sockets = []
sys.addaudithook(lambda event, _: sockets.append(event) if event.startswith("socket.") else None)
fds = set(os.listdir("/proc/self/fd"))
threads = threading.active_count()
for name in sys.argv[1:]:
    module = importlib.import_module(name)
    for found in pkgutil.walk_packages(getattr(module, "__path__", []), name + "."):
        if sys.argv[1:] != ["ioe_router"]:
            importlib.import_module(found.name)
print(json.dumps({
    "fds": sorted(set(os.listdir("/proc/self/fd")) - fds),
    "threads": threading.active_count() - threads,
    "sockets": sockets,
    "modules": sorted({name.partition(".")[0] for name in sys.modules}),
}))
"""


def _import_in_new_process(*names: str) -> dict[str, Any]:
    result = subprocess.run(
        [sys.executable, "-c", PROBE, *names], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    observed: dict[str, Any] = json.loads(result.stdout)
    return observed


def _inside() -> tuple[str, ...]:
    """Name the packages of the inside that exist."""
    return tuple(
        f"ioe_router.{name}"
        for name in INSIDE
        if (PRODUCT / name / "__init__.py").exists() or (PRODUCT / f"{name}.py").exists()
    )


@pytest.mark.skipif(sys.platform != "linux", reason="open files are counted in /proc")
@pytest.mark.parametrize("names", [("ioe_router",), _inside()], ids=["ioe_router", "every module inside"])
def test_import_has_no_side_effect(names: tuple[str, ...]) -> None:
    """Importing the package, or every module of its inside, opens nothing and loads no extra."""
    observed = _import_in_new_process(*names)
    assert {key: observed[key] for key in ("fds", "threads", "sockets")} == {
        "fds": [],
        "threads": 0,
        "sockets": [],
    }
    assert EXTRAS.isdisjoint(observed["modules"])


@pytest.mark.skipif(sys.platform != "linux", reason="open files are counted in /proc")
def test_probe_sees_side_effects(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The probe itself would notice a thread, an open file, a socket and an extra."""
    folder = tmp_path_factory.mktemp("loud")
    (folder / "loud.py").write_text(
        "import click, socket, threading\n"
        "kept = open(__file__)\n"
        "line = socket.socket()\n"
        "threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(folder)!r})\n{PROBE}", "loud"],
        capture_output=True,
        text=True,
        check=True,
    )
    observed = json.loads(result.stdout)
    assert len(observed["fds"]) == 2
    assert observed["threads"] == 1
    assert "socket.__new__" in observed["sockets"]
    assert "click" in observed["modules"]
