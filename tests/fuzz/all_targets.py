"""The table of everything that is fuzzed."""

from __future__ import annotations

from typing import Final

from tests.fuzz.decoders import DECODERS
from tests.fuzz.door import HANDLE
from tests.fuzz.pairing import PAIRING
from tests.fuzz.readers import READERS
from tests.fuzz.targets import Target

TARGETS: Final[dict[str, Target]] = {one.name: one for one in (HANDLE, *DECODERS, *PAIRING, *READERS)}
