"""Changes to bytes that keep their form, so that a decoder gets past its first line.

A serialised protobuf message is taken apart into fields, changed there and put
together again with right lengths; text is changed in words and numbers.  Every
change is chosen by `Choices`, so the same choices change the same way.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from tests.fuzz.choices import Choices

NUMBERS: Final = (
    *(0, 1, 2, 3, 15, 16, 17, 31, 32, 33, 95, 96, 97, 127, 128, 191, 192, 193, 255, 256, 899, 900, 901),
    *(1023, 1024, 1025, 65_535, 65_536, 10**6, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 10**12, 10**12 + 1),
    *(2**53 - 1, 2**53, 2**62, 2**62 + 1, 2**63 - 1, 2**63, 2**64 - 1),
)
TOKENS: Final = (
    *("-1", "0", "1", "1e999", "NaN", "null", "true", '""', "[]", "{}", "[[]]", "9" * 30, "-" + "9" * 30),
    *('"\\ud800"', '"\\u0000"', "\x00", "\ufeff", "é", "\n", ",", '"', "'", "=", "[", "]", "{", "}", "#"),
    *("[" * 2_000, '{"a":' * 2_000, "a." * 500, "9" * 5_000, "ff" * 32, "00" * 32),
)
_VARINT, _FIXED64, _DELIMITED, _FIXED32 = 0, 1, 2, 5
_NESTED_MAX: Final = 5
_COPIES: Final = (2, 17, 33, 97, 1025)
_WORD: Final = re.compile(r"[A-Za-z0-9_.+-]+|[^\sA-Za-z0-9_]")

Field = tuple[int, int, bytes]  # number, wire type, value: of a varint its bytes, else the contents


def varint(value: int) -> bytes:
    """A number as protobuf writes it."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(data: bytes, pos: int) -> tuple[int, int] | None:
    value = 0
    for shift in range(0, 70, 7):
        if pos >= len(data):
            return None
        byte = data[pos]
        pos += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, pos
    return None


def fields_of(data: bytes) -> list[Field] | None:
    """The fields of a message, None when the bytes are none."""
    fields: list[Field] = []
    pos = 0
    while pos < len(data):
        tag = _read_varint(data, pos)
        if tag is None or not tag[0] >> 3:
            return None
        number, kind = tag[0] >> 3, tag[0] & 7
        start = tag[1]
        if kind == _DELIMITED:
            length = _read_varint(data, start)
            if length is None:
                return None
            start, pos = length[1], length[1] + length[0]
        else:
            end = _read_varint(data, start) if kind == _VARINT else None
            sizes = {_FIXED64: 8, _FIXED32: 4}
            if end is None and kind not in sizes:
                return None
            pos = end[1] if end is not None else start + sizes[kind]
        if pos > len(data):
            return None
        fields.append((number, kind, data[start:pos]))
    return fields


def message_of(fields: list[Field]) -> bytes:
    """The message with these fields."""
    parts = []
    for number, kind, value in fields:
        parts.append(varint(number << 3 | kind))
        parts.append(varint(len(value)) + value if kind == _DELIMITED else value)
    return b"".join(parts)


# ------------------------------------------------------------------ messages


def mutated_message(data: bytes, choices: Choices, depth: int = 0) -> bytes:
    """A message with one change, made in a field of it or of what is nested in it."""
    fields = fields_of(data)
    if not fields or depth > _NESTED_MAX:
        return mutated_bytes(data, choices)
    place = choices.below(len(fields))
    change = _FIELD_CHANGES[choices.below(len(_FIELD_CHANGES))]
    change(fields, place, choices, depth)
    return message_of(fields)


def _other_value(fields: list[Field], place: int, choices: Choices, depth: int) -> None:
    number, kind, value = fields[place]
    if kind == _VARINT:
        fields[place] = (number, kind, _other_varint(value, choices))
    elif kind == _DELIMITED and choices.below(4):
        fields[place] = (number, kind, mutated_message(value, choices, depth + 1))
    else:
        fields[place] = (number, kind, mutated_bytes(value, choices))


def _other_varint(raw: bytes, choices: Choices) -> bytes:
    found = _read_varint(raw, 0)
    value = found[0] if found else 0
    match choices.below(5):
        case 0:
            return varint(NUMBERS[choices.below(len(NUMBERS))])
        case 1:
            return varint((value + choices.below(256)) % 2**64)
        case 2:
            return varint((value - choices.below(256)) % 2**64)
        case 3:
            return varint(choices.number())
        case _:
            return varint(value)[:-1] + bytes([raw[-1] | 0x80]) + b"\x80" * choices.below(9) + b"\x00"


def _drop(fields: list[Field], place: int, choices: Choices, depth: int) -> None:
    del fields[place]


def _repeat(fields: list[Field], place: int, choices: Choices, depth: int) -> None:
    copies = _COPIES[choices.below(len(_COPIES))]
    if len(fields[place][2]) * copies < 1 << 16:
        fields[place:place] = [fields[place]] * (copies - 1)


def _swap(fields: list[Field], place: int, choices: Choices, depth: int) -> None:
    other = choices.below(len(fields))
    fields[place], fields[other] = fields[other], fields[place]


def _other_number(fields: list[Field], place: int, choices: Choices, depth: int) -> None:
    _, kind, value = fields[place]
    fields[place] = (1 + choices.below(40), kind, value)


def _cross(fields: list[Field], place: int, choices: Choices, depth: int) -> None:
    """A field takes the contents of another one."""
    number, kind, _ = fields[place]
    _, other_kind, value = fields[choices.below(len(fields))]
    if kind == other_kind:
        fields[place] = (number, kind, value)


_FIELD_CHANGES: Final[tuple[Callable[[list[Field], int, Choices, int], None], ...]] = (
    *(_other_value,) * 8,
    _drop,
    _repeat,
    _swap,
    _other_number,
    _cross,
)


# ------------------------------------------------------------------ bytes and text


def mutated_bytes(data: bytes, choices: Choices) -> bytes:
    """Bytes with one change."""
    place = choices.below(len(data) + 1)
    match choices.below(6):
        case 0:
            return (
                data[:place] + bytes([data[place] ^ 1 << choices.below(8)]) + data[place + 1 :]
                if (place < len(data))
                else data + b"\x00"
            )
        case 1:
            return data[:place]
        case 2:
            return data[:place] + choices.octets(1 + choices.below(8)) + data[place:]
        case 3:
            return data[:place] + data[place + 1 + choices.below(8) :]
        case 4:
            return bytes(len(data))
        case _:
            return data[:place] + data[: choices.below(64)] + data[place:]


def mutated_text(data: bytes, choices: Choices) -> bytes:
    """A text of words and signs with one of them dropped, doubled, replaced or swapped."""
    text = data.decode("utf-8", "surrogateescape")
    words = list(_WORD.finditer(text))
    if not words or not choices.below(8):
        return mutated_bytes(data, choices)
    word = words[choices.below(len(words))]
    match choices.below(5):
        case 0:
            new = TOKENS[choices.below(len(TOKENS))]
        case 1:
            new = str(NUMBERS[choices.below(len(NUMBERS))])
        case 2:
            new = ""
        case 3:
            new = words[choices.below(len(words))].group()
        case _:
            new = word.group() + TOKENS[choices.below(len(TOKENS))]
    return (text[: word.start()] + new + text[word.end() :]).encode("utf-8", "surrogateescape")
