"""Attack list, rows about offers and the paths to them: 2 to 4, 6 to 9, 38, 39, 41."""

from __future__ import annotations

from dataclasses import replace

from mutants.patching import Edit

from ioe_router.config import Limits, RouterConfig, Transit
from ioe_router.core.paths import next_hash
from ioe_router.model.discovery import LinkAttestation, Role
from ioe_router.model.envelope import Envelope, ObjectType
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import NodeId, ObjectId, PathHash, object_id_of
from ioe_router.model.routing import Direction, Offer, OfferWithdrawal, PathAdvert, PathEntry
from ioe_router.router import Router
from ioe_router.sim.keys import identity_of
from tests.attacks.attack import Swap, attack, holds
from tests.attacks.stage import STREET, Stage, last_offer, offer, path_of, street, unsigned
from tests.simulation.bent_wire import Passing, dropping
from tests.simulation.pair import PARAMETERS, START_UTC_S, Cable, decoded

# farm --- gate --- mill --- street --- house: the gate takes a fee that the mill would like to hide.
LONG_STREET = (
    Cable("gate", "farm"),
    Cable("mill", "gate", fee_micro_per_kwh=20_000),
    Cable("street", "mill"),
    Cable("street", "house"),
)


def entries_of(stage: Stage) -> list[PathEntry]:
    """The farm's path as the mill has honestly told it to the street."""
    return [decoded(e, PathEntry) for e in path_of(stage, "farm", "mill", "street").entries]


def tell_path(stage: Stage, *entries: Envelope) -> PathAdvert:
    """Let the attacker tell a path of these entries."""
    advert = PathAdvert(entries=entries)
    stage.say(unsigned(advert))
    return advert


def is_told_on(stage: Stage, entry: Envelope) -> bool:
    """Whether the witness was told a path with this entry in it."""
    return any(
        entry.signed in [e.signed for e in advert.entries] for advert in stage.told("house", PathAdvert)
    )


# ------------------------------------------------------------------ 2: paths


@attack(
    2,
    without=[
        Edit(
            "core.paths:PathChecker._check_chain",
            "if found != expected or entry.direction is Direction.UNSPECIFIED:",
            "if False:",
        )
    ],
)
def test_row_02_a_hop_cut_out_of_a_path() -> None:
    """The mill leaves the gate and its fee out of the path to the farm: BROKEN_CHAIN, nobody is told."""
    stage = street(*LONG_STREET)
    honest = path_of(stage, "farm", "mill", "street").entries
    mine = decoded(honest[-1], PathEntry)
    previous = next_hash(decoded(honest[0], PathEntry).previous, honest[0].signed)
    forged = stage.signed("mill", replace(mine, position=1, previous=previous, fee_micro_per_kwh=0))
    tell_path(stage, honest[0], forged)
    holds(stage.complaints() == [ErrorCode.BROKEN_CHAIN], "the victim sees that a hop is missing")
    holds(not is_told_on(stage, forged), "the witness is told no path with the forged entry")


@attack(2, without=[Edit("core.paths:PathChecker._for_me", "if path.holder != self._me:", "if False:")])
def test_row_02_a_path_that_was_told_to_somebody_else() -> None:
    """The mill passes on a path that ends with the gate's entry for the mill: NOT_FOR_ME."""
    stage = street(*LONG_STREET)
    overheard = path_of(stage, "farm", "mill", "street").entries[:-1]
    tell_path(stage, *overheard)
    holds(ErrorCode.NOT_FOR_ME in stage.complaints(), "a path is good for the node that its end names")


# ------------------------------------------------------------------ 3: leaks


def with_providers(*providers: str) -> Stage:
    """The street buys from these neighbours' domains; nobody pays it for carrying between them."""
    seen: dict[NodeId, str] = {}

    def make(config: RouterConfig, **given: object) -> Router:
        neighbors = tuple(
            replace(n, transit=Transit.PAID, role=role_of(seen.get(config.node, ""), seen.get(n.node, "")))
            for n in config.neighbors
        )
        return Router(replace(config, neighbors=neighbors), **given)  # type: ignore[arg-type]

    def role_of(me: str, other: str) -> Role:
        if me == "street" and other in providers:
            return Role.PROVIDER
        return Role.CUSTOMER if other == "street" and me in providers else Role.SIBLING

    for name in ("mill", "farm", "street", "house"):
        seen[identity_of(1, name, PARAMETERS.network_id, START_UTC_S - 3_600).node] = name
    return street(*STREET, make=make)


@attack(3, without=[Swap("core.export:may_transit", lambda *_, **__: True)])
def test_row_03_transit_from_one_provider_to_another() -> None:
    """The mill and the house are both providers of the street: neither learns the other's paths from it."""
    stage = with_providers("mill", "house")
    told = stage.heard("street", "house", PathAdvert)
    origins = {decoded(advert.entries[0], PathEntry).origin for advert in told}
    holds(path_of(stage, "farm", "mill", "street"), "the victim itself knows the path")
    holds(stage.sim.node("farm") not in origins, "a provider is told no path of another provider")
    holds(
        stage.sim.node("farm") not in [o.origin for o in stage.heard("street", "house", Offer)],
        "and none of its offers",
    )


# ------------------------------------------------------------------ 4: figures


@attack(
    4,
    without=[
        Edit(
            "core.paths:PathChecker._link_of",
            "if entry.fee_micro_per_kwh > fee_limit(attested.body, flow):",
            "if False:",
        )
    ],
)
def test_row_04_a_fee_above_the_attested() -> None:
    """The mill asks for more than both ends of the link have signed: FEE_ABOVE_ATTESTED, nobody is told."""
    stage = street()
    honest = path_of(stage, "farm", "mill", "street").entries
    dear = stage.signed("mill", replace(decoded(honest[-1], PathEntry), fee_micro_per_kwh=10**6))
    tell_path(stage, *honest[:-1], dear)
    holds(stage.complaints() == [ErrorCode.FEE_ABOVE_ATTESTED], "the victim knows what was attested")
    holds(not is_told_on(stage, dear), "the witness is told no path at that fee")


# ------------------------------------------------------------------ 6 to 9: versions


OLDER_IS_TAKEN = (
    Edit("core.offers:OfferTable._replace", "if version < record.version:", "if False:"),
    Edit("core.offers:OfferTable.withdraw", "if version < record.version:", "if False:"),
)


@attack(6, without=OLDER_IS_TAKEN)
def test_row_06_an_old_offer_after_a_dearer_one() -> None:
    """The farm has raised its price; the mill repeats the cheap version: nobody hears of it again."""
    stage = street()
    cheap = stage.envelopes("mill", "street", Offer)[-1]
    offer(stage.sim, "farm", price=95_000)
    stage.sim.wait(30)
    stage.say(cheap)
    holds(not stage.passed_on(cheap), "the witness does not hear the old version again")


@attack(6, without=OLDER_IS_TAKEN)
def test_row_06_an_old_offer_after_its_withdrawal() -> None:
    """The farm has taken its offer back; the mill repeats it: it stays withdrawn."""
    stage = street()
    old = stage.envelopes("mill", "street", Offer)[-1]
    stage.sim.offer("farm", 90_000, energy_j=0)
    stage.sim.wait(30)
    holds(stage.heard("street", "house", OfferWithdrawal), "the witness knows of the withdrawal")
    stage.say(old)
    holds(not stage.passed_on(old), "the offer does not come back")


@attack(
    6,
    without=[
        Edit(
            "core.session:Sessions.check_frame",
            "if frame.seq != session.received_seq + 1:",
            "if frame.seq > session.received_seq + 1:",
        )
    ],
)
def test_row_06_a_frame_that_has_come_before() -> None:
    """Somebody on the way repeats a whole frame of the mill: REPLAYED, the session ends."""
    stage = street()
    caught: list[Passing] = []

    def rule(passing: Passing) -> list[Passing]:
        caught.append(passing)
        return [passing]

    stage.sim.wire.on_frame = rule
    offer(stage.sim, "farm", price=95_000)
    stage.sim.wait(10)
    frame = next(one for one in caught if (one.sender, one.receiver) == ("mill", "street"))
    stage.say_bytes(frame.data)
    holds(stage.complaints() == [ErrorCode.REPLAYED], "no frame counts twice")


@attack(7, without=[Swap("core.offers:OfferTable._check_terms", lambda *_: None)])
def test_row_07_an_offer_dated_into_the_future() -> None:
    """An offer of 61 seconds from now: FROM_FUTURE, and nobody hears of it."""
    stage = street()
    early = replace(last_offer(stage), seq=9, issued_utc_s=stage.sim.wire.now.utc_s + 61)
    poison = stage.signed("farm", early)
    stage.say(poison)
    holds(stage.complaints() == [ErrorCode.FROM_FUTURE], "the victim's clock decides")
    holds(not stage.passed_on(poison), "the witness hears nothing of it")


@attack(7, without=[Swap("core.offers:OfferTable._check_terms", lambda *_: None)])
def test_row_07_an_offer_that_never_ends() -> None:
    """An offer that lives longer than the network's limit: OUT_OF_BOUNDS."""
    stage = street()
    body = last_offer(stage)
    endless = stage.signed("farm", replace(body, seq=9, expires_utc_s=body.issued_utc_s + 30 * 86_400))
    stage.say(endless)
    holds(stage.complaints() == [ErrorCode.OUT_OF_BOUNDS], "nothing lives for ever")
    holds(not stage.passed_on(endless), "the witness hears nothing of it")


@attack(
    8,
    without=[
        Edit(
            "core.offers:OfferTable.expire",
            "if record is None or record.until_utc_s > now.utc_s:",
            "if True:",
        )
    ],
)
def test_row_08_a_withdrawal_that_is_kept_back() -> None:
    """The mill keeps the farm's withdrawal to itself and goes on telling the offer: it ends with its time."""
    stage = street()
    stage.sim.wire.disconnect(stage.sim.node("street"), stage.sim.node("house"))
    offer(stage.sim, "farm", offer_no=2, lifetime_s=900)
    stage.sim.wait(30)
    (zombie,) = [e for e in stage.envelopes("mill", "street", Offer) if decoded(e, Offer).offer_no == 2]
    stage.sim.wire.on_object = dropping(ObjectType.OFFER_WITHDRAWAL, sender="mill")
    stage.sim.offer("farm", 90_000, energy_j=0, offer_no=2)
    for _ in range(4):
        stage.sim.wait(240)
        stage.say(zombie)
    stage.look_from_now()
    stage.sim.wire.connect(stage.sim.node("street"), stage.sim.node("house"))
    stage.sim.wait(30)
    holds(not stage.passed_on(zombie), "who comes later hears nothing of the dead offer")


@attack(
    9,
    without=[Edit("core.offers:OfferTable._replace", "if version == record.version:", "if False:")],
)
def test_row_09_two_contents_under_one_number() -> None:
    """The farm says two things under one number: EQUIVOCATION, and no more of that epoch is believed."""
    stage = street()
    body = last_offer(stage)
    other = stage.signed("farm", replace(body, energy_cap_j=1))
    stage.say(other)
    holds(stage.complaints() == [ErrorCode.EQUIVOCATION], "the victim holds the proof")
    holds(not stage.passed_on(other), "the witness hears nothing of the second content")
    further = stage.signed("farm", replace(body, seq=body.seq + 1))
    stage.say(further)
    holds(stage.complaints() == [ErrorCode.EQUIVOCATION], "a liar is not believed again in this epoch")


# ------------------------------------------------------------------ 41: length and loops


@attack(
    41,
    without=[
        Edit(
            "core.paths:PathChecker.check",
            "if not 1 <= len(entries) <= self._links_max:",
            "if False:",
        )
    ],
)
def test_row_41_a_path_without_end() -> None:
    """A path of one link more than the victim's limit: PATH_TOO_LONG, before anything is verified."""
    stage = street(*LONG_STREET, limits=Limits(path_links=2))
    entries = [stage.signed("mill", entry_of(stage, position)) for position in range(3)]
    verified = stage.sim.router("street").counts["object_signatures_verified"]
    tell_path(stage, *entries)
    holds(stage.complaints() == [ErrorCode.PATH_TOO_LONG], "the victim refuses a path above its limit")
    holds(
        stage.sim.router("street").counts["object_signatures_verified"] == verified, "and verifies none of it"
    )


def entry_of(stage: Stage, position: int) -> PathEntry:
    """An entry of the mill that leads on to the street."""
    return PathEntry(
        origin=stage.sim.node("mill"),
        direction=Direction.SUPPLY,
        node=stage.sim.node("mill"),
        next_node=stage.sim.node("street"),
        position=position,
        previous=PathHash(bytes(32)),
        attestation=ObjectId(bytes(32)),
        fee_micro_per_kwh=0,
        not_after_utc_s=stage.sim.wire.now.utc_s + 600,
        only_to_customers=False,
    )


@attack(
    41,
    without=[
        Edit("core.paths:PathChecker.check", "if path is not None and self._me in path.nodes:", "if False:"),
        Edit(
            "core.paths:PathChecker.check", "if path is None or self._me in path.nodes:", "if path is None:"
        ),
        Edit(
            "core.paths:PathChecker._check_chain",
            "if entry.next_node == entry.node or (path is not None and entry.next_node in path.nodes):",
            "if False:",
        ),
    ],
)
def test_row_41_a_path_that_leads_through_its_receiver() -> None:
    """The house turns the street's own path round and tells it back: LOOP."""
    stage = street()
    stage.attacker, stage.witness = "house", "mill"
    told = path_of(stage, "farm", "street", "house")
    last = decoded(told.entries[-1], PathEntry)
    attestation = stage.envelopes("street", "house", LinkAttestation)[-1]
    body = decoded(attestation, LinkAttestation)
    back = replace(
        last,
        node=stage.sim.node("house"),
        next_node=stage.sim.node("street"),
        position=last.position + 1,
        previous=next_hash(last.previous, told.entries[-1].signed),
        attestation=object_id_of(_attestation_of(stage).signed),
        fee_micro_per_kwh=0,
    )
    holds({body.keeper, body.other}, "there is an attestation")
    tell_path(stage, *told.entries, stage.signed("house", back))
    holds(stage.complaints() == [ErrorCode.LOOP], "the victim does not reach anybody through itself")


def _attestation_of(stage: Stage) -> Envelope:
    """The attestation of the link between victim and house."""
    config = stage.sim.router("house")._config
    return config.neighbors[0].attestation
