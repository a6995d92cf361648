"""Proof that somebody signed two statements that exclude each other (SPEC section 4.9).

Both envelopes together convince anybody who holds the signer's certificate,
without trust in who shows them.  So they are worth keeping, and a refusal for
this reason carries them.
"""

from __future__ import annotations

from dataclasses import dataclass

from ioe_router.model.envelope import Envelope
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.ids import NodeId


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Two envelopes that `node` signed with one number and two contents."""

    node: NodeId
    epoch: int  # of both statements; 0 where statements are numbered without epochs
    first: Envelope  # the one that was taken
    second: Envelope  # the one that was refused
    certificates: tuple[Envelope, ...] = ()  # OPERATIONAL_KEYs of the keys that signed them


class Equivocated(PeerError):
    """A statement is refused with EQUIVOCATION, and here is why."""

    def __init__(self, detail: str, proof: Proof) -> None:
        super().__init__(ErrorCode.EQUIVOCATION, detail)
        self.proof = proof
