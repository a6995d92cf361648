"""The rules that the fields of many messages share, and the limits on the wire (SPEC section 14)."""

from __future__ import annotations

from typing import Final

from ioe_router.codec.bound_types import Lengths, Nested, Range, Text, Unbounded
from ioe_router.model import routing
from ioe_router.model.envelope import ObjectType
from ioe_router.model.errors import ErrorCode

ENVELOPE_BYTES: Final = 65_536
FRAME_BYTES: Final = 1_048_576
FRAME_ENVELOPES: Final = 1024
SLOTS_MAX: Final = 192
PACKETS_MAX: Final = 96
PATH_LINKS: Final = 32
LINES_MAX: Final = 1024

HASH = Lengths(frozenset({32}))  # node ids, object ids, path hashes, keys, nonces
NONE_OR_HASH = Lengths(frozenset({0, 32}))
SHORT_ID = Lengths(frozenset({16}))  # links, reservations
BOOL = Unbounded()
ENERGY = Range(0, 2**53 - 1)  # exact in every language's numbers
SOME_ENERGY = Range(1, 2**53 - 1)
POWER = Range(0, 10**12)
PRICE = Range(-(10**12), 10**12)  # a million currency units per kWh
FEE = Range(0, 10**12)
AMOUNT = Range(-(2**62), 2**62)
COUNTER = Range(0, 2**63 - 1)  # sequence numbers, meter counters
NUMBERED = Range(1, 2**63 - 1)  # epochs, serials
UTC_S = Range(1, 2**40)
UTC_MS = Range(1, 2**50)
U32 = Range(0, 2**32 - 1)
VERSION = Range(1, 2**32 - 1)
INDEX = Range(1, PACKETS_MAX)
HOLD_MS = Range(1, 60_000)
RESTART_S = Range(0, 3_600)
COEFFICIENT = Range(0, 10**12)
VOLTAGE_MV = Range(1, 10**9)
MESSAGE_TEXT = Text(0, 128)
NETWORK_ID = Text(1, 64)
ZERO = Range(0, 0)
ROUND = Range(1, 2)
DIRECTION = Range(routing.Direction.SUPPLY, routing.Direction.DEMAND)
ANY_CODE = Range(ErrorCode.UNSPECIFIED, max(ErrorCode))
CODE = Range(1, max(ErrorCode))


def holds(*types: ObjectType, optional: bool = False) -> Nested:
    """An envelope of one of these types."""
    return Nested(types=frozenset(types), optional=optional)


KEEPER_ENTRY = holds(ObjectType.KEEPER_ENTRY, optional=True)
