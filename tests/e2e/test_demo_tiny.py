"""`ioe demo` on the two-slot scenario: real routers, real connections, in one process and in four."""

from __future__ import annotations

import csv
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
TINY = ROOT / "tests" / "scenarios" / "tiny"
COMMAND = (sys.executable, "-c", "from ioe_router.cli.main import main; main()", "demo")
PROMISED = [
    "scenario",
    "days",
    "nodes",
    "links",
    "slots",
    "slot_s",
    "wall_s",
    "cpu_s",
    "peak_rss_bytes",
    "grpc_messages",
    "grpc_bytes",
    "signatures_verified",
    "offers_received",
    "holds_attempted",
    "holds_refused",
    "rejected_hold_share_ppm",
    "reservations_committed",
    "epochs_per_slot",
    "energy_by_class_j",
    "delivered_j",
    "loss_j",
    "unserved_j",
    "optimum_unserved_j",
    "community_cost_micro",
    "utility_only_cost_micro",
    "optimum_cost_micro",
    "static_path_cost_micro",
    "cost_gap_ppm",
    "cost_gap_without_fees_ppm",
    "excess_loss_ppm",
    "scarcity_rent_micro",
    "loss_error_vs_ac_worst_slot_ppm",
    "loss_error_vs_ac_day_ppm",
    "voltage_violations",
    "voltage_min_micro_pu",
    "voltage_max_micro_pu",
    "overload_violations",
    "max_loading_ppm",
    "books_imbalance_j",
    "obligations_imbalance_micro",
]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command with these arguments, as a user would run it."""
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


def figures(out: Path) -> dict[str, Any]:
    """The summary that a run has written."""
    found: dict[str, Any] = json.loads((out / "summary.json").read_text())
    return found


def trades(out: Path) -> list[dict[str, str]]:
    """The trades that a run has written."""
    with (out / "trades.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module", params=["one-process", "processes"])
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """A finished run of both slots: its folder, where the nodes were, what was printed."""
    out = tmp_path_factory.mktemp(request.param)
    done = run(str(TINY), "--out", str(out), "--nodes-in", request.param, "--seed", "5")
    assert done.returncode == 0, done.stderr
    return out, request.param, done.stdout


def test_a_run_writes_every_promised_figure(whole: tuple[Path, str, str]) -> None:
    """summary.json has each promised key, for the run that was asked for."""
    found = figures(whole[0])
    assert [name for name in PROMISED if name not in found] == []
    assert (found["scenario"], found["nodes"], found["links"], found["slots"]) == ("tiny", 4, 4, 2)
    assert (found["nodes_in"], found["seed"]) == (whole[1], 5)


def test_the_books_of_a_run_balance_to_the_joule_and_to_the_micro_unit(whole: tuple[Path, str, str]) -> None:
    """Energy in equals delivered plus lost, obligations cancel, both ends settle every link and slot."""
    found = figures(whole[0])
    assert found["books_imbalance_j"] == 0
    assert found["obligations_imbalance_micro"] == 0
    assert found["settlements_open"] == 0
    given = sum(found["energy_by_class_j"].values())
    assert given == found["delivered_j"] + found["loss_j"]
    assert found["delivered_j"] > found["loss_j"] > 0


def test_the_physics_of_a_run_agree_with_the_books(whole: tuple[Path, str, str]) -> None:
    """Against the AC power flow losses are within 0.5 %, and neither voltage nor rating is left."""
    found = figures(whole[0])
    assert found["loss_error_vs_ac_worst_slot_ppm"] <= 5_000
    assert found["voltage_violations"] == found["overload_violations"] == 0
    assert 0 < found["max_loading_ppm"] <= 1_000_000
    assert found["unserved_j"] <= found["optimum_unserved_j"]


def test_trading_beats_the_utility_and_not_the_optimum(whole: tuple[Path, str, str]) -> None:
    """The community's cost lies between the optimum with the same forecasts and everybody alone."""
    found = figures(whole[0])
    assert found["optimum_cost_micro"] <= found["community_cost_micro"] < found["utility_only_cost_micro"]


def test_the_trades_of_a_run_are_written_down(whole: tuple[Path, str, str]) -> None:
    """The house without solar buys the other's in the first slot, and all that is sold is listed."""
    found = trades(whole[0])
    first = [t for t in found if t["slot_utc_s"] == "1465948800" and t["source_class"] == "solar"]
    assert {("house-a", "house-b")} <= {(t["seller"], t["buyer"]) for t in first}
    assert len({t["reservation"] for t in found}) == figures(whole[0])["reservations_committed"]


def test_a_run_ends_with_a_table_and_a_page(whole: tuple[Path, str, str]) -> None:
    """What is printed names the members and the files, and the page is there."""
    assert "House without solar" in whole[2]
    assert "report.html" in whole[2]
    assert "House without solar" in (whole[0] / "report.html").read_text()


def test_the_others_go_on_when_a_router_is_killed(tmp_path: Path) -> None:
    """SIGKILL in the middle of trading: the rest buy elsewhere and settle, and the report says so."""
    done = run(str(TINY), "--out", str(tmp_path), "--nodes-in", "processes", "--kill", "house-a@1")
    assert done.returncode == 0, done.stderr
    found = figures(tmp_path)
    (death,) = found["deaths"]
    assert (death["bus"], death["slot"]) == ("house-a", 1465949700)
    assert "storage 2" in death["offers_lost"]
    assert death["nodes_cut_off"] == []
    assert death["reservations_lost"] > 0
    assert death["energy_repaired_j"] == death["energy_lost_j"] > 0
    assert "house-a was killed" in done.stdout
    late = [t for t in trades(tmp_path) if t["slot_utc_s"] == "1465949700"]
    assert {t["seller"] for t in late if t["state"] == "kept"} == {"grid"}
    assert {t["seller"] for t in late if t["state"] == "released"} == {"house-a"}
    assert found["books_imbalance_j"] == found["obligations_imbalance_micro"] == 0
    assert found["settlements_open"] == death["settlements_open"] > 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("vilage",), 'did you mean "village"'),
        ((str(TINY), "--days", "day-2"), "no day 'day-2'; did you mean \"day-1\""),
        ((str(TINY), "--kill", "house-a"), "write BUS@SLOT"),
        ((str(TINY), "--kill", "house-a@1"), "add --nodes-in processes"),
        ((str(TINY), "--kill", "house-z@1", "--nodes-in", "processes"), "there is no bus 'house-z'"),
        ((str(TINY), "--kill", "house-a@7", "--nodes-in", "processes"), "slot 7 is not among the 2 slots"),
    ],
)
def test_what_cannot_be_run_is_one_sentence(
    arguments: tuple[str, ...], sentence: str, tmp_path: Path
) -> None:
    """A wrong name or a wish that cannot be met: one line on stderr, exit code 1, no traceback."""
    done = run(*arguments, "--out", str(tmp_path / "out"))
    assert done.returncode == 1
    assert sentence in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out" / "summary.json").exists()


def test_a_port_in_use_is_one_sentence(tmp_path: Path) -> None:
    """A taken port is named in one line, from this process or from a node's own."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for nodes_in in ("one-process", "processes"):
            done = run(str(TINY), "--out", str(tmp_path), "--nodes-in", nodes_in, "--first-port", str(port))
            assert done.returncode == 1
            assert str(port) in done.stderr
            assert len(done.stderr.strip().splitlines()) == 1


def test_an_output_folder_that_cannot_be_written_is_refused_before_the_run(tmp_path: Path) -> None:
    """A file where the folder should be is one sentence, and nothing is started."""
    (tmp_path / "out").write_text("in the way")
    done = run(str(TINY), "--out", str(tmp_path / "out"))
    assert done.returncode == 1
    assert "cannot be written" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
