"""The scripts of deploy/ make what compose.yaml and the overlays of Kubernetes take up."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from deploy.community.make import names
from tests.e2e.node_files import ENVIRONMENT

DEPLOY = Path(__file__).parents[2] / "deploy"
MADE = (".env", "secrets", "keys", "neighbors", "domain", "run", "node.toml", "passphrase", "operators")


@pytest.fixture
def deploy(tmp_path: Path) -> Path:
    """A copy of deploy/ as it is in a fresh clone."""
    copy = tmp_path / "deploy"
    shutil.copytree(DEPLOY, copy, ignore=shutil.ignore_patterns(*MADE, "__pycache__"))
    return copy


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    environment = {**ENVIRONMENT, "PYTHON": sys.executable}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_secrets_are_made_once_and_for_their_readers(deploy: Path) -> None:
    """Every secret of compose.yaml is made, passphrases are private, and a second run changes nothing."""
    assert _run(sys.executable, str(deploy / "make_secrets.py")).returncode == 0
    compose = yaml.safe_load((deploy / "compose.yaml").read_text(encoding="utf-8"))
    files = [deploy / secret["file"] for secret in compose["secrets"].values()]
    before = {path: path.read_bytes() for path in files}
    assert len(set(before.values())) == len(files)
    owner = 10_001 if os.geteuid() == 0 else os.geteuid()
    for path in files:
        if path.name.startswith("passphrase-"):
            assert (_mode(path), path.stat().st_uid) == (0o600, owner)
    assert f"IOE_UID={owner}\n" in (deploy / ".env").read_text(encoding="utf-8")
    assert _run(sys.executable, str(deploy / "make_secrets.py")).returncode == 0
    assert {path: path.read_bytes() for path in files} == before


def test_overlays_find_every_file(deploy: Path) -> None:
    """After make.sh each file that an overlay names is there, keys are private, pods dial services."""
    done = _run("sh", str(deploy / "kubernetes" / "make.sh"))
    assert done.returncode == 0, done.stderr
    for name in names():
        folder = deploy / "kubernetes" / "community" / name
        overlay = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
        for generator in (*overlay["configMapGenerator"], *overlay["secretGenerator"]):
            for file in generator["files"]:
                assert (folder / file.rpartition("=")[2]).is_file()
        named = {one for gen in overlay["secretGenerator"] for one in gen["files"] if "/" in one}
        assert named == {f"keys/{path.name}" for path in (folder / "keys").iterdir()}
        assert _mode(folder / "keys" / "identity.pem") == 0o600
        text = (folder / "node.toml").read_text(encoding="utf-8")
        assert text.count("-node:7443") == text.count("[[neighbor]]") > 0


def test_a_community_is_made_once(deploy: Path, tmp_path: Path) -> None:
    """A second run leaves a community as it is; one that was only begun is refused with the remedy."""
    command = (sys.executable, str(deploy / "community" / "make.py"), str(tmp_path / "made"), "--unencrypted")
    assert _run(*command).returncode == 0
    before = (tmp_path / "made" / "utility" / "keys" / "node.pub").read_bytes()
    again = _run(*command)
    assert (again.returncode, "nothing is changed" in again.stdout) == (0, True)
    (tmp_path / "made" / "operators" / "made").unlink()
    refused = _run(*command)
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert "move away" in refused.stderr
    assert (tmp_path / "made" / "utility" / "keys" / "node.pub").read_bytes() == before
