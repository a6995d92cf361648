"""Errors and refusals (SPEC section 13 registers every code).

Four families: `UsageError` is a caller's mistake and propagates;
`Overtaken` is nobody's mistake: what the host wants was possible when it
decided, and is told to it as an event; `PeerError` is a neighbour's mistake,
is caught in the router alone and answered with its code; `InvariantViolation`
is ours and must crash.
"""

from __future__ import annotations

from enum import IntEnum


class ErrorCode(IntEnum):
    """Why an object or a request was refused. Numbers are registered in SPEC.md and proto/."""

    UNSPECIFIED = 0
    # objects
    TOO_LARGE = 1
    MALFORMED = 2
    OUT_OF_BOUNDS = 3
    BAD_SIGNATURE = 4
    UNKNOWN_KEY = 5
    KEY_EXPIRED = 6
    WRONG_SIGNER = 7
    EXPIRED = 8
    FROM_FUTURE = 9
    STALE = 10
    EQUIVOCATION = 11
    UNKNOWN_TYPE = 12
    UNEXPECTED = 13
    LIMIT_REACHED = 14
    # session
    VERSION_MISMATCH = 20
    NETWORK_MISMATCH = 21
    PARAMETER_MISMATCH = 22
    FEATURE_REQUIRED = 23
    IDENTITY_MISMATCH = 24
    DUPLICATE_IDENTITY = 25
    CLOCK_UNSYNCED = 26
    NOT_A_NEIGHBOR = 27
    SHUTTING_DOWN = 28
    KEEPALIVE_TIMEOUT = 29
    REPLAYED = 30
    # domains
    NOT_A_MEMBER = 31
    DOMAIN_MISMATCH = 32
    TRUST_STALE = 33
    # keys
    KEY_REVOKED = 34
    # paths
    LOOP = 40
    PATH_TOO_LONG = 41
    BROKEN_CHAIN = 42
    NOT_FOR_ME = 43
    UNKNOWN_LINK = 44
    FEE_ABOVE_ATTESTED = 45
    POLICY = 46
    # reservations
    NO_PATH = 60
    NO_OFFER = 61
    OFFER_CHANGED = 62
    NO_ENERGY = 63
    NO_CAPACITY = 64
    NOT_BOOKABLE = 65
    TOO_EARLY = 66
    GATE_CLOSED = 67
    PRICE_LIMIT = 68
    BELOW_MINIMUM = 69
    ZERO_ENERGY = 70
    TOO_MANY_ITEMS = 71
    CONFLICT = 72
    UNKNOWN_RESERVATION = 73
    HOLD_EXPIRED = 74
    NEIGHBOR_LOST = 75
    NOT_OWNER = 76
    QUOTA = 77
    GRANT_CHANGED = 78
    IN_PAST = 79
    NO_TRANSIT = 80
    CURTAILED = 81
    PREEMPTED = 82
    # pairing
    WRONG_CODE = 83
    CODE_CLOSED = 84


class Persistence(IntEnum):
    """How long a refusal is likely to hold."""

    UNSPECIFIED = 0
    PERMANENT = 1  # the same request will never succeed
    TEMPORARY = 2  # may succeed after `retry_after_ms`
    RELATIVE = 3  # may succeed with other figures (price, energy, band)


class Scope(IntEnum):
    """What a refusal is about."""

    UNSPECIFIED = 0
    NODE = 1
    LINK = 2
    OFFER = 3
    RESERVATION = 4


class IoeError(Exception):
    """Base of all errors of this package."""


class UsageError(IoeError):
    """The caller did something that the interface does not allow; the text says what to do instead."""


class Overtaken(IoeError):
    """What a command names is gone, has changed or is past its time; the host is told, nothing changes."""

    def __init__(self, code: ErrorCode, detail: str) -> None:
        super().__init__(f"{code.name}: {detail}")
        self.code = code
        self.detail = detail


class SignerLost(IoeError):
    """Whoever holds this node's key does not sign any more. Ends the process; nothing half-done leaves it."""


class PeerError(IoeError):
    """A neighbour sent something wrong. Caught in the router, counted, answered with `code`.

    `retry_after_ms`: when the same object has a chance; 0 when none is known.
    """

    def __init__(self, code: ErrorCode, detail: str, retry_after_ms: int = 0) -> None:
        super().__init__(f"{code.name}: {detail}")
        self.code = code
        self.detail = detail
        self.retry_after_ms = retry_after_ms


class InvariantViolation(IoeError):
    """The router's own state is wrong. Never caught: crash, then replay the recording."""


def invariant(condition: bool, why: str) -> None:
    """Raise InvariantViolation unless `condition` holds. Unlike `assert`, alive under `-O`."""
    if not condition:
        raise InvariantViolation(why)
