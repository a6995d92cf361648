"""What is looked at in everything that the target says, whichever case made it say so.

A violation is kept with the requirement that it breaks; the cases of `cases/monitors.py`
report them. So each frame of a whole run is evidence for what a router has to do always.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ioe_conformance.keys import object_id
from ioe_router.codec import bounds, mapping
from ioe_router.codec.registry import REGISTRY, Row
from ioe_router.codec.signing import frame_input, signature_input, verify
from ioe_router.model.discovery import Close, Fault, Hello, OperationalKey
from ioe_router.model.envelope import Envelope, Frame, ObjectType
from ioe_router.model.errors import ErrorCode, PeerError
from ioe_router.model.reservation import CommitHop, Grant, Hold, Outcome
from ioe_router.model.routing import PathAdvert, PathEntry

if TYPE_CHECKING:
    from ioe_conformance.session import Session

_KEPT: Final = 5
_REVEALING: Final = re.compile(r"PRIVATE KEY|(?<![\w.])/[\w.-]+/[\w./-]+")  # keys, paths of files
_EXERCISED: Final = sum(1 << bit for bit in range(57, 64, 2))
_ASSIGNED: Final = _EXERCISED | 1 << 1
_UNNAMED_KEYS: Final = frozenset({ObjectType.LINK_ATTESTATION, ObjectType.REVOCATION})


@dataclass(slots=True)
class Monitor:
    """Violations by requirement, and how often each rule was looked at."""

    broken: dict[str, list[str]] = field(default_factory=dict)
    looked: dict[str, int] = field(default_factory=dict)
    flooded: bool = False
    garbage: int = 0
    _evidence: dict[int, tuple[set[bytes], set[bytes]]] = field(default_factory=dict)

    def judge(self, requirement: str, ok: bool, sentence: str) -> None:
        """Count one look at a rule, and keep the sentence when it does not hold."""
        self.looked[requirement] = self.looked.get(requirement, 0) + 1
        if not ok:
            kept = self.broken.setdefault(requirement, [])
            if len(kept) < _KEPT:
                kept.append(sentence)

    def frame(self, session: Session, raw: bytes) -> Frame | None:
        """Look at one frame; None when it cannot be read."""
        self.judge("IOE-TRN-260", len(raw) <= 1_048_576, f"a frame of {len(raw)} bytes")
        try:
            frame = mapping.decode(Frame, raw)
            bounds.check(frame)
        except PeerError as error:
            self.garbage += 1
            self.judge("IOE-CNV-030", False, f"a frame that cannot be read: {error}")
            return None
        count = session.heard_frames
        self.judge("IOE-TRN-210", frame.seq == count, f"frame number {frame.seq} where {count} was due")
        self._session_of(session, frame)
        for envelope in frame.envelopes:
            self._envelope(session, envelope)
        return frame

    def _session_of(self, session: Session, frame: Frame) -> None:
        frame_only = [
            e for e in frame.envelopes if e.type in REGISTRY and not REGISTRY[e.type].signatures_max
        ]
        needed = bool(frame.session) and bool(frame_only)
        self.judge(
            "IOE-TRN-225",
            needed == (frame.signature is not None),
            f"frame {frame.seq} {'lacks' if needed else 'has'} a signature",
        )
        if frame.session and session.id:
            self.judge(
                "IOE-TRN-220",
                frame.session == session.id,
                f"frame {frame.seq} has the session {frame.session.hex()[:16]}",
            )
        if frame.signature is not None:
            data = frame_input(session.keys.network, frame.session, frame.seq, frame.envelopes)
            self.judge(
                "IOE-SIG-170",
                verify(frame.signature, data),
                f"the signature of frame {frame.seq} does not verify",
            )

    def _envelope(self, session: Session, envelope: Envelope) -> None:
        row = REGISTRY.get(envelope.type)
        self.judge("IOE-VER-110", row is not None, f"an object of type {int(envelope.type)}")
        if row is None:
            return
        count = len(envelope.signatures)
        self.judge(
            "IOE-SIG-050",
            row.signatures_min <= count <= row.signatures_max,
            f"{envelope.type.name} with {count} signatures",
        )
        try:
            body: Any = mapping.decode(row.body, envelope.signed)
            bounds.check(body)
        except PeerError as error:
            self.judge("IOE-CNV-030", False, f"{envelope.type.name}: {error}")
            return
        self.judge("IOE-CNV-030", True, "")
        self._signatures(session, envelope, row)
        self._evidence_ahead(session, envelope, body)
        self._said(session, body)

    def _signatures(self, session: Session, envelope: Envelope, row: Row) -> None:
        data = signature_input(session.keys.network, row.message, envelope.signed)
        for one in envelope.signatures:
            self.judge(
                "IOE-SIG-170", verify(one, data), f"a signature of {envelope.type.name} does not verify"
            )

    def _evidence_ahead(self, session: Session, envelope: Envelope, body: Any) -> None:
        keys, links = self._evidence.setdefault(id(session), (set(), set()))
        if envelope.type is ObjectType.OPERATIONAL_KEY:
            keys.add(body.operational_key)
            return
        if envelope.type is ObjectType.LINK_ATTESTATION:
            links.add(object_id(envelope))
            return
        if envelope.type not in _UNNAMED_KEYS and not REGISTRY[envelope.type].by_roots:
            for one in (envelope, *nested(body)):
                for signature in one.signatures:
                    known = signature.key in keys or signature.key == _own_key(session)
                    self.judge(
                        "IOE-SIG-210", known, f"{one.type.name} by a key that was not told in this session"
                    )
        if isinstance(body, PathAdvert):
            for entry in body.entries:
                said = mapping.decode(PathEntry, entry.signed)
                known = said.attestation in links or said.attestation == session.tester.attestation_id
                self.judge("IOE-SIG-220", known, "a path over a link whose attestation was not told")

    def _said(self, session: Session, body: Any) -> None:
        if isinstance(body, Close | Fault):
            self.judge("IOE-ERR-070", body.code in set(ErrorCode), f"code {body.code}")
            revealing = _REVEALING.search(body.text) is not None
            self.judge("IOE-ERR-040", not revealing, f"the text {body.text!r}")
        if isinstance(body, Hello):
            self.judge("IOE-VER-040", body.features & ~_ASSIGNED == 0, f"features {body.features:#x}")
            self.judge("IOE-SES-030", len(set(body.nonce)) > 8, f"nonce {body.nonce.hex()}")
        if isinstance(body, OperationalKey):
            lifetime = body.expires_utc_s - body.issued_utc_s
            self.judge("IOE-IDN-080", 0 < lifetime <= 7_776_000, f"a key valid for {lifetime} s")
            self.judge(
                "IOE-IDN-040", body.identity_key != body.operational_key, "the identity key is operational"
            )
        if isinstance(body, PathAdvert):
            last = mapping.decode(PathEntry, body.entries[-1].signed)
            self.judge(
                "IOE-ADV-210",
                session.tester.node not in {mapping.decode(PathEntry, e.signed).node for e in body.entries},
                "a path was told to a node that is on it",
            )
            self.judge(
                "IOE-ADV-160",
                (last.node, last.next_node) == (session.kit.target, session.tester.node),
                "the last entry of a path is not by the target for its neighbour",
            )


def nested(body: Any) -> tuple[Envelope, ...]:
    """The envelopes inside an object."""
    if isinstance(body, PathAdvert):
        return body.entries
    inner: list[Envelope | None] = []
    if isinstance(body, Hold):
        inner = [body.core, body.keeper_entry]
    elif isinstance(body, Grant):
        inner = [body.keeper_entry]
    elif isinstance(body, CommitHop):
        inner = [body.commit, body.keeper_entry]
    elif isinstance(body, Outcome):
        inner = [body.evidence]
    return tuple(one for one in inner if one is not None)


def _own_key(session: Session) -> bytes:
    return session.keys.operational.public_key().public_bytes_raw()
