"""Take the JSON schemas of Kubernetes that deploy/kubernetes needs out of an installed package.

    python3 -m venv V && V/bin/pip install kubernetes-validate && V/bin/python tools/vendor_schemas.py 1.34

The package has the schemas of all kinds and versions, a hundred megabytes; the
tests want a few kinds of one version, descriptions left out.  tests/schemas/README.md says
where they come from and under which licence.
"""

from __future__ import annotations

import importlib.resources
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

KINDS: Final = (
    "apps.v1.StatefulSet",
    "core.v1.ConfigMap",
    "core.v1.Namespace",
    "core.v1.Secret",
    "core.v1.Service",
    "networking.v1.NetworkPolicy",
    "policy.v1.PodDisruptionBudget",
)
_PREFIX: Final = "io.k8s.api."
TARGET: Final = Path(__file__).resolve().parents[1] / "tests" / "schemas"


def main(version: str) -> None:
    """Write one file with all of them."""
    package = Path(str(importlib.resources.files("kubernetes_validate")))
    path = package / "kubernetes-json-schema" / f"v{version}.0-local-strict" / "_definitions.json"
    known = json.loads(path.read_text(encoding="utf-8"))["$defs"]
    found: dict[str, object] = {}
    waiting = [_PREFIX + kind for kind in KINDS]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = _plain(known[name])
            waiting += _references(known[name])
    text = json.dumps({"$defs": found}, indent=1, sort_keys=True)
    (TARGET / "kubernetes.json").write_text(text + "\n", encoding="utf-8")
    print(f"{len(found)} schemas of Kubernetes {version}")


def _plain(value: object) -> object:
    """Without what only people read."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items() if not (k == "description" and isinstance(v, str))}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def _references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        reference = value.get("$ref")
        if isinstance(reference, str):
            yield reference.rpartition("/$defs/")[2]
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


if __name__ == "__main__":
    main(sys.argv[1])
