"""What a sealer has judged before: objects that were found good, signatures that were found bad (SPEC 3.2).

A memory for speed alone: forgetting costs a check and nothing else.  So it is
bounded in number and in bytes, and the oldest goes first; no state that
anybody relies on is here.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Any, Final

from ioe_router.model.envelope import Envelope, Sealed
from ioe_router.model.ids import ObjectId

GOOD_MAX: Final = 4_096
GOOD_BYTES_MAX: Final = 4 * 1_048_576  # of signed bytes; the values read from them take several times as much
BAD_MAX: Final = 4_096


class Remembered:
    """Verdicts on envelopes by object id."""

    def __init__(self) -> None:
        """Nothing has been judged."""
        self._good: OrderedDict[ObjectId, Sealed[Any]] = OrderedDict()
        self._good_bytes = 0
        self._bad: OrderedDict[ObjectId, bytes] = OrderedDict()

    def good(self, object_id: ObjectId, envelope: Envelope) -> Sealed[Any] | None:
        """The object, if exactly this envelope was found good before."""
        known = self._good.get(object_id)
        if known is None or known.envelope != envelope:
            return None
        self._good.move_to_end(object_id)
        return known

    def is_bad(self, object_id: ObjectId, envelope: Envelope) -> bool:
        """Whether a signature of exactly this envelope was found wrong before."""
        mark = self._bad.get(object_id)
        return mark is not None and mark == _mark(envelope)

    def keep_good(self, sealed: Sealed[Any]) -> None:
        """Note an object whose signatures hold."""
        old = self._good.pop(sealed.object_id, None)
        self._good_bytes += len(sealed.envelope.signed) - (0 if old is None else len(old.envelope.signed))
        self._good[sealed.object_id] = sealed
        while len(self._good) > GOOD_MAX or self._good_bytes > GOOD_BYTES_MAX:
            self._good_bytes -= len(self._good.popitem(last=False)[1].envelope.signed)

    def keep_bad(self, object_id: ObjectId, envelope: Envelope) -> None:
        """Note an envelope with a signature that does not hold; no key and no clock can change that."""
        self._bad[object_id] = _mark(envelope)
        self._bad.move_to_end(object_id)
        if len(self._bad) > BAD_MAX:
            self._bad.popitem(last=False)


def _mark(envelope: Envelope) -> bytes:
    """A digest of all that the object id leaves out."""
    parts = [envelope.type.to_bytes(4), *(one.key + one.signature for one in envelope.signatures)]
    return hashlib.sha256(b"".join(parts)).digest()
