"""Defects of reservations, of what an origin sells, of cuts and of the books (SPEC sections 7.9 and 8 to 12)."""

from __future__ import annotations

from typing import Final

from mutants.mutant import Mutant, mutant
from mutants.patching import Edit

MUTANTS: Final[tuple[Mutant, ...]] = (
    mutant(
        "answers-of-anybody",
        "A GRANT, COMMITTED or FAILED may come from any neighbour.",
        Edit(
            "core.hop:Hop.from_origin_side",
            "if leg is None or leg.port.neighbor != neighbor:",
            "if leg is None:",
        ),
        Edit(
            "core.grant_path:GrantPath.grant",
            "if sealed.signers != (neighbor,) or grant.core != record.core.object_id:",
            "if False:",
        ),
        kills="reservations.grant-by-a-stranger",
    ),
    mutant(
        "entries-of-anybody",
        "A keeper's entry may be signed by anybody.",
        Edit(
            "core.hop:Hop.lines",
            "if sealed.signers != (leg.port.neighbor,) or body.link != leg.port.link or body.flow is not leg.flow:",
            "if False:",
        ),
        kills="reservations.entry-by-another",
    ),
    mutant(
        "entries-of-other-reservations",
        "A keeper's entry may be of another reservation.",
        Edit(
            "core.hop:Hop.lines",
            "if (body.reservation, body.version) != (leg.reservation, leg.version):",
            "if False:",
        ),
        kills="reservations.keepers-line-of-another",
    ),
    mutant(
        "another-core",
        "Another HOLD_CORE under a known id is answered as the first.",
        Edit(
            "core.hold_path:HoldPath._repeat",
            "if known.core.object_id != core.object_id or leg is None or leg.port.neighbor != neighbor:",
            "if False:",
        ),
        kills="reservations.same-id-other-core",
    ),
    mutant(
        "holds-once",
        "A repeated HOLD is not answered.",
        Edit("core.hold_path:HoldPath._repeat", "elif known.answer is not None:", "elif False:"),
        kills="reservations.hold-again",
    ),
    mutant(
        "cores-of-anybody",
        "A HOLD_CORE may be signed by anybody.",
        Edit("core.hold_path:HoldPath._open", "if core.signers != (body.initiator,):", "if False:"),
        Edit("codec.sealing:CodecSealer._signers", "if getattr(body, name) != signer:", "if False:"),
        kills="reservations.core-of-another",
    ),
    mutant(
        "cores-of-the-future",
        "A HOLD_CORE may be from the future.",
        Edit(
            "core.hold_path:HoldPath._check_times",
            "if body.issued_utc_ms > now.utc_ms + CLOCK_TOLERANCE_S * MS_PER_S:",
            "if False:",
        ),
        kills="reservations.core-from-future",
    ),
    mutant(
        "slots-at-any-time",
        "Whether a slot can be booked is not looked at.",
        Edit("core.hold_path:HoldPath._check_times", "if code is not None:", "if False:"),
        kills="reservations.too-early reservations.in-past reservations.gate-closed",
    ),
    mutant(
        "packets-of-no-core",
        "A HOLD may name a packet that its core does not have.",
        Edit(
            "core.hold_path:HoldPath._enter_near",
            "if slot is None or packet.index in record.asked_j or packet.index in record.refused:",
            "if slot is None:\n            continue\n        if False:",
        ),
        kills="reservations.unknown-packet",
    ),
    mutant(
        "near-energy-as-it-comes",
        "A HOLD's energy need not be the keeper's.",
        Edit(
            "core.hold_path:HoldPath._enter_near",
            "if leg.near_j(entry.increment) != packet.energy_j:",
            "if False:",
        ),
        kills="reservations.keepers-energy-differs",
    ),
    mutant(
        "parts-of-wholes",
        "A batch that is worthless in parts is granted in parts.",
        Edit(
            "core.hold_path:HoldPath._go_on",
            "if record.core.body.all_or_nothing and record.refused:",
            "if False:",
        ),
        Edit(
            "core.grant_path:GrantPath._check_whole",
            "if record.core.body.all_or_nothing and record.refused:",
            "if False:",
        ),
        kills="reservations.all-or-nothing",
    ),
    mutant(
        "holds-last",
        "A hold never ends.",
        Edit(
            "core.commit_path:CommitPath.due", "elif record.deadline_ns <= now.monotonic_ns:", "elif False:"
        ),
        kills="reservations.seller-silent",
    ),
    mutant(
        "grants-of-any-size",
        "A GRANT may be of more than was asked.",
        Edit("core.grant_path:GrantPath._check", "if not fits:", "if False:"),
        kills="reservations.grants-too-much",
    ),
    mutant(
        "any-price",
        "Prices beyond the initiator's limit are passed on.",
        Edit("core.grant_path:GrantPath._take", "if beyond_limit(record.core.body, price):", "if False:"),
        kills="reservations.price-beyond-limit",
    ),
    mutant(
        "fee-forgotten",
        "The fee of a path is left out of prices.",
        Edit(
            "core.loss:price_after_link",
            "price_in * entry.sent_j + fee * entry.flow_j",
            "price_in * entry.sent_j",
        ),
        kills="reservations.fee-of-the-path",
    ),
    mutant(
        "prices-rounded-down",
        "A price of SUPPLY is rounded down.",
        Edit(
            "core.loss:price_after_link",
            "return _ceil(price_in * entry.sent_j + fee * entry.flow_j, entry.received_j)",
            "return (price_in * entry.sent_j + fee * entry.flow_j) // entry.received_j",
        ),
        kills="reservations.price-exact",
    ),
    mutant(
        "half-a-fee",
        "Half of the fee is charged.",
        Edit("core.loss:price_after_link", "fee * entry.flow_j", "fee // 2 * entry.flow_j"),
        kills="reservations.fee-of-the-path",
    ),
    mutant(
        "ungranted-packets",
        "A COMMIT of a packet that was not granted is taken for a second one.",
        Edit(
            "core.commit_path:CommitPath.commit",
            "raise PeerError(ErrorCode.GRANT_CHANGED",
            "raise PeerError(ErrorCode.CONFLICT",
        ),
        kills="reservations.commit-of-ungranted",
    ),
    mutant(
        "commits-of-anybody",
        "A COMMIT may be signed by anybody.",
        Edit(
            "core.commit_path:CommitPath._check_commit",
            "if commit.signers != (record.core.body.initiator,):",
            "if False:",
        ),
        Edit("codec.sealing:CodecSealer._signers", "if getattr(body, name) != signer:", "if False:"),
        kills="reservations.commit-by-another",
    ),
    mutant(
        "unknown-commits",
        "A COMMIT of an unknown reservation is not answered.",
        Edit(
            "core.commit_path:CommitPath.commit",
            "self._send_failed(neighbor, body, ErrorCode.UNKNOWN_RESERVATION, out)",
            "pass",
        ),
        kills="reservations.commit-of-unknown",
    ),
    mutant(
        "committed-by-anybody",
        "A COMMITTED may be signed by anybody.",
        Edit(
            "core.commit_path:CommitPath.committed",
            "if sealed.signers != (record.core.body.origin,):",
            "if False:",
        ),
        kills="reservations.committed-by-another",
    ),
    mutant(
        "committed-of-any-commit",
        "A COMMITTED may be of another COMMIT.",
        Edit(
            "core.commit_path:CommitPath.committed",
            "if record.commit is None or body.commit != record.commit.object_id:",
            "if False:",
        ),
        kills="reservations.committed-by-another",
    ),
    mutant(
        "doubt-is-silent",
        "A COMMIT without outcome is not said again.",
        Edit(
            "core.commit_path:CommitPath.send_commit",
            "record.retry_ns = now.after_ms(self._hop.config.timers.commit_retry_ms)",
            "record.retry_ns = None",
        ),
        kills="reservations.in-doubt-repeats",
    ),
    mutant(
        "lost-sellers-are-waited-for",
        "A lost session toward the origin ends no reservation.",
        Edit(
            "core.commit_path:CommitPath.lost", "if leg is None or leg.port.neighbor != neighbor:", "if True:"
        ),
        kills="reservations.seller-lost-while-holding reservations.seller-lost-while-held",
    ),
    mutant(
        "releases-of-anybody",
        "A RELEASE may be signed by anybody.",
        Edit(
            "core.release_path:ReleasePath.release",
            "if leg is None or leg.port.neighbor != neighbor or sealed.signers != (record.core.body.initiator,):",
            "if False:",
        ),
        Edit("codec.sealing:CodecSealer._signers", "if getattr(body, name) != signer:", "if False:"),
        kills="reservations.release-by-another",
    ),
    mutant(
        "unknown-releases",
        "A RELEASE of an unknown reservation has no OUTCOME.",
        Edit("core.release_path:ReleasePath.release", "self._tell(neighbor, sealed.body, None, out)", "pass"),
        kills="reservations.release-of-unknown",
    ),
    mutant(
        "releases-stay",
        "A RELEASE is not passed on.",
        Edit(
            "core.release_path:ReleasePath._send",
            "self._hop.pass_on(present(record.toward_origin).port.neighbor, release.envelope, out)",
            "pass",
        ),
        kills="reservations.committed-and-released reservations.release-of-a-hold",
    ),
    mutant(
        "cuts-of-anybody",
        "A cut may come from any side.",
        Edit(
            "core.curtailment:Curtailments._side",
            "if cutter == (core.initiator if leg.toward_origin else core.origin):",
            "if False:",
        ),
        kills="dispatch.cut-by-a-stranger",
    ),
    mutant(
        "cuts-that-raise",
        "A cut may leave more than was committed.",
        Edit(
            "core.curtailment:Curtailments._check_item",
            "if entry is not None and item.energy_j > there_j(leg, entry.committed):",
            "if False:",
        ),
        kills="dispatch.cut-raises",
    ),
    mutant(
        "records-of-any-link",
        "A meter record may be of any link.",
        Edit(
            "core.settlement:Settlement._port",
            "if port is None or port.neighbor != neighbor:",
            "if port is None:\n        raise PeerError(ErrorCode.NO_PATH, 'unknown')\n    if False:",
        ),
        kills="dispatch.record-of-another-link",
    ),
    mutant(
        "records-of-anybody",
        "A meter record may be signed by anybody.",
        Edit(
            "core.settlement:Settlement._port", "if node != neighbor or signers != (neighbor,):", "if False:"
        ),
        Edit("codec.sealing:CodecSealer._signers", "if getattr(body, name) != signer:", "if False:"),
        kills="dispatch.record-by-another",
    ),
    mutant(
        "small-counters",
        "A meter's counter may be below what it counted.",
        Edit(
            "core.settlement:Settlement.hear_meter",
            "if body.counter_imported_j < body.imported_j or body.counter_exported_j < body.exported_j:",
            "if False:",
        ),
        kills="dispatch.record-with-small-counters",
    ),
    mutant(
        "statements-out-of-chain",
        "A statement may continue anything.",
        Edit(
            "core.settlement:Settlement.hear_statement",
            "if body.previous not in (heads.last_peer or body.previous, NO_OBJECT):",
            "if False:",
        ),
        kills="dispatch.statement-out-of-chain",
    ),
    mutant(
        "records-of-the-future",
        "A record may be of a slot that is not over.",
        Edit(
            "core.settlement:Settlement._slot",
            "if slot_utc_s + self._slot_s > now.utc_s + CLOCK_TOLERANCE_S:",
            "if False:",
        ),
        kills="dispatch.record-of-the-future",
    ),
    mutant(
        "records-of-old",
        "A record may be of any time.",
        Edit(
            "core.settlement:Settlement._slot", "if slot_utc_s < max(oldest, self._forgotten):", "if False:"
        ),
        kills="dispatch.record-too-old dispatch.statement-too-old",
    ),
    mutant(
        "second-records",
        "A second record takes the place of the first.",
        Edit("core.settlement:_same", "if known != heard:", "if False:"),
        kills="dispatch.second-record",
    ),
    mutant(
        "origin-sells-at-any-price",
        "An origin sells below its ask.",
        Edit("core.origin_desk:OwnOriginDesk._grant_packet", "if beyond_limit(body, price):", "if False:"),
        Edit(
            "core.origin_desk:OwnOriginDesk._too_early",
            "ErrorCode.PRICE_LIMIT if body.price_limit_micro_per_kwh < floor else None",
            "None",
        ),
        kills="origin.price-limit",
    ),
    mutant(
        "origin-sells-dear",
        "An origin asks for one micro-unit more.",
        Edit(
            "core.origin_desk:OwnOriginDesk._grant_packet",
            "price = price_in_band(offer.published, run.price_micro_per_kwh, floor)",
            "price = price_in_band(offer.published, run.price_micro_per_kwh, floor) + 1",
        ),
        kills="origin.sells-at-its-ask",
    ),
    mutant(
        "offers-to-come",
        "An origin sells of a version that it has not published.",
        Edit(
            "core.origin_desk:OwnOriginDesk._grant_packet",
            "if offer.published is None or (body.offer_epoch, body.offer_seq) > (\n        offer.published.epoch,\n        offer.published.seq,\n    ):",
            "if False:",
        ),
        kills="origin.newer-version-named",
    ),
    mutant(
        "more-than-stated",
        "An origin sells more than it has stated.",
        Edit(
            "core.origin_desk:OwnOriginDesk._grant_packet", "energy_j=taken", "energy_j=record.asked_j[index]"
        ),
        kills="origin.no-more-than-stated",
    ),
    mutant(
        "four-worst",
        "The worst paths are told.",
        Edit("core.export:best_paths", "ranked = tuple(paths)", "ranked = tuple(paths)[::-1]"),
        kills="selection.cheapest-fees selection.least-losses selection.fewer-links selection.tie-by-hash",
    ),
    mutant(
        "first-four",
        "The first of the ranked paths are told, whatever their neighbours and widths.",
        Edit(
            "core.export:best_paths",
            "near = ranked[0].rank",
            "return ranked[:count]\n    near = ranked[0].rank",
        ),
        kills="selection.widest-among-them selection.other-neighbour-preferred",
    ),
    mutant(
        "late-commits",
        "A COMMIT after the deadline is taken.",
        Edit(
            "core.commit_path:CommitPath.due", "elif record.deadline_ns <= now.monotonic_ns:", "elif False:"
        ),
        Edit(
            "core.commit_path:CommitPath.commit",
            "elif now.monotonic_ns >= record.deadline_ns or self._hop.gate_is_closed(record, now):",
            "elif False:",
        ),
        kills="reservations.late-commit",
    ),
    mutant(
        "time-not-counted",
        "A HOLD goes on with all of its time.",
        Edit("core.hold_path:HoldPath._go_on", "hold_ms - self._hop.config.timers.hold_step_ms", "hold_ms"),
        kills="reservations.hold-goes-on",
    ),
    mutant(
        "grants-not-trimmed",
        "What was entered stays, however much is granted.",
        Edit(
            "core.grant_path:GrantPath._entry",
            "if held is not None and far_j == leg.far_j(held.increment):",
            "if held is not None:",
        ),
        kills="reservations.grants-less",
    ),
    mutant(
        "reasons-of-its-own",
        "A packet that was not granted gets a reason of this node.",
        Edit(
            "core.grant_path:GrantPath.grant",
            "self._refuse_packet(record, index, _reason(grant, index))",
            "self._refuse_packet(record, index, (ErrorCode.QUOTA, 0))",
        ),
        kills="reservations.part-of-a-batch",
    ),
    mutant(
        "labels-of-policy",
        "An unknown label is refused for policy.",
        Edit(
            "core.hold_path:HoldPath._open",
            'PeerError(ErrorCode.NO_PATH, "the label is not told',
            'PeerError(ErrorCode.POLICY, "the label is not told',
        ),
        kills="reservations.unknown-label",
    ),
    mutant(
        "lines-missing",
        "A missing line of the keeper is called malformed.",
        Edit("core.hop:Hop.mirrored", "ErrorCode.GRANT_CHANGED", "ErrorCode.MALFORMED"),
        kills="reservations.keepers-line-missing",
    ),
    mutant(
        "loss-rounded-down",
        "The loss of a slot is rounded down.",
        Edit(
            "core.loss:LinkModel.loss_j",
            "-(-(self.linear * energy + self.square * energy * energy) // self.scale)",
            "(self.linear * energy + self.square * energy * energy) // self.scale",
        ),
        kills="reservations.losses-exact",
    ),
    mutant(
        "links-without-end",
        "A link carries whatever is asked.",
        Edit(
            "core.admission:Admission.admit",
            "room = replace(found, free_j=max(0, min(free_j, quota_j)))",
            "room = replace(found, free_j=10**12)",
        ),
        kills="reservations.no-more-than-the-link reservations.two-racers",
    ),
    mutant(
        "no-such-offer",
        "An offer that is not there is called sold out.",
        Edit(
            "core.origin_desk:OwnOriginDesk._grant_packet",
            "return ErrorCode.NO_OFFER",
            "return ErrorCode.NO_ENERGY",
        ),
        kills="origin.unknown-offer",
    ),
    mutant(
        "newest-version-only",
        "An origin sells of its newest version only.",
        Edit(
            "core.origin_desk:OwnOriginDesk._grant_packet",
            "(body.offer_epoch, body.offer_seq) > (",
            "(body.offer_epoch, body.offer_seq) != (",
        ),
        kills="origin.older-version-named",
    ),
    mutant(
        "holds-without-bounds",
        "What a HOLD says is not held against bounds.",
        Edit("codec.bounds:check", "if not _WITHIN[type(value)](value):", "if False:"),
        kills="reservations.band-out-of-bounds reservations.bond-out-of-bounds reservations.packet-named-twice",
    ),
    mutant(
        "unknown-is-conflict",
        "A reservation that is unknown is in conflict.",
        Edit(
            "core.reservation:ReservationTable.require", "ErrorCode.UNKNOWN_RESERVATION", "ErrorCode.CONFLICT"
        ),
        kills="dispatch.cut-of-unknown",
    ),
    mutant(
        "cuts-of-holds",
        "What is only held may be cut.",
        Edit("core.curtailment:Curtailments.hear", "record.advance(ReservationEvent.CURTAIL, now)", "pass"),
        kills="dispatch.cut-of-a-hold",
    ),
    mutant(
        "cuts-stay",
        "A cut is not passed on.",
        Edit("core.curtailment:Curtailments._send", "if items:", "if False:"),
        kills="dispatch.cut-goes-on",
    ),
    mutant(
        "refusals-stay",
        "A REFUSE is not passed on.",
        Edit(
            "core.grant_path:GrantPath.refuse",
            "self._hop.answer(record, self._hop.sealer.seal(body).envelope, out)",
            "pass",
        ),
        kills="reservations.refuse-goes-on",
    ),
    mutant(
        "failures-stay",
        "A FAILED is not passed on.",
        Edit("core.commit_path:CommitPath.failed", "self._hop.answer(record, sealed.envelope, out)", "pass"),
        kills="reservations.failed-goes-on",
    ),
    mutant(
        "grants-without-time",
        "A GRANT comes back with time of its own.",
        Edit("core.grant_path:GrantPath._promise", "hold_ms=", "hold_ms=29_999 if record else "),
        kills="reservations.grant-comes-back",
    ),
    mutant(
        "faults-name-nothing",
        "A Fault does not name its object.",
        Edit("router:Router._answer_fault", "object=object_id_of(envelope.signed)", "object=bytes(32)"),
        kills="security.faults-name-their-object",
    ),
)
