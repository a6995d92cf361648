"""What a pairing conversation wants done, in order (SPEC section 6.1.3)."""

from __future__ import annotations

from dataclasses import dataclass

from ioe_router.model.envelope import Envelope
from ioe_router.model.errors import ErrorCode
from ioe_router.model.pairing import Card


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Write these bytes."""

    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """The other side has proved the code and said who it is: judge it, then `answer` or `refuse`.

    `link` is the attestation that it has signed and offers, if any.
    """

    card: Card
    link: Envelope | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """Both sides have each other's card; `link` is the attestation signed by both, if they agreed on one."""

    card: Card
    link: Envelope | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The conversation is over without a pairing; close the connection. `told`: the other side ended it."""

    code: ErrorCode
    detail: str
    told: bool


Effect = Send | Learned | Paired | Failed
