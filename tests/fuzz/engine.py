"""Runs one target many times: under atheris, which follows coverage, or by drawing changes at random.

A crash does not stop the run.  The bytes that caused it are written to a file
that is named after the place of the crash, once per place; the run ends with
the number of places.  What takes too long or too much memory ends the process
under atheris, which leaves the bytes in the same folder.
"""

from __future__ import annotations

import hashlib
import random
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.fuzz.targets import Target

SEED_NAME_CHARS: Final = 16
INPUT_BYTES_MAX: Final = 65_536


@dataclass(slots=True)
class Crashes:
    """Where a target crashed, each place once, with the bytes that led there."""

    folder: Path
    target: str
    places: dict[str, int] = field(default_factory=dict)

    def note(self, data: bytes, error: BaseException) -> None:
        """Write the bytes down unless this place is known."""
        place = place_of(error)
        self.places[place] = self.places.get(place, 0) + 1
        if self.places[place] > 1:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256(place.encode()).hexdigest()[:SEED_NAME_CHARS]
        path = self.folder / f"{self.target}-{name}"
        path.write_bytes(data)
        path.with_suffix(".txt").write_text("".join(traceback.format_exception(error)), encoding="utf-8")
        sys.stdout.write(f"CRASH {self.target} {path} {place}\n")
        sys.stdout.flush()


def place_of(error: BaseException) -> str:
    """What an exception is told apart by: its class, and the innermost lines of the product."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "ioe_router" in f.filename][-2:]
    where = " < ".join(f"{Path(f.filename).name}:{f.lineno}" for f in reversed(frames))
    return f"{type(error).__name__} {where}" if where else f"{type(error).__name__} {error}"


def guarded(target: Target, crashes: Crashes) -> Callable[[bytes], None]:
    """The target, with its crashes noted instead of raised."""

    def one(data: bytes) -> None:
        try:
            target.run(data)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
            crashes.note(data, error)

    return one


def drawn(target: Target, crashes: Crashes, *, seed: int, runs: int, seconds: float) -> int:
    """Draw changes of the seeds until either bound; the number of executions."""
    one, draw = guarded(target, crashes), random.Random(seed)
    pool = list(target.seeds())
    for data in pool:
        one(data)
    until, done = time.monotonic() + seconds, len(pool)
    while done < runs and time.monotonic() < until:
        one(target.mutate(draw.choice(pool), draw)[:INPUT_BYTES_MAX])
        done += 1
    return done


def under_atheris(atheris: Any, target: Target, crashes: Crashes, corpus: Path, options: list[str]) -> None:  # noqa: ANN401
    """Hand the target to atheris; it ends the process when its bounds are reached."""
    corpus.mkdir(parents=True, exist_ok=True)
    for data in target.seeds():
        path = corpus / hashlib.sha256(data).hexdigest()[:SEED_NAME_CHARS]
        if not path.exists():
            path.write_bytes(data)

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        draw = random.Random(seed)
        if draw.randrange(4) == 0:
            changed: bytes = atheris.Mutate(data, max(1, len(data)))
        else:
            changed = target.mutate(data, draw)
        return changed[:max_size]

    atheris.Setup([sys.argv[0], str(corpus), *options], guarded(target, crashes), custom_mutator=mutate)
    atheris.Fuzz()
