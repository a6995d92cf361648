"""Asking nodes: the last word is kept, one question serves many readers, and a real socket that is silent."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from ioe_router.control.client import Address
from ioe_router.lg import reading
from ioe_router.lg.reading import ControlledNode
from ioe_router.lg.watch import PER_SECOND, Unreachable, Watch, Watched
from tests.unit.lg.glass import Told, snapshot


def test_the_last_word_is_kept() -> None:
    """A node that stops answering keeps what it said and when; one that answers again has no trouble."""
    clock = [100]
    node = Told(snapshot("Mill"))
    watch = Watch([(Watched(name="Mill", slug="mill"), node)], 5, lambda: clock[0])

    async def ask() -> Watched:
        await watch.ask_all()
        return watch.state().nodes[0]

    first = asyncio.run(ask())
    assert (first.answers, first.contact_utc_s) == (True, 100)
    node.says, clock[0] = "gone", 130
    second = asyncio.run(ask())
    assert (second.answers, second.contact_utc_s, second.trouble) == (False, 100, "gone")
    assert second.snapshot == first.snapshot
    before = watch.state().generation
    asyncio.run(ask())
    assert watch.state().generation == before, "nothing new, nothing to draw"
    node.says = snapshot("Mill")
    third = asyncio.run(ask())
    assert (third.answers, third.contact_utc_s, third.trouble) == (True, 130, "")


def test_many_readers_are_one_question() -> None:
    """However many read a table at a time, the node is asked once; its refusal is remembered, too."""
    for says in (snapshot("Mill"), "gone"):
        node = Told(says)
        watch = Watch([(Watched(name="Mill", slug="mill"), node)], 60)

        async def read(watch: Watch = watch) -> list[object]:
            return await asyncio.gather(*(watch.routes("mill") for _ in range(50)), return_exceptions=True)

        answers = asyncio.run(read())
        assert node.asked.count("routes") == 1
        assert [isinstance(answer, Unreachable) for answer in answers] == [says == "gone"] * 50


def test_large_networks_are_asked_less_often() -> None:
    """With many nodes the pause grows, so that no more than so many are asked in a second."""
    nodes = [(Watched(name=str(i), slug=str(i)), Told("silent")) for i in range(500)]
    assert Watch(nodes, 5).poll_s == 500 / PER_SECOND
    assert Watch(nodes[:5], 5).poll_s == 5


def test_nobody_at_the_socket(tmp_path: Path) -> None:
    """A socket that is not there, and one that nobody serves, each give a sentence."""
    path = tmp_path / "control.sock"
    with pytest.raises(Unreachable, match="no daemon runs here"):
        asyncio.run(ControlledNode(Address(path=path), own_only=True).snapshot())
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with pytest.raises(Unreachable, match="ended without tidying up"):
        asyncio.run(ControlledNode(Address(path=path), own_only=True).snapshot())


def test_a_socket_that_never_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that accepts and says nothing is given up after the time for an answer."""
    monkeypatch.setattr(reading, "ANSWER_S", 0.3)
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(path))
        silent.listen()
        with pytest.raises(Unreachable, match=r"no answer from \S*control\.sock within"):
            asyncio.run(ControlledNode(Address(path=path), own_only=True).snapshot())
