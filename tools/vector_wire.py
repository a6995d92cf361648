"""Vectors of bodies that are read, or refused for their encoding or bounds (SPEC sections 4 and 14)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace

from vector_cast import ALICE, ATTESTATION, BOB, ISSUED_S, LINK_STATE, OFFER, sealer
from vector_file import Vector

from ioe_router.codec import mapping
from ioe_router.model.discovery import Close, LinkKind
from ioe_router.model.envelope import Envelope, ObjectType
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import ObjectId, PathHash, ReservationId
from ioe_router.model.reservation import Commit, Hold, HoldCore, HoldItem, PacketEnergy
from ioe_router.model.routing import Direction, OfferRun

MALFORMED, BOUNDS = ErrorCode.MALFORMED, ErrorCode.OUT_OF_BOUNDS
STATE = mapping.encode(LINK_STATE)
RESERVATION = ReservationId(bytes(range(16)))
COMMIT = Commit(
    reservation=RESERVATION, version=1, core=ObjectId(bytes(32)), initiator=ALICE.node, accepted=(1, 2, 96)
)
CORE = HoldCore(
    reservation=RESERVATION,
    version=1,
    initiator=BOB.node,
    origin=ALICE.node,
    offer_no=7,
    offer_epoch=3,
    offer_seq=41,
    direction=Direction.SUPPLY,
    path=PathHash(bytes(range(32))),
    band=0,
    price_limit_micro_per_kwh=300_000,
    priority=0,
    replaces=None,
    all_or_nothing=False,
    items=(HoldItem(index=1, slot_utc_s=ISSUED_S + 900, energy_j=3_600_000, energy_min_j=1),),
    issued_utc_ms=ISSUED_S * 1000,
    hold_fee_micro=0,
    bond_micro=0,
)


def malformed() -> list[Vector]:
    """What is refused as MALFORMED, what as OUT_OF_BOUNDS, and what must be read all the same."""
    return [*_readable(), *_structure(), *_numbers(), *_texts_and_enums(), *_lengths(), *_ranges(), *_pairs()]


def plain(value: object) -> object:
    """A value as JSON: bytes in hex, enums and numbers as numbers, absent parts as null."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _body(name: str, notes: str, body: type, raw: bytes, code: ErrorCode | None = None) -> Vector:
    shown = {} if code is not None else {"fields": plain(mapping.decode(body, raw))}
    return Vector(
        id=f"malformed-{name}",
        notes=notes,
        inputs={"message": f"ioe.v1.{body.__name__}", "signed": raw.hex()},
        intermediates=shown,
        code=code,
    )


def _state(name: str, notes: str, raw: bytes, code: ErrorCode | None = None) -> Vector:
    return _body(name, notes, type(LINK_STATE), raw, code)


def varint(number: int, *, size: int = 0) -> bytes:
    """A varint, padded to `size` bytes with groups that say nothing."""
    groups = [number & 127]
    while number := number >> 7:
        groups.append(number & 127)
    groups += [0] * (size - len(groups))
    return bytes(group | 128 for group in groups[:-1]) + bytes(groups[-1:])


def _tail(number: int, value: int, *, size: int = 0) -> bytes:
    """A varint field."""
    return varint(number << 3) + varint(value, size=size)


STATE_HEAD = STATE[: STATE.rindex(b"\x48")]  # all but issued_utc_s, field 9


def _readable() -> Iterator[Vector]:
    yield _state("valid-plain", "fields in order", STATE)
    yield _state("valid-order", "the last field first: order is free", STATE[len(STATE_HEAD) :] + STATE_HEAD)
    notes = "a number in ten bytes: longer than needed, same value"
    yield _state("valid-padded", notes, STATE_HEAD + _tail(9, ISSUED_S, size=10))
    tag = STATE_HEAD + b"\xc8\x00" + varint(ISSUED_S)
    yield _state("valid-padded-tag", "a tag in two bytes instead of one", tag)
    yield _state("valid-padded-length", "a length in two bytes instead of one", b"\x0a\x90\x00" + STATE[2:])
    packed = mapping.encode(COMMIT)
    yield _body("valid-packed", "repeated numbers, packed", Commit, packed)
    head = packed[: packed.rindex(b"\x2a")]
    unpacked = head + b"".join(_tail(5, one) for one in COMMIT.accepted)
    yield _body("valid-unpacked", "the same, unpacked", Commit, unpacked)
    yield _body("valid-negative", "a negative price", type(OFFER), mapping.encode(OFFER))
    zero = _tail(4, 0)
    notes = "a field written with its default value"
    yield _state("valid-explicit-zero", notes, STATE.replace(_tail(4, LINK_STATE.seq), zero))
    notes = "an id that may be absent, written with length 0"
    yield _body("valid-empty-id", notes, HoldCore, mapping.encode(CORE) + b"\x6a\x00")
    yield _body("valid-empty", "an empty message whose fields may all be absent", Close, b"")
    yield _body(
        "valid-text",
        "128 printable bytes",
        Close,
        mapping.encode(Close(code=ErrorCode.POLICY, text="~" * 128)),
    )


def _structure() -> Iterator[Vector]:
    yield _state("unknown-field", "field 10 does not exist", STATE + _tail(10, 1), MALFORMED)
    yield _state(
        "unknown-far-field", "field 536870911 does not exist", STATE + _tail(2**29 - 1, 1), MALFORMED
    )
    yield _state("field-zero", "field number 0", STATE + b"\x00\x00", MALFORMED)
    yield _state("duplicate", "issued_utc_s twice, equal", STATE + STATE[len(STATE_HEAD) :], MALFORMED)
    yield _state("duplicate-other", "issued_utc_s twice, different", STATE + _tail(9, 1), MALFORMED)
    yield _state("wire-type-fixed64", "issued_utc_s as fixed64", STATE_HEAD + b"\x49" + bytes(8), MALFORMED)
    yield _state("wire-type-fixed32", "issued_utc_s as fixed32", STATE_HEAD + b"\x4d" + bytes(4), MALFORMED)
    yield _state("wire-type-bytes", "issued_utc_s as bytes", STATE_HEAD + b"\x4a\x01\x01", MALFORMED)
    yield _state("group", "an empty group in place of issued_utc_s", STATE_HEAD + b"\x4b\x4c", MALFORMED)
    yield _state("wire-type-7", "a wire type that does not exist", STATE_HEAD + b"\x4f", MALFORMED)
    yield _state("cut", "the last byte is missing", STATE[:-1], MALFORMED)
    yield _state("cut-tag", "a tag without value", STATE_HEAD + b"\x48", MALFORMED)
    yield _state("cut-length", "a length beyond the end", b"\x0a\x11" + bytes(16), MALFORMED)
    yield _state("huge-length", "a length of 2^63", b"\x0a" + varint(2**63) + bytes(16), MALFORMED)
    offer = mapping.encode(OFFER)
    run = offer.index(b"\x4a")
    longer = offer[: run + 1] + bytes([offer[run + 1] + 1]) + offer[run + 2 :]
    yield _body("nested-length", "a run whose length takes in the next tag", type(OFFER), longer, MALFORMED)
    inside = mapping.encode(replace(OFFER, runs=())) + b"\x4a\x06\x08\x01\x10\x01\x08\x01"
    yield _body("nested-duplicate", "slots twice inside a run", type(OFFER), inside, MALFORMED)
    astride = mapping.encode(replace(OFFER, runs=(), energy_cap_j=0)) + b"\x4a\x02\x08\x81" + b"\x50\x01"
    yield _body("nested-astride", "a number that runs out of its run", type(OFFER), astride, MALFORMED)
    unknown = mapping.encode(replace(OFFER, runs=())) + b"\x4a\x04\x08\x01\x20\x01"
    yield _body("nested-unknown", "field 4 inside a run", type(OFFER), unknown, MALFORMED)
    twice = mapping.encode(ATTESTATION) + b"\x4a\x00"
    yield _body("message-twice", "loss twice: not merged", type(ATTESTATION), twice, MALFORMED)


def _numbers() -> Iterator[Vector]:
    eleven = STATE_HEAD + b"\x48" + b"\x80" * 10 + b"\x01"
    yield _state("eleven-bytes", "a number in eleven bytes", eleven, MALFORMED)
    above = STATE_HEAD + b"\x48" + b"\xff" * 9 + b"\x02"
    yield _state("above-64-bits", "a number of 65 bits in ten bytes", above, MALFORMED)
    offer = mapping.encode(replace(OFFER, offer_no=0))
    yield _body(
        "above-32-bits", "2^32 in a uint32 is not cut to 0", type(OFFER), offer + _tail(2, 2**32), MALFORMED
    )
    signed = b"\x4a\x0d\x08\x01\x18" + b"\xff" * 9 + b"\x02"
    wide_price = mapping.encode(replace(OFFER, runs=())) + signed
    yield _body("signed-above-64-bits", "a price of 65 bits", type(OFFER), wide_price, MALFORMED)
    default = mapping.encode(replace(OFFER, is_default=False))
    yield _body("bool-2", "2 is not a truth value", type(OFFER), default + _tail(12, 2), MALFORMED)
    head = mapping.encode(COMMIT)[: mapping.encode(COMMIT).rindex(b"\x2a")]
    yield _body(
        "packed-cut", "a packed run that ends inside a number", Commit, head + b"\x2a\x02\x01\x80", MALFORMED
    )
    wide = head + b"\x2a\x05" + varint(2**32)
    yield _body("packed-wide", "2^32 in packed uint32", Commit, wide, MALFORMED)


def _texts_and_enums() -> Iterator[Vector]:
    for name, text in {
        "control": b"a\nb",
        "delete": b"\x7f",
        "utf8": "\u00e9".encode(),
        "bad-utf8": b"\xff",
    }.items():
        raw = b"\x12" + bytes([len(text)]) + text
        yield _body(f"text-{name}", "text is printable ASCII", Close, raw, MALFORMED)
    yield _body("unknown-code", "an error code that is not registered", Close, _tail(1, 15), MALFORMED)
    yield _state("unknown-enum", "net_flow 3", STATE.replace(_tail(5, 2), _tail(5, 3)), MALFORMED)
    wide = STATE.replace(_tail(5, 2), _tail(5, 2**32 + 2))
    yield _state("wide-enum", "net_flow 2^32 + 2 is not cut to 2", wide, MALFORMED)
    yield _state("negative-enum", "net_flow -1", STATE.replace(_tail(5, 2), _tail(5, 2**64 - 1)), MALFORMED)


def _lengths() -> Iterator[Vector]:
    yield _state("missing-id", "no link id", STATE[18:], BOUNDS)
    for size in (0, 15, 17, 32):
        raw = b"\x0a" + bytes([size]) + bytes(size) + STATE[18:]
        yield _state(f"id-{size}", f"a link id of {size} bytes", raw, BOUNDS)
    long = mapping.encode(Close(code=ErrorCode.POLICY, text="~" * 129))
    yield _body("text-129", "129 bytes of text", Close, long, BOUNDS)
    yield _body(
        "no-runs", "an offer without runs", type(OFFER), mapping.encode(replace(OFFER, runs=())), BOUNDS
    )
    many = mapping.encode(replace(COMMIT, accepted=tuple(range(1, 98))))
    yield _body("97-packets", "97 packets accepted", Commit, many, BOUNDS)
    bare = mapping.encode(ATTESTATION)
    loss = bare.index(b"\x4a")
    without = bare[:loss] + bare[loss + 2 + bare[loss + 1] :]
    yield _body("missing-message", "an attestation without loss model", type(ATTESTATION), without, BOUNDS)
    core = sealer(BOB).seal(CORE).envelope
    hold = Hold(
        core=core, path=CORE.path, hold_ms=1, items=(PacketEnergy(index=1, energy_j=1),), keeper_entry=None
    )
    wrong: Envelope = replace(core, type=ObjectType.COMMIT)
    yield _body("valid-hold", "a hold with its core", Hold, mapping.encode(hold))
    yield _body(
        "nested-type",
        "a COMMIT where the core belongs",
        Hold,
        mapping.encode(replace(hold, core=wrong)),
        BOUNDS,
    )


def _ranges() -> Iterator[Vector]:
    energy = mapping.encode(replace(LINK_STATE, net_energy_j=2**53))
    yield _state("energy-2-53", "2^53 joules", energy, BOUNDS)
    yield _state("slot-zero", "slot 0", mapping.encode(replace(LINK_STATE, slot_utc_s=0)), BOUNDS)
    yield _state("epoch-zero", "epoch 0", mapping.encode(replace(LINK_STATE, epoch=0)), BOUNDS)
    run = OfferRun(slots=1, energy_j=1, price_micro_per_kwh=-(10**12) - 1)
    yield _body(
        "price", "a price below -10^12", type(OFFER), mapping.encode(replace(OFFER, runs=(run,))), BOUNDS
    )
    nowhere = mapping.encode(replace(OFFER, direction=Direction.UNSPECIFIED))
    yield _body("unspecified", "an offer without direction", type(OFFER), nowhere, BOUNDS)
    contract = mapping.encode(replace(ATTESTATION, kind=LinkKind.CONTRACT))
    yield _body("contract", "a CONTRACT link in version 1", type(ATTESTATION), contract, BOUNDS)
    for name, changed in {
        "bond": replace(CORE, bond_micro=1),
        "hold-fee": replace(CORE, hold_fee_micro=1),
        "priority-8": replace(CORE, priority=8),
        "band-12": replace(CORE, band=12),
        "band-256": replace(CORE, band=256),
        "version-0": replace(CORE, version=0),
    }.items():
        yield _body(name, "outside the range of the field", HoldCore, mapping.encode(changed), BOUNDS)
    yield _body("valid-band-255", "outside the bands", HoldCore, mapping.encode(replace(CORE, band=255)))


def _pairs() -> Iterator[Vector]:
    two = (
        OfferRun(slots=192, energy_j=1, price_micro_per_kwh=0),
        OfferRun(slots=1, energy_j=1, price_micro_per_kwh=0),
    )
    yield _body(
        "193-slots", "193 slots in two runs", type(OFFER), mapping.encode(replace(OFFER, runs=two)), BOUNDS
    )
    yield _body("valid-192-slots", "192 slots", type(OFFER), mapping.encode(replace(OFFER, runs=two[:1])))
    ended = replace(OFFER, expires_utc_s=OFFER.issued_utc_s)
    yield _body("never-valid", "it expires when it is issued", type(OFFER), mapping.encode(ended), BOUNDS)
    for name, accepted in {"falling": (2, 1), "equal": (1, 1), "from-0": (0, 1), "above-96": (1, 97)}.items():
        raw = mapping.encode(replace(COMMIT, accepted=accepted))
        yield _body(f"indexes-{name}", "indexes rise from 1 to 96 at most", Commit, raw, BOUNDS)
    gap = replace(CORE, items=(replace(CORE.items[0], index=2),))
    yield _body("indexes-gap", "the packets of a hold count from 1", HoldCore, mapping.encode(gap), BOUNDS)
    itself = mapping.encode(replace(ATTESTATION, other=ATTESTATION.keeper))
    yield _body("one-ended", "a link from a node to itself", type(ATTESTATION), itself, BOUNDS)
