"""Pairing (SPEC section 6.1): codes, CPace, conversations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from ioe_router.codec.pairing import cpace
from ioe_router.codec.pairing.conversation import Conversation, Initiator, Responder
from ioe_router.codec.pairing.desk import Desk
from ioe_router.codec.pairing.effects import Effect, Failed, Learned, Send
from ioe_router.codec.pairing.schedule import seal_key
from ioe_router.model.errors import ErrorCode, PeerError, UsageError
from ioe_router.model.pairing import Card, Role
from ioe_router.model.pairing_code import make_code, parse_code, shown

Json = dict[str, Any]


def _draw(inputs: Json) -> Json:
    made = make_code(bytes.fromhex(inputs["entropy"]))
    return {"code": made, "shown": shown(made)}


def _typed(inputs: Json) -> Json:
    try:
        return {"code": parse_code(inputs["typed"])}
    except UsageError as error:
        raise PeerError(ErrorCode.MALFORMED, str(error)) from None


def _share(inputs: Json) -> Json:
    return {"shared": cpace.multiply(bytes.fromhex(inputs["scalar"]), bytes.fromhex(inputs["share"])).hex()}


def _exchange(inputs: Json) -> Json:
    raw = {name: bytes.fromhex(value) for name, value in inputs.items()}
    sid, data_a, data_b = raw["sid"], raw["data_a"], raw["data_b"]
    point = cpace.generator(raw["secret"], raw["channel"], sid)
    a, b = cpace.share(point, raw["scalar_a"]), cpace.share(point, raw["scalar_b"])
    shared = cpace.multiply(raw["scalar_b"], a)
    isk = cpace.session_key(sid, shared, a, data_a, b, data_b)
    mac = cpace.mac_key(sid, isk)
    found = {
        "generator_string": cpace.generator_string(raw["secret"], raw["channel"], sid),
        "generator": point,
        "share_a": a,
        "share_b": b,
        "shared": shared,
        "isk": isk,
        "mac_key": mac,
        "tag_a": cpace.tag(mac, a, data_a),
        "tag_b": cpace.tag(mac, b, data_b),
        "seal_key_a": seal_key(isk, sid, Role.A),
        "seal_key_b": seal_key(isk, sid, Role.B),
    }
    return {name: value.hex() for name, value in found.items()}


def _card(card: Json) -> Card:
    return Card(network_id=card["network_id"], ca_der=bytes.fromhex(card["ca"]), port=card["port"])


def _sides(inputs: Json) -> tuple[Initiator, Responder]:
    entropy_a, entropy_b = (bytes.fromhex(inputs[name]) for name in ("entropy_a", "entropy_b"))
    return (
        Initiator(inputs["code"], _card(inputs["card_a"]), entropy_a, 0),
        Responder(Desk(inputs["code"], 0), _card(inputs["card_b"]), entropy_b, 0),
    )


def _whole(inputs: Json) -> Json:
    """Both sides of a conversation until nobody has anything to say."""
    a, b = _sides(inputs)
    lines: list[list[str]] = []
    waiting = [("B", one) for one in _sent(b.greet(), b)]
    while waiting:
        sender, line = waiting.pop(0)
        lines.append([sender, line.hex()])
        side, name = (b, "B") if sender == "A" else (a, "A")
        waiting += [(name, one) for one in _sent(side.receive(line[2:], 0), side)]
    return {"messages": lines}


def _sent(effects: tuple[Effect, ...], side: Conversation) -> Iterator[bytes]:
    for effect in effects:
        if isinstance(effect, Send):
            yield effect.data
        elif isinstance(effect, Learned):
            yield from _sent(side.answer(None), side)


def _answer(inputs: Json) -> Json:
    _, b = _sides(inputs)
    for line in inputs["to_b"]:
        effects = b.receive(bytes.fromhex(line)[2:], 0)
        if effects and isinstance(effects[-1], Failed):
            raise PeerError(effects[-1].code, effects[-1].detail)
    return {}


RUNNERS: Final[Mapping[str, Callable[[Json], Json]]] = {
    "pairing-code.draw": _draw,
    "pairing-code.typed": _typed,
    "pairing-cpace.share": _share,
    "pairing-cpace.exchange": _exchange,
    "pairing-talk.whole": _whole,
    "pairing-talk.answer": _answer,
}
