"""The Go node of interop/go and the reference router hold real sessions (issue of the second opinion).

Both run as processes on loopback, configured by hand-over files alone. `make second-opinion` builds the Go
node; where it is not built, nothing here runs and says so.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from go import real_session

PROGRAM = real_session.HERE / "bin" / "ioe-session"

pytestmark = pytest.mark.skipif(
    not PROGRAM.exists(),
    reason="interop/go/bin/ioe-session is not built; 'make second-opinion' does it",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A running reference router and the folder from which the Go node dials it."""

    folder: Path
    address: str
    log: Path
    offset_s: int

    def trade(self, *options: str) -> dict[str, object]:
        """One session of the Go node."""
        return real_session.session(self.folder, PROGRAM, self.address, self.offset_s, *options)


def paired(folder: Path, keeper: str) -> Iterator[Pair]:
    """Both sides configured, the reference router running."""
    offset = real_session.offset_s()
    real_session.prepare(folder, PROGRAM, keeper)
    with real_session.reference(folder, offset) as (address, log):
        yield Pair(folder=folder, address=address, log=log, offset_s=offset)


@pytest.fixture(scope="module")
def kept_by_reference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A radial link whose keeper is the reference router."""
    yield from paired(tmp_path_factory.mktemp("radial"), "reference")


@pytest.fixture
def kept_by_go(tmp_path: Path) -> Iterator[Pair]:
    """A controlled link whose keeper is the Go node."""
    yield from paired(tmp_path, "go")


def booked(pair: Pair, reservation: object) -> dict[str, object]:
    """What the reference router has logged about a booking."""
    found = [e for e in real_session.events(pair.log) if e.get("event") == "Booked"]
    return next(event for event in found if event["reservation"] == reservation)


def test_a_reservation_from_hello_to_release(kept_by_reference: Pair) -> None:
    """HELLO to RELEASE pass between two implementations, and both have the same energy and price."""
    found = kept_by_reference.trade()
    assert found["outcomes"] == ["COMMITTED", "RELEASED"]
    there = booked(kept_by_reference, found["reservation"])
    assert there["price_micro_per_kwh"] == found["far_price_micro_per_kwh"] == 100_000
    # fee of 3000 and 417 J of loss in a million (SPEC 8.6), computed by the Go node alone
    assert there["energy_j"] == 1_000_417
    assert found["near_price_micro_per_kwh"] == 103_043


def test_a_reservation_whose_ledger_go_keeps(kept_by_go: Pair) -> None:
    """The reference router takes the entries that another implementation numbers and computes."""
    found = kept_by_go.trade("--leave-committed")
    assert found["outcomes"] == ["COMMITTED"]
    assert booked(kept_by_go, found["reservation"])["energy_j"] == 1_000_417


def test_more_than_there_is(kept_by_reference: Pair) -> None:
    """What is granted is less than was asked, and the trimmed line is that of both."""
    found = kept_by_reference.trade("--energy-j", "5000000")
    assert found["outcomes"] == ["COMMITTED", "RELEASED"]
    assert booked(kept_by_reference, found["reservation"])["energy_j"] == 3_600_000


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--price-limit", "99999"), "PRICE_LIMIT: the HOLD is refused, PERSISTENCE_RELATIVE, SCOPE_OFFER"),
        (("--price-limit", "103042"), "PRICE_LIMIT: 103043 micro-units per kWh, at most 103042"),
        (("--preemption-grace-s", "31"), "PARAMETER_MISMATCH"),
        (("--clock-offset", "30h"), "FROM_FUTURE|KEY_EXPIRED|CLOCK_UNSYNCED"),
    ],
)
def test_refusals(kept_by_reference: Pair, options: tuple[str, ...], said: str) -> None:
    """What the text refuses is refused between two implementations, with the code of the text."""
    with pytest.raises(real_session.SessionError, match=said):
        kept_by_reference.trade(*options)


def _met(pair: Pair) -> bool:
    return any(event.get("event") == "NeighborUp" for event in real_session.events(pair.log))


def test_the_router_logs_no_fault(kept_by_reference: Pair) -> None:
    """After all sessions the reference router runs and has found nothing malformed."""
    if not _met(kept_by_reference):
        kept_by_reference.trade()  # the others ran in another process
    assert _met(kept_by_reference)
    log = real_session.events(kept_by_reference.log)
    assert "MALFORMED" not in json.dumps(log)
