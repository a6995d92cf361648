"""Model, schema, bounds and registry say the same; values survive encoding; the reader never surprises."""

from __future__ import annotations

import typing
from dataclasses import fields, replace
from enum import IntEnum
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ioe_router.codec import bounds, mapping, wire
from ioe_router.codec.bound_rules import FRAME_ENVELOPES
from ioe_router.codec.registry import REGISTRY
from ioe_router.model import discovery, domain, envelope, errors, grid, reservation, routing, settlement
from ioe_router.model.envelope import ObjectType
from ioe_router.model.errors import ErrorCode, PeerError
from tests.unit.codec.values import ALL_BODIES, Value, bodies

LIGHT = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
MODEL = (discovery, domain, envelope, errors, grid, reservation, routing, settlement)
DEPTH_MAX = 16
ALL_DEFAULTS_ALLOWED = (discovery.Close, discovery.Retained, grid.ZoneReport)


def _model_enums() -> dict[str, type[IntEnum]]:
    found = [one for module in MODEL for one in vars(module).values() if isinstance(one, type)]
    return {one.__name__: one for one in found if issubclass(one, IntEnum) and one is not IntEnum}


def _proto_enums() -> dict[str, Any]:
    return {
        name: one for module in mapping.MODULES for name, one in module.DESCRIPTOR.enum_types_by_name.items()
    }


def _proto_messages() -> dict[str, Descriptor]:
    return {
        name: one
        for module in mapping.MODULES
        for name, one in module.DESCRIPTOR.message_types_by_name.items()
    }


def test_every_message_has_bounds_and_a_dataclass() -> None:
    """Each message of proto/ is a dataclass of the model with a bound table, and the reverse."""
    ours = {mapping.message_class(body).DESCRIPTOR.name for body in ALL_BODIES}
    assert ours == set(_proto_messages())


@pytest.mark.parametrize("body", ALL_BODIES)
def test_fields_agree(body: type) -> None:
    """A dataclass has the fields of its message, in the same order."""
    descriptor = mapping.message_class(body).DESCRIPTOR
    assert [field.name for field in fields(body)] == [
        descriptor.fields_by_number[number].name for number in sorted(descriptor.fields_by_number)
    ]


@pytest.mark.parametrize("name", sorted(_proto_enums()))
def test_enums_agree(name: str) -> None:
    """Every enum of proto/ has the members and numbers of the model's."""
    prefix = "".join("_" + c if c.isupper() else c.upper() for c in name)[1:] + "_"
    proto = {value.name.removeprefix(prefix): value.number for value in _proto_enums()[name].values}
    assert proto == {one.name: int(one) for one in _model_enums()[name]}


def test_no_enum_is_missing_in_the_schema() -> None:
    """Every enum of the model travels, so proto/ has it."""
    assert set(_model_enums()) == set(_proto_enums())


def test_enum_fields_have_the_enum_of_the_schema() -> None:
    """Where proto/ declares an enum, the model declares the enum of the same name."""
    for body in ALL_BODIES:
        hints = typing.get_type_hints(body)
        for field in mapping.message_class(body).DESCRIPTOR.fields:
            if field.type == FieldDescriptor.TYPE_ENUM:
                declared = mapping.unwrapped(hints[field.name])[0]
                assert field.enum_type is not None
                assert declared.__name__ == field.enum_type.name


def test_every_object_type_is_registered() -> None:
    """The registry has one row per object type, each with a message of its own."""
    assert set(REGISTRY) == set(ObjectType) - {ObjectType.UNSPECIFIED}
    assert len({row.body for row in REGISTRY.values()}) == len(REGISTRY)
    assert all(
        row.message == mapping.message_class(row.body).DESCRIPTOR.full_name for row in REGISTRY.values()
    )


def test_the_schema_is_shallow() -> None:
    """No message contains itself and none nests deeper than 16, so the reader needs no depth counter."""

    def depth(descriptor: Descriptor, above: tuple[str, ...]) -> int:
        assert descriptor.name not in above
        inner = [field.message_type for field in descriptor.fields if field.message_type is not None]
        return 1 + max((depth(one, (*above, descriptor.name)) for one in inner), default=0)

    assert max(depth(one, ()) for one in _proto_messages().values()) <= DEPTH_MAX


@pytest.mark.parametrize("body", ALL_BODIES)
def test_round_trip(body: type) -> None:
    """Whatever is within bounds passes them, and decodes from its encoding to an equal value."""

    @LIGHT
    @given(bodies(body))
    def holds(value: Value) -> None:
        bounds.check(value)
        assert mapping.decode(body, mapping.encode(value)) == value

    holds()


@pytest.mark.parametrize("body", ALL_BODIES)
def test_defaults_are_read_or_refused(body: type) -> None:
    """An empty message either is within bounds or is refused as OUT_OF_BOUNDS, never otherwise."""
    value: Value = mapping.decode(body, b"")
    if body in ALL_DEFAULTS_ALLOWED:
        bounds.check(value)
        return
    with pytest.raises(PeerError) as caught:
        bounds.check(value)
    assert caught.value.code is ErrorCode.OUT_OF_BOUNDS


@pytest.mark.parametrize("body", ALL_BODIES)
def test_damaged_bytes_agree_with_protobuf_or_are_refused(body: type) -> None:
    """Any edit of an encoding is refused as a PeerError, or means to us what it means to protobuf."""

    @LIGHT
    @given(bodies(body), st.data())
    def holds(value: Value, data: st.DataObject) -> None:
        raw = bytearray(mapping.encode(value))
        for _ in range(data.draw(st.integers(1, 3))):
            at = data.draw(st.integers(0, len(raw)))
            raw[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
        _judge(body, bytes(raw))

    holds()


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(ALL_BODIES), st.binary(max_size=80))
def test_any_bytes(body: type, raw: bytes) -> None:
    """Any bytes give a value or a PeerError."""
    _judge(body, raw)


@LIGHT
@given(bodies(reservation.HoldCore))
def test_an_optional_id_of_length_0_is_absent(core: reservation.HoldCore) -> None:
    """`replaces` with length 0 is its default written out, not sixteen bytes too few."""
    plain = replace(core, replaces=None)
    read = mapping.decode(reservation.HoldCore, mapping.encode(plain) + b"\x6a\x00")
    bounds.check(read)
    assert read == plain


def test_floods_of_empty_elements_stop_at_the_bound() -> None:
    """Elements are counted while they are read, so a frame of half a million empty ones costs nothing."""
    seen: list[object] = []
    frame = mapping.SHAPES[envelope.Frame]
    step = frame.steps[3 << 3 | 2]
    counted = replace(step.detail, build=lambda **_: seen.append(None), recurs=False)
    shape = replace(frame, steps={3 << 3 | 2: step._replace(detail=counted)})
    with pytest.raises(PeerError, match="OUT_OF_BOUNDS"):
        wire.read(shape, b"\x1a\x00" * 524_288)
    assert len(seen) == FRAME_ENVELOPES


def _judge(body: type, raw: bytes) -> None:
    try:
        value: Value = mapping.decode(body, raw)
    except PeerError:
        return
    message: Message = mapping.message_class(body).FromString(raw)
    assert mapping.encode(value) == message.SerializeToString(deterministic=True)
