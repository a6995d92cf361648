"""What holds for everything that a router says, looked at in every frame of the run (`monitor.py`).

Each case makes a session, so that there is something to look at, and reports what was
found so far; they run behind all others.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from ioe_conformance.bench import Bench
from ioe_conformance.case import Case, add

_RULES: Final = {
    "monitors.frames-are-numbered": ("IOE-TRN-210", "Frames are numbered from 1 without gaps."),
    "monitors.frames-are-signed": (
        "IOE-TRN-225",
        "Frames have a signature exactly when an object in them has none.",
    ),
    "monitors.frames-name-the-session": ("IOE-TRN-220", "Frames of an established session carry its id."),
    "monitors.frames-are-in-bounds": ("IOE-TRN-260", "No frame is above 1 048 576 bytes."),
    "monitors.fields-are-in-bounds": (
        "IOE-CNV-030",
        "Everything the target says can be read strictly and is in bounds.",
    ),
    "monitors.signatures-verify": ("IOE-SIG-170", "Every signature verifies, of objects and of frames."),
    "monitors.signatures-are-complete": (
        "IOE-SIG-050",
        "Every object has as many signatures as its type demands.",
    ),
    "monitors.keys-travel-ahead": (
        "IOE-SIG-210",
        "The key behind a signature was told before, in the same session.",
    ),
    "monitors.attestations-travel-ahead": (
        "IOE-SIG-220",
        "The attestations of a path were told before it, in the same session.",
    ),
    "monitors.types-are-registered": ("IOE-VER-110", "No object has a type that is not registered."),
    "monitors.codes-are-registered": ("IOE-ERR-070", "No Close or Fault has a code that is not registered."),
    "monitors.texts-reveal-nothing": ("IOE-ERR-040", "No text shows keys or paths of files."),
    "monitors.features-are-assigned": ("IOE-VER-040", "No HELLO sets a feature bit that is unassigned."),
    "monitors.keys-live-90-days": ("IOE-IDN-080", "No operational key of the target is valid above 90 days."),
    "monitors.identity-is-apart": ("IOE-IDN-040", "The identity key is no operational key."),
    "monitors.paths-end-here": (
        "IOE-ADV-160",
        "The last entry of each path is by the target, for the neighbour it tells.",
    ),
}


def _case(requirement: str, sentence: str) -> Callable[[Bench], Awaitable[None]]:
    async def body(t: Bench) -> None:
        for name in ("a", "b"):
            session = await t.session(name)
            await t.fence(session, req=requirement)
        monitor = t.rig.monitor
        looked = monitor.looked.get(requirement, 0)
        if not looked:
            raise t.not_testable("the target has said nothing that could show it")
        broken = monitor.broken.get(requirement, [])
        t.check(requirement, not broken, expected=sentence, actual="; ".join(broken))

    return body


for _id, (_requirement, _sentence) in _RULES.items():
    add(
        Case(
            id=_id,
            title=_sentence,
            requirements=(_requirement,),
            body=_case(_requirement, _sentence),
            own="",
            phase="",
            supports=(),
            hook=(),
            apart=True,
            attack="",
        )
    )
