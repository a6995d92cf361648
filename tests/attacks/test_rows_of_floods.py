"""Attack list, rows about too much of everything: 21, 22, 24, 39."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, Unpack

from mutants.patching import Edit

from ioe_router.adapters.recordings import Given
from ioe_router.codec import mapping
from ioe_router.codec.keys import certify
from ioe_router.codec.signing import Ed25519Signer
from ioe_router.config import Budgets, Limits, Rate, RouterConfig
from ioe_router.core import budgets
from ioe_router.model.clock import Now
from ioe_router.model.discovery import Close, OperationalKey
from ioe_router.model.envelope import Envelope, Sealed
from ioe_router.model.errors import ErrorCode
from ioe_router.model.ids import NodeId, PathHash
from ioe_router.model.routing import Direction, Offer, OfferWithdrawal, PathAdvert, PathEntry, PathWithdrawal
from ioe_router.router import Router
from ioe_router.sim.keys import identity_of
from tests.attacks.attack import Swap, Value, attack, holds
from tests.attacks.stage import Stage, last_offer, offer, path_of, signed_bytes, street, unsigned
from tests.attacks.test_rows_of_signatures import certified, withdrawal
from tests.simulation.pair import KWH_J, PARAMETERS, START_UTC_S, Cable, build, decoded

SMALL: Final = Budgets(
    frames=Rate(per_s=100, burst=100),
    bytes=Rate(per_s=100_000, burst=300_000),
    objects=Rate(per_s=2, burst=50),
    signatures=Rate(per_s=2, burst=60),
    urgent_objects=Rate(per_s=2, burst=40),
    urgent_signatures=Rate(per_s=2, burst=40),
    refusals=Rate(per_s=1, burst=10),
    signer_updates=Rate(per_s=1, burst=20),
    signer_urgent=Rate(per_s=1, burst=20),
)


def small(config: RouterConfig, **rest: Unpack[Given]) -> Router:
    """A router that is soon fed up."""
    return Router(replace(config, budgets=SMALL), **rest)


def verified(stage: Stage) -> int:
    """Signatures of objects that the victim has checked so far."""
    return stage.sim.router(stage.victim).counts["object_signatures_verified"]


def forgeries(stage: Stage, count: int) -> list[Envelope]:
    """Further versions of the farm's offer with signatures that are nobody's."""
    made = []
    for number in range(1, count + 1):
        body = replace(last_offer(stage), seq=1_000 + number)
        good = signed_bytes(stage.signer("farm"), Offer, mapping.encode(body))
        (signature,) = good.signatures
        bad = replace(signature, signature=signature.signature[:32] + number.to_bytes(32, "little"))
        made.append(replace(good, signatures=(bad,)))
    return made


# ------------------------------------------------------------------ 21, 22


@attack(
    21,
    without=[
        Edit(
            "codec.sealing:CodecSealer._open_signed",
            "body = decoded(envelope, row)",
            "self._verify(envelope)\n    body = decoded(envelope, row)",
        )
    ],
)
def test_row_21_rubbish_under_a_good_looking_signature() -> None:
    """What cannot be read is refused before its signature is checked, for that is a hundred times dearer."""
    stage = street()
    before = verified(stage)
    stage.say(signed_bytes(stage.signer("mill"), Offer, b"\xff\xff"))
    holds(verified(stage) == before, "no signature is checked")


@attack(
    21,
    without=[
        Swap("core.budgets:Account.verify", lambda *_: None),
        Swap("core.budgets:Account.refused", lambda *_: budgets.Answer.TELL),
    ],
)
def test_row_21_a_flood_of_forged_signatures() -> None:
    """Three hundred forgeries: checked up to two bursts of the budget, then the session ends."""
    stage = street(make=small)
    before = verified(stage)
    stage.look_from_now()
    flood = forgeries(stage, 300)
    for at in range(0, 300, 20):
        if stage.sim.router("street").inspect().sessions.established(stage.sim.node("mill")):
            stage.sim.wire.inject("mill", "street", *flood[at : at + 20])
    holds(verified(stage) - before <= 2 * SMALL.signatures.burst, "work for a neighbour is bounded")
    holds(
        [close.code for close in stage.told("mill", Close)] == [ErrorCode.LIMIT_REACHED],
        "who goes on is closed",
    )


def _charging_first(router: Router, *asked: Any) -> Sealed[Any]:  # noqa: ANN401 - what `_open` takes
    """A router that charges the budget of a signer before it has looked at the signature."""
    neighbor, sender, envelope, now = asked
    assert isinstance(now, Now)
    if isinstance(envelope, Envelope) and envelope.type is mapping_type(Offer):
        origin = mapping.decode(Offer, envelope.signed).origin
        router._signers.charge(origin, envelope.type, now.monotonic_ns)
    return _open_as_it_is(router, neighbor, sender, envelope, now)


_open_as_it_is: Final = Router._open


def mapping_type(kind: type) -> object:
    """The object type of a message."""
    from ioe_router.codec.registry import TYPE_OF

    return TYPE_OF[kind]


@attack(22, without=[Swap("router:Router._open", _charging_first)])
def test_row_22_rubbish_in_somebody_elses_name() -> None:
    """Forgeries in the farm's name do not use the farm's budget up: its next true word passes."""
    stage = street(make=small)
    stage.sim.wire.inject("mill", "street", *forgeries(stage, 30))
    true = stage.signed("farm", replace(last_offer(stage), seq=2_000, energy_cap_j=KWH_J))
    stage.say(true)
    holds(stage.passed_on(true), "the witness hears what the farm really says")


@attack(22, without=[Value("core.budgets:URGENT", frozenset())])
def test_row_22_a_withdrawal_behind_a_flood() -> None:
    """The mill has used its budget up with repetitions: the farm's withdrawal, which it brings, passes."""
    stage = street(make=small)
    again = stage.envelopes("mill", "street", Offer)[-1]
    for _ in range(8):
        stage.sim.wire.inject("mill", "street", *[again] * 20)
    last = stage.signed("farm", withdrawal(stage))
    stage.look_from_now()
    stage.sim.wire.inject("mill", "street", last)
    holds(stage.told("house", OfferWithdrawal), "no flood keeps a withdrawal out")


# ------------------------------------------------------------------ 24


@attack(24, without=[Swap("core.offers:OfferTable._check_room", lambda *_: None)])
def test_row_24_offers_without_number() -> None:
    """The farm offers under ever new numbers: LIMIT_REACHED at its bound, what is known stays."""
    stage = street(limits=Limits(offers_per_origin=4))
    body = last_offer(stage)
    more = [stage.signed("farm", replace(body, offer_no=number)) for number in range(2, 7)]
    stage.say(*more)
    holds(stage.complaints() == [ErrorCode.LIMIT_REACHED] * 2, "the fifth and the sixth are refused")
    holds(stage.passed_on(more[0]) and not stage.passed_on(more[-1]), "those before are told on")


@attack(24, without=[Swap("codec.keys:KeyRing._make_room", lambda *_: None)])
def test_row_24_keys_without_number() -> None:
    """The mill certifies ever new keys for itself: LIMIT_REACHED beyond four that are valid."""
    stage = street()
    stage.say(*[_certificate(stage, serial) for serial in range(2, 7)])
    holds(stage.complaints() == [ErrorCode.LIMIT_REACHED] * 2, "four keys of a node are enough")


def _strangers(count: int) -> list[Envelope]:
    """Certificates of nodes that do not exist."""
    issued = START_UTC_S - 3_600
    made = (identity_of(9, f"nobody {n}", PARAMETERS.network_id, issued) for n in range(count))
    return [one.own_key.envelope for one in made]


@attack(24, without=[Swap("model.shares:Shares.admits", lambda table, *_: not table.is_full())])
def test_row_24_nodes_that_do_not_exist() -> None:
    """The mill brings keys of eighty made-up nodes: it gets half of the table, others have their parts."""
    stage = street(limits=Limits(keys=64))
    crowd = _strangers(88)
    for at in range(0, 80, 20):
        stage.say(*crowd[at : at + 20])
    stage.look_from_now()
    stage.sim.wire.inject("house", "street", *crowd[80:])
    holds(not stage.complaints("house"), "there is room for nodes that another neighbour tells of")


@attack(24, without=[Edit("codec.keys:KeyRing._make_room", "if not held:", "if True:")])
def test_row_24_a_key_that_cannot_be_renewed() -> None:
    """The mill has filled the table with made-up nodes: who is known can renew its key all the same."""
    stage = street(limits=Limits(keys=64))
    for at in range(0, 80, 20):
        stage.say(*_strangers(80)[at : at + 20])
    _, renewed = certified(stage, "farm", 2, lifetime_s=86_400)
    stage.say(renewed)
    holds(not stage.complaints(), "no crowd keeps an honest node from renewing its key")


def _certificate(stage: Stage, serial: int) -> Envelope:
    mill = stage.sim.ids["mill"]
    operational = Ed25519Signer.from_seed(serial.to_bytes(32, "big"))
    body: OperationalKey = replace(mill.own_key.body, operational_key=operational.public_key, serial=serial)
    return certify(body, identity=mill.identity, operational=operational).envelope


@attack(
    24,
    without=[
        Edit("core.rib:AdjRibIn.add", "if count > self._per_target_max:", "if False:"),
    ],
)
def test_row_24_paths_without_number() -> None:
    """The mill tells ever new paths to the farm: LIMIT_REACHED at its share of the table."""
    stage = street(limits=Limits(paths_per_origin=4, told_paths_per_origin=2))
    advert = path_of(stage, "farm", "mill", "street")
    last = decoded(advert.entries[-1], PathEntry)
    others = [
        stage.signed("mill", replace(last, not_after_utc_s=last.not_after_utc_s - n)) for n in range(1, 7)
    ]
    stage.say(*[unsigned(PathAdvert(entries=(*advert.entries[:-1], one))) for one in others])
    holds(ErrorCode.LIMIT_REACHED in stage.complaints(), "a neighbour has its share of the table")


# ------------------------------------------------------------------ 39


TWO_WAYS = (
    Cable("left", "farm"),
    Cable("right", "farm"),
    Cable("street", "left"),
    Cable("street", "right"),
    Cable("street", "house"),
)


def way_told(first: str, second: str) -> NodeId:
    """Which of two equal ways to the farm the street tells the house, when one neighbour speaks first."""
    sim = build(*TWO_WAYS, limits=Limits(told_paths_per_origin=1), connect=False)
    offer(sim, "farm")
    stage = Stage(sim)
    sim.wire.connect(sim.node("left"), sim.node("farm"))
    sim.wire.connect(sim.node("right"), sim.node("farm"))
    sim.wait(5)
    for name in (first, second):
        sim.wire.connect(sim.node("street"), sim.node(name))
        sim.wait(5)
    sim.wire.connect(sim.node("street"), sim.node("house"))
    sim.wait(30)
    standing: dict[PathHash, PathAdvert] = {}
    for advert in stage.heard("street", "house", PathAdvert):
        entry = decoded(advert.entries[0], PathEntry)
        if (entry.origin, entry.direction) == (sim.node("farm"), Direction.SUPPLY):
            standing[PathHash(advert.entries[-1].signed[:32])] = advert
    assert not stage.heard("street", "house", PathWithdrawal)
    (told,) = standing.values()
    return decoded(told.entries[0], PathEntry).next_node


@attack(
    39,
    without=[Swap("core.paths:Path.order", property(lambda self: (self.rank, len(self.links), b"")))],  # type: ignore[arg-type]
)
def test_row_39_a_choice_that_depends_on_who_speaks_first() -> None:
    """Of two equal paths the same one is told, whichever was heard first: the order is total."""
    holds(way_told("left", "right") == way_told("right", "left"), "the same way is told in both histories")
