"""An external signer is a process: it signs, it is started again when it dies, and its lies are seen."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509

from ioe_router.adapters.certificates import public_bytes
from ioe_router.adapters.external_signer import ExternalSigner
from ioe_router.adapters.keystore import (
    create_identity,
    held_elsewhere,
    load_operational,
    renew_operational,
)
from ioe_router.codec.signing import Ed25519Signer, verify
from ioe_router.model.envelope import Signature
from ioe_router.model.errors import SignerLost, UsageError
from tests.unit.adapters.rig import NETWORK, present, wall

EXAMPLE = Path(__file__).parents[3] / "examples" / "external_signer" / "signer.py"


def example(folder: Path, keys: int = 1) -> ExternalSigner:
    """The example signer with so many keys."""
    for _ in range(keys):
        subprocess.run([sys.executable, str(EXAMPLE), str(folder), "--new"], check=True, capture_output=True)
    return ExternalSigner((sys.executable, str(EXAMPLE), str(folder)))


def liar(tmp_path: Path, body: str, timeout_s: float = 30.0) -> ExternalSigner:
    """A signer whose answers are made by a line of Python; a busy machine may be slow to start it."""
    script = tmp_path / "liar.py"
    script.write_text(f"import sys\nfor line in sys.stdin:\n    {body}\n")
    return ExternalSigner((sys.executable, str(script)), timeout_s=timeout_s)


def pid_of(signer: ExternalSigner) -> int:
    """The process that runs now."""
    assert signer._process is not None
    return signer._process.pid


def test_it_signs_objects_of_any_size_with_the_key_that_is_named(tmp_path: Path) -> None:
    """Each key signs what it is asked to, a kilobyte or the largest object, and the signature is good."""
    signer = example(tmp_path, keys=2)
    held = signer.keys()
    assert len(held) == 2
    for public_key in held:
        for data in (b"x", b"x" * 1_000, os.urandom(70_000)):
            signature = Signature(key=public_key, signature=signer.sign(public_key, data))
            assert verify(signature, data)
    signer.close()


def test_a_killed_process_is_started_again_and_asked_again(tmp_path: Path) -> None:
    """Killed between two questions, or in the middle of one, it costs nobody a signature."""
    signer = example(tmp_path)
    (key,) = signer.keys()
    first = pid_of(signer)
    os.kill(first, signal.SIGKILL)
    assert verify(Signature(key=key, signature=signer.sign(key, b"after")), b"after")
    assert pid_of(signer) != first
    os.kill(pid_of(signer), signal.SIGSTOP)
    os.kill(pid_of(signer), signal.SIGKILL)
    assert verify(Signature(key=key, signature=signer.sign(key, b"again")), b"again")
    signer.close()


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("break", "it has ended"),
        ("pass", "it gives no answer within 1 s"),
        ("print('signature ' + '00' * 64, flush=True)", "it gives signatures that do not verify"),
        ("print('signature nonsense', flush=True)", "it gives signatures that do not verify"),
        ("print('hello', flush=True)", "it answers something else than was asked"),
        ("print('error the token is locked', flush=True)", "the token is locked"),
        ("print('x' * 100000, end='', flush=True)", "its answer has no end"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(tmp_path: Path, body: str, why: str) -> None:
    """A signer that ends, hangs, lies or refuses ends in SignerLost with the cause and the remedy."""
    signer = liar(tmp_path, body, timeout_s=1.0 if body == "pass" else 30.0)
    with pytest.raises(SignerLost) as caught:
        signer.sign(public_bytes_of_a_key(), b"data")
    assert why in str(caught.value)
    assert str(caught.value).endswith("mend it and start this node again")
    signer.close()


def public_bytes_of_a_key() -> bytes:
    """Some public key."""
    return Ed25519Signer.from_seed(b"k" * 32).public_key


def test_a_command_that_does_not_exist_is_named(tmp_path: Path) -> None:
    """A signer that cannot be started is one sentence with its name."""
    with pytest.raises(SignerLost, match="external signer /no/such/signer cannot be used"):
        ExternalSigner(("/no/such/signer",), tmp_path).keys()


def test_an_operational_key_lives_outside(tmp_path: Path) -> None:
    """An external key is certified, loaded again, signs TLS leaves, and is in no file of the folder."""
    signer = example(tmp_path / "signer")
    identity = create_identity(tmp_path / "keys", wall_utc_s=wall())
    key = signer.key(signer.keys()[-1])
    renew_operational(
        tmp_path / "keys",
        identity,
        network_id=NETWORK,
        now=present(),
        wall_utc_s=wall(),
        lifetime_s=86_400,
        key=key,
    )
    assert held_elsewhere(tmp_path / "keys")
    assert not list((tmp_path / "keys").glob("operational-*.pem"))
    with pytest.raises(UsageError, match=r"an external signer holds; configure it as node.signer"):
        load_operational(tmp_path / "keys", NETWORK, present())
    held = load_operational(tmp_path / "keys", NETWORK, present(), signer)
    assert held is not None
    assert held.statement.body.operational_key == public_bytes(key) == signer.keys()[-1]
    leaf, issuer = x509.load_pem_x509_certificates(held.leaf(wall()).chain_pem)
    leaf.verify_directly_issued_by(issuer)
    with pytest.raises(TypeError, match="not here"):
        held.key.private_bytes_raw()
    other = example(tmp_path / "other")
    with pytest.raises(SignerLost, match="it does not hold the key"):
        load_operational(tmp_path / "keys", NETWORK, present(), other)
    for one in (signer, other):
        one.close()
