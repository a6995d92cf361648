"""Defects of reading: what is malformed is taken, or what is sound is not (SPEC 4.5, 14.3)."""

from __future__ import annotations

from typing import Final

from mutants.mutant import Mutant, mutant
from mutants.patching import Edit

READ: Final = "codec.wire:_read"
SKIP: Final = """if step is None:
            raw = data[pos]
            pos += 1
            if raw > _CONTINUES:
                raw, pos = _long_varint(data, pos, raw)
            pos += raw if tag & 7 == 2 else 0
            continue
        if step is None:"""
FIXED: Final = """if step is None and tag & 7 == 5:
            pos += 4
            continue
        if step is None:"""

MUTANTS: Final[tuple[Mutant, ...]] = (
    mutant(
        "unknown-fields-skipped",
        "Fields that a message does not have are skipped, as protobuf libraries do.",
        Edit(READ, "if step is None:", SKIP),
        kills="encoding.unknown-field encoding.frame-unknown-field encoding.wrong-wire-type",
    ),
    mutant(
        "fixed-widths-are-read",
        "A number that is written with a fixed width is passed over.",
        Edit(READ, "if step is None:", FIXED),
        kills="encoding.fixed-instead-of-varint",
    ),
    mutant(
        "a-tag-at-the-end",
        "A tag without a value at the end of an object is passed over.",
        Edit(
            READ,
            "if step is None:",
            "if step is None and pos >= end:\n            break\n        if step is None:",
        ),
        kills="encoding.bytes-behind-the-end",
    ),
    mutant(
        "last-one-wins",
        "Of a field that is there twice the last one counts.",
        Edit(READ, "if name in values and name not in shape.repeated:", "if False:"),
        kills="encoding.field-twice encoding.nested-field-twice encoding.frame-number-twice",
    ),
    mutant(
        "cut-is-complete",
        "What is cut short is read as far as it goes.",
        Edit(READ, "if stop > end:", "if False:"),
        Edit(READ, "if pos != end:", "if False:"),
        Edit(
            "codec.wire:read",
            'raise _malformed(shape, "is cut short") from None',
            "return shape.build(**shape.defaults)",
        ),
        kills="encoding.cut-short encoding.frame-cut-short encoding.frame-of-garbage",
    ),
    mutant(
        "numbers-cut-to-width",
        "A number that does not fit is cut to the width of its field.",
        Edit(
            READ,
            "elif kind == NUMBER and raw <= most:\n            value = raw",
            "elif kind == NUMBER:\n            value = raw & most",
        ),
        kills="encoding.number-above-32-bits",
    ),
    mutant(
        "unknown-enum-is-first",
        "An enum number that is not registered counts as the first one.",
        Edit(
            "codec.wire:_rare",
            'raise PeerError(step.unknown, f"{shape.name}.{step.name}: {raw} is not one of its values")',
            "return next(iter(step.detail.values()))",
        ),
        kills="encoding.unknown-enum-number encoding.unknown-object-type encoding.bool-of-two",
    ),
    mutant(
        "any-text",
        "A text may have control characters.",
        Edit("codec.wire:_text", "if not (text.isascii() and text.isprintable()):", "if False:"),
        kills="encoding.text-not-printable",
    ),
    mutant(
        "endless-varints",
        "A varint may have any number of bytes.",
        Edit("codec.wire:_long_varint", "while shift < _SHIFT_END:", "while shift < 7_000:"),
        Edit("codec.wire:_long_varint", "if value > U64_MAX:", "if False:"),
        kills="encoding.varint-of-eleven-bytes",
    ),
    mutant(
        "no-bounds",
        "Fields are not held against their bounds.",
        Edit("codec.bounds:check", "if not _WITHIN[type(value)](value):", "if False:"),
        Edit("codec.wire:_refuse_above", "if count > step.most:", "if False:"),
        Edit(
            "core.offers:OfferTable._check_terms",
            "if not 1 <= sum(run.slots for run in body.runs) <= OFFER_SLOTS_MAX:",
            "if False:",
        ),
        kills="encoding.empty-object encoding.energy-above-bound encoding.short-node-id encoding.zero-epoch "
        "encoding.frame-number-zero encoding.frame-short-session-id encoding.frame-without-envelopes "
        "encoding.frame-of-no-bytes encoding.frame-of-1025-envelopes encoding.too-many-elements "
        "encoding.offer-without-runs signatures.short-signature signatures.attestation-with-a-loop "
        " signatures.offer-ends-before-it-begins",
    ),
    mutant(
        "one-element-less",
        "A frame with as many envelopes as are allowed is refused.",
        Edit(
            "codec.frames:_judge",
            "bounds.check(frame)",
            "bounds.check(frame)\n    if len(frame.envelopes) >= 1024:\n        raise PeerError(ErrorCode.OUT_OF_BOUNDS, 'full')",
        ),
        kills="encoding.frame-of-1024-envelopes",
    ),
    mutant(
        "no-padding",
        "A varint with leading zero groups is refused.",
        Edit(
            "codec.wire:_long_varint",
            "if byte <= _CONTINUES:",
            "if byte == 0:\n            raise PeerError(ErrorCode.MALFORMED, 'padded')\n        if byte <= _CONTINUES:",
        ),
        kills="encoding.padded-varint",
    ),
    mutant(
        "no-written-defaults",
        "A field whose default value is written out is refused.",
        Edit(READ, "elif kind == NUMBER and raw <= most:", "elif kind == NUMBER and 0 < raw <= most:"),
        kills="encoding.default-written-out",
    ),
    mutant(
        "fields-in-order",
        "Fields have to come in the order of their numbers.",
        Edit(READ, "values: dict[str, Any] = {}", "values: dict[str, Any] = {}\n    last = 0"),
        Edit(
            READ,
            "step = steps.get(tag)",
            "step = steps.get(tag)\n        if tag < last:\n            raise _malformed(shape, 'is out of order')\n        last = tag",
        ),
        kills="encoding.fields-in-reverse",
    ),
    mutant(
        "large-envelopes",
        "An envelope may be larger than its limit.",
        Edit("codec.frames:_judge", "if len(envelope.signed) > ENVELOPE_BYTES:", "if False:"),
        Edit("codec.identity_signing:decoded", "if len(envelope.signed) > ENVELOPE_BYTES:", "if False:"),
        kills="encoding.envelope-too-large",
    ),
    mutant(
        "envelope-limit-excluded",
        "An envelope of just the largest size is refused.",
        Edit(
            "codec.frames:_judge",
            "if len(envelope.signed) > ENVELOPE_BYTES:",
            "if len(envelope.signed) >= ENVELOPE_BYTES:",
        ),
        kills="encoding.envelope-at-limit",
    ),
    mutant(
        "any-slot-start",
        "An offer may begin between two slots.",
        Edit(
            "core.offers:OfferTable._check_terms",
            "if body.first_slot_utc_s % self._slot_s or body.direction",
            "if body.direction",
        ),
        kills="encoding.unaligned-slot",
    ),
)
