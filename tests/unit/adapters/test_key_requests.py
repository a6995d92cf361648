"""Keys whose identity lies elsewhere: request, certificate, revocation; and where passphrases come from."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ioe_router.adapters import passphrase
from ioe_router.adapters.certificates import pem
from ioe_router.adapters.key_requests import (
    NEXT_KEY,
    certify_request,
    install_key,
    read_certificate,
    read_request,
    request_key,
    write_certificate,
    write_request,
)
from ioe_router.adapters.keystore import Identity, create_identity, load_operational
from ioe_router.adapters.revocation_files import (
    heed,
    heeded,
    make_revocation,
    read_revocation,
    write_revocation,
)
from ioe_router.model.errors import UsageError
from tests.unit.adapters.rig import NETWORK, present, wall

DAY_S = 86_400


def vault_and_box(tmp_path: Path) -> tuple[Identity, Path, Path]:
    """An identity in one folder, and another folder that knows its public part only."""
    vault, box = tmp_path / "vault", tmp_path / "box"
    identity = create_identity(vault, wall_utc_s=wall(), passphrase=b"secret")
    box.mkdir()
    (box / "ca.pem").write_bytes(pem(identity.ca))
    return identity, vault, box


def test_a_key_is_certified_without_the_identity_on_the_box(tmp_path: Path) -> None:
    """A request goes there, a certificate comes back, and the box signs with a key that never left it."""
    identity, vault, box = vault_and_box(tmp_path)
    for serial in (1, 2):
        write_request(tmp_path / "r", request_key(box, NETWORK))
        given, body = certify_request(vault, identity, read_request(tmp_path / "r"), wall(), 90 * DAY_S)
        write_certificate(tmp_path / "c", given)
        install_key(box, read_certificate(tmp_path / "c"))
        held = load_operational(box, NETWORK, present())
        assert held is not None
        assert (held.statement.body, held.statement.body.serial) == (body, serial)
        assert not (box / NEXT_KEY).exists()
    assert not (box / "identity.pem").exists()
    assert not list(vault.glob("operational*"))


def test_a_request_asks_for_the_same_key_until_it_is_certified(tmp_path: Path) -> None:
    """A lost request is made again for the same private key, which is readable by its owner alone."""
    _, _, box = vault_and_box(tmp_path)
    assert request_key(box, NETWORK) == request_key(box, NETWORK)
    assert stat.S_IMODE((box / NEXT_KEY).stat().st_mode) == 0o600


def test_serials_rise_even_when_the_box_has_forgotten(tmp_path: Path) -> None:
    """The machine with the identity remembers the serials that it has certified."""
    identity, vault, box = vault_and_box(tmp_path)
    for expected in (1, 2, 3):
        _, body = certify_request(vault, identity, request_key(box, NETWORK), wall(), DAY_S)
        assert body.serial == expected


def test_what_does_not_fit_is_refused_by_name(tmp_path: Path) -> None:
    """A request of another node, a certificate of another key, and damaged files are told apart."""
    identity, vault, box = vault_and_box(tmp_path)
    other = create_identity(tmp_path / "other", wall_utc_s=wall())
    with pytest.raises(UsageError, match="certify it with the identity that it is for"):
        certify_request(tmp_path / "other", other, request_key(box, NETWORK), wall(), DAY_S)
    given, _ = certify_request(vault, identity, request_key(box, NETWORK), wall(), DAY_S)
    (box / NEXT_KEY).unlink()
    request_key(box, NETWORK)
    with pytest.raises(UsageError, match="the certificate is not for the requested key"):
        install_key(box, given)
    (tmp_path / "junk").write_text('{"format": "ioe-key-request-1"}')
    with pytest.raises(UsageError, match="junk is damaged"):
        read_request(tmp_path / "junk")
    with pytest.raises(UsageError, match="make it with 'ioe identity certify'"):
        read_certificate(tmp_path / "nothing")


def test_a_revocation_is_a_file_that_is_checked(tmp_path: Path) -> None:
    """What was made is what is read, private when signed in advance; an altered one is refused."""
    identity, _, box = vault_and_box(tmp_path)
    made = make_revocation(identity, NETWORK, 3, wall())
    write_revocation(tmp_path / "r", made, private=True)
    assert stat.S_IMODE((tmp_path / "r").stat().st_mode) == 0o600
    assert read_revocation(tmp_path / "r") == made
    assert heeded(box) == ()
    path = heed(box, made)
    assert heeded(box) == (path,)
    assert read_revocation(path) == made
    path.write_text(path.read_text().replace('"signed": "0a', '"signed": "0b'))
    with pytest.raises(UsageError, match="does not hold"):
        read_revocation(path)


def test_a_passphrase_comes_from_a_descriptor_a_credential_or_a_private_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first line counts, wherever it is read from."""
    (tmp_path / "identity").write_text("open sesame\r\nand more\n")
    (tmp_path / "identity").chmod(0o400)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    reading, writing = os.pipe()
    os.write(writing, b"open sesame\n")
    os.close(writing)
    try:
        found = {
            passphrase.from_descriptor(reading),
            passphrase.from_credential("identity"),
            passphrase.from_file(tmp_path / "identity"),
        }
    finally:
        os.close(reading)
    assert found == {b"open sesame"}


def test_a_passphrase_that_cannot_be_had_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No such descriptor, no credentials, a path for a name, an open file, an empty file: each is told."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(UsageError, match="cannot be read from file descriptor 99"):
        passphrase.from_descriptor(99)
    with pytest.raises(UsageError, match=r"no \$CREDENTIALS_DIRECTORY for the credential 'x'"):
        passphrase.from_credential("x")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    with pytest.raises(UsageError, match="is a path and not the name of a credential"):
        passphrase.from_credential("../x")
    (tmp_path / "open").write_text("secret")
    (tmp_path / "open").chmod(0o644)
    with pytest.raises(UsageError, match="run 'chmod 600"):
        passphrase.from_credential("open")
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "empty").chmod(0o600)
    with pytest.raises(UsageError, match="holds no passphrase"):
        passphrase.from_file(tmp_path / "empty")
