"""The text form of a node id: one text for one node, and a sentence for everything else."""

from __future__ import annotations

import pytest

from ioe_router.model.bech32m import node_text, parse_node, written
from ioe_router.model.errors import UsageError
from ioe_router.model.ids import NodeId

NODE = NodeId(bytes(range(32)))
BITS = int.from_bytes(NODE) << 4


def text_of(bits: int, count: int = 52) -> str:
    """A text with the right checksum, whatever its bits say."""
    return written("ioe", tuple(bits >> 5 * i & 31 for i in reversed(range(count))))


def test_a_node_is_read_from_its_text() -> None:
    """What is written is read, with space around it, too."""
    assert text_of(BITS) == node_text(NODE)
    assert parse_node(f" {node_text(NODE)}\n") == NODE


@pytest.mark.parametrize("padding", range(1, 16))
def test_padding_that_is_not_zero_is_refused(padding: int) -> None:
    """One node has one text: the other fifteen with a right checksum are no node ids."""
    with pytest.raises(UsageError, match="padding"):
        parse_node(text_of(BITS | padding))


def test_a_symbol_too_many_is_refused() -> None:
    """A right checksum over 53 symbols does not make them a node id."""
    with pytest.raises(UsageError, match="copy it whole"):
        parse_node(text_of(BITS << 5, count=53))
