"""The commands that make keys, attest links and check configurations; refusals are a sentence and a code."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from ioe_router.cli.exit_codes import ExitCode
from ioe_router.cli.main import ioe
from ioe_router.codec import mapping
from ioe_router.model.bech32m import parse_node
from ioe_router.model.discovery import LinkAttestation
from tests.command_line import Run, runner

TERMS = """
keeper = "self"
kind = "radial"
serial = 1
rating_down_va = 50000
rating_up_va = 50000
[loss]
vn_mv = 400000
planning_mv = 400000
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `main` with arguments in a folder of its own: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    return runner(monkeypatch, capsys)


def _identities(run: Run, *names: str) -> None:
    for name in names:
        code, _, err = run("identity", "new", "--unencrypted", "--keys", name, "--network", "pair")
        assert code == 0, err


def test_identity_new_and_show(run: Run) -> None:
    """A new identity shows the node id that its node.pub carries, and is not made twice."""
    _identities(run, "west")
    code, out, _ = run("identity", "show", "--keys", "west")
    assert code == 0
    text = out.split()[1]
    assert parse_node(text)
    _, pub, _ = run("identity", "show", "--keys", "west", "--pub")
    assert json.loads(pub)["node"] == text
    code, _, err = run("identity", "new", "--unencrypted", "--keys", "west", "--network", "pair")
    assert code == ExitCode.FAILED
    assert (
        err == "error: west/identity.pem exists already; move it away first if it is really to be replaced\n"
    )


def _half(run: Run) -> None:
    Path("terms.toml").write_text(TERMS)
    code, _, err = run(
        "link",
        "attest",
        "--keys",
        "west",
        "--network",
        "pair",
        "--neighbor",
        "east/node.pub",
        "--terms",
        "terms.toml",
        "l",
    )
    assert code == 0, err


def test_attest_and_countersign(run: Run) -> None:
    """One end attests, the other countersigns, and the file then carries both signatures and no key."""
    _identities(run, "west", "east")
    _half(run)
    assert len(json.loads(Path("l").read_text())["attestation"]["signatures"]) == 1
    code, out, _ = run("link", "countersign", "--keys", "east", "--yes", "l")
    assert code == 0
    assert "50000 VA from the keeper" in out
    fields = json.loads(Path("l").read_text())
    assert len(fields["attestation"]["signatures"]) == 2
    assert "keys" not in fields
    code, _, err = run("link", "countersign", "--keys", "east", "--yes", "l")
    assert (code, err) == (
        ExitCode.FAILED,
        "error: l is signed by both ends already; nothing is left to do\n",
    )


def test_countersign_is_the_other_ends_to_give(run: Run) -> None:
    """Neither a stranger nor the first signer can complete an attestation, and the file stays as it was."""
    _identities(run, "west", "east", "stranger")
    _half(run)
    before = Path("l").read_bytes()
    for who in ("stranger", "west"):
        code, _, err = run("link", "countersign", "--keys", who, "--yes", "l")
        assert code == ExitCode.FAILED
        assert err.startswith("error: ")
        assert err.count("\n") == 1
        assert Path("l").read_bytes() == before


def test_changed_attestation_does_not_hold(run: Run) -> None:
    """A half-signed attestation whose rating was changed afterwards is not countersigned."""
    _identities(run, "west", "east")
    _half(run)
    fields = json.loads(Path("l").read_text())
    body = mapping.decode(LinkAttestation, bytes.fromhex(fields["attestation"]["signed"]))
    fields["attestation"]["signed"] = mapping.encode(replace(body, rating_up_va=60_000)).hex()
    Path("l").write_text(json.dumps(fields))
    code, _, err = run("link", "countersign", "--keys", "east", "--yes", "l")
    assert code == ExitCode.FAILED
    assert "the other end's statement does not hold (BAD_SIGNATURE" in err


def test_config_check(run: Run) -> None:
    """A configuration with a complete link is sound; without its files it is refused with the file's name."""
    _identities(run, "west", "east")
    _half(run)
    config = _config()
    Path("node.toml").write_text(config)
    code, _, err = run("config", "check", "node.toml")
    assert code == ExitCode.CONFIG
    assert "is signed by one end only; let the other run 'ioe link countersign'" in err
    assert run("link", "countersign", "--keys", "east", "--yes", "l")[0] == 0
    code, out, _ = run("config", "check", "node.toml")
    assert code == 0
    assert "node.toml is sound" in out
    for change, sentence in (
        (('"east/node.pub"', '"west/node.pub"'), "west/node.pub is this node's own"),
        (('attestation = "l"', 'attestation = "m"'), "make it with 'ioe link attest'"),
        (('"127.0.0.1:7443"', '"127.0.0.1"'), "address '127.0.0.1' is not host:port"),
        (("slot_s = 300", "slot_s = 301"), "slot_s 301 is not allowed; use one of"),
        (('keys = "west"', 'keys = "nowhere"'), "make an identity with 'ioe identity new'"),
    ):
        assert change[0] in config
        Path("node.toml").write_text(config.replace(*change))
        code, _, err = run("config", "check", "node.toml")
        assert code == ExitCode.CONFIG
        assert sentence in err
        assert err.count("\n") == 1


def _config() -> str:
    return """
[node]
keys = "west"
store = "store"
listen = "127.0.0.1:7443"
[network]
network_id = "pair"
currency = "EUR"
slot_s = 300
reference_price_micro_per_kwh = 150000
floor_micro_per_kwh = [300000]
link_state_steps = 64
voltage_min_micro_pu = 900000
voltage_max_micro_pu = 1100000
voltage_guard_micro_pu = 5000
[connection]
import_w = 20000
export_w = 20000
[[neighbor]]
node_pub = "east/node.pub"
attestation = "l"
"""


def test_usage_errors_have_their_own_code(run: Run) -> None:
    """A wrong option is a usage error, not a failure."""
    assert run("identity", "new", "--no-such-option")[0] == 2
    assert run("no-such-command")[0] == 2


def test_help_lists_every_command() -> None:
    """The help of the entry point names the groups."""
    out = CliRunner().invoke(ioe, ["--help"]).output
    for name in ("config", "identity", "link", "run", "scenario"):
        assert f"\n  {name} " in out
