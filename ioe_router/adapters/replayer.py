"""Feeding a recording to a router built from it, and finding the first thing that is different.

The router gets the recorded instants, inputs, entropy and signatures; its
effects and its next deadline are compared with the recorded ones.  There is no
secret key here: a recorded signature is handed back when the same bytes
are to be signed again, so a router that would sign anything else is found at
that call, even if the frame were never sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

from ioe_router.adapters.recording import Call, Head, digest_of, unpacked
from ioe_router.codec.keys import KeyRing
from ioe_router.codec.sealing import CodecSealer
from ioe_router.codec.signing import SIGNATURE_BYTES, Signer
from ioe_router.core.effects import Effect
from ioe_router.core.inputs import Input, RenewKey
from ioe_router.model.discovery import OperationalKey
from ioe_router.model.envelope import Sealed
from ioe_router.model.errors import PeerError, UsageError
from ioe_router.router import Router

_SHOWN: Final = 12  # hex digits of a digest in a sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """One call, repeated; `difference` is the first one in words, None when all is equal."""

    number: int  # from 1
    call: Call
    inputs: tuple[Input, ...]
    effects: tuple[Effect, ...]
    difference: str | None


class Replayer:
    """One router, rebuilt. UsageError when the head of the recording does not hold together."""

    def __init__(self, head: Head) -> None:
        self._tape = _Tape(head.own_key.signatures[-1].key if head.own_key.signatures else b"")
        self.router = Router(
            head.config,
            own_key=_opened_key(head, self._tape),
            signer=self._tape,
            entropy=self._tape,
            now=head.now,
        )
        self._number = 0

    def replay(self, calls: Iterator[Call]) -> Iterator[Replayed]:
        """The calls one by one, up to and with the first that is different. UsageError: a damaged call."""
        for call in calls:
            replayed = self.step(call)
            yield replayed
            if replayed.difference is not None:
                return

    def step(self, call: Call) -> Replayed:
        """Repeat one call. UsageError when its inputs cannot be read."""
        self._number += 1
        try:
            inputs = tuple(unpacked(one) for one in call.inputs)
        except UsageError as error:
            raise UsageError(f"call {self._number}: {error}") from error
        self._tape.load(call)
        for one in inputs:
            if isinstance(one, RenewKey):
                self.router.add_signer(self._tape.signing_as(one.certificate.signatures[-1].key))
        raised: str | None = None
        effects: tuple[Effect, ...] = ()
        try:
            if call.restored is None:
                effects = self.router.handle_all(inputs, call.now)
            else:
                self.router.restore(call.restored, call.now)
        except Exception as error:  # whatever it is, it is compared with what the recording says was raised
            raised = f"{type(error).__name__}: {error}"
        return Replayed(
            number=self._number,
            call=call,
            inputs=inputs,
            effects=effects,
            difference=self._difference(call, effects, raised),
        )

    def _difference(self, call: Call, effects: tuple[Effect, ...], raised: str | None) -> str | None:
        found = _first_difference(call, effects, raised, self.router.next_deadline_ns())
        taped = self._tape.difference()
        return "; ".join(one for one in (found, taped) if one) or None


def _opened_key(head: Head, tape: _Tape) -> Sealed[OperationalKey]:
    ring = KeyRing(network_id=head.config.parameters.network_id, limit=1)
    codec = CodecSealer(ring=ring, signer=tape, node=head.config.node, now=head.now)
    try:
        return codec.open(head.own_key, OperationalKey)
    except PeerError as error:
        raise UsageError(
            f"the recorded key certificate does not hold ({error}); is the file damaged?"
        ) from error


def _first_difference(
    call: Call, effects: tuple[Effect, ...], raised: str | None, deadline_ns: int | None
) -> str | None:
    if raised != call.raised:
        return f"recorded {call.raised or 'an answer'}, replayed {raised or 'an answer'}"
    pairs = zip_longest(call.effects, map(digest_of, effects))
    for number, (recorded, replayed) in enumerate(pairs, start=1):
        if recorded != replayed:
            return f"effect {number}: recorded {_named(recorded)}, replayed {_named(replayed)}"
    if deadline_ns != call.deadline_ns:
        return f"next deadline: recorded {call.deadline_ns} ns, replayed {deadline_ns} ns"
    return None


def _named(effect: tuple[str, bytes] | None) -> str:
    return "none" if effect is None else f"{effect[0]} {effect[1].hex()[:_SHOWN]}"


class _Tape:
    """Plays back what a call drew and signed; notes the first time that something else is asked for."""

    def __init__(self, public_key: bytes) -> None:
        self.public_key: Final = public_key
        self._tokens: list[bytes] = []
        self._signed: list[tuple[bytes, bytes]] = []
        self._first: str | None = None

    def load(self, call: Call) -> None:
        """Put a call in."""
        self._tokens, self._signed = list(call.entropy), list(call.signed)
        self._first = None

    def token(self, size: int) -> bytes:
        """The next recorded bytes; zeros when none of this size follow."""
        drawn = self._tokens.pop(0) if self._tokens else b""
        if len(drawn) != size:
            self._note(f"{size} bytes of entropy are drawn where {len(drawn)} were recorded")
            return bytes(size)
        return drawn

    def sign(self, data: bytes) -> bytes:
        """The next recorded signature; zeros when other bytes were signed at this place."""
        digest, signature = self._signed.pop(0) if self._signed else (b"", b"")
        if hashlib.sha256(data).digest() != digest:
            self._note(f"other bytes are to be signed: {data[:64].hex()}...")
            return bytes(SIGNATURE_BYTES)
        return signature

    def signing_as(self, public_key: bytes) -> Signer:
        """The tape as the signer of a later key: signatures are played back in one row."""
        return _TapedSigner(self, public_key)

    def difference(self) -> str | None:
        """The first thing asked for that was not recorded, or what is left over."""
        if self._first is None and (self._tokens or self._signed):
            return (
                f"{len(self._tokens)} draws of entropy and {len(self._signed)} signatures fewer than recorded"
            )
        return self._first

    def _note(self, difference: str) -> None:
        self._first = self._first or difference


class _TapedSigner:
    """Another key of the node whose signatures are on the tape."""

    def __init__(self, tape: _Tape, public_key: bytes) -> None:
        self.public_key: Final = public_key
        self._tape = tape

    def sign(self, data: bytes) -> bytes:
        """The next recorded signature."""
        return self._tape.sign(data)
