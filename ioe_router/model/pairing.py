"""What two boxes tell each other when they pair (SPEC section 6.1), and the numbers that bound it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

VERSION: Final = 1
PORT: Final = 7444  # of the listener, unless configured otherwise
CODE_LIFETIME_S: Final = 300  # how long a code is valid
TRIES_MAX: Final = 3  # exchanges begun on one code, right or wrong
CONVERSATIONS_MAX: Final = 4  # open at once on the listener
CALLS_MAX: Final = 64  # taken while one code is valid
PROOF_S: Final = 10  # from the first byte until both have proved that they know the code
CONSENT_S: Final = 120  # from there until the people at both boxes have answered
MESSAGE_BYTES_MAX: Final = 8_192  # of one message, without its length


class Kind(IntEnum):
    """The kinds of messages on the pairing port."""

    GREETING = 1
    SHARE_A = 2
    SHARE_B = 3
    CONFIRM_A = 4
    CONFIRM_B = 5
    SEALED = 6
    REFUSED = 7


class Role(IntEnum):
    """A dials and was typed into; B listens and shows the code."""

    A = 1
    B = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """Who a box is: the network it belongs to, its CA certificate (DER), its peer port (0: none)."""

    network_id: str
    ca_der: bytes
    port: int
