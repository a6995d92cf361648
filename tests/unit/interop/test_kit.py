"""What the kit reads and computes by itself: its form, its hook, raw messages, timers, loss arithmetic."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from ioe_conformance.arithmetic import loss_j, packet, received, sent
from ioe_conformance.case import cases
from ioe_conformance.errors import Exit, KitError, NotTestable
from ioe_conformance.hook import Hook
from ioe_conformance.keys import LOSS
from ioe_conformance.pics import FORM, read_pics
from ioe_conformance.rawpb import edited, read, write
from ioe_conformance.text_codec import decode, encode
from ioe_conformance.timers import profile, timers


def test_there_are_enough_cases_and_each_names_requirements() -> None:
    """At least 120, with stable names of two parts."""
    assert len(cases()) >= 120
    assert all(one.id.count(".") == 1 and one.requirements for one in cases().values())


def test_timers_are_those_of_the_document() -> None:
    """The conformance profile is read from SPEC.md."""
    assert profile("handshake_ms") == 2_000
    assert len(timers()) == 12


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("ioe-pics-1", "other"), "is no PICS"),
        (("resume = true", "resum = true"), "did you mean resume"),
        (("transit = true", 'transit = "yes"'), "write true or false"),
        (('name = "my router"', "name = 1"), "needs a name"),
        (("[target]", "[target"), "is no TOML"),
    ],
)
def test_a_wrong_pics_is_named(tmp_path: Path, change: tuple[str, str], sentence: str) -> None:
    """Each mistake is one sentence with exit code 5."""
    path = tmp_path / "pics.toml"
    path.write_text(FORM.replace(*change))
    with pytest.raises(KitError, match=sentence) as caught:
        read_pics(path)
    assert caught.value.exit_code is Exit.PICS


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("/no/such/command", "cannot be run"),
        ("echo hello", "has to print a JSON object"),
        ("""echo '{"done": false, "why": "not here"}'""", "not here"),
    ],
)
def test_a_hook_that_does_not_work_is_named(command: str, error: str) -> None:
    """It ends the run with 12, unless it says itself that it cannot do what was asked."""
    with pytest.raises((KitError, NotTestable), match=error):
        asyncio.run(Hook(command).do("restart"))


def test_raw_messages_are_changed_in_one_place_only() -> None:
    """Reading and writing again gives the same bytes; an edit changes what it names."""
    raw = bytes.fromhex("0801120308c801")
    assert write(read(raw)) == raw
    assert edited(raw, [{"set": 1, "varint": 300}]) == bytes.fromhex("08ac02120308c801")
    assert edited(raw, [{"inside": 2, "edits": [{"drop": 1}]}]) == bytes.fromhex("08011200")
    with pytest.raises(ValueError, match="no edit of this kind"):
        edited(raw, [{"unknown": 1}])


def test_encode_is_the_way_back_of_decode() -> None:
    """What decode prints, encode takes; what is no message is one sentence."""
    printed = decode("0a200000000000000000000000000000000000000000000000000000000000000000", "PathWithdrawal")
    assert encode(json.dumps(printed)).hex().startswith("0a20")
    for wrong in ("zz", "0a"):
        with pytest.raises(KitError):
            decode(wrong, "Frame")
    with pytest.raises(KitError, match="there is no message 'Nothing'"):
        decode("00", "Nothing")


def test_the_kits_arithmetic_keeps_its_own_rules() -> None:
    """Increments telescope, and both inversions answer what was asked, on either sense of a loaded link."""
    for net in (-9_000_000, 0, 4_000_000):
        for sense in (1, -1):
            one = packet(LOSS, 300, net, 1_000_000, sense)
            step = loss_j(LOSS, 300, net + sense * 1_000_000) - loss_j(LOSS, 300, net)
            assert one.sent_j - one.received_j == step
            assert received(LOSS, 300, net, 500_000, sense).received_j == 500_000
            assert sent(LOSS, 300, net, 500_000, sense).sent_j == 500_000
