"""How the vectors of pairing are run: from their inputs alone."""

from __future__ import annotations

from typing import Any

from vector_pairing import talk

from ioe_router.codec.pairing import cpace
from ioe_router.codec.pairing.conversation import Responder
from ioe_router.codec.pairing.desk import Desk
from ioe_router.codec.pairing.effects import Failed
from ioe_router.codec.pairing.schedule import seal_key
from ioe_router.model.errors import ErrorCode, PeerError, UsageError
from ioe_router.model.pairing import Card, Role
from ioe_router.model.pairing_code import make_code, parse_code, shown

Json = dict[str, Any]


def code(inputs: Json) -> Json:
    """A code drawn or typed."""
    if "entropy" in inputs:
        made = make_code(bytes.fromhex(inputs["entropy"]))
        assert parse_code(shown(made)) == made
        return {"code": made, "shown": shown(made)}
    try:
        return {"code": parse_code(inputs["typed"])}
    except UsageError as error:
        raise PeerError(ErrorCode.MALFORMED, str(error)) from None


def exchange(inputs: Json) -> Json:
    """Both sides of CPace."""
    raw = {name: bytes.fromhex(value) for name, value in inputs.items()}
    if "share" in raw:
        return {"shared": cpace.multiply(raw["scalar"], raw["share"]).hex()}
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


def conversation(inputs: Json) -> Json:
    """A whole conversation, or what side B makes of messages from A."""
    if "to_b" not in inputs:
        lines = talk(inputs["code"], inputs["code"]).lines
        return {"messages": [[sender, line.hex()] for sender, line in lines]}
    card = inputs["card_b"]
    b = Responder(
        Desk(inputs["code"], 0),
        Card(network_id=card["network_id"], ca_der=bytes.fromhex(card["ca"]), port=card["port"]),
        bytes.fromhex(inputs["entropy_b"]),
        0,
    )
    for line in inputs["to_b"]:
        effects = b.receive(bytes.fromhex(line)[2:], 0)
        if effects and isinstance(effects[-1], Failed):
            raise PeerError(effects[-1].code, effects[-1].detail)
    return {}
