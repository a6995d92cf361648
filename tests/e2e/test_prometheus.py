"""A real Prometheus scrapes three real nodes while they trade: metrics, dashboard queries, alert rules."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import dashboard
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ioe_router.adapters.metrics.table import METRICS, Kind
from tests.e2e import prometheus
from tests.e2e.chain import NAMES, make_chain
from tests.e2e.daemons import Daemon, wait_for
from tests.e2e.node_files import free_port
from tests.e2e.prometheus import Prometheus
from tests.tidy.product import ROOT

RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"
# Of what these have to show nothing happens in the first minute of three honest nodes.
NOT_YET = {
    "Refusals and endings by reason": "nothing is refused",
    "Commands refused": "no command is overtaken",
    "Cuts and releases": "nothing is cut",
    "Own devices, as booked": "the final gate comes later",
    "Voltage, and slots out of the band": "the sweeps come later",
    "Corrections of losses": "the sweeps come later",
    "Sessions begun and ended": "none has ended",
    "Faults by reason": "nothing is refused",
    "Attempts that failed": "nobody is refused at a port",
    "Slots settled": "the slot has to end first",
    "Obligations since the start": "the slot has to end first",
    "Imbalance": "the slot has to end first",
    "Booked, released and cut": "nothing is released",
}


@dataclass
class Watched:
    """Three nodes that have traded, and what watches them."""

    nodes: dict[str, Daemon]
    ports: dict[str, int]
    server: Prometheus


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Nodes and server, once for the tests of this file."""
    prometheus.need("prometheus")
    folder = tmp_path_factory.mktemp("watched")
    chain = make_chain(folder)
    ports = {name: free_port() for name in NAMES}
    for name, port in ports.items():
        text = chain.config(name).read_text()
        chain.config(name).write_text(
            text.replace("\n[network]", f'metrics = "127.0.0.1:{port}"\n\n[network]', 1)
        )
    nodes = {name: Daemon(chain.config(name)) for name in NAMES}
    processes = [node.process for node in nodes.values()]
    try:
        wait_for(lambda: all(node.said("Started") for node in nodes.values()))
        server = prometheus.start(folder, ports, RULES)
        processes.append(server.process)
        wait_for(lambda: len(nodes["east"].said("Booked")) > 2, within_s=120)
        wait_for(lambda: server.value('sum(ioe_booked_joules_total{instance="east"})') > 0)
        yield Watched(nodes, ports, server)
    finally:
        for process in processes:
            process.kill()
            process.wait()


@pytest.mark.slow
def test_every_query_of_the_dashboard_has_an_answer(watched: Watched) -> None:
    """Each panel query runs, and finds something unless it is stated why there is nothing yet."""
    panels = json.loads((ROOT / "deploy/grafana/dashboards/ioe-nodes.json").read_text())["panels"]
    asked = [(panel["title"], target["expr"]) for panel in panels for target in panel.get("targets", ())]
    assert asked == dashboard.queries()
    empty = set()
    for title, query in asked:
        ready = query.replace("$__rate_interval", "1m").replace("$instance", ".*")
        if not watched.server.get("query", query=ready)["result"]:
            empty.add(title)
    assert empty <= set(NOT_YET)


@pytest.mark.slow
def test_every_metric_of_the_table_is_served_and_no_other(watched: Watched) -> None:
    """What a node serves under ioe_ is the table, name by name and kind by kind."""
    with urllib.request.urlopen(f"http://127.0.0.1:{watched.ports['mid']}/metrics", timeout=20) as answer:
        served = dict(re.findall(r"^# TYPE (ioe_\w+) (\w+)$", answer.read().decode(), re.MULTILINE))
    expected = {metric.name: metric.kind.value for metric in METRICS}
    assert {name: kind for name, kind in served.items() if not name.endswith("_created")} == expected
    assert {kind.value for kind in Kind} == set(expected.values())


@pytest.mark.slow
def test_metrics_say_what_the_logs_say(watched: Watched) -> None:
    """Energy booked, reservations committed at each role and sessions agree with the lines of the nodes."""
    server = watched.server

    def agree() -> bool:
        bought = watched.nodes["east"].said("Booked")
        steps = watched.nodes["mid"].said("ReservationMoved")
        committed = [one for one in steps if one["step"] == "COMMITTED"]
        query = 'ioe_reservation_steps_total{instance="mid", role="transit", step="committed"}'
        return (
            server.value('ioe_booked_joules_total{instance="east", way="imported"}')
            == sum(int(str(one["energy_j"])) for one in bought)
            and server.value(query) == len(committed)
            and server.value('ioe_transit_joules_total{instance="mid"}')
            == sum(int(str(one["energy_j"])) for one in committed)
        )

    wait_for(agree)
    assert server.value('sum(ioe_neighbor_up{instance="mid"})') == 2
    assert server.value('ioe_routes{instance="east", stage="best"}') >= 1
    assert server.value('count(count by (neighbor) (ioe_frames_total{instance="mid"}))') == 2


@pytest.mark.slow
def test_prometheus_takes_the_alert_rules(watched: Watched) -> None:
    """Every rule is evaluated without an error, and three healthy nodes wake nobody up but for clocks."""
    rules: list[dict[str, object]] = []

    def evaluated() -> bool:
        (group,) = watched.server.get("rules")["groups"]
        rules[:] = group["rules"]
        return all(rule["health"] == "ok" for rule in rules)

    wait_for(evaluated)
    firing = {rule["name"] for rule in rules if rule["state"] == "firing"}
    assert len(rules) > 10
    assert firing <= {"IoeClockOff"}


@pytest.mark.slow
def test_nothing_secret_is_shown(watched: Watched) -> None:
    """No private key of a node is in its log at level debug, or in its metrics, in any usual spelling."""
    for name, daemon in watched.nodes.items():
        with urllib.request.urlopen(f"http://127.0.0.1:{watched.ports[name]}/metrics", timeout=20) as answer:
            shown = daemon.log_path.read_text() + answer.read().decode()
        keys = sorted((daemon.log_path.parent / "keys").glob("*.pem"))
        private = [key for key in keys if "PRIVATE KEY" in key.read_text()]
        assert private
        for key in private:
            loaded = load_pem_private_key(key.read_bytes(), password=None)
            assert isinstance(loaded, Ed25519PrivateKey)
            raw = loaded.private_bytes_raw()
            body = "".join(key.read_text().splitlines()[1:-1])
            for secret in (raw.hex(), base64.b64encode(raw).decode().rstrip("="), body):
                assert secret not in shown, f"{key.name} of {name}"


def test_alert_rules_come_when_they_should() -> None:
    """The package's promtool checks the rules and plays the cases beside them."""
    promtool = prometheus.need("promtool")
    for arguments in (("check", "rules", "alerts.yml"), ("test", "rules", "alerts.test.yml")):
        done = subprocess.run(
            [promtool, *arguments], cwd=RULES.parent, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_configured_metrics_port_in_use(tmp_path: Path, start: Callable[[Path], Daemon]) -> None:
    """A metrics port that somebody else has is one sentence and exit code 4."""
    chain = make_chain(tmp_path)
    text = chain.config("west").read_text()
    port = free_port()
    lines = f'health = "127.0.0.1:{port}"\nmetrics = "127.0.0.1:{port}"\n\n[network]'
    chain.config("west").write_text(text.replace("\n[network]", lines, 1))
    daemon = start(chain.config("west"))
    assert daemon.process.wait(60) == 4
    assert "is already in use" in daemon.log_path.read_text().strip().rpartition("\n")[2]
