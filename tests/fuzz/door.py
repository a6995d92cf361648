"""The door of a router under fire: bytes become frames of a neighbour, and all that may come is effects.

A run takes a copy of the victim at a moment of the recorded session and gives
it up to a few dozen inputs: real objects of any node, changed in form or in
one value and signed again so that they pass the signature, in frames numbered
as expected; frames changed as bytes; garbage; time.  A crash is any exception
out of `handle`, a call that takes longer than `SECONDS_MAX` of processor time
or wants more than `BYTES_MAX` sent, and ledgers that contradict themselves
afterwards.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from ioe_router.codec import mapping
from ioe_router.codec.frames import encode_frame
from ioe_router.codec.registry import REGISTRY, Row
from ioe_router.codec.signing import frame_input, signature_input
from ioe_router.core.effects import CloseSession, Effect, SendFrame
from ioe_router.core.inputs import DeadlineReached, FrameReceived, Input, SessionDown, SessionUp
from ioe_router.model.clock import NS_PER_MS, Now
from ioe_router.model.envelope import Envelope, Frame, ObjectType, Signature
from ioe_router.model.errors import PeerError, UsageError
from ioe_router.model.ids import NodeId
from ioe_router.router import Router
from tests.fuzz.choices import Choices
from tests.fuzz.mutation import mutated_message
from tests.fuzz.session import Session, copied, recorded, recorded_at_a_border
from tests.fuzz.targets import Target, demand, octets
from tests.simulation.pair import PARAMETERS

STEPS_MAX: Final = 48
OBJECTS: Final = (1, 1, 2, 3, 4, 64)  # in one frame
SECONDS_MAX: Final = 5.0
BYTES_MAX: Final = 64 * 1_048_576
WAITS_MS: Final = (0, 1, 500, 2_000, 10_000, 46_000, 300_000, 900_000, 7_200_000)


class Door:
    """One run: the victim, what time it is, and who speaks."""

    def __init__(self, session: Session, choices: Choices) -> None:
        self._session = session
        self._choices = choices
        moment = session.moments[choices.below(len(session.moments))]
        self.router: Router = copied(moment.router)
        self._now = moment.now
        self._name = session.neighbors[choices.below(len(session.neighbors))]
        self.calls = 0

    def run(self) -> None:
        """Give inputs until the choices are used up."""
        for _ in range(STEPS_MAX):
            if self._choices.done:
                break
            self._step()
        self.router.check_invariants()

    def _step(self) -> None:
        match self._choices.below(10):
            case 0:
                self._wait(WAITS_MS[self._choices.below(len(WAITS_MS))])
                self._give(DeadlineReached())
            case 1:
                self._receive(self._choices.octets(self._choices.below(128)))
            case 2:
                frame = self._choices.below(len(self._session.frames))
                self._receive(mutated_message(self._session.frames[frame], self._choices))
            case 3:
                self._receive(mutated_message(self._frame([self._object(changed=False)]), self._choices))
            case 4:
                self._name = self._session.neighbors[self._choices.below(len(self._session.neighbors))]
            case _:
                count = OBJECTS[self._choices.below(len(OBJECTS))]
                self._receive(self._frame([self._object(changed=True) for _ in range(count)]))

    # --- inputs

    def _wait(self, wait_ms: int) -> None:
        self._now = Now(self._now.monotonic_ns + wait_ms * NS_PER_MS, self._now.utc_ms + wait_ms)

    def _receive(self, data: bytes) -> None:
        self._give(FrameReceived(neighbor=self._neighbor, frame=data))

    def _give(self, input_: Input) -> None:
        self.calls += 1
        began = time.process_time()
        effects = self.router.handle(input_, self._now)
        demand(time.process_time() - began < SECONDS_MAX, f"handle ran away with {type(input_).__name__}")
        size = sum(len(one.frame) for one in effects if isinstance(one, SendFrame))
        demand(size < BYTES_MAX, f"handle wants {size} bytes sent")
        self._carry_out(effects)

    def _carry_out(self, effects: Sequence[Effect]) -> None:
        """A connection that the victim closes is up again at once, now and then."""
        for effect in effects:
            if isinstance(effect, CloseSession):
                down = SessionDown(neighbor=effect.neighbor, code=effect.code, reason="closed")
                self.router.handle(down, self._now)
                if self._choices.below(4):
                    up = SessionUp(neighbor=effect.neighbor, dialer=bool(self._choices.below(2)))
                    self.router.handle(up, self._now)

    # --- objects and frames

    @property
    def _neighbor(self) -> NodeId:
        return self._session.node(self._name)

    def _object(self, *, changed: bool) -> Envelope:
        """Something that was said, by whomever, perhaps changed and then signed again."""
        kinds = tuple(self._session.said.values())
        said = kinds[self._choices.below(len(kinds))]
        envelope = said[self._choices.below(len(said))]
        return self._changed(envelope, 0) if changed else envelope

    def _changed(self, envelope: Envelope, depth: int) -> Envelope:
        """Changed in its bytes, or in an object that it carries."""
        kind, signed = envelope.type, envelope.signed
        inner = self._with_other_inside(envelope, depth) if self._choices.below(3) == 0 else None
        if inner is not None:
            signed = inner
        else:
            for _ in range(self._choices.below(4)):
                signed = mutated_message(signed, self._choices)
        if not self._choices.below(24):
            kind = tuple(ObjectType)[self._choices.below(len(ObjectType))]
        if not self._choices.below(12):
            return Envelope(type=kind, signed=signed, signatures=envelope.signatures)
        return self._signed(kind, signed, envelope)

    def _with_other_inside(self, envelope: Envelope, depth: int) -> bytes | None:
        body = _decoded(envelope)
        nested = [] if body is None or depth > 2 else _nested(body)
        if not nested:
            return None
        name, place = nested[self._choices.below(len(nested))]
        held = getattr(body, name)
        if place is None:
            new: Any = self._changed(held, depth + 1)
        else:
            new = (*held[:place], self._changed(held[place], depth + 1), *held[place + 1 :])
        return mapping.encode(replace(body, **{name: new}))

    def _signed(self, kind: ObjectType, signed: bytes, before: Envelope) -> Envelope:
        """With as many signatures as there were, each by the key that it was made with, if we have it."""
        row = REGISTRY.get(kind)
        if row is None:
            return Envelope(type=kind, signed=signed, signatures=before.signatures)
        data = signature_input(PARAMETERS.network_id, row.message, signed)
        signers = [self._session.signers.get(one.key) for one in before.signatures]
        own = self._session.ids[self._name].signer
        made = [one or own for one in signers] or [own] * row.signatures_min
        signatures = tuple(Signature(key=one.public_key, signature=one.sign(data)) for one in made)
        return Envelope(type=kind, signed=signed, signatures=signatures)

    def _frame(self, envelopes: list[Envelope]) -> bytes:
        """The neighbour's next frame with these, whatever its router would say."""
        sessions = self.router.inspect().sessions
        session = sessions.session_id(self._neighbor)
        seq = sessions._session(self._neighbor).received_seq + 1
        signer = self._session.ids[self._name].signer if session else None
        try:
            return encode_frame(PARAMETERS.network_id, session, seq, envelopes, signer)
        except (UsageError, PeerError):  # no honest node could send it
            return self._forced_frame(session, seq, envelopes)

    def _forced_frame(self, session: bytes, seq: int, envelopes: list[Envelope]) -> bytes:
        signer = self._session.ids[self._name].signer
        data = frame_input(PARAMETERS.network_id, session, seq, envelopes)
        signature = Signature(key=signer.public_key, signature=signer.sign(data))
        frame = Frame(
            session=session, seq=seq, envelopes=tuple(envelopes), signature=signature if session else None
        )
        return mapping.encode(frame)


def _decoded(envelope: Envelope) -> Any:  # noqa: ANN401 - a value of any message
    row: Row | None = REGISTRY.get(envelope.type)
    if row is None:
        return None
    try:
        return mapping.decode(row.body, envelope.signed)
    except PeerError:
        return None


def _nested(body: Any) -> list[tuple[str, int | None]]:  # noqa: ANN401 - a value of any message
    """Where a value carries envelopes: field, and place in it when it holds several."""
    found: list[tuple[str, int | None]] = []
    for name in type(body).__slots__:
        held = getattr(body, name)
        if isinstance(held, Envelope):
            found.append((name, None))
        elif isinstance(held, tuple):
            found.extend((name, i) for i, one in enumerate(held) if isinstance(one, Envelope))
    return found


# ------------------------------------------------------------------ the target


def run(data: bytes) -> None:
    """One run of the door."""
    Door(recorded(), Choices(data)).run()


def run_at_a_border(data: bytes) -> None:
    """One run of the door of a domain's border."""
    Door(recorded_at_a_border(), Choices(data)).run()


def seeds() -> list[bytes]:
    """Each moment and neighbour with steps drawn by a seed."""
    return _seeds(recorded())


def _seeds(session: Session) -> list[bytes]:
    draw = random.Random(1)
    heads = [
        (moment, name) for moment in range(len(session.moments)) for name in range(len(session.neighbors))
    ]
    return [bytes(head) + draw.randbytes(200) for head in heads for _ in range(2)]


HANDLE: Final = Target(
    name="handle",
    says="Router.handle with frames of real objects, changed and signed again, and with garbage",
    run=run,
    seeds=seeds,
    mutate=octets,
    modules=("router", "core", "codec"),
    share=6,
)

BORDER: Final = Target(
    name="handle-border",
    says="the same at the border of a trust domain, with revocations",
    run=run_at_a_border,
    seeds=lambda: _seeds(recorded_at_a_border()),
    mutate=octets,
    modules=(
        "router",
        "core.domain",
        "core.domains",
        "core.belonging",
        "core.revocations",
        "core.key_changes",
    ),
    share=4,
)
