"""What a HOLD is refused for: the code, the answer, and nothing left behind."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ioe_router.codec import bounds, mapping
from ioe_router.core.events import Booked, HoldAnswered
from ioe_router.model.discovery import Fault, LinkKind
from ioe_router.model.errors import ErrorCode, PeerError, Persistence, Scope, UsageError
from ioe_router.model.ids import PathHash
from ioe_router.model.parameters import NO_BAND
from ioe_router.model.reservation import HoldCore, HoldItem, PacketEnergy, ReservationState
from ioe_router.model.routing import Direction
from tests.simulation.objects import Puppet
from tests.simulation.pair import KWH_J, SLOT, SLOT_S, Cable, build
from tests.simulation.sold_over_b import line, nothing_booked, repair

S = ReservationState


# ------------------------------------------------------------------ time


def test_a_hold_from_the_future_is_refused() -> None:
    """A HOLD_CORE signed a minute ahead passes; a millisecond more is FROM_FUTURE and nothing is kept."""
    sim = repair()
    ahead_ms = sim.wire.now.utc_ms + 60_000
    refuse = Puppet(sim, "c", "b", "a", changes={"issued_utc_ms": ahead_ms + 1}).ask().refused()
    assert refuse.code is ErrorCode.FROM_FUTURE
    nothing_booked(sim)
    assert Puppet(sim, "c", "b", "a", changes={"issued_utc_ms": ahead_ms}).ask().granted()


@pytest.mark.parametrize(
    ("before_s", "band", "code"),
    [
        (601, 0, ErrorCode.TOO_EARLY),
        (600, 1, ErrorCode.TOO_EARLY),
        (600, NO_BAND, ErrorCode.TOO_EARLY),
        (531, NO_BAND, ErrorCode.TOO_EARLY),
        (420, 0, ErrorCode.GATE_CLOSED),
        (241, NO_BAND, ErrorCode.GATE_CLOSED),
        (240, 6, ErrorCode.GATE_CLOSED),
        (120, NO_BAND, ErrorCode.GATE_CLOSED),
        (1, NO_BAND, ErrorCode.GATE_CLOSED),
        (0, NO_BAND, ErrorCode.IN_PAST),
        (-900, NO_BAND, ErrorCode.IN_PAST),
    ],
)
def test_a_hold_at_the_wrong_time_is_refused(before_s: int, band: int, code: ErrorCode) -> None:
    """The phase of the slot decides at the second, and the refusal says RESERVATION."""
    sim = line()
    sim.at(before_s)
    refuse = Puppet(sim, "c", "b", "a", changes={"band": band}).ask().refused()
    assert (refuse.code, refuse.scope, refuse.failing_node) == (code, Scope.RESERVATION, sim.node("b"))
    temporary = code in (ErrorCode.TOO_EARLY, ErrorCode.GATE_CLOSED)
    assert refuse.persistence is (Persistence.TEMPORARY if temporary else Persistence.PERMANENT)
    nothing_booked(sim)


@pytest.mark.parametrize(
    ("before_s", "band"),
    [(600, 0), (590, 1), (590, 0), (421, 6), (421, NO_BAND), (240, NO_BAND), (121, NO_BAND)],
)
def test_a_hold_at_the_right_time_is_granted(before_s: int, band: int) -> None:
    """On the edges of its phase a HOLD passes."""
    sim = line()
    sim.at(before_s)
    assert Puppet(sim, "c", "b", "a", changes={"band": band}).ask().granted()[0].energy_j > KWH_J
    sim.check()


def test_one_packet_at_the_wrong_time_refuses_the_whole_hold() -> None:
    """A batch with one packet of the next slot, whose bands are closed, is refused and enters nothing."""
    sim = repair()
    items = tuple(
        HoldItem(index=i, slot_utc_s=slot, energy_j=KWH_J, energy_min_j=1)
        for i, slot in ((1, SLOT), (2, SLOT + SLOT_S))
    )
    assert Puppet(sim, "c", "b", "a", changes={"items": items}).ask().refused().code is ErrorCode.TOO_EARLY
    nothing_booked(sim)


@pytest.mark.parametrize("off_s", [1, -1, 450])
def test_a_slot_that_is_not_aligned_is_refused(off_s: int) -> None:
    """Else a second ledger of the same minutes would sell the link's capacity twice."""
    sim = repair()
    item = HoldItem(index=1, slot_utc_s=SLOT + off_s, energy_j=KWH_J, energy_min_j=1)
    assert (
        Puppet(sim, "c", "b", "a", changes={"items": (item,)}).ask().refused().code is ErrorCode.OUT_OF_BOUNDS
    )
    nothing_booked(sim)


# ------------------------------------------------------------------ what is asked


def test_a_label_that_was_never_told_is_refused() -> None:
    """NO_PATH, about the node."""
    sim = repair()
    refuse = Puppet(sim, "c", "b", "a", hold_changes={"path": PathHash(b"x" * 32)}).ask().refused()
    assert (refuse.code, refuse.scope) == (ErrorCode.NO_PATH, Scope.NODE)
    nothing_booked(sim)


def test_a_label_leads_to_its_own_origin_only() -> None:
    """A HOLD_CORE that names another origin than its label leads to is NO_PATH: nobody could sign for it."""
    sim = repair()
    puppet = Puppet(sim, "c", "b", "a", changes={"origin": sim.node("c")}).ask()
    assert puppet.refused().code is ErrorCode.NO_PATH
    nothing_booked(sim)


def test_a_label_serves_its_own_direction_only() -> None:
    """A label of SUPPLY does not carry a DEMAND reservation: fees and transit are the other's."""
    sim = repair()
    sim.offer("a", 300_000, direction=Direction.DEMAND, offer_no=2)
    sim.wait(2)
    puppet = Puppet(sim, "c", "b", "a")
    wrong = {"direction": Direction.DEMAND, "path": puppet.body.path, "offer_no": 2}
    wrong["price_limit_micro_per_kwh"] = 0
    puppet = Puppet(sim, "c", "b", "a", changes={**wrong}, hold_changes={"path": puppet.body.path}).ask()
    assert puppet.refused().code is ErrorCode.NO_PATH
    assert sim.entries("a", "b") == sim.entries("b", "c") == ()


def test_an_offer_that_does_not_exist_is_refused_by_the_origin() -> None:
    """NO_OFFER, about the offer, from the origin, and the hop has undone its entries."""
    sim = repair()
    refuse = Puppet(sim, "c", "b", "a", changes={"offer_no": 7}).ask().refused()
    assert (refuse.code, refuse.scope) == (ErrorCode.NO_OFFER, Scope.OFFER)
    assert refuse.failing_node == sim.node("a")
    nothing_booked(sim)


def test_a_version_of_the_offer_from_the_future_is_refused() -> None:
    """OFFER_CHANGED when the HOLD claims to have read what was never published."""
    sim = repair()
    puppet = Puppet(sim, "c", "b", "a", changes={"offer_epoch": 2}).ask()
    assert puppet.refused().code is ErrorCode.OFFER_CHANGED
    nothing_booked(sim)


def test_a_sold_out_offer_counters_with_what_is_left() -> None:
    """NO_ENERGY once the slot is sold, with a counter-offer of 0; PRICE_LIMIT counters with what is free."""
    sim = repair()
    sim.offer("a", 100_000, 1_000)
    low = Puppet(sim, "c", "b", "a", changes={"price_limit_micro_per_kwh": 99_999}).ask().refused()
    assert (low.code, low.persistence) == (ErrorCode.PRICE_LIMIT, Persistence.RELATIVE)
    assert [item.counter_offer_j for item in low.items] == [1_000]
    first = Puppet(sim, "c", "b", "a").ask().granted()
    assert [item.energy_j for item in first] != [0]
    sold_out = Puppet(sim, "c", "b", "a").ask().refused()
    assert sold_out.code is ErrorCode.NO_ENERGY
    assert [item.counter_offer_j for item in sold_out.items] == [0]
    sim.check()


def test_zero_energy_is_refused() -> None:
    """A HOLD for nothing is ZERO_ENERGY and enters nothing."""
    sim = repair()
    refuse = Puppet(sim, "c", "b", "a", (0,)).ask().refused()
    assert refuse.code is ErrorCode.ZERO_ENERGY
    nothing_booked(sim)


def test_zero_energy_gains_nothing_from_an_opposite_flow() -> None:
    """Against a strong flow the loss falls; a packet that sends 0 J must not receive the difference."""
    sim = repair()
    sim.want("c", 5 * KWH_J, 200_000)
    sim.wait(15)
    assert sim.entries("a", "b")
    sim.offer("a", 500_000, direction=Direction.DEMAND, offer_no=2)
    sim.wait(2)
    changes = {"direction": Direction.DEMAND, "offer_no": 2, "price_limit_micro_per_kwh": 0}
    assert Puppet(sim, "c", "b", "a", (0,), changes).ask().refused().code is ErrorCode.ZERO_ENERGY
    sim.check_quiet()


def test_the_most_energy_that_can_be_written_is_cut_to_what_fits() -> None:
    """2^53 - 1 joules are asked, the narrowest link decides, and nothing overflows."""
    sim = repair(ab_va=1_112)
    (item,) = Puppet(sim, "c", "b", "a", (2**53 - 1,)).ask().granted()
    assert 0 < item.energy_j <= 900_000
    assert 899_000 <= sim.used_j("b", "a") <= 900_000
    sim.check()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"bond_micro": 1}, ErrorCode.OUT_OF_BOUNDS),
        ({"hold_fee_micro": 1}, ErrorCode.OUT_OF_BOUNDS),
        ({"band": 12}, ErrorCode.OUT_OF_BOUNDS),
        ({"priority": 8}, ErrorCode.OUT_OF_BOUNDS),
        ({"version": 0}, ErrorCode.OUT_OF_BOUNDS),
        (
            {"items": (HoldItem(index=2, slot_utc_s=SLOT, energy_j=1, energy_min_j=1),)},
            ErrorCode.OUT_OF_BOUNDS,
        ),
    ],
    ids=["bond", "hold fee", "band", "priority", "version 0", "index 2 first"],
)
def test_fields_out_of_bounds_do_not_leave_the_node_that_would_send_them(
    changes: dict[str, Any], code: ErrorCode
) -> None:
    """The sealer refuses them, and the same bytes from elsewhere are refused by the same table."""
    sim = repair()
    body = Puppet(sim, "c", "b", "a").body
    with pytest.raises(UsageError):
        sim.seal("c", replace(body, **changes))
    decoded = mapping.decode(HoldCore, mapping.encode(replace(body, **changes)))
    with pytest.raises(PeerError) as refused:
        bounds.check(decoded)
    assert refused.value.code is code


def test_a_hold_that_names_a_packet_its_core_does_not_have_is_malformed() -> None:
    """MALFORMED, and the good packet of it is undone."""
    sim = repair()
    packets = (PacketEnergy(index=1, energy_j=KWH_J), PacketEnergy(index=2, energy_j=KWH_J))
    refuse = Puppet(sim, "c", "b", "a", hold_changes={"items": packets}).ask().refused()
    assert refuse.code is ErrorCode.MALFORMED
    nothing_booked(sim)


# ------------------------------------------------------------------ batches


def test_a_batch_is_granted_packet_by_packet() -> None:
    """Three packets get three lines and three figures; what is not taken is free again everywhere."""
    sim = repair()
    puppet = Puppet(sim, "c", "b", "a", (KWH_J, 2 * KWH_J, 3 * KWH_J)).ask()
    assert [item.index for item in puppet.granted()] == [1, 2, 3]
    assert len(sim.entries("b", "a")) == 3
    puppet.commit((1, 3))
    assert sim.states("b") == sim.states("a") == [S.COMMITTED]
    assert len(sim.entries("b", "a")) == len(sim.entries("a", "b")) == 2
    (record,) = sim.records("a")
    taken = sum(record.granted[i].energy_j for i in (1, 3))
    assert sim.free_j("a") == 100 * KWH_J - taken
    assert [b.index for b in sim.events("a", Booked)] == [1, 3]
    sim.check()


def test_a_packet_that_does_not_fit_leaves_the_others_alone() -> None:
    """The second packet finds the link full: it is refused with NO_CAPACITY, the first is granted."""
    sim = repair(bc_va=4_450)  # 4005 W, so 3 604 500 J
    puppet = Puppet(sim, "c", "b", "a", (3_600_000, KWH_J, KWH_J)).ask()
    items = puppet.granted()
    assert [item.index for item in items] == [1, 2, 3]
    assert items[0].energy_j > 0
    assert [item.reason for item in items[1:]][-1] is ErrorCode.NO_CAPACITY
    puppet.commit((1,))
    assert sim.states("a") == [S.COMMITTED]
    sim.check()


@pytest.mark.parametrize("where", ["hop", "origin"])
def test_all_or_nothing_leaves_nothing_when_one_packet_fails(where: str) -> None:
    """BELOW_MINIMUM whether a link or the origin lacks what one packet needs."""
    sim = repair(bc_va=4_450 if where == "hop" else 50_000)
    if where == "origin":
        sim.offer("a", 100_000, 4 * KWH_J)
    puppet = Puppet(sim, "c", "b", "a", (3_600_000, 3 * KWH_J, KWH_J), {"all_or_nothing": True}).ask()
    refuse = puppet.refused()
    reasons = {refuse.code, *(item.reason for item in refuse.items)}
    assert ErrorCode.BELOW_MINIMUM in reasons
    assert sim.entries("a", "b") == sim.entries("b", "c") == sim.entries("b", "a") == ()
    assert sim.free_j("a") == (100 if where == "hop" else 4) * KWH_J
    sim.check()


def test_all_or_nothing_is_granted_when_all_of_it_is_there() -> None:
    """The flag alone refuses nothing."""
    sim = repair()
    puppet = Puppet(sim, "c", "b", "a", (KWH_J, KWH_J), {"all_or_nothing": True}).ask()
    assert all(item.energy_j for item in puppet.granted())


# ------------------------------------------------------------------ links that cannot be booked


def test_a_radial_link_without_an_envelope_is_not_bookable_and_the_initiator_hears_it() -> None:
    """The keeper answers NOT_BOOKABLE at once, in place of silence until the hold time is over."""
    sim = build(Cable("b", "a"), Cable("b", "c", kind=LinkKind.RADIAL))
    sim.at(1_200)
    sim.offer("a", 100_000)
    sim.at(500)
    sim.router("b")._parts.ports._envelope = lambda *_: None
    refuse = Puppet(sim, "c", "b", "a").ask().refused()
    assert (refuse.code, refuse.scope) == (ErrorCode.NOT_BOOKABLE, Scope.LINK)
    nothing_booked(sim)


def test_a_keeper_without_an_envelope_can_want_energy_and_does_not_fall_over() -> None:
    """The initiator's own link is not bookable: its want gets NOT_BOOKABLE as its answer."""
    sim = build(Cable("c", "b", kind=LinkKind.RADIAL), Cable("b", "a"))
    sim.at(1_200)
    sim.offer("a", 100_000)
    sim.at(650)
    sim.router("c")._parts.ports._envelope = lambda *_: None
    sim.want("c", KWH_J, 200_000)
    sim.at(430)
    assert {a.code for a in sim.events("c", HoldAnswered)} == {ErrorCode.NOT_BOOKABLE}
    nothing_booked(sim)


def test_an_envelope_that_shrinks_keeps_what_is_live_and_admits_no_more() -> None:
    """The newest envelope limits a slot that has packets, too; without one nothing more is booked."""
    sim = build(Cable("b", "a"), Cable("b", "c", kind=LinkKind.RADIAL))
    sim.at(1_200)
    sim.offer("a", 100_000)
    sim.at(500)
    Puppet(sim, "c", "b", "a", (4 * KWH_J,)).ask().commit()
    live = sim.entries("b", "c")
    assert live
    limits: list[tuple[int, int, int] | None] = [(4_500, 4_500, 0)]  # 4 050 000 J, less than is live
    sim.router("b")._parts.ports._envelope = lambda *_: limits[0]
    assert Puppet(sim, "c", "b", "a").ask().refused().code is ErrorCode.NO_CAPACITY
    limits[0] = None
    assert Puppet(sim, "c", "b", "a").ask().refused().code is ErrorCode.NOT_BOOKABLE
    limits[0] = (20_000, 20_000, 0)
    assert Puppet(sim, "c", "b", "a").ask().granted()[0].energy_j
    assert sim.entries("b", "c")[: len(live)] == live


def test_more_packets_than_allowed_are_refused() -> None:
    """97 packets are out of bounds while the bytes are read, before anything is verified."""
    items = tuple(HoldItem(index=i, slot_utc_s=SLOT, energy_j=1, energy_min_j=1) for i in range(1, 98))
    body = replace(Puppet(repair(), "c", "b", "a").body, items=items)
    with pytest.raises(PeerError) as refused:
        mapping.decode(HoldCore, mapping.encode(body))
    assert refused.value.code is ErrorCode.OUT_OF_BOUNDS


def test_no_complaint_is_answered() -> None:
    """A Fault about an object changes nothing and is not answered."""
    sim = repair()
    puppet = Puppet(sim, "c", "b", "a").ask()
    before = len(sim.wire.passed)
    sim.say("c", "b", Fault(code=ErrorCode.CONFLICT, object=puppet.core_id, text="no"))
    assert len(sim.wire.passed) == before + 1
    assert sim.states("b") == [S.HELD]
