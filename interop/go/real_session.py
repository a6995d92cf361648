"""One real session between the Go node and the reference router, both as processes on loopback.

    python interop/go/real_session.py [--keeper go]

makes keys for both, has both sign the link, starts `ioe run`, lets `ioe-session` dial it and go through
HELLO, an offer heard, HOLD, GRANT, COMMIT, COMMITTED, RECEIPT, OUTCOME and RELEASE, and prints what the Go
node found. The keeper of a radial link is the reference router; with `--keeper go` the link is a controlled
one and the Go node keeps its ledger. Nothing of the reference implementation is imported: it is run.

Both get the same offset to UTC, so that the next slot is in the repair phase (SPEC 9.1) when they start.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
NETWORK = "second-opinion"
SLOT_S = 300
INTO_SLOT_S = SLOT_S - 222
"""Repair of a slot of 300 s with three bands is from 225 s to 150 s before it."""

TERMS = """\
keeper = "self"
kind = "radial"
serial = 1
rating_down_va = 50000
rating_up_va = 50000
fee_down_micro_per_kwh = 4000
fee_up_micro_per_kwh = 4000

[loss]
vn_mv = 400000
planning_mv = 400000
r_micro_ohm = 20000
x_micro_ohm = 8000
"""

NODE = """\
[node]
keys = "keys"
store = "store"
listen = "127.0.0.1:0"
clock_offset_ms = {offset_ms}

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

[connection]
import_w = 20000
export_w = 20000

[[neighbor]]
node_pub = "../go/node.pub"
attestation = "../link.attestation"
fee_micro_per_kwh = 3000

[[agent.offer]]
direction = "supply"
energy_j = 3600000
price_micro_per_kwh = 100000
source = "solar"
"""


class SessionError(Exception):
    """A command of one of the two sides has failed; the message is what it said."""


def ioe() -> list[str]:
    """The command of the reference router, of this repository's source."""
    return [sys.executable, "-c", "from ioe_router.cli.main import main; main()"]


def call(folder: Path, command: Sequence[str | Path]) -> str:
    """Run one command to its end.

    Raises:
        SessionError: it ended with another code than 0.
    """
    done = subprocess.run(
        [str(part) for part in command],
        check=False,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=170,
        env=environment(),
    )
    if done.returncode != 0:
        raise SessionError(f"{done.stderr}{done.stdout}")
    return done.stdout


def environment() -> dict[str, str]:
    """Where both sides find what they need; nothing else of this process's environment matters to them."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def build() -> Path:
    """Build the Go node.

    Raises:
        SessionError: Go could not build it.
    """
    call(HERE, ["go", "build", "-o", "bin/", "./cmd/ioe-session"])
    return HERE / "bin" / "ioe-session"


def prepare(folder: Path, program: Path, keeper: str) -> None:
    """Make keys and configuration of both sides and the link that both have signed."""
    (folder / "reference").mkdir()
    (folder / "go").mkdir()
    call(folder / "reference", [*ioe(), "identity", "new", "--unencrypted", "--network", NETWORK])
    call(folder, [program, "init", "--network", NETWORK, "--dir", "go"])
    (folder / "terms.toml").write_text(TERMS)
    attest = ["link", "attest", "--keys", "reference/keys", "--network", NETWORK]
    call(folder, [*ioe(), *attest, "--neighbor", "go/node.pub", "--terms", "terms.toml", "link.attestation"])
    if keeper == "go":
        call(folder, [program, "attest", "--dir", "go", "--keep", "--kind", "controlled", "link.attestation"])
        call(folder, [*ioe(), "link", "countersign", "--yes", "--keys", "reference/keys", "link.attestation"])
    else:
        call(folder, [program, "attest", "--dir", "go", "link.attestation"])


def offset_s() -> int:
    """Seconds to add to UTC so that it is INTO_SLOT_S after the beginning of a slot."""
    return int(INTO_SLOT_S - time.time()) % SLOT_S


@contextlib.contextmanager
def reference(folder: Path, offset: int) -> Iterator[tuple[str, Path]]:
    """Run the reference router; gives its address and its log.

    Raises:
        SessionError: it has not started within 30 s.
    """
    log = folder / "reference.log"
    configured = NODE.format(offset_ms=offset * 1000, network=NETWORK)
    (folder / "reference" / "node.toml").write_text(configured)
    with log.open("w") as output:
        router = subprocess.Popen(
            [*ioe(), "run", "--config", "reference/node.toml"],
            cwd=folder, stdout=output, stderr=subprocess.STDOUT, env=environment(),
        )  # fmt: skip
    try:
        yield f"127.0.0.1:{port_of(log, router)}", log
    finally:
        router.terminate()
        router.wait(timeout=30)


def port_of(log: Path, router: subprocess.Popen[bytes]) -> int:
    """The peer port that the router says it listens on."""
    for _ in range(300):
        for event in events(log):
            if event.get("event") == "Started":
                return int(str(event["port"]))
        if router.poll() is not None:
            break
        time.sleep(0.1)
    raise SessionError(f"ioe run has not started: {log.read_text()}")


def events(log: Path) -> list[dict[str, object]]:
    """What the router has logged so far, whole lines of JSON alone."""
    lines = log.read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]


def session(folder: Path, program: Path, address: str, offset: int, *options: str) -> dict[str, object]:
    """One session of the Go node and what it found.

    Raises:
        SessionError: something was not as SPEC.md says; the message has all that was said and heard.
    """
    known = ["--neighbor", "reference/keys/node.pub", "--attestation", "link.attestation"]
    told = call(
        folder,
        [
            program,
            "run",
            "--dir",
            "go",
            *known,
            "--address",
            address,
            "--clock-offset",
            f"{offset}s",
            *options,
        ],
    )
    found: dict[str, object] = json.loads(told)
    return found


def main() -> int:
    """Hold the session and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--keeper", choices=["reference", "go"], default="reference")
    keeper = parser.parse_args().keeper
    try:
        program = build()
        with tempfile.TemporaryDirectory() as made:
            folder, offset = Path(made), offset_s()
            prepare(folder, program, keeper)
            with reference(folder, offset) as (address, _log):
                print(json.dumps(session(folder, program, address, offset), indent=2))
    except (SessionError, OSError) as error:
        print(f"real_session: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
