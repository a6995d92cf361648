"""A whole router in the middle of reservations: its neighbours say things, its answers are shown.

What only the run knows (the label that the router told, ids of objects that
were signed on the way) stands in a step as a name that begins with `$`.
"""

from __future__ import annotations

import json
import typing
from dataclasses import fields, is_dataclass
from enum import IntEnum
from typing import Any, Final

from ioe_router.codec import mapping
from ioe_router.codec.registry import REGISTRY
from ioe_router.codec.signing import signature_input
from ioe_router.core.inputs import MeterRead, SessionDown
from ioe_router.core.paths import next_hash
from ioe_router.model.envelope import Envelope, ObjectType, Signature
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import object_id_of
from ioe_router.model.routing import PathAdvert, PathEntry
from ioe_router.model.slot import Slot
from reference_harness.receiver import Bench, Tester

Json = dict[str, Any]
SHOWN: Final = frozenset(
    ObjectType[name]
    for name in (
        *("HOLD", "GRANT", "REFUSE", "COMMIT_HOP", "COMMITTED", "RECEIPT", "FAILED", "RELEASE"),
        *("CURTAIL_HOP", "OUTCOME_QUERY", "OUTCOME", "FAULT", "RELAY", "METER_RECORD", "LINK_STATEMENT"),
    )
)
# Numbers that a keeper, and instants that a router, may choose; texts for people.
HIDDEN: Final = frozenset({"number", "text", "retry_after_ms"})


class Play:
    """One vector: the router, its neighbours, and the names of what has been said."""

    def __init__(self, inputs: Json) -> None:
        """Everything that came before is taken."""
        self.bench = Bench(inputs)
        self.names: dict[str, bytes] = {}
        self.shown_as: dict[bytes, str] = {}
        self._read = 0
        for step in inputs["before"]:
            self.bench.tell(step)
        self.bench.wait(inputs["begin_utc_ms"])

    def step(self, step: Json) -> list[Json]:
        """Carry one step out; returns what the router says because of it."""
        bench = self.bench
        self._learn_labels()
        bench.wait(step["at_utc_ms"] - 1 if step["do"] == "wait" else step["at_utc_ms"])
        if step["do"] != "wait":
            self._clear()
        if step["do"] == "lose":
            tester = bench.testers[step["from"]]
            lost = SessionDown(neighbor=tester.node, code=ErrorCode.KEEPALIVE_TIMEOUT, reason="lost")
            bench._do(bench.router.handle(lost, bench.now))
        elif step["do"] == "meter":
            link = self.bench.router.inspect().ports.to(bench.testers[step["from"]].node).link
            read = {name: step[name] for name in ("imported_j", "exported_j")}
            metered = MeterRead(link=link, slot=Slot(step["slot_utc_s"]), **read)
            bench._do(bench.router.handle(metered, bench.now))
        elif step["do"] == "up":
            bench.begin_anew(bench.testers[step["from"]])
        elif step["do"] == "say":
            tester = bench.testers[step["from"]]
            bench._say(tester, self._built(step["say"], tester))
        bench.wait(step["at_utc_ms"])
        shown = {
            json.dumps({"to": name, **self._shown(one)}, sort_keys=True)
            for name, tester in bench.testers.items()
            for one in tester.heard
            if one.type in SHOWN
        }
        self._learn_labels()
        self._clear()
        return [json.loads(text) for text in sorted(shown)]

    def _clear(self) -> None:
        for tester in self.bench.testers.values():
            tester.heard.clear()

    def _learn_labels(self) -> None:
        """`$label NAME ...`: the hash of the first path to an origin that the router told this neighbour."""
        for name, one in self.bench.told[self._read :]:
            if one.type is ObjectType.PATH_ADVERT:
                advert = mapping.decode(PathAdvert, one.signed)
                last = mapping.decode(PathEntry, advert.entries[-1].signed)
                label = next_hash(last.previous, advert.entries[-1].signed)
                key = f"$label {name} {last.origin.hex()[:16]} {int(last.direction)}"
                self.names.setdefault(key, label)
                self.shown_as.setdefault(label, "$label")
        self._read = len(self.bench.told)

    # --- building

    def _built(self, said: Json, tester: Tester) -> Envelope:
        """An envelope with the signatures of the nodes in `by`, none if the frame vouches for it."""
        kind = ObjectType[said["type"]]
        row = REGISTRY[kind]
        signed = mapping.encode(self._body(row.body, said["fields"], tester))
        signatures = []
        for name in said["by"]:
            keys = self.bench._keys(name)
            data = signature_input(self.bench.parameters.network_id, row.message, signed)
            signatures.append(Signature(key=keys.signer.public_key, signature=keys.signer.sign(data)))
        envelope = Envelope(type=kind, signed=signed, signatures=tuple(signatures))
        self._name(kind, signed)
        return envelope

    def _body(self, body: type, given: Json, tester: Tester) -> object:
        hints = typing.get_type_hints(body)
        return body(**{name: self._value(hints[name], value, tester) for name, value in given.items()})

    def _value(self, hint: object, value: Any, tester: Tester) -> object:
        inner, _ = mapping.unwrapped(hint)
        if value is None:
            return None
        if isinstance(value, list):
            return tuple(self._one(inner, one, tester) for one in value)
        return self._one(inner, value, tester)

    def _one(self, inner: type, value: Any, tester: Tester) -> object:
        if inner is Envelope:
            return self._built(value, tester)
        if is_dataclass(inner):
            return self._body(inner, value, tester)
        if isinstance(value, str) and value.startswith("$"):
            return self.names[value.replace("$label", f"$label {tester.name}")]
        if isinstance(value, str):
            return bytes.fromhex(value)
        return inner(value) if issubclass(inner, IntEnum) else value

    def _name(self, kind: ObjectType, signed: bytes) -> None:
        """`$commit` is the latest object of its type that was said, by whomever; `$commit 1` the first."""
        name, object_id = f"${kind.name.lower()}", object_id_of(signed)
        self.names[name] = object_id
        if object_id not in self.shown_as:
            count = sum(known.partition(" ")[0] == name for known in self.shown_as.values())
            self.shown_as[object_id] = f"{name} {count + 1}"

    # --- showing

    def _shown(self, envelope: Envelope) -> Json:
        self._name(envelope.type, envelope.signed)
        body: Any = mapping.decode(REGISTRY[envelope.type].body, envelope.signed)
        return {"type": envelope.type.name, "fields": self._plain(body)}

    def _plain(self, value: Any) -> Any:
        if isinstance(value, Envelope):
            return self._shown(value)
        if is_dataclass(value):
            names = [one.name for one in fields(value) if one.name not in HIDDEN]
            return {name: self._plain(getattr(value, name)) for name in names}
        if isinstance(value, bytes):
            return self._named(value)
        if isinstance(value, tuple):
            return [self._plain(one) for one in value]
        return int(value) if isinstance(value, int) and not isinstance(value, bool) else value

    def _named(self, value: bytes) -> str:
        """Bytes that only the run knows go by the name that was given to them."""
        return self.shown_as.get(value) or value.hex()


def play(inputs: Json) -> Json:
    """The answers of every step."""
    run = Play(inputs)
    return {"answers": [run.step(step) for step in inputs["steps"]]}
