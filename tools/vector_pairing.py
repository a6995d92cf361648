"""Pairing (SPEC section 6.1): codes, CPace, and whole conversations message by message."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vector_file import Vector

from ioe_router.codec.pairing import cpace, messages
from ioe_router.codec.pairing.conversation import Conversation, Initiator, Responder
from ioe_router.codec.pairing.desk import Desk
from ioe_router.codec.pairing.effects import Effect, Learned, Send
from ioe_router.codec.pairing.schedule import Keys, Shares, associated, point_of, seal_key
from ioe_router.model.errors import ErrorCode
from ioe_router.model.pairing import Card, Kind, Role
from ioe_router.model.pairing_code import make_code, shown

# The published vector of draft-irtf-cfrg-cpace-21, testvectors.json, "G_25519" with roles.
DRAFT = {
    "secret": b"Password",
    "channel": b"oc\x0bB_responder\x0bA_initiator",
    "sid": bytes.fromhex("7e4b4791d6a8ef019b936c79fb7f2c57"),
    "scalar_a": bytes.fromhex("21b4f4bd9e64ed355c3eb676a28ebedaf6d8f17bdc365995b319097153044080"),
    "data_a": b"ADa",
    "scalar_b": bytes.fromhex("848b0779ff415f0af4ea14df9dd1d3c29ac41d836c7808896c4eba19c51ac40a"),
    "data_b": b"ADb",
}
# u coordinates that X25519 takes to zero whatever the scalar; same file, "X25519_points".
SMALL_ORDER = (
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
)
CARD_A = Card(network_id="village", ca_der=bytes(range(64)), port=7443)
CARD_B = Card(network_id="village", ca_der=bytes(range(64, 200)), port=0)
CODE = make_code(bytes(range(16)))
ENTROPY_A, ENTROPY_B = bytes(range(48)), bytes(range(100, 148))


def codes() -> list[Vector]:
    """Codes as they are made, shown, typed and mistyped."""
    found = [
        Vector(
            id=f"pairing-code-{number}",
            notes="a code from 16 random bytes",
            inputs={"entropy": entropy.hex()},
            intermediates={"code": make_code(entropy), "shown": shown(make_code(entropy))},
            reqs=("IOE-SES-410",),
        )
        for number, entropy in enumerate((bytes(16), bytes(range(16)), b"\xff" * 16))
    ]
    typed = (shown(CODE).lower(), f" {CODE[:2]} {CODE[2:]} ")
    found += [
        Vector(
            id=f"pairing-code-typed-{number}",
            notes="case, spaces and hyphens do not matter",
            inputs={"typed": text},
            intermediates={"code": CODE},
        )
        for number, text in enumerate(typed)
    ]
    wrong = {
        "short": CODE[:-1],
        "long": CODE + "2",
        "letter": "O" + CODE[1:],
        "swapped": CODE[1] + CODE[0] + CODE[2:],
        "other": ("3" if CODE[0] == "2" else "2") + CODE[1:],
        "empty": "",
    }
    found += [
        Vector(
            id=f"pairing-code-{name}",
            notes="refused before anything is sent",
            inputs={"typed": text},
            code=ErrorCode.MALFORMED,
            reqs=("IOE-SES-410",),
        )
        for name, text in wrong.items()
    ]
    return found


def exchanges() -> list[Vector]:
    """CPace: the draft's own vector, one with a pairing code, and shares of small order."""
    sid = ENTROPY_A[:16] + ENTROPY_B[:16]
    ours = {
        "secret": CODE.encode(),
        "channel": messages.MAGIC,
        "sid": sid,
        "scalar_a": ENTROPY_A[16:],
        "data_a": associated(Role.A),
        "scalar_b": ENTROPY_B[16:],
        "data_b": associated(Role.B),
    }
    found = [
        _exchange("draft", "the published vector of draft-irtf-cfrg-cpace-21 (G_25519)", DRAFT),
        _exchange("code", "a pairing code as secret", ours),
    ]
    found += [
        Vector(
            id=f"pairing-cpace-small-order-{number}",
            notes="a share of small order: every scalar takes it to zero",
            inputs={"scalar": ENTROPY_A[16:].hex(), "share": point},
            code=ErrorCode.BAD_SIGNATURE,
            reqs=("IOE-SES-450",),
        )
        for number, point in enumerate(SMALL_ORDER)
    ]
    return found


def _exchange(name: str, notes: str, parts: dict[str, bytes]) -> Vector:
    point = cpace.generator(parts["secret"], parts["channel"], parts["sid"])
    a, b = cpace.share(point, parts["scalar_a"]), cpace.share(point, parts["scalar_b"])
    shared = cpace.multiply(parts["scalar_a"], b)
    isk = cpace.session_key(parts["sid"], shared, a, parts["data_a"], b, parts["data_b"])
    mac = cpace.mac_key(parts["sid"], isk)
    made = {
        "generator_string": cpace.generator_string(parts["secret"], parts["channel"], parts["sid"]),
        "generator": point,
        "share_a": a,
        "share_b": b,
        "shared": shared,
        "isk": isk,
        "mac_key": mac,
        "tag_a": cpace.tag(mac, a, parts["data_a"]),
        "tag_b": cpace.tag(mac, b, parts["data_b"]),
        "seal_key_a": seal_key(isk, parts["sid"], Role.A),
        "seal_key_b": seal_key(isk, parts["sid"], Role.B),
    }
    return Vector(
        id=f"pairing-cpace-{name}",
        notes=notes,
        inputs={key: value.hex() for key, value in parts.items()},
        intermediates={key: value.hex() for key, value in made.items()},
        reqs=("IOE-SES-450",),
    )


@dataclass(frozen=True, slots=True)
class Talk:
    """What was said in a conversation: (sender, message with its length), in order."""

    lines: tuple[tuple[str, bytes], ...]

    def by(self, side: str) -> list[bytes]:
        """What one side said."""
        return [line for sender, line in self.lines if sender == side]


def talk(code_a: str = CODE, code_b: str = CODE) -> Talk:
    """Both sides of a conversation with fixed entropy, until nobody has anything to say."""
    a = Initiator(code_a, CARD_A, ENTROPY_A, 0)
    b = Responder(Desk(code_b, 0), CARD_B, ENTROPY_B, 0)
    lines: list[tuple[str, bytes]] = []
    waiting: list[tuple[str, bytes]] = [("B", one) for one in _sent(b.greet(), b)]
    while waiting:
        sender, line = waiting.pop(0)
        lines.append((sender, line))
        side, name = (b, "B") if sender == "A" else (a, "A")
        waiting += [(name, one) for one in _sent(side.receive(line[2:], 0), side)]
    return Talk(tuple(lines))


def _sent(effects: tuple[Effect, ...], side: Conversation) -> Iterator[bytes]:
    for effect in effects:
        match effect:
            case Send():
                yield effect.data
            case Learned():
                yield from _sent(side.answer(None), side)
            case _:
                pass


def conversations() -> list[Vector]:
    """A whole conversation, and what B refuses at each point of it."""
    good, wrong = talk(), talk(code_a=make_code(b"\xff" * 16))
    greeting, share_a, share_b, confirm_a, *_ = (line for _, line in good.lines)
    sealed = good.by("A")[2]
    bent_tag = confirm_a[:-1] + bytes([confirm_a[-1] ^ 1])
    bent_seal = sealed[:-1] + bytes([sealed[-1] ^ 1])
    reflected = messages.share_a(ENTROPY_A[:16], share_b[3:])
    refusals = (
        ("wrong-code", "A was given another code", wrong.by("A"), ErrorCode.WRONG_CODE),
        ("bent-tag", "one bit of CONFIRM_A differs", [share_a, bent_tag], ErrorCode.WRONG_CODE),
        (
            "bent-seal",
            "one bit of A's card differs",
            [share_a, confirm_a, bent_seal],
            ErrorCode.BAD_SIGNATURE,
        ),
        ("small-order", "A's share is zero", [_share(bytes(32))], ErrorCode.BAD_SIGNATURE),
        ("reflected", "A sends B's share back", [reflected], ErrorCode.BAD_SIGNATURE),
        ("order", "CONFIRM_A without a share", [confirm_a], ErrorCode.UNEXPECTED),
        ("twice", "a second SHARE_A", [share_a, share_a], ErrorCode.UNEXPECTED),
        ("own-kind", "a message that only B sends", [greeting], ErrorCode.UNEXPECTED),
        ("version", "another version", [_share(share_a[20:], version=2)], ErrorCode.VERSION_MISMATCH),
        ("short", "SHARE_A of one byte less", [b"\0\x31" + share_a[2:-1]], ErrorCode.MALFORMED),
        ("unknown-kind", "a kind that is not registered", [b"\0\x01\x63"], ErrorCode.MALFORMED),
        ("empty", "a message without a kind", [b"\0\0"], ErrorCode.MALFORMED),
        *_sealed_refusals(share_a, confirm_a),
    )
    return [
        Vector(
            id="pairing-talk-good",
            notes="all messages of a pairing without a link, with their lengths",
            inputs=_cast(),
            intermediates={"messages": [[sender, line.hex()] for sender, line in good.lines]},
            reqs=("IOE-SES-430", "IOE-SES-440"),
        ),
        *(
            Vector(
                id=f"pairing-talk-{name}",
                notes=notes,
                inputs=_cast() | {"to_b": [line.hex() for line in lines]},
                code=code,
                reqs=("IOE-SES-440",),
            )
            for name, notes, lines, code in refusals
        ),
    ]


def _sealed_refusals(share_a: bytes, confirm_a: bytes) -> Iterator[tuple[str, str, list[bytes], ErrorCode]]:
    whole = messages.write_records(CARD_A, None, done=False)
    plain = {
        "no-card": (b"", "an empty message where A's card belongs"),
        "cut-record": (whole[:-1], "the last record is cut short"),
        "record-twice": (whole[:10] + whole, "the network stands there twice"),
        "unknown-record": (whole + b"\x09\0\0", "an unknown record below 128"),
        "network-text": (b"\x01\0\x01\x07" + whole[10:], "the network id is not printable"),
        "port-length": (whole[:-4] + b"\0\x01\x1d", "the port has one byte"),
        "no-ca": (whole[:10] + whole[-5:], "no CA certificate"),
        "bad-link": (whole + b"\x04\0\x01\xff", "the link is no SignedEnvelope"),
    }
    for name, (records, notes) in plain.items():
        line = messages.encode(Kind.SEALED, _keys_a().seal(records))
        yield name, notes, [share_a, confirm_a, line], ErrorCode.MALFORMED


def _keys_a() -> Keys:
    """A's keys at the point where it sends its card."""
    sid = ENTROPY_A[:16] + ENTROPY_B[:16]
    point = point_of(CODE, sid)
    shares = Shares(a=cpace.share(point, ENTROPY_A[16:]), b=cpace.share(point, ENTROPY_B[16:]))
    return Keys(Role.A, sid=sid, shared=cpace.multiply(ENTROPY_A[16:], shares.b), shares=shares)


def _share(share: bytes, version: int = 1) -> bytes:
    return messages.encode(Kind.SHARE_A, bytes([version]) + ENTROPY_A[:16] + share)


def _cast() -> dict[str, object]:
    return {
        "code": CODE,
        "entropy_a": ENTROPY_A.hex(),
        "entropy_b": ENTROPY_B.hex(),
        "card_a": _card(CARD_A),
        "card_b": _card(CARD_B),
    }


def _card(card: Card) -> dict[str, object]:
    return {"network_id": card.network_id, "ca": card.ca_der.hex(), "port": card.port}
