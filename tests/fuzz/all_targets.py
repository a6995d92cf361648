"""The table of everything that is fuzzed."""

from __future__ import annotations

from typing import Final

from tests.fuzz.decoders import DECODERS
from tests.fuzz.door import BORDER, HANDLE
from tests.fuzz.operators import OPERATORS
from tests.fuzz.pairing import PAIRING
from tests.fuzz.pairing_between import BETWEEN
from tests.fuzz.readers import READERS
from tests.fuzz.targets import Target

ALL: Final = (HANDLE, BORDER, *DECODERS, BETWEEN, *PAIRING, *READERS, *OPERATORS)
TARGETS: Final[dict[str, Target]] = {one.name: one for one in ALL}
