"""One conversation on the pairing port, from either side (SPEC section 6.1.3).

    A (typed into)                         B (shows the code)
                        <- GREETING        half of the session id
    SHARE_A ->                             a try is spent here
                        <- SHARE_B
    CONFIRM_A ->                           A proves the code first
                        <- CONFIRM_B       and B afterwards
                        <- SEALED          B's card
    SEALED ->                              A's card, its word on the link
                        <- SEALED          done; both words on the link

No I/O: bytes and times go in, wishes come out.

Until CONFIRM_A has been found right a stranger has learnt a version number and
whether one code is wrong.  Whatever breaks the order ends the conversation.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import StrEnum
from typing import Final

from ioe_router.codec.pairing import cpace, messages
from ioe_router.codec.pairing.desk import Desk
from ioe_router.codec.pairing.effects import Effect, Failed, Learned, Paired, Send
from ioe_router.codec.pairing.messages import NONCE_BYTES, OPEN_BYTES_MAX, Told
from ioe_router.codec.pairing.schedule import Keys, Shares, point_of
from ioe_router.model.clock import NS_PER_S
from ioe_router.model.envelope import Envelope
from ioe_router.model.errors import ErrorCode, PeerError, UsageError
from ioe_router.model.pairing import CONSENT_S, MESSAGE_BYTES_MAX, PROOF_S, Card, Kind, Role

ENTROPY_BYTES: Final = NONCE_BYTES + cpace.SCALAR_BYTES


class Phase(StrEnum):
    """What a conversation waits for."""

    GREETING = "greeting"
    SHARE = "share"
    CONFIRM = "confirm"
    CARD = "card"
    ANSWER = "answer"  # of the host, not of the other side
    DONE = "done"
    OVER = "over"


class Conversation(ABC):
    """What both sides share. `entropy` is 48 fresh random bytes, never used twice."""

    def __init__(self, card: Card, entropy: bytes, now_ns: int) -> None:
        if len(entropy) != ENTROPY_BYTES:
            raise UsageError(f"a pairing conversation needs {ENTROPY_BYTES} random bytes, not {len(entropy)}")
        self._card = card
        self._nonce, self._scalar = entropy[:NONCE_BYTES], entropy[NONCE_BYTES:]
        self._deadline_ns = now_ns + PROOF_S * NS_PER_S
        self._keys: Keys | None = None
        self._other: Card | None = None
        self.proved = False  # whether both sides are known to have the same code
        self.phase = Phase.OVER

    @property
    def bytes_max(self) -> int:
        """How long the next message may be, without its length: little until the code is proved."""
        return MESSAGE_BYTES_MAX if self.proved else OPEN_BYTES_MAX

    def next_deadline_ns(self) -> int | None:
        """When `expire` has to be called, None once it is over."""
        return None if self.phase is Phase.OVER else self._deadline_ns

    def receive(self, message: bytes, now_ns: int) -> tuple[Effect, ...]:
        """Take the next message of the other side."""
        if self.phase is Phase.OVER:
            return ()
        try:
            kind, body = messages.decode(message)
            if kind is Kind.REFUSED:
                return self._end(messages.read_refused(body), "the other side ended it", told=True)
            return self._take(kind, body, now_ns)
        except PeerError as error:
            return self.refuse(error.code, error.detail)

    def expire(self, now_ns: int) -> tuple[Effect, ...]:
        """End the conversation if its time is over."""
        if self.phase is Phase.OVER or now_ns < self._deadline_ns:
            return ()
        return self.refuse(ErrorCode.KEEPALIVE_TIMEOUT, "the other side took too long")

    def refuse(self, code: ErrorCode, detail: str) -> tuple[Effect, ...]:
        """End the conversation and tell the other side the code."""
        return (Send(data=messages.refused(code)), *self._end(code, detail, told=False))

    @abstractmethod
    def answer(self, link: Envelope | None) -> tuple[Effect, ...]:
        """Accept what was Learned; `link` is the attestation with this side's signature, or none."""

    @abstractmethod
    def _take(self, kind: Kind, body: bytes, now_ns: int) -> tuple[Effect, ...]: ...

    def _end(self, code: ErrorCode, detail: str, *, told: bool) -> tuple[Effect, ...]:
        self.phase = Phase.OVER
        return (Failed(code=code, detail=detail, told=told),)

    def _agree(self, role: Role, sid: bytes, theirs: bytes, shares: Shares) -> Keys:
        shares.refuse_reflection()
        shared = cpace.multiply(self._scalar, theirs)
        self._scalar = b""
        self._keys = Keys(role, sid=sid, shared=shared, shares=shares)
        return self._keys

    def _prove(self, now_ns: int) -> None:
        self.proved = True
        self._deadline_ns = now_ns + CONSENT_S * NS_PER_S

    def _told(self, kind: Kind, body: bytes) -> Told:
        _expect(kind, Kind.SEALED)
        return messages.read_records(self._seals().open(body))

    def _say(self, card: Card | None, link: Envelope | None, *, done: bool = False) -> Send:
        sealed = self._seals().seal(messages.write_records(card, link, done=done))
        return Send(data=messages.encode(Kind.SEALED, sealed))

    def _seals(self) -> Keys:
        if self._keys is None:
            raise UsageError("nothing can be sealed before the shares were exchanged")
        return self._keys

    def _learn(self, told: Told) -> tuple[Effect, ...]:
        if told.card is None:
            raise PeerError(ErrorCode.MALFORMED, "no card where one belongs")
        self._other, self.phase = told.card, Phase.ANSWER
        return (Learned(card=told.card, link=told.link),)

    def _pair(self, link: Envelope | None) -> Paired:
        if self._other is None:
            raise UsageError("nothing has been learned yet")
        self.phase = Phase.OVER
        return Paired(card=self._other, link=link)

    def _refuse_unasked(self) -> None:
        if self.phase is not Phase.ANSWER:
            raise UsageError("nothing waits for an answer")


class Initiator(Conversation):
    """Side A: it has dialled, and the code was typed in here."""

    def __init__(self, code: str, card: Card, entropy: bytes, now_ns: int) -> None:
        super().__init__(card, entropy, now_ns)
        self._code = code
        self._sid = b""
        self._share = b""
        self.phase = Phase.GREETING

    def answer(self, link: Envelope | None) -> tuple[Effect, ...]:
        """Send the own card, and the attestation with one signature if there is one."""
        self._refuse_unasked()
        self.phase = Phase.DONE
        return (self._say(self._card, link),)

    def _take(self, kind: Kind, body: bytes, now_ns: int) -> tuple[Effect, ...]:
        match self.phase:
            case Phase.GREETING:
                _expect(kind, Kind.GREETING)
                return self._greeted(messages.read_greeting(body))
            case Phase.SHARE:
                _expect(kind, Kind.SHARE_B)
                shares = Shares(a=self._share, b=body)
                keys = self._agree(Role.A, self._sid, body, shares)
                self.phase = Phase.CONFIRM
                return (Send(data=messages.encode(Kind.CONFIRM_A, keys.own_tag)),)
            case Phase.CONFIRM:
                _expect(kind, Kind.CONFIRM_B)
                self._seals().judge(body)
                self._prove(now_ns)
                self.phase = Phase.CARD
                return ()
            case Phase.CARD:
                return self._learn(self._told(kind, body))
            case Phase.DONE:
                told = self._told(kind, body)
                if not told.done:
                    raise PeerError(ErrorCode.MALFORMED, "no DONE where one belongs")
                return (self._pair(told.link),)
            case _:
                raise _unexpected(kind)

    def _greeted(self, nonce: bytes) -> tuple[Effect, ...]:
        self._sid = self._nonce + nonce
        self._share = cpace.share(point_of(self._code, self._sid), self._scalar)
        self.phase = Phase.SHARE
        return (Send(data=messages.share_a(self._nonce, self._share)),)


class Responder(Conversation):
    """Side B: it listens, and the code is shown here. `desk` has admitted the caller."""

    def __init__(self, desk: Desk, card: Card, entropy: bytes, now_ns: int) -> None:
        super().__init__(card, entropy, now_ns)
        self._desk = desk
        self.phase = Phase.SHARE

    def greet(self) -> tuple[Effect, ...]:
        """What goes out before anything comes in."""
        return (Send(data=messages.greeting(self._nonce)),)

    def answer(self, link: Envelope | None) -> tuple[Effect, ...]:
        """Say that it is done, with the attestation signed by both if there is one."""
        self._refuse_unasked()
        return (self._say(None, link, done=True), self._pair(link))

    def _take(self, kind: Kind, body: bytes, now_ns: int) -> tuple[Effect, ...]:
        match self.phase:
            case Phase.SHARE:
                _expect(kind, Kind.SHARE_A)
                self._desk.spend(now_ns)
                return self._answer_share(*messages.read_share_a(body))
            case Phase.CONFIRM:
                _expect(kind, Kind.CONFIRM_A)
                keys = self._seals()
                keys.judge(body)
                self._desk.use()
                self._prove(now_ns)
                self.phase = Phase.CARD
                return (
                    Send(data=messages.encode(Kind.CONFIRM_B, keys.own_tag)),
                    self._say(self._card, None),
                )
            case Phase.CARD:
                return self._learn(self._told(kind, body))
            case _:
                raise _unexpected(kind)

    def _answer_share(self, nonce: bytes, theirs: bytes) -> tuple[Effect, ...]:
        sid = nonce + self._nonce
        share = cpace.share(point_of(self._desk.code, sid), self._scalar)
        self._agree(Role.B, sid, theirs, Shares(a=theirs, b=share))
        self.phase = Phase.CONFIRM
        return (Send(data=messages.encode(Kind.SHARE_B, share)),)


def _expect(kind: Kind, wanted: Kind) -> None:
    if kind is not wanted:
        raise _unexpected(kind)


def _unexpected(kind: Kind) -> PeerError:
    return PeerError(ErrorCode.UNEXPECTED, f"a {kind.name} at this point")
