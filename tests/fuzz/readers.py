"""Readers of text and files: ids, parameters, stores, recordings, settings, scenarios, signed files."""

from __future__ import annotations

import atexit
import dataclasses
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final

from ioe_router.adapters.attestation import (
    AttestationFile,
    open_attestation,
    read_attestation,
    write_attestation,
)
from ioe_router.adapters.certificates import parse_ca
from ioe_router.adapters.envelope_json import envelope_from_json, envelope_to_json, parse_json_object
from ioe_router.adapters.keystore import (
    create_identity,
    load_identity,
    load_operational,
    make_operational,
    read_node_pub,
    save_operational,
)
from ioe_router.adapters.recorder import RecordedRouter
from ioe_router.adapters.recording import RecordingFile, unpacked
from ioe_router.adapters.store import Store
from ioe_router.adapters.store_reading import examine
from ioe_router.config import RouterConfig
from ioe_router.daemon.config_text import example
from ioe_router.daemon.settings import NetworkSection, parse_settings
from ioe_router.daemon.toml_text import parse_toml
from ioe_router.model.bech32m import node_text, parse_node
from ioe_router.model.clock import Now
from ioe_router.model.errors import UsageError
from ioe_router.model.parameters import NetworkParameters
from ioe_router.router import Router
from ioe_router.scenario.load import bundled_path
from ioe_router.scenario.reading import read_folder
from ioe_router.sim.keys import SeededEntropy
from tests.fuzz.session import VICTIM, recorded
from tests.fuzz.targets import (
    Target,
    demand,
    headed_octets,
    headed_texts,
    texts,
)
from tests.simulation.pair import PARAMETERS, SLOT, Cable, build
from tests.tidy.product import ROOT

NOW: Final = Now(0, (SLOT - 500) * 1_000)
WALL_UTC_S: Final = SLOT


@cache
def workshop() -> Path:
    """A folder of this process for the files that readers are given, in memory where that is possible."""
    shared = Path("/dev/shm")  # noqa: S108 - a file system in memory
    folder = Path(tempfile.mkdtemp(prefix="ioe-fuzz-", dir=shared if shared.is_dir() else None))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def refused(read: Callable[[], object]) -> bool:
    """Whether a reader refuses, with a sentence that says something."""
    try:
        read()
    except UsageError as error:
        demand(len(str(error)) > 20, "a refusal without a sentence")
        return True
    return False


# ------------------------------------------------------------------ ids and parameters


def bech32m(data: bytes) -> None:
    """A node id in text form: what is taken is its only text form."""
    text = data.decode("utf-8", "surrogateescape")
    try:
        node = parse_node(text)
    except UsageError:
        return
    demand(node_text(node) == text.strip(), "a node id has two text forms")


def bech32m_seeds() -> list[bytes]:
    """Two ids and their pieces."""
    whole = [node_text(one.node).encode() for one in recorded().ids.values()]
    return [*whole, whole[0][:-1], whole[0].upper(), b"ioe1", b"ioe", b""]


def parameters(data: bytes) -> None:
    """The parameters of a network as a table of node.toml; what is taken can be used."""
    text = data.decode("utf-8", "replace")

    def read() -> None:
        section = parse_toml(text, "node.toml", NetworkSection)
        fields = {name: getattr(section, name) for name in section.__struct_fields__}
        made = NetworkParameters(**fields)
        made.digest()
        made.band_at(SLOT, SLOT - 100)

    refused(read)


def parameters_seeds() -> list[bytes]:
    """The parameters of the tests."""
    fields = dataclasses.asdict(PARAMETERS)
    lines = [f"{name} = {json.dumps(list(v) if isinstance(v, tuple) else v)}" for name, v in fields.items()]
    return ["\n".join(lines).encode()]


# ------------------------------------------------------------------ stores and recordings


def rows(data: bytes) -> None:
    """The rows of a victim's store, one of them changed: taken up whole or refused whole."""
    session = recorded()
    place = data[0] % len(session.rows) if data else 0
    changed = replace(session.rows[place], record=data[1:])
    moment = session.moments[-1]
    router = Router(
        moment.router._config,
        own_key=session.ids[VICTIM].own_key,
        signer=session.ids[VICTIM].signer,
        entropy=SeededEntropy(b"again"),
        now=moment.now,
    )
    given = (*session.rows[:place], changed, *session.rows[place + 1 :])
    if not refused(lambda: router.restore(given, moment.now)):
        router.check_invariants()


def rows_seeds() -> list[bytes]:
    """Each row with its place."""
    return [bytes([i]) + (row.record or b"") for i, row in enumerate(recorded().rows)]


@cache
def _store_bytes() -> bytes:
    path = workshop() / "whole.db"
    me = recorded().node(VICTIM)
    store = Store(path, node=me, network_id=PARAMETERS.network_id)
    for row in recorded().rows:
        store.append(row)
    store.sync()
    store.close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path.read_bytes()


def store_file(data: bytes) -> None:
    """A store's file with changed bytes: read whole or refused."""
    path = workshop() / "store.db"
    path.write_bytes(data)
    refused(lambda: examine(path))


def store_file_seeds() -> list[bytes]:
    """One whole store."""
    return [_store_bytes()]


def recording(data: bytes) -> None:
    """A recording: its head, and every input of every call."""
    path = workshop() / "recording.jsonl"
    path.write_bytes(data)

    def read() -> None:
        for call in RecordingFile(path).calls():
            for one in call.inputs:
                unpacked(one)

    refused(read)


def recording_seeds() -> list[bytes]:
    """The beginning of a recording of a real router, and its head alone."""
    lines: list[bytes] = []

    def recorder(config: RouterConfig, **given: Any) -> RecordedRouter:  # noqa: ANN401 - what a router takes
        return RecordedRouter(config, sink=lines.append, **given)

    sim = build(Cable("a", "b"), make=recorder)
    sim.offer("a", 100_000)
    return [b"".join(lines[:1]), b"".join(lines[:2]), b"".join(lines[:12])]


# ------------------------------------------------------------------ settings and scenarios


def settings(data: bytes) -> None:
    """node.toml."""
    text = data.decode("utf-8", "replace")
    refused(lambda: parse_settings(text, "node.toml"))


def settings_seeds() -> list[bytes]:
    """The example with all options, and those of two nodes."""
    examples = sorted((ROOT / "examples").glob("**/*.toml"))
    return [example().encode(), *(one.read_bytes() for one in examples)]


_TINY: Final = ROOT / "tests" / "scenarios" / "tiny"


@cache
def _scenario_files() -> tuple[str, ...]:
    folder = workshop() / "scenario"
    shutil.copytree(_TINY if _TINY.is_dir() else bundled_path("tiny"), folder)
    return tuple(sorted(str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file()))


def scenario(data: bytes) -> None:
    """A scenario folder with one file changed: a scenario, or findings."""
    names, folder = _scenario_files(), workshop() / "scenario"
    path = folder / names[data[0] % len(names) if data else 0]
    before = path.read_bytes()
    path.write_bytes(data[1:])
    try:
        found, findings = read_folder(folder)
    finally:
        path.write_bytes(before)
    demand((found is None) == bool(findings), "neither a scenario nor findings, or both")


def scenario_seeds() -> list[bytes]:
    """Each file of a small scenario."""
    names = _scenario_files()
    return [bytes([i]) + (workshop() / "scenario" / name).read_bytes() for i, name in enumerate(names)]


# ------------------------------------------------------------------ what operators exchange


def envelope_json(data: bytes) -> None:
    """An envelope in JSON: what is taken is the same after it was written anew."""
    found: list[Any] = []
    refused(lambda: found.append(envelope_from_json(parse_json_object(data, None, "file"), "file")))
    for one in found:
        demand(
            envelope_from_json(envelope_to_json(one), "file") == one, "an envelope changes when written anew"
        )


def envelope_json_seeds() -> list[bytes]:
    """One envelope of every kind."""
    return [json.dumps(envelope_to_json(said[0])).encode() for said in recorded().said.values()]


@cache
def _trust() -> Path:
    """The files of one node's identity and of a link's attestation, as they lie on disk."""
    folder = workshop() / "trust"
    identity = create_identity(folder, wall_utc_s=WALL_UTC_S)
    operational = make_operational(
        identity,
        network_id=PARAMETERS.network_id,
        serial=1,
        issued_utc_s=WALL_UTC_S - 600,
        wall_utc_s=WALL_UTC_S,
    )
    save_operational(folder, operational)
    session = recorded()
    router = session.moments[-1].router
    attestation = router._config.neighbors[0].attestation
    write_attestation(folder / "link.json", AttestationFile(attestation=attestation))
    return folder


TRUST_FILES: Final = (
    "node.pub",
    "link.json",
    "operational.json",
    "ca.pem",
    "identity.pem",
    "operational-1.pem",
)


def trust(data: bytes) -> None:
    """One file of an identity or an attestation changed: its readers refuse with a sentence, or read."""
    folder = _trust()
    path = folder / TRUST_FILES[data[0] % len(TRUST_FILES) if data else 0]
    before = path.read_bytes()
    path.write_bytes(data[1:])
    try:
        _read_trust(path)
    finally:
        path.write_bytes(before)


def _read_trust(path: Path) -> None:
    match path.name:
        case "node.pub":
            refused(lambda: read_node_pub(path))
        case "link.json":
            refused(lambda: _attestation(path))
        case "ca.pem":
            refused(lambda: parse_ca(path.read_bytes(), str(path)))
            refused(lambda: load_identity(path.parent))
        case "identity.pem":
            refused(lambda: load_identity(path.parent))
        case _:
            refused(lambda: load_operational(path.parent, PARAMETERS.network_id, NOW))


def _attestation(path: Path) -> None:
    open_attestation(read_attestation(path), PARAMETERS.network_id, NOW, str(path))


def trust_seeds() -> list[bytes]:
    """Each file as it is."""
    return [bytes([i]) + (_trust() / name).read_bytes() for i, name in enumerate(TRUST_FILES)]


# ------------------------------------------------------------------ the table


def _target(name: str, says: str, run: Any, seeds: Any, mutate: Any, *modules: str) -> Target:  # noqa: ANN401
    return Target(name=name, says=says, run=run, seeds=seeds, mutate=mutate, modules=modules)


READERS: Final = (
    _target("bech32m", "node ids as text", bech32m, bech32m_seeds, texts, "model.bech32m"),
    _target("parameters", "network parameters", parameters, parameters_seeds, texts, "model.parameters"),
    _target(
        "rows",
        "the records of a store, taken up by a router",
        rows,
        rows_seeds,
        headed_texts,
        *("core.durable", "core.durable_reservation", "core.durable_settlement", "core.restart"),
    ),
    _target(
        "store",
        "the file of a store",
        store_file,
        store_file_seeds,
        headed_octets,
        *("adapters.store_reading", "adapters.store_schema"),
    ),
    _target("recording", "recordings", recording, recording_seeds, texts, "adapters.recording"),
    _target("settings", "node.toml", settings, settings_seeds, texts, "daemon.settings"),
    _target("scenario", "scenario folders", scenario, scenario_seeds, headed_texts, "scenario"),
    _target(
        "envelope-json",
        "envelopes as JSON",
        envelope_json,
        envelope_json_seeds,
        texts,
        "adapters.envelope_json",
    ),
    _target(
        "trust",
        "identities, operational keys, node.pub, attestations on disk",
        trust,
        trust_seeds,
        headed_texts,
        *("adapters.attestation", "adapters.keystore", "adapters.certificates"),
    ),
)
