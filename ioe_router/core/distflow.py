"""What one RADIAL link does to P, Q and V, in whole units (SPEC section 11).

    parent's bus                                    child's bus
      |---+--[1 : tap]----- r + jx ----------+------|
          |                                  |
        iron, magnetising,                 charging/2
        charging/2

Impedances stand on the child's side of the tap.  Energies are those of one
slot: active in joules, reactive in var-seconds; voltages are millionths of
nominal.  Inside the arithmetic a sign is the honest form: positive is drawn by
the subtree below, negative is given by it.

Rounding: every term of a sum (a shunt, a series loss, a voltage drop) is
rounded to the nearest unit, halves upwards; a square root is rounded down.
Nothing else rounds, so two implementations find the same integers.

The loss and the other end's voltage are functions of three integers that both
ends hold after a round: P and Q of SWEEP_UP and V of SWEEP_DOWN.  That is why
both ends find the same loss without telling it to each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from typing import Final

from ioe_router.model.discovery import LossModel

NOMINAL_MICRO_PU: Final = 1_000_000
LOWEST_MICRO_PU: Final = 500_000  # voltages outside half and twice nominal are not believed
HIGHEST_MICRO_PU: Final = 2_000_000
_SQUARE: Final = NOMINAL_MICRO_PU**2


@dataclass(frozen=True, slots=True)
class EndEnergy:
    """Energy of a slot at one point of a link, signed: positive is drawn by what lies below."""

    active_j: int
    reactive_vars: int

    def plus(self, other: EndEnergy) -> EndEnergy:
        """Both together."""
        return EndEnergy(self.active_j + other.active_j, self.reactive_vars + other.reactive_vars)

    def within(self, limit: int) -> EndEnergy:
        """The same, neither part larger than `limit`."""
        return EndEnergy(max(-limit, min(limit, self.active_j)), max(-limit, min(limit, self.reactive_vars)))

    @property
    def squared(self) -> int:
        """P^2 + Q^2, in J^2."""
        return self.active_j**2 + self.reactive_vars**2


NOTHING: Final = EndEnergy(0, 0)


def nearest(numerator: int, denominator: int) -> int:
    """The integer nearest to the fraction, halves upwards; `denominator` is positive."""
    return (2 * numerator + denominator) // (2 * denominator)


def planning_micro_pu(loss: LossModel) -> int:
    """The planning voltage of the child's end, millionths of nominal."""
    return nearest(loss.planning_mv * NOMINAL_MICRO_PU, loss.vn_mv)


def parent_shunt(loss: LossModel, parent_micro_pu: int, slot_s: int) -> EndEnergy:
    """What the link draws across its parent's end: iron, magnetising, less half of the charging."""
    squared = parent_micro_pu**2
    return EndEnergy(
        nearest(loss.iron_milli_w * slot_s * squared, 1000 * _SQUARE),
        nearest((2 * loss.magnetising_var - loss.charging_var) * slot_s * squared, 2 * _SQUARE),
    )


def parent_end(
    loss: LossModel, below: EndEnergy, child_micro_pu: int, parent_micro_pu: int, slot_s: int
) -> EndEnergy:
    """Energy at the parent's end, link loss included, when `below` leaves at the child's bus."""
    charging = nearest(loss.charging_var * slot_s * child_micro_pu**2, 2 * _SQUARE)
    through = EndEnergy(below.active_j, below.reactive_vars - charging)
    square = loss.vn_mv**2 * child_micro_pu**2 * slot_s
    lost = EndEnergy(
        nearest(loss.r_micro_ohm * through.squared * _SQUARE, square),
        nearest(loss.x_micro_ohm * through.squared * _SQUARE, square),
    )
    return through.plus(lost).plus(parent_shunt(loss, parent_micro_pu, slot_s))


def child_voltage(loss: LossModel, above: EndEnergy, parent_micro_pu: int, slot_s: int) -> int:
    """Voltage at the child's end, millionths of nominal, from what passes the parent's end.

    Beyond what the link can carry (the voltage in phase with the parent's would
    fall below half of it) the answer is half of nominal, and it never exceeds
    twice nominal: both are outside every band.
    """
    inside = _behind_shunt(loss, above, parent_micro_pu, slot_s)
    behind_tap = _behind_tap(loss, parent_micro_pu)
    impedance = loss.r_micro_ohm * inside.active_j + loss.x_micro_ohm * inside.reactive_vars
    drop = nearest(2 * impedance * _SQUARE, slot_s * loss.vn_mv**2)
    second = nearest(
        (loss.r_micro_ohm**2 + loss.x_micro_ohm**2) * inside.squared * _SQUARE**2,
        slot_s**2 * loss.vn_mv**4 * behind_tap,
    )
    if drop >= behind_tap:
        return LOWEST_MICRO_PU
    return min(HIGHEST_MICRO_PU, max(LOWEST_MICRO_PU, isqrt(behind_tap - drop + second)))


def swept_loss_j(loss: LossModel, above: EndEnergy, parent_micro_pu: int, slot_s: int) -> int:
    """The whole active loss of the link, standing part included, from what passes the parent's end."""
    inside = _behind_shunt(loss, above, parent_micro_pu, slot_s)
    series = nearest(
        loss.r_micro_ohm * inside.squared * _SQUARE,
        loss.vn_mv**2 * slot_s * _behind_tap(loss, parent_micro_pu),
    )
    return series + parent_shunt(loss, parent_micro_pu, slot_s).active_j


def _behind_shunt(loss: LossModel, above: EndEnergy, parent_micro_pu: int, slot_s: int) -> EndEnergy:
    shunt = parent_shunt(loss, parent_micro_pu, slot_s)
    return EndEnergy(above.active_j - shunt.active_j, above.reactive_vars - shunt.reactive_vars)


def _behind_tap(loss: LossModel, parent_micro_pu: int) -> int:
    """Square of the voltage behind the tap, in micro-pu squared, at least 1."""
    return max(1, nearest((loss.tap_ratio_ppm * parent_micro_pu) ** 2, 1_000_000**2))
