"""Defects of paths, offers, withdrawals, export and link state (SPEC section 7)."""

from __future__ import annotations

from typing import Final

from mutants.mutant import Mutant, mutant
from mutants.patching import Edit

PATHS: Final = "core.paths:PathChecker"
OFFERS: Final = "core.offers:OfferTable"
STATES: Final = "core.link_state:LinkStates"

MUTANTS: Final[tuple[Mutant, ...]] = (
    mutant(
        "chains-not-checked",
        "Entries of a path need not continue each other.",
        Edit(
            f"{PATHS}._check_chain",
            "if found != expected or entry.direction is Direction.UNSPECIFIED:",
            "if False:",
        ),
        kills="adverts.direction-changes adverts.first-hop-not-origin adverts.hop-left-out adverts.hops-exchanged "
        "adverts.origin-changes adverts.position-wrong adverts.previous-hash-wrong adverts.tail-of-another-path",
    ),
    mutant(
        "entries-by-anybody",
        "An entry of a path need not be signed by its hop.",
        Edit("codec.sealing:CodecSealer._signers", "if getattr(body, name) != signer:", "if False:"),
        Edit(f"{PATHS}._check_chain", "if sealed.signers != (entry.node,):", "if False:"),
        kills="adverts.entry-forged",
    ),
    mutant(
        "loops-elsewhere",
        "A path may come to a node twice.",
        Edit(
            f"{PATHS}._check_chain",
            "if entry.next_node == entry.node or (path is not None and entry.next_node in path.nodes):",
            "if False:",
        ),
        kills="adverts.node-twice-on-path",
    ),
    mutant(
        "loops-through-here",
        "A path may lead through its receiver.",
        Edit(f"{PATHS}.check", "if path is None or self._me in path.nodes:", "if path is None:"),
        Edit(f"{PATHS}.check", "if path is not None and self._me in path.nodes:\n            break", "pass"),
        Edit(
            f"{PATHS}._check_chain",
            "if entry.next_node == entry.node or (path is not None and entry.next_node in path.nodes):",
            "if False:",
        ),
        kills="adverts.path-back-to-its-node",
    ),
    mutant(
        "paths-for-others",
        "A path whose last entry is for another node is taken.",
        Edit(f"{PATHS}._for_me", "if path.holder != self._me:", "if False:"),
        kills="adverts.for-somebody-else",
    ),
    mutant(
        "paths-of-others",
        "A path whose last hop is another neighbour is taken.",
        Edit(f"{PATHS}._for_me", "if path.neighbor != neighbor:", "if False:"),
        kills="adverts.told-by-another",
    ),
    mutant(
        "expired-paths",
        "A path is taken after its end.",
        Edit(f"{PATHS}._for_me", "if path.not_after_utc_s <= now.utc_s:", "if False:"),
        kills="adverts.path-expired",
    ),
    mutant(
        "any-fee",
        "A hop may ask more than the attested maximum.",
        Edit(
            f"{PATHS}._link_of", "if entry.fee_micro_per_kwh > fee_limit(attested.body, flow):", "if False:"
        ),
        kills="adverts.fee-above-attested",
    ),
    mutant(
        "paths-outlive-keys",
        "An entry may be valid for longer than its key.",
        Edit(f"{PATHS}._link_of", "if entry.not_after_utc_s > ends_utc_s:", "if False:"),
        kills="adverts.path-outlives-key",
    ),
    mutant(
        "links-of-others",
        "A path may name the link of other nodes.",
        Edit(
            f"{PATHS}._link_of",
            "if attested is None or {attested.body.keeper, attested.body.other} != {entry.node, entry.next_node}:",
            "if attested is None:",
        ),
        kills="adverts.link-of-others",
    ),
    mutant(
        "unknown-links-no-path",
        "A path over an unknown link is refused with another code.",
        Edit(f"{PATHS}._link_of", "ErrorCode.UNKNOWN_LINK", "ErrorCode.NO_PATH"),
        kills="adverts.unknown-link",
    ),
    mutant(
        "leaks-taken",
        "A path that has leaked through a peer is taken.",
        Edit(f"{PATHS}._check_mark", "if leaked.get(role, False):", "if False:"),
        kills="adverts.peer-leaks",
    ),
    mutant(
        "marks-not-wanted",
        "A path of a peer needs no mark.",
        Edit(
            f"{PATHS}._check_mark",
            "if role in (Role.PROVIDER, Role.PEER) and not path.only_to_customers:",
            "if False:",
        ),
        kills="adverts.peer-without-mark",
    ),
    mutant(
        "transit-for-everybody",
        "Paths of others are told to everybody.",
        Edit(
            "core.export:may_transit",
            "if to.transit_in_force is Transit.NONE:",
            "if True:\n        return True\n    if False:",
        ),
        kills="adverts.no-transit-for-peers",
    ),
    mutant(
        "back-to-the-teller",
        "A path is told back to nodes that are on it.",
        Edit("core.export:extendable", "return neighbor not in path.nodes and", "return"),
        kills="adverts.not-back-to-its-teller",
    ),
    mutant(
        "path-limit-excluded",
        "A path of the largest length is refused.",
        Edit(
            f"{PATHS}.check",
            "if not 1 <= len(entries) <= self._links_max:",
            "if not 1 <= len(entries) < self._links_max:",
        ),
        kills="adverts.longest-path",
    ),
    mutant(
        "any-length",
        "A path may have any length.",
        Edit(f"{PATHS}.check", "if not 1 <= len(entries) <= self._links_max:", "if False:"),
        Edit("codec.bounds:check", "if not _WITHIN[type(value)](value):", "if False:"),
        Edit("codec.wire:_refuse_above", "if count > step.most:", "if False:"),
        kills="adverts.too-many-hops",
    ),
    mutant(
        "entries-outlive-the-path",
        "An own entry is valid for longer than the entries before it, and asks any fee.",
        Edit(
            "core.told_paths:PathTeller._not_after_utc_s",
            "return min(ends_utc_s if incoming is None else (*ends_utc_s, incoming.not_after_utc_s))",
            "return max(ends_utc_s)",
        ),
        kills="adverts.continued-path-in-bounds",
    ),
    mutant(
        "marks-left-out",
        "An own entry for a peer is not marked.",
        Edit(
            "core.told_paths:PathTeller._entry",
            "only_to_customers=stated.role in (Role.CUSTOMER, Role.PEER),",
            "only_to_customers=False,",
        ),
        kills="adverts.own-path",
    ),
    mutant(
        "offers-without-paths",
        "An offer is taken without a path to its origin.",
        Edit(
            "core.routing:Routing.hear_offer",
            "if not self._heard.has(neighbor, (body.origin, body.direction)):",
            "if False:",
        ),
        kills="adverts.offer-without-path",
    ),
    mutant(
        "offers-live-for-ever",
        "An offer may be valid for any time.",
        Edit(
            f"{OFFERS}._check_terms",
            "if body.expires_utc_s > body.issued_utc_s + self._lifetime_max_s:",
            "if False:",
        ),
        kills="adverts.offer-lives-too-long",
    ),
    mutant(
        "offer-limit-excluded",
        "An offer of just 192 slots is refused.",
        Edit(
            f"{OFFERS}._check_terms",
            "if not 1 <= sum(run.slots for run in body.runs) <= OFFER_SLOTS_MAX:",
            "if not 1 <= sum(run.slots for run in body.runs) < OFFER_SLOTS_MAX:",
        ),
        kills="adverts.offer-of-193-slots",
    ),
    mutant(
        "two-contents",
        "Two contents under one number are no lie.",
        Edit(f"{OFFERS}._replace", "if version == record.version:", "if False:"),
        kills="adverts.equivocation",
    ),
    mutant(
        "older-versions",
        "An older version replaces a newer one.",
        Edit(f"{OFFERS}._replace", "if version < record.version:", "if False:"),
        kills="adverts.older-version-ignored adverts.offer-back-after-withdrawal",
    ),
    mutant(
        "withdrawals-stay",
        "A withdrawal is not passed on.",
        Edit("core.routing:Routing.hear_offer_withdrawal", "if ended is not None:", "if False:"),
        kills="adverts.offer-withdrawn",
    ),
    mutant(
        "newer-versions-stay",
        "A newer version of an offer is not passed on.",
        Edit(
            "core.routing:Routing.hear_offer",
            "if change is not None:",
            "if change is not None and change.before is None:",
        ),
        kills="adverts.offer-replaced adverts.reduction-goes-at-once",
    ),
    mutant(
        "path-withdrawals-ignored",
        "The withdrawal of a path has no effect.",
        Edit(
            "core.routing:Routing.hear_path_withdrawal",
            "self._forget(neighbor, sealed.body.path, out)",
            "pass",
        ),
        kills="adverts.path-withdrawn",
    ),
    mutant(
        "unknown-withdrawals-refused",
        "The withdrawal of an unknown path is refused.",
        Edit(
            "core.routing:Routing._forget",
            "if path is not None:",
            "if path is None:\n        raise PeerError(ErrorCode.NO_PATH, 'unknown')\n    if path is not None:",
        ),
        kills="adverts.unknown-path-withdrawn",
    ),
    mutant(
        "nothing-told-on",
        "Paths of others are told to nobody.",
        Edit("core.export:may_transit", "if to.transit_in_force is Transit.NONE:", "if True:"),
        kills="adverts.path-and-offer-go-on adverts.demand-path",
    ),
    mutant(
        "states-by-anybody",
        "A link state need not come from the keeper.",
        Edit(
            f"{STATES}._check",
            "if sealed.signers != (attested.body.keeper,) or attested.body.keeper == self._me:",
            "if False:",
        ),
        kills="adverts.link-state-by-another",
    ),
    mutant(
        "states-of-customers",
        "The link of a single customer may have a link state.",
        Edit(f"{STATES}._check", "if attested.body.access:", "if False:"),
        kills="adverts.link-state-of-a-customer",
    ),
    mutant(
        "states-of-unknown-links",
        "A link state of an unknown link is refused with another code.",
        Edit(f"{STATES}._check", "ErrorCode.UNKNOWN_LINK", "ErrorCode.NO_PATH"),
        kills="adverts.link-state-of-unknown-link",
    ),
    mutant(
        "states-of-any-slot",
        "A link state may be about any slot.",
        Edit(
            f"{STATES}._check", "if body.slot_utc_s % self._slot_s or body.slot_utc_s > beyond:", "if False:"
        ),
        kills="adverts.link-state-too-far-ahead",
    ),
    mutant(
        "states-stay",
        "A link state is not passed on.",
        Edit(f"{STATES}.accept", "self._news[body.link, slot] = neighbor", "pass"),
        kills="adverts.link-state-goes-on",
    ),
    mutant(
        "own-offers-too-long",
        "The own offers are valid for two days.",
        Edit(
            "core.own_adverts:OwnAdverts.publish",
            "expires_utc_s = min(now.utc_s + stated.lifetime_s, self._evidence.own_key.body.expires_utc_s)",
            "expires_utc_s = now.utc_s + 172_800",
        ),
        kills="adverts.own-offer",
    ),
)
