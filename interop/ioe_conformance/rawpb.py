"""Protocol buffer messages as their raw fields, to be changed in ways that no library would write.

A malformed case is a base message and a list of edits, each a table of one operation:

    {add = 99, varint = 1}         a field more, at the end; also bytes = "hex", text = "..." or fixed32 = 1
    {set = 4, varint = 0}          another value of a field (it is added when it is absent)
    {drop = 4}                     a field less
    {repeat = 4}                   a field a second time
    {count = 9, times = 2000}      a repeated field this many times
    {pad = 4, bytes = 2}           its varint with so many bytes more than it needs
    {reverse = true}               all fields in the opposite order
    {cut = 3}                      so many bytes fewer at the end
    {append = "ff"}                bytes behind the end
    {inside = 9, edits = [...]}    edits of the first message in a field
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

VARINT, FIXED64, DELIMITED, FIXED32 = 0, 1, 2, 5
_WIDTH: Final = {FIXED64: 8, FIXED32: 4}


@dataclass(frozen=True, slots=True)
class Field:
    """One field as it stands in the bytes; `value`: the bytes of a varint, or the content without length."""

    number: int
    wire: int
    value: bytes

    def raw(self) -> bytes:
        """The field with its tag."""
        tag = varint(self.number << 3 | self.wire)
        return tag + (varint(len(self.value)) if self.wire == DELIMITED else b"") + self.value


def varint(value: int, padding: int = 0) -> bytes:
    """A number in seven-bit groups, with `padding` groups of zeros behind it."""
    groups = []
    while True:
        groups.append(value & 0x7F)
        value >>= 7
        if not value:
            break
    groups += [0] * padding
    return bytes(group | 0x80 for group in groups[:-1]) + bytes([groups[-1]])


def read(raw: bytes) -> list[Field]:
    """The fields of a sound message."""
    fields, at = [], 0
    while at < len(raw):
        tag, at = _number(raw, at)
        number, wire = tag >> 3, tag & 7
        if wire == VARINT:
            _, end = _number(raw, at)
        elif wire == DELIMITED:
            length, at = _number(raw, at)
            end = at + length
        else:
            end = at + _WIDTH[wire]
        fields.append(Field(number, wire, raw[at:end]))
        at = end
    return fields


def write(fields: Sequence[Field]) -> bytes:
    """The bytes of fields in their order."""
    return b"".join(field.raw() for field in fields)


def _number(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = raw[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


# ------------------------------------------------------------------ edits

Edit = Mapping[str, Any]


def edited(raw: bytes, edits: Sequence[Edit]) -> bytes:
    """The message after all edits. ValueError: an edit is none that the table above has."""
    for edit in edits:
        operation = next((name for name in _OPERATIONS if name in edit), None)
        if operation is None:
            raise ValueError(f"no edit of this kind: {dict(edit)}")
        raw = _OPERATIONS[operation](raw, edit)
    return raw


def _given(number: int, edit: Edit) -> Field:
    if "varint" in edit:
        return Field(number, VARINT, varint(int(edit["varint"])))
    if "text" in edit:
        return Field(number, DELIMITED, str(edit["text"]).encode())
    if "fixed32" in edit:
        return Field(number, FIXED32, int(edit["fixed32"]).to_bytes(4, "little"))
    return Field(number, DELIMITED, bytes.fromhex(edit["bytes"]))


def _add(raw: bytes, edit: Edit) -> bytes:
    return raw + _given(edit["add"], edit).raw()


def _set(raw: bytes, edit: Edit) -> bytes:
    new, fields = _given(edit["set"], edit), read(raw)
    if all(field.number != new.number for field in fields):
        return raw + new.raw()
    return write([new if field.number == new.number else field for field in fields])


def _drop(raw: bytes, edit: Edit) -> bytes:
    return write([field for field in read(raw) if field.number != edit["drop"]])


def _repeat(raw: bytes, edit: Edit) -> bytes:
    return raw + next(field for field in read(raw) if field.number == edit["repeat"]).raw()


def _count(raw: bytes, edit: Edit) -> bytes:
    one = next(field for field in read(raw) if field.number == edit["count"])
    others = write([field for field in read(raw) if field.number != edit["count"]])
    return others + one.raw() * int(edit["times"])


def _pad(raw: bytes, edit: Edit) -> bytes:
    def padded(field: Field) -> Field:
        if field.number != edit["pad"]:
            return field
        return Field(field.number, VARINT, varint(_number(field.value, 0)[0], int(edit["bytes"])))

    return write([padded(field) for field in read(raw)])


def _reverse(raw: bytes, _edit: Edit) -> bytes:
    return write(read(raw)[::-1])


def _cut(raw: bytes, edit: Edit) -> bytes:
    return raw[: -int(edit["cut"])]


def _append(raw: bytes, edit: Edit) -> bytes:
    return raw + bytes.fromhex(edit["append"])


def _inside(raw: bytes, edit: Edit) -> bytes:
    fields = read(raw)
    at = next(place for place, field in enumerate(fields) if field.number == edit["inside"])
    fields[at] = Field(fields[at].number, DELIMITED, edited(fields[at].value, edit["edits"]))
    return write(fields)


_OPERATIONS: Final[dict[str, Callable[[bytes, Edit], bytes]]] = {
    "add": _add,
    "set": _set,
    "drop": _drop,
    "repeat": _repeat,
    "count": _count,
    "pad": _pad,
    "reverse": _reverse,
    "cut": _cut,
    "append": _append,
    "inside": _inside,
}
