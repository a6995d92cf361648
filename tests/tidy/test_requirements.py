"""The hashed requirements hold what pyproject.toml asks for, and nothing without a hash."""

from __future__ import annotations

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.tidy.product import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = ("node", "mqtt", "sim", "discovery", "lg")
LINE = re.compile(
    r"^([A-Za-z0-9._-]+)==([^ ;]+)[^\n]*\n((?:    --hash=sha256:[0-9a-f]{64}[^\n]*\n)+)", re.MULTILINE
)


def _pinned(name: str) -> dict[str, set[str]]:
    """Return {package: versions pinned} of a requirements file; markers may pin several."""
    pins: dict[str, set[str]] = {}
    for package, version, _ in LINE.findall((ROOT / name).read_text(encoding="utf-8")):
        pins.setdefault(canonicalize_name(package), set()).add(version)
    return pins


def _group(name: str) -> list[Requirement]:
    found: list[Requirement] = []
    for item in PROJECT["dependency-groups"][name]:
        found += _group(item["include-group"]) if isinstance(item, dict) else [Requirement(item)]
    return found


def _wanted() -> list[Requirement]:
    project = PROJECT["project"]
    texts = [*project["dependencies"]]
    for extra in EXTRAS:
        texts += project["optional-dependencies"][extra]
    return [*(Requirement(text) for text in texts), *_group("dev")]


@pytest.mark.parametrize(
    ("wanted", "file"),
    [
        *((requirement, "requirements.txt") for requirement in _wanted()),
        *((requirement, "requirements-tools.txt") for requirement in _group("tools")),
        *((requirement, "requirements-dist.txt") for requirement in _group("dist")),
        *((requirement, "requirements-fuzz.txt") for requirement in _group("fuzz")),
    ],
    ids=str,
)
def test_pins_satisfy_the_project(wanted: Requirement, file: str) -> None:
    """Every dependency is pinned to versions that its range in pyproject.toml allows (else: make lock)."""
    versions = _pinned(file).get(canonicalize_name(wanted.name), set())
    assert versions
    assert all(wanted.specifier.contains(version, prereleases=True) for version in versions)


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-tools.txt", "requirements-dist.txt"])
def test_every_pin_has_a_hash(file: str) -> None:
    """No line pins a package without at least one hash, so pip checks all that it fetches."""
    text = (ROOT / file).read_text(encoding="utf-8")
    assert len(LINE.findall(text)) == len(re.findall(r"^[A-Za-z0-9]", text, re.MULTILINE))


@pytest.mark.parametrize("extra", ["node", "lg", "mqtt", "otel"])
def test_image_has_what_was_tested(extra: str) -> None:
    """A container image is made of the very versions of requirements.txt, and of all that its extra wants."""
    image, tested = _pinned(f"deploy/requirements/{extra}.txt"), _pinned("requirements.txt")
    assert {name: tested.get(name) for name in image} == image, "run make lock"
    project = PROJECT["project"]
    for text in (*project["dependencies"], *project["optional-dependencies"][extra]):
        assert canonicalize_name(Requirement(text).name) in image, "run make lock"
