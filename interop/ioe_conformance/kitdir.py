"""The kit's folder: keys of the testers, the links to the target, the parameters of the network.

kit.toml            network, target, how long the keys hold
pics.toml           the form
target.ca.pem       the target's CA certificate, pinned by the testers
a/ b/ c/            identity.pem, operational.pem, operational_key.json (readable by the owner alone)
a.node.pub ...      what the target has to know of a tester: node id and CA certificate
a.attestation ...   the link, signed by the tester; the target's identity key countersigns it
node.toml           neighbour tables and parameters for a router with the reference's configuration
"""

from __future__ import annotations

import json
import os
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ioe_conformance.errors import Exit, KitError
from ioe_conformance.keys import NodeKeys, link_terms, object_id
from ioe_conformance.pics import FORM
from ioe_router.adapters.certificates import (
    Leaf,
    issue_ca,
    issue_leaf,
    issue_operational,
    parse_ca,
    pem,
)
from ioe_router.adapters.envelope_json import envelope_from_json, envelope_to_json
from ioe_router.codec import mapping
from ioe_router.codec.signing import Ed25519Signer, signature_input
from ioe_router.model.bech32m import node_text
from ioe_router.model.discovery import LinkAttestation, OperationalKey, Role
from ioe_router.model.envelope import Envelope, ObjectType, Signature
from ioe_router.model.errors import IoeError
from ioe_router.model.ids import NodeId, ObjectId
from ioe_router.model.parameters import NetworkParameters

FORMAT: Final = "ioe-conformance-kit-1"
NODE_FORMAT: Final = "ioe-node-1"
ATTESTATION_FORMAT: Final = "ioe-attestation-2"
NAMES: Final = ("a", "b", "c")
ROLES: Final = {"a": Role.SIBLING, "b": Role.SIBLING, "c": Role.PEER}
KEY_LIFETIME_S: Final = 30 * 86_400
_INIT: Final = "make a folder with 'ioe-conformance init'"

NETWORK: Final = """\
[network]
network_id = "{network}"
currency = "EUR"
slot_s = 300
reference_price_micro_per_kwh = 150000
floor_micro_per_kwh = [300000, 200000]
link_state_steps = 16
voltage_min_micro_pu = 900000
voltage_max_micro_pu = 1100000
voltage_guard_micro_pu = 5000
"""

# What a configuration of the reference router needs beside [node]; other routers say the same in their way.
SNIPPET: Final = """\
[connection]
import_w = 20000
export_w = 20000

[timers]                        # SPEC.md section 14.1, conformance profile
handshake_ms = 2000
keepalive_ms = 1000
hold_ms = 3000
hold_step_ms = 100
commit_retry_ms = 200
link_state_ms = 100
advert_ms = 50
path_lifetime_s = 600
offer_lifetime_max_s = 600
damping_half_life_s = 2
outcome_kept_s = 300
retain_s = 30

[[agent.offer]]                 # "own offer" of CONTRACT.md
direction = "supply"
energy_j = 3600000
price_micro_per_kwh = 100000
source = "solar"
"""

NEIGHBOR: Final = """
[[neighbor]]                    # tester {name}
node_pub = "{folder}/{low}.node.pub"
attestation = "{folder}/{low}.attestation"
role = "{role}"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TesterKeys:
    """One tester: its keys as a node, its certificates, and its link to the target."""

    name: str
    keys: NodeKeys
    ca: x509.Certificate
    certificate: x509.Certificate  # of the operational key
    role: Role
    attestation: LinkAttestation
    attestation_envelope: Envelope  # perhaps without the target's signature

    @property
    def node(self) -> NodeId:
        """Its id."""
        return self.keys.node

    @property
    def attestation_id(self) -> ObjectId:
        """What HELLO names."""
        return object_id(self.attestation_envelope)

    def leaf(self, **changes: Any) -> Leaf:
        """A fresh TLS leaf."""
        return issue_leaf(self.node, self.keys.operational, self.certificate, int(time.time()), **changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kit:
    """All that `init` has made."""

    folder: Path
    network: NetworkParameters
    target: NodeId
    target_ca: x509.Certificate
    testers: dict[str, TesterKeys]


# ------------------------------------------------------------------ making


def make_kit(folder: Path, target_pub: Path, network_id: str) -> None:
    """Write a folder for the target whose CA certificate or node.pub this is. KitError when it cannot be."""
    if folder.exists() and any(folder.iterdir()):
        raise KitError(Exit.USAGE, f"{folder} is not empty; name a folder that does not exist yet")
    target, ca = read_target(target_pub)
    folder.mkdir(parents=True, exist_ok=True)
    now_s = int(time.time())
    _write(folder / "target.ca.pem", pem(ca))
    text = f'format = "{FORMAT}"\ntarget = "{node_text(target)}"\n\n{NETWORK.format(network=network_id)}'
    _write(folder / "kit.toml", text.encode())
    _write(folder / "pics.toml", FORM.encode())
    neighbors = ""
    for name in NAMES:
        _make_tester(folder, name, target, network_id, now_s)
        neighbors += NEIGHBOR.format(
            name=name.upper(), low=name, folder=folder.resolve(), role=ROLES[name].name.lower()
        )
    snippet = NETWORK.format(network=network_id) + "\n" + SNIPPET + neighbors
    _write(folder / "node.toml", snippet.encode())


def read_target(path: Path) -> tuple[NodeId, x509.Certificate]:
    """Node id and CA certificate in a PEM file or in a node.pub of the reference. KitError (2)."""
    try:
        raw = path.read_bytes()
        if raw.lstrip().startswith(b"{"):
            raw = str(json.loads(raw)["ca_certificate"]).encode()
        return parse_ca(raw, str(path))
    except (OSError, ValueError, KeyError, IoeError) as error:
        raise KitError(
            Exit.USAGE, f"{path} holds no CA certificate of a node ({error}); name the target's, in PEM"
        ) from None


def _make_tester(folder: Path, name: str, target: NodeId, network_id: str, now_s: int) -> None:
    identity, operational = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    place = folder / name
    place.mkdir(mode=0o700)
    empty = Envelope(type=ObjectType.OPERATIONAL_KEY, signed=b"", signatures=())
    keys = NodeKeys(network=network_id, identity=identity, operational=operational, certificate=empty)
    statement = keys.certify(operational, serial=1, issued_utc_s=now_s, lifetime_s=KEY_LIFETIME_S)
    ca = issue_ca(identity, now_s)
    public = operational.public_key().public_bytes_raw()
    certificate = issue_operational(identity, public, 1, now_s, KEY_LIFETIME_S)
    _write_private(place / "identity.pem", identity)
    _write_private(place / "operational.pem", operational)
    fields = {"statement": envelope_to_json(statement), "certificate": pem(certificate).decode()}
    _write(place / "operational_key.json", _json(fields))
    pub = {"format": NODE_FORMAT, "node": node_text(keys.node), "ca_certificate": pem(ca).decode()}
    _write(folder / f"{name}.node.pub", _json(pub))
    half = _half_signed(name, keys, target, now_s)
    _write(
        folder / f"{name}.attestation",
        _json({"format": ATTESTATION_FORMAT, "attestation": envelope_to_json(half)}),
    )


def _half_signed(name: str, keys: NodeKeys, target: NodeId, now_s: int) -> Envelope:
    """The link to the target as the tester states it: B keeps its own, the target those of A and C."""
    keeper, other = (keys.node, target) if name == "b" else (target, keys.node)
    body = link_terms(keeper, other, keys.network, now_s - 60, access=name == "c")
    signed = mapping.encode(body)
    data = signature_input(keys.network, "ioe.v1.LinkAttestation", signed)
    signature = Signature(key=Ed25519Signer(keys.identity).public_key, signature=keys.identity.sign(data))
    return Envelope(type=ObjectType.LINK_ATTESTATION, signed=signed, signatures=(signature,))


# ------------------------------------------------------------------ reading


def read_kit(folder: Path) -> Kit:
    """The kit in a folder. KitError (5) names what is missing or damaged."""
    try:
        fields = tomllib.loads((folder / "kit.toml").read_text(encoding="utf-8"))
    except OSError as error:
        raise KitError(Exit.PICS, f"{folder} is no folder of the kit ({error.strerror}); {_INIT}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise KitError(Exit.PICS, f"{folder / 'kit.toml'} is no TOML ({error}); {_INIT}") from None
    if fields.get("format") != FORMAT:
        raise KitError(Exit.PICS, f"{folder / 'kit.toml'} is of another version; {_INIT}")
    try:
        network = dict(fields["network"])
        network["floor_micro_per_kwh"] = tuple(network["floor_micro_per_kwh"])
        parameters = NetworkParameters(**network)
        target, ca = parse_ca((folder / "target.ca.pem").read_bytes(), "target.ca.pem")
        testers = {name: _read_tester(folder, name, parameters.network_id) for name in NAMES}
    except (OSError, KeyError, TypeError, ValueError, IoeError) as error:
        raise KitError(Exit.PICS, f"the folder {folder} is damaged ({error}); {_INIT}") from None
    expires = min(_expiry(one.keys.certificate) for one in testers.values())
    if expires - 3_600 < time.time():
        raise KitError(Exit.PICS, f"the keys of the testers in {folder} have expired; {_INIT}")
    return Kit(folder=folder, network=parameters, target=target, target_ca=ca, testers=testers)


def _read_tester(folder: Path, name: str, network_id: str) -> TesterKeys:
    place = folder / name
    fields = json.loads((place / "operational_key.json").read_bytes())
    link = json.loads((folder / f"{name}.attestation").read_bytes())
    keys = NodeKeys(
        network=network_id,
        identity=_read_private(place / "identity.pem"),
        operational=_read_private(place / "operational.pem"),
        certificate=envelope_from_json(fields["statement"], str(place)),
    )
    pub = json.loads((folder / f"{name}.node.pub").read_bytes())
    attestation = envelope_from_json(link["attestation"], f"{name}.attestation")
    return TesterKeys(
        name=name,
        keys=keys,
        ca=parse_ca(pub["ca_certificate"], f"{name}.node.pub")[1],
        certificate=x509.load_pem_x509_certificate(fields["certificate"].encode()),
        role=ROLES[name],
        attestation=mapping.decode(LinkAttestation, attestation.signed),
        attestation_envelope=attestation,
    )


def _expiry(certificate: Envelope) -> int:
    return mapping.decode(OperationalKey, certificate.signed).expires_utc_s


def _read_private(path: Path) -> Ed25519PrivateKey:
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError(f"{path} is no Ed25519 key")
    return key


def _write_private(path: Path, key: Ed25519PrivateKey) -> None:
    raw = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(raw)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _json(fields: dict[str, Any]) -> bytes:
    return (json.dumps(fields, indent=2) + "\n").encode()
