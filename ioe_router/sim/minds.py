"""Hosts that change their mind: commands that agents give seldom, so that their paths are travelled, too.

Some come too late, or name what is not the host's own: the router has to say so and go on.
"""

from __future__ import annotations

import random
from typing import Final

from ioe_router.core.inputs import CurtailReservation, Input, ReleaseReservation, ReplaceReservation
from ioe_router.core.reservation import Reservation
from ioe_router.model.reservation import ReservationState
from ioe_router.sim.host import Host

OVERTAKEN: Final = 0.2  # part of the commands that may name any reservation in any state


def change_mind(what: str, host: Host, rng: random.Random) -> Input | None:
    """Release, replace or curtail a reservation that the host knows, drawn at random; None: it has none."""
    if host.router is None:
        return None
    records = [*host.router.inspect().reservations.all()]
    if rng.random() >= OVERTAKEN:
        records = [record for record in records if record.state is ReservationState.COMMITTED]
        if what != "curtail":
            records = [record for record in records if record.toward_initiator is None]
    if what == "curtail":
        records = [record for record in records if record.granted]
    return _command(what, rng.choice(records), rng) if records else None


def _command(what: str, record: Reservation, rng: random.Random) -> Input:
    reservation = record.key[0]
    if what == "release":
        return ReleaseReservation(reservation=reservation)
    energy_j = {index: granted.energy_j for index, granted in record.granted.items()}
    if what == "curtail":
        cut = [index for index in energy_j if rng.random() < rng.choice((0.4, 1.0))]
        remaining = tuple((index, rng.randint(0, energy_j[index])) for index in cut or energy_j)
        return CurtailReservation(reservation=reservation, remaining=remaining)
    wanted_j = max(1, sum(energy_j.values()) * rng.choice((1, 3, 5)) // 3)
    return ReplaceReservation(
        reservation=reservation,
        energy_j=wanted_j,
        energy_min_j=1,
        price_limit_micro_per_kwh=record.core.body.price_limit_micro_per_kwh,
    )
