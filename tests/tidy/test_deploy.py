"""What deploy/ gives to others' programs is what their schemas allow, and it fits together."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from deploy.community.make import links, names
from ioe_router.lg.settings import parse_settings
from tests.tidy.product import ROOT

DEPLOY = ROOT / "deploy"
SCHEMAS = ROOT / "tests" / "schemas"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
KUBERNETES = DEPLOY / "kubernetes"
KINDS = {
    "Namespace": "core.v1.Namespace",
    "NetworkPolicy": "networking.v1.NetworkPolicy",
    "PodDisruptionBudget": "policy.v1.PodDisruptionBudget",
    "Service": "core.v1.Service",
    "StatefulSet": "apps.v1.StatefulSet",
}
NOTIFY_RELOAD_SINCE = 253  # version of systemd
NODES = tuple(names())
MANIFESTS = sorted(path for path in KUBERNETES.rglob("*.yaml") if path.name != "kustomization.yaml")
BASE: dict[str, Any] = yaml.safe_load((KUBERNETES / "base" / "statefulset.yaml").read_text(encoding="utf-8"))
POD: dict[str, Any] = BASE["spec"]["template"]["spec"]


@cache
def _schema(name: str) -> Any:  # noqa: ANN401 - whatever a schema is
    return json.loads((SCHEMAS / name).read_text(encoding="utf-8"))


def _mistakes(document: object) -> Iterator[str]:
    """What the schema of Kubernetes says against a document."""
    assert isinstance(document, dict)
    kind = KINDS[document["kind"]]
    schema = {"$ref": f"#/$defs/io.k8s.api.{kind}", **_schema("kubernetes.json")}
    for error in Draft202012Validator(schema).iter_errors(document):
        yield f"{error.json_path}: {error.message[:200]}"


def test_compose_file_follows_the_specification() -> None:
    """compose.yaml is valid by the schema of the Compose Specification."""
    errors = Draft202012Validator(_schema("compose-spec.json")).iter_errors(COMPOSE)
    assert [f"{error.json_path}: {error.message[:200]}" for error in errors] == []


def test_compose_schema_finds_mistakes() -> None:
    """The schema is applied for real: an unknown option of a service is found."""
    broken = {**COMPOSE, "services": {"utility": {"image": "x", "heathcheck": {}}}}
    assert list(Draft202012Validator(_schema("compose-spec.json")).iter_errors(broken))


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: str(path.relative_to(KUBERNETES)))
def test_manifests_follow_the_schemas(path: Path) -> None:
    """Every manifest is valid by the strict schema of its kind."""
    for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
        assert list(_mistakes(document)) == []


def test_manifest_schema_finds_mistakes() -> None:
    """The schema is applied for real: an option in the wrong place of a pod is found."""
    broken = json.loads(json.dumps(BASE))
    broken["spec"]["template"]["spec"]["readOnlyRootFilesystem"] = True
    assert list(_mistakes(broken))


@pytest.mark.parametrize("name", NODES)
def test_every_node_is_everywhere(name: str) -> None:
    """Each node of the community is a service with volumes and a secret of its own, a check and limits."""
    service = COMPOSE["services"][name]
    assert f"{name}:/var/lib/ioe" in service["volumes"]
    assert service["secrets"] == [{"source": f"passphrase-{name}", "target": "identity"}]
    assert f"{name}:/made/{name}" in COMPOSE["services"]["found"]["volumes"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["healthcheck"]["test"][1:3] == ["ioe", "health"]
    assert service["deploy"]["resources"]["limits"]["memory"]
    assert (KUBERNETES / "community" / name / "kustomization.yaml").exists()


@pytest.mark.parametrize("name", NODES)
def test_overlay_names_what_make_py_makes(name: str) -> None:
    """The overlay of a node takes up the files of its own neighbours, and no others."""
    overlay = yaml.safe_load((KUBERNETES / "community" / name / "kustomization.yaml").read_text("utf-8"))
    neighbors = {other for keeper, other, _ in links() if keeper == name}
    neighbors |= {keeper for keeper, other, _ in links() if other == name}
    generated = {one["name"]: one["files"] for one in overlay["configMapGenerator"]}
    expected = {f"neighbors/{one}.{ending}" for one in neighbors for ending in ("node.pub", "attestation")}
    assert set(generated["neighbors"]) == expected
    assert overlay["namePrefix"] == f"{name}-"


def test_base_has_nothing_that_selects_peers() -> None:
    """What selects other nodes stands outside the base, where the label of one node would get into it."""
    base = yaml.safe_load((KUBERNETES / "base" / "kustomization.yaml").read_text("utf-8"))
    assert base["resources"] == ["statefulset.yaml", "service.yaml"]
    community = yaml.safe_load((KUBERNETES / "community" / "kustomization.yaml").read_text("utf-8"))
    assert {"disruption-budget.yaml", "network-policy.yaml", *NODES} <= set(community["resources"])
    assert not any(one.get("includeSelectors") for one in community["labels"])


def test_secrets_and_volumes_are_declared() -> None:
    """Whatever a service mounts is declared at the end of the file."""
    for service in COMPOSE["services"].values():
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert source.startswith("./") or source in COMPOSE["volumes"]
        for secret in service.get("secrets", ()):
            assert (secret if isinstance(secret, str) else secret["source"]) in COMPOSE["secrets"]


def test_pod_is_confined() -> None:
    """A pod runs as a user, writes to volumes only, has no capability and no token."""
    assert POD["automountServiceAccountToken"] is False
    assert POD["securityContext"]["runAsNonRoot"] is True
    for container in (*POD["initContainers"], *POD["containers"]):
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        mounted = {one["name"] for one in container["volumeMounts"]}
        claimed = {one["metadata"]["name"] for one in BASE["spec"]["volumeClaimTemplates"]}
        assert mounted <= claimed | {one["name"] for one in POD["volumes"]}


def test_ports_are_those_of_the_configurations() -> None:
    """Probes, services and the image speak of the ports that the nodes listen on."""
    for name in NODES:
        node = tomllib.loads((DEPLOY / "community" / "nodes" / f"{name}.toml").read_text("utf-8"))["node"]
        ports = {one["name"]: one["containerPort"] for one in POD["containers"][0]["ports"]}
        assert node["listen"] == f"0.0.0.0:{ports['peers']}"
        assert node["health"] == f"0.0.0.0:{ports['health']}"
        assert node["metrics"] == f"0.0.0.0:{ports['metrics']}"
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert POD["containers"][0][probe]["grpc"]["port"] == ports["health"]


def test_looking_glass_asks_every_node() -> None:
    """lg.toml is sound and names the socket of each node where compose.yaml mounts it."""
    path = DEPLOY / "community" / "lg.toml"
    settings = parse_settings(path.read_text(encoding="utf-8"), str(path))
    mounted = COMPOSE["services"]["looking-glass"]["volumes"]
    for name in NODES:
        assert f"view-{name}:/run/nodes/{name}" in mounted
        assert f"unix:/run/nodes/{name}/view.sock" in [one.control for one in settings.node]


def test_image_takes_hashed_requirements_only() -> None:
    """Every pip of the image wants hashes or has no index, and both stages are of the base given."""
    text = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    for line in re.findall(r"pip install[^\n]*", text):
        assert "--require-hashes" in line or "--no-index" in line
    assert re.findall(r"^FROM (\S+)", text, re.MULTILINE) == ["${BASE}", "${BASE}"]


def test_systemd_unit_is_understood(tmp_path: Path) -> None:
    """The unit has nothing that systemd objects to, once it stands for a program that is there."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    text = (DEPLOY / "systemd" / "ioe-router@.service").read_text(encoding="utf-8")
    version = subprocess.run([analyze, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.split()[1]) < NOTIFY_RELOAD_SINCE:
        assert text.count("Type=notify-reload") == 1
        text = text.replace("Type=notify-reload", "Type=notify")
    unit = tmp_path / "ioe-router@home.service"
    unit.write_text(text.replace("/opt/ioe/bin/ioe", sys.executable))
    done = subprocess.run([analyze, "verify", str(unit)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
