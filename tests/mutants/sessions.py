"""Mutants of sessions, routing, signatures and settlement (SPEC sections 4, 6, 7 and 12)."""

from __future__ import annotations

from typing import Final

from mutants.patching import Edit

from tests.mutants.hunt import Mutant

PATHS: Final = frozenset({"paths"})
EVIDENCE: Final = frozenset({"evidence"})

SESSION_MUTANTS: Final = (
    Mutant(
        name="epoch not raised",
        says="A node starts with the epoch of its earlier life.",
        changes=(Edit("sim.host:Host.start", "self.epoch += 1", "self.epoch = 1"),),
        finders=frozenset({"numbers"}),
        faults="crash",
    ),
    Mutant(
        name="duplicate frame taken",
        says="A frame that has come already is taken again.",
        changes=(
            Edit(
                "core.session:Sessions.check_frame",
                "if frame.seq != session.received_seq + 1:",
                "if frame.seq not in (session.received_seq, session.received_seq + 1):",
            ),
        ),
        finders=frozenset({"stream"}),
        faults="double",
    ),
    Mutant(
        name="gap in frames overlooked",
        says="A session goes on although a frame is missing.",
        changes=(
            Edit(
                "core.session:Sessions.check_frame",
                "if frame.seq != session.received_seq + 1:",
                "if frame.seq <= session.received_seq:",
            ),
        ),
        finders=frozenset({"stream"}),
        faults="lose",
    ),
    Mutant(
        name="frame signature not verified",
        says="A frame is taken without a look at its signature.",
        changes=(
            Edit(
                "router:Router._open_frame", "verify_frame(self._network_id, frame, key, self._judge)", "pass"
            ),
        ),
        finders=frozenset({"stream"}),
        faults="flip",
        events=60,
    ),
    Mutant(
        name="offer of equal number taken",
        says="Another offer under the same epoch and number replaces the first.",
        changes=(Edit("core.offers:OfferTable._replace", "if version == record.version:", "if False:"),),
        finders=frozenset({"numbers"}),
        faults="lie",
        events=80,
        seeds=range(8, 32),
    ),
    Mutant(
        name="older offer taken",
        says="An offer with a lower number replaces a newer one.",
        changes=(Edit("core.offers:OfferTable._replace", "if version < record.version:", "if False:"),),
        finders=frozenset({"numbers"}),
        faults="lie",
        events=80,
        seeds=range(4, 28),
    ),
    Mutant(
        name="link state of equal number taken",
        says="Another link state under the same number replaces the first.",
        changes=(
            Edit(
                "core.link_state:LinkStates.accept",
                "if known is not None and (body.epoch, body.seq) == (known.body.epoch, known.body.seq):",
                "if False:",
            ),
        ),
        finders=frozenset({"numbers"}),
        faults="lie",
        events=80,
    ),
    Mutant(
        name="offer signature not verified",
        says="The signature of an offer is not verified.",
        changes=(
            Edit(
                "codec.sealing:CodecSealer._verify",
                "if not self._judge(signature, data):",
                "if envelope.type is not ObjectType.OFFER and not self._judge(signature, data):",
            ),
        ),
        finders=EVIDENCE,
        faults="lie",
        events=80,
        seeds=range(11, 35),
    ),
    Mutant(
        name="offer withdrawal not passed on",
        says="Who was told an offer is not told that it was withdrawn.",
        changes=(
            Edit(
                "core.advertisement:Advertisement.offer_withdrawn",
                "self._pending.withdrawn[key] = withdrawal",
                "pass",
            ),
        ),
        finders=PATHS,
        faults="none",
    ),
    Mutant(
        name="loops not cut",
        says="Paths are told to nodes that are on them, and taken by them.",
        changes=(
            Edit("core.export:extendable", "neighbor not in path.nodes and ", ""),
            Edit(
                "core.paths:PathChecker.check",
                "if path is None or self._me in path.nodes:",
                "if path is None:",
            ),
            Edit(
                "core.paths:PathChecker.check", "if path is not None and self._me in path.nodes:", "if False:"
            ),
            Edit(
                "core.paths:PathChecker._check_chain",
                "if entry.next_node == entry.node or (path is not None and entry.next_node in path.nodes):",
                "if False:",
            ),
        ),
        finders=PATHS | EVIDENCE,
        faults="none",
        slots=1,
    ),
    Mutant(
        name="meter counter starts anew",
        says="After a restart the counters of a link's meter begin at zero.",
        changes=(Edit("core.settlement:Settlement.restore_heads", "self._heads[link] = heads", "pass"),),
        finders=frozenset({"accounts"}),
        faults="crash",
        slots=4,
    ),
    Mutant(
        name="settled again after a restart",
        says="A link's slot that was settled before a crash is settled again after it.",
        changes=(
            Edit("core.settlement:Settlement.restore_row", "agreed=agreed,", "agreed=None,"),
            Edit("core.settlement:Settlement.neighbor_up", " and row.agreed is None", ""),
            Edit(
                "core.settlement:Settlement.hear_statement",
                '"statement")\n',
                '"statement")\n        self._both_stated(slot, port, out)\n',
            ),
        ),
        finders=frozenset({"promises"}),
        faults="crash",
        slots=4,
    ),
    Mutant(
        name="obligation with one sign",
        says="Both ends of a link book what the keeper owes as their own debt.",
        changes=(Edit("core.settlement:_link_settled", "if not port.keeper:", "if False:"),),
        finders=frozenset({"agreement"}),
        faults="none",
        slots=1,
    ),
)
