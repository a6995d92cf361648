"""Text form of a node id: bech32m (BIP 350) with the prefix `ioe` (SPEC section 4).

62 lower-case characters, so it is also one DNS label.  A typing error of up
to four characters is detected by the checksum; nothing is corrected.  A domain
id is written in the same way with the prefix `ioed`.
"""

from __future__ import annotations

from typing import Final

from ioe_router.model.errors import UsageError
from ioe_router.model.ids import NODE_ID_BYTES, DomainId, NodeId

PREFIX: Final = "ioe"
DOMAIN_PREFIX: Final = "ioed"
_ALPHABET: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR: Final = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_BECH32M: Final = 0x2BC830A3
_CHECKSUM_SYMBOLS: Final = 6


def node_text(node: NodeId) -> str:
    """The 62-character text form of a node id."""
    return _text(PREFIX, node)


def domain_text(domain: DomainId) -> str:
    """The 63-character text form of a domain id."""
    return _text(DOMAIN_PREFIX, domain)


def _text(prefix: str, raw: bytes) -> str:
    return written(prefix, _regroup(raw, 8, 5, pad=True))


def written(prefix: str, symbols: tuple[int, ...]) -> str:
    """The text of five-bit symbols, with its checksum."""
    return prefix + "1" + "".join(_ALPHABET[s] for s in (*symbols, *_checksum(prefix, symbols)))


def node_short(node: NodeId) -> str:
    """A form for people's eyes only: `ioe1xxxxxx`. Never compare or look up by it."""
    return node_text(node)[: len(PREFIX) + 1 + 6]


def parse_node(text: str) -> NodeId:
    """The node id of a text form. Raises UsageError that says what is wrong with it."""
    lowered = text.strip()
    if lowered != lowered.lower():
        raise UsageError(f"node id {text!r} has upper-case letters; write it in lower case")
    prefix, _, rest = lowered.rpartition("1")
    if prefix != PREFIX:
        raise UsageError(
            f"node id {text!r} does not begin with '{PREFIX}1'; copy it whole from 'ioe identity show'"
        )
    symbols = _symbols(rest, text)
    if _polymod((*_prefix_symbols(PREFIX), *symbols)) != _BECH32M:
        raise UsageError(
            f"node id {text!r} has a typing error (checksum); copy it whole from 'ioe identity show'"
        )
    raw = bytes(_regroup(symbols[:-_CHECKSUM_SYMBOLS], 5, 8, pad=False))
    if len(raw) != NODE_ID_BYTES:
        raise UsageError(f"node id {text!r} has {len(raw)} bytes instead of {NODE_ID_BYTES}; copy it whole")
    if _regroup(raw, 8, 5, pad=True) != symbols[:-_CHECKSUM_SYMBOLS]:  # one node has one text, not sixteen
        raise UsageError(
            f"node id {text!r} has padding that is not zero; copy it whole from 'ioe identity show'"
        )
    return NodeId(raw)


def _symbols(rest: str, text: str) -> tuple[int, ...]:
    unknown = [c for c in rest if c not in _ALPHABET]
    if unknown:
        raise UsageError(
            f"node id {text!r} contains {unknown[0]!r}, which is no bech32 character; copy it whole"
        )
    return tuple(_ALPHABET.index(c) for c in rest)


def _prefix_symbols(prefix: str) -> tuple[int, ...]:
    return (*(ord(c) >> 5 for c in prefix), 0, *(ord(c) & 31 for c in prefix))


def _polymod(symbols: tuple[int, ...]) -> int:
    check = 1
    for symbol in symbols:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ symbol
        for i, generator in enumerate(_GENERATOR):
            check ^= generator if top >> i & 1 else 0
    return check


def _checksum(prefix: str, symbols: tuple[int, ...]) -> tuple[int, ...]:
    value = _polymod((*_prefix_symbols(prefix), *symbols, *(0,) * _CHECKSUM_SYMBOLS)) ^ _BECH32M
    return tuple(value >> 5 * (_CHECKSUM_SYMBOLS - 1 - i) & 31 for i in range(_CHECKSUM_SYMBOLS))


def _regroup(values: bytes | tuple[int, ...], width: int, to: int, *, pad: bool) -> tuple[int, ...]:
    """Regroup a bit string from `width`-bit to `to`-bit values; without padding, spare bits are dropped."""
    bits = held = 0
    out: list[int] = []
    for value in values:
        bits, held = (bits << width) | value, held + width
        while held >= to:
            held -= to
            out.append(bits >> held & ((1 << to) - 1))
    if pad and held:
        out.append(bits << (to - held) & ((1 << to) - 1))
    return tuple(out)
