"""`ioe identity` with the identity key offline: request, certificate, revocation."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.command_line import Run, runner


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `main` with arguments in a folder of its own: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    return runner(monkeypatch, capsys)


def done(run: Run, *arguments: str) -> str:
    """What a command prints; it must succeed."""
    code, out, err = run(*arguments)
    assert code == 0, err
    return out


def refused(run: Run, *arguments: str) -> str:
    """The one sentence of a command that must fail."""
    code, _, err = run(*arguments)
    assert code == 1
    assert err.count("\n") == 1
    return err


@pytest.fixture
def secret(tmp_path: Path) -> str:
    """A private file with a passphrase."""
    path = tmp_path / "passphrase"
    path.write_text("open sesame\n")
    path.chmod(0o600)
    return str(path)


def test_a_box_without_its_identity_gets_a_key_and_its_revocation(run: Run, secret: str) -> None:
    """The key is made on the box and certified elsewhere; its revocation ends it there."""
    done(run, "identity", "new", "--offline", "--keys", "vault", "--passphrase-file", secret)
    first = ("--network", "village", "--node-pub", "vault/node.pub")
    assert "take key.request" in done(run, "identity", "rotate", "--keys", "box", *first)
    certify = ("identity", "certify", "--keys", "vault", "--passphrase-file", secret)
    assert "operational key 1 for network 'village'" in done(run, *certify, "key.request", "cert")
    assert stat.S_IMODE(Path("cert.revocation").stat().st_mode) == 0o600
    done(run, "identity", "rotate", "--keys", "box", "--certified", "cert")
    assert "key not in this folder" in done(run, "identity", "show", "--keys", "box")
    told = done(run, "identity", "revoke", "--keys", "box", "--told", "cert.revocation")
    assert "up to serial 1 are revoked" in told
    assert len(list(Path("box/revocations").iterdir())) == 1


def test_a_new_identity_is_encrypted_unless_said_otherwise(run: Run, secret: str) -> None:
    """Without passphrase, terminal and --unencrypted nothing is made; both at once are refused."""
    new = ("identity", "new", "--keys", "west", "--network", "village")
    assert "no passphrase is given" in refused(run, *new)
    both = (*new, "--unencrypted", "--passphrase-file", secret)
    assert "leave one of the two out" in refused(run, *both)
    assert not Path("west").exists()
    done(run, *new, "--passphrase-file", secret)
    assert "ENCRYPTED" in Path("west/identity.pem").read_text()
    assert "it is encrypted" in refused(run, "identity", "rotate", "--keys", "west", "--network", "village")


def test_a_key_that_is_revoked_has_a_successor(run: Run) -> None:
    """With the identity at hand, revoking the keys puts the next one in force; the identity ends for good."""
    done(run, "identity", "new", "--unencrypted", "--keys", "west", "--network", "village")
    revoke = ("identity", "revoke", "--keys", "west", "--network", "village", "--yes")
    out = done(run, *revoke)
    assert "operational key 2" in out
    assert "up to serial 1 are revoked" in out
    assert "for good" not in out
    whole = done(run, *revoke, "--identity", "whole.revocation")
    assert "with every key that it has certified or will" in whole


def test_what_cannot_be_done_here_says_where(run: Run, secret: str) -> None:
    """Revoking without the identity, two passphrases, and a foreign request are one sentence each."""
    done(run, "identity", "new", "--offline", "--keys", "vault", "--passphrase-file", secret)
    done(run, "identity", "new", "--unencrypted", "--keys", "other", "--network", "village")
    Path("other/identity.pem").rename("elsewhere.pem")
    revoke = ("identity", "revoke", "--keys", "other", "--network", "village", "--yes")
    assert "run this where it is, or heed a revocation" in refused(run, *revoke)
    done(run, "identity", "rotate", "--keys", "other", "--network", "village")
    certify = ("identity", "certify", "--keys", "vault", "--passphrase-file", secret)
    assert "certify it with the identity that it is for" in refused(run, *certify, "key.request", "cert")
    twice = (*certify, "--passphrase-fd", "0", "key.request", "cert")
    assert "in two places; name one" in refused(run, *twice)
