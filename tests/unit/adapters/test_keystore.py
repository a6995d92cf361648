"""Keys on disk: made once, kept private, renewed, and refused with one sentence when they cannot be used."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from ioe_router.adapters.certificates import public_bytes
from ioe_router.adapters.keystore import (
    create_identity,
    load_identity,
    load_operational,
    read_node_pub,
    refuse_expired,
    renew_operational,
)
from ioe_router.model.clock import Now
from ioe_router.model.errors import UsageError
from tests.unit.adapters.rig import NETWORK, new_keys, present, wall

DAY_S = 86_400


def _later(days: int) -> Now:
    now = present()
    return Now(monotonic_ns=now.monotonic_ns, utc_ms=now.utc_ms + days * DAY_S * 1000)


def test_identity_survives_a_restart(tmp_path: Path) -> None:
    """What was created is what is loaded, private to its owner, and its node.pub names the same node."""
    made = create_identity(tmp_path / "keys", wall_utc_s=wall())
    loaded = load_identity(tmp_path / "keys")
    assert (loaded.node, public_bytes(loaded.key)) == (made.node, public_bytes(made.key))
    assert stat.S_IMODE((tmp_path / "keys" / "identity.pem").stat().st_mode) == 0o600
    assert read_node_pub(tmp_path / "keys" / "node.pub") == (made.node, made.ca)


def test_identity_is_never_overwritten(tmp_path: Path) -> None:
    """A second creation in one directory is refused and leaves the first identity as it was."""
    made = create_identity(tmp_path, wall_utc_s=wall())
    with pytest.raises(UsageError, match=r"identity.pem exists already; move it away first"):
        create_identity(tmp_path, wall_utc_s=wall())
    assert load_identity(tmp_path).node == made.node


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_key_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    """A private key that group or world may read or write is refused with the command that mends it."""
    create_identity(tmp_path, wall_utc_s=wall())
    (tmp_path / "identity.pem").chmod(mode)
    with pytest.raises(UsageError, match=r"can be read by others \(mode 06\d\d\); run 'chmod 600"):
        load_identity(tmp_path)


def test_passphrase(tmp_path: Path) -> None:
    """An encrypted identity loads with its passphrase only, and each mistake is told apart."""
    made = create_identity(tmp_path, wall_utc_s=wall(), passphrase=b"secret")
    assert load_identity(tmp_path, passphrase=b"secret").node == made.node
    with pytest.raises(UsageError, match="give its passphrase"):
        load_identity(tmp_path)
    with pytest.raises(UsageError, match="the passphrase is wrong or the file is damaged"):
        load_identity(tmp_path, passphrase=b"other")


def test_missing_and_mixed_files(tmp_path: Path) -> None:
    """A missing identity names the command that makes one; files of two nodes are told apart."""
    with pytest.raises(UsageError, match="make an identity with 'ioe identity new'"):
        load_identity(tmp_path)
    create_identity(tmp_path / "one", wall_utc_s=wall())
    create_identity(tmp_path / "two", wall_utc_s=wall())
    (tmp_path / "one" / "ca.pem").write_bytes((tmp_path / "two" / "ca.pem").read_bytes())
    with pytest.raises(UsageError, match="belong to different nodes"):
        load_identity(tmp_path / "one")


def test_tampered_node_pub_is_refused(tmp_path: Path) -> None:
    """A node.pub whose id is not that of its certificate is refused."""
    create_identity(tmp_path / "one", wall_utc_s=wall())
    create_identity(tmp_path / "two", wall_utc_s=wall())
    path = tmp_path / "one" / "node.pub"
    fields = json.loads(path.read_text())
    fields["node"] = json.loads((tmp_path / "two" / "node.pub").read_text())["node"]
    path.write_text(json.dumps(fields))
    with pytest.raises(UsageError, match="node id and CA certificate differ"):
        read_node_pub(path)
    path.write_text("{}")
    with pytest.raises(UsageError, match="is no file of format ioe-node-1"):
        read_node_pub(path)


def test_operational_key_is_renewed_and_found_again(tmp_path: Path) -> None:
    """Each renewal has the next serial, replaces the key file, and loads as it was saved."""
    identity = create_identity(tmp_path, wall_utc_s=wall())
    assert load_operational(tmp_path, NETWORK, present()) is None
    for serial in (1, 2):
        made = renew_operational(
            tmp_path, identity, network_id=NETWORK, now=present(), wall_utc_s=wall(), lifetime_s=DAY_S
        )
        loaded = load_operational(tmp_path, NETWORK, present())
        assert loaded is not None
        assert loaded.statement == made.statement
        assert loaded.statement.body.serial == serial
        assert loaded.statement.signers == (identity.node,)
        assert [p.name for p in tmp_path.glob("operational-*.pem")] == [f"operational-{serial}.pem"]
        assert stat.S_IMODE((tmp_path / f"operational-{serial}.pem").stat().st_mode) == 0o600
    with pytest.raises(UsageError, match="no valid operational key for network 'elsewhere'"):
        load_operational(tmp_path, "elsewhere", present())


def test_expired_keys_are_refused_by_name() -> None:
    """An expired operational key, an expired CA and a clock before the key are told apart."""
    identity, operational = new_keys(lifetime_s=DAY_S)
    refuse_expired(operational, identity.ca, present(), wall())
    with pytest.raises(UsageError, match=r"the operational key expired on .* UTC; renew it"):
        refuse_expired(operational, identity.ca, _later(2), wall() + 2 * DAY_S)
    with pytest.raises(UsageError, match="the operational key expired"):
        refuse_expired(operational, identity.ca, _later(2), wall())
    with pytest.raises(UsageError, match="the CA certificate of this identity expired"):
        refuse_expired(operational, identity.ca, present(), wall() + 11 * 365 * DAY_S)
    with pytest.raises(UsageError, match="a time before the identity was made; set the clock"):
        refuse_expired(operational, identity.ca, _later(-2), wall() - 2 * DAY_S)
