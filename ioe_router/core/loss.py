"""What a link loses, in whole joules, and what that makes of a price (SPEC section 8).

`L_int(E)` is the loss, in joules, that a slot's net energy E at mid-link
causes: the ceiling of an exact rational.  A packet is charged the *difference*
of L_int before and after it, half at each end:

    sending end                 mid-link                receiving end
        s = d + ceil(inc/2)  ->  d joules  ->  y = d - floor(inc/2)

so that s - y is exactly the increment, and increments telescope: whatever the
order of packets, the sum of (s - y) is L_int of the final net energy.  The
increment is negative against the prevailing flow.  The standing part (iron,
reactive) does not depend on packets and is bought apart.

Net energy F is a signed int here, positive from the keeper (DOWN): inside the
arithmetic a sign is the honest form; on the wire there is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import gcd, isqrt

from ioe_router.model.discovery import LinkAttestation, LossModel
from ioe_router.model.routing import Flow

PPM = 1_000_000
J_PER_KWH = 3_600_000
_PICO = 10**12


@dataclass(frozen=True, slots=True, kw_only=True)
class Increment:
    """One packet on one link, joules: `flow_j` at mid-link (d), `sent_j` (s), `received_j` (y)."""

    flow_j: int
    sent_j: int
    received_j: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkModel:
    """L_int of one link for one slot length: ceil((linear*E + square*E^2) / scale), E in joules."""

    linear: int
    square: int
    scale: int
    slot_s: int
    loss: LossModel

    @staticmethod
    def of(attestation: LinkAttestation, slot_s: int) -> LinkModel:
        """The model that an attestation fixes; the planning voltage holds for the whole slot."""
        return _model(attestation.loss, slot_s)

    def loss_j(self, net_j: int) -> int:
        """L_int: loss of a slot whose net energy at mid-link is `net_j` (either sign)."""
        energy = abs(net_j)
        return -(-(self.linear * energy + self.square * energy * energy) // self.scale)

    def increment_j(self, net_j: int, energy_j: int, flow: Flow) -> int:
        """What `energy_j` more in the sense of `flow` adds to the loss; negative against the net flow."""
        return self.loss_j(net_j + signed(energy_j, flow)) - self.loss_j(net_j)

    def entry(self, net_j: int, flow_j: int, flow: Flow) -> Increment:
        """The two port energies of a packet with `flow_j` at mid-link."""
        inc = self.increment_j(net_j, flow_j, flow)
        return Increment(flow_j=flow_j, sent_j=flow_j + (inc + 1) // 2, received_j=flow_j - inc // 2)

    def for_received(self, net_j: int, received_j: int, flow: Flow, limit_j: int) -> Increment | None:
        """The smallest packet that delivers at least `received_j`; its `received_j` is then set to just that.

        What it would deliver beyond is the never-negative remainder of the
        link's loss account.  None if no packet up to `limit_j` delivers so much.
        """
        bracket = self._bracket(net_j, received_j, flow, limit_j)
        if bracket is None:
            return None
        low, high = bracket
        while high - low > 1:
            middle = (low + high) // 2
            if self.entry(net_j, middle, flow).received_j >= received_j:
                high = middle
            else:
                low = middle
        found = self.entry(net_j, high, flow)
        return Increment(flow_j=high, sent_j=found.sent_j, received_j=received_j)

    def _bracket(self, net_j: int, received_j: int, flow: Flow, limit_j: int) -> tuple[int, int] | None:
        """An interval that contains the answer of `for_received`: losses are small, so start close."""
        if received_j <= 0:
            return None
        low, high = 0, min(limit_j, received_j)
        while (short_j := received_j - self.entry(net_j, high, flow).received_j) > 0:
            if high == limit_j:
                return None
            low, high = high, min(limit_j, high + 2 * short_j)
        return low, high

    def for_sent(self, net_j: int, sent_j: int, flow: Flow) -> Increment | None:
        """The largest packet that needs at most `sent_j`; its `sent_j` is then set to just that."""
        low, high = 0, sent_j + abs(self.loss_j(net_j)) + 2
        while high - low > 1:
            middle = (low + high) // 2
            if self.entry(net_j, middle, flow).sent_j <= sent_j:
                low = middle
            else:
                high = middle
        if low == 0:
            return None
        return Increment(flow_j=low, sent_j=sent_j, received_j=self.entry(net_j, low, flow).received_j)

    def standing_j(self, reactive_vars: int) -> int:
        """Loss that no packet carries: iron at planning voltage and k*Q^2, joules, rounded up."""
        loss = self.loss
        iron = loss.iron_milli_w * loss.planning_mv**2 * self.slot_s
        copper = loss.r_micro_ohm * reactive_vars * reactive_vars
        return _ceil(iron, 1000 * loss.vn_mv**2) + _ceil(copper, loss.planning_mv**2 * self.slot_s)

    def loss_share_ppm(self, energy_j: int) -> int:
        """Loss of `energy_j` alone on the link, parts per million of it, rounded up."""
        return _ceil(self.loss_j(energy_j) * PPM, energy_j) if energy_j else 0


@lru_cache(maxsize=65536)
def _model(loss: LossModel, slot_s: int) -> LinkModel:
    volt2 = loss.planning_mv**2
    linear = loss.b_ppm * volt2 * (_PICO // PPM) * slot_s
    square = loss.r_micro_ohm * _PICO + loss.c_pico_per_w * volt2
    scale = _PICO * volt2 * slot_s
    common = gcd(linear, square, scale)
    return LinkModel(
        linear=linear // common, square=square // common, scale=scale // common, slot_s=slot_s, loss=loss
    )


def _ceil(numerator: int, denominator: int) -> int:
    return -(-numerator // denominator)


def signed(energy_j: int, flow: Flow) -> int:
    """`energy_j` as a signed net contribution: positive DOWN, negative UP."""
    return energy_j if flow is Flow.DOWN else -energy_j


def opposite(flow: Flow) -> Flow:
    """The other sense of a link."""
    return Flow.UP if flow is Flow.DOWN else Flow.DOWN


def usable_w(rating_va: int, reactive_var: int, voltage_min_micro_pu: int) -> int:
    """Active power that a rating leaves at the lowest voltage beside a reactive flow; 0 when none."""
    apparent = rating_va * voltage_min_micro_pu // PPM
    room = apparent * apparent - reactive_var * reactive_var
    return isqrt(room) if room > 0 else 0


def price_after_link(price_in: int, entry: Increment, fee: int) -> int:
    """Price per kWh at the receiving end of SUPPLY energy: covers loss and fee, rounded up."""
    return _ceil(price_in * entry.sent_j + fee * entry.flow_j, entry.received_j)


def price_before_link(price_out: int, entry: Increment, fee: int) -> int:
    """Price per kWh at the sending end of energy that a DEMAND offer pays for, rounded down."""
    return (price_out * entry.received_j - fee * entry.flow_j) // entry.sent_j


def amount_micro(price_micro_per_kwh: int, energy_j: int) -> int:
    """What `energy_j` costs, micro-units, rounded down (towards minus infinity)."""
    return price_micro_per_kwh * energy_j // J_PER_KWH


def halves(energy_j: int, *, odd_to_first: bool) -> tuple[int, int]:
    """Split between (first, second) end; the odd joule goes where it is said."""
    small = energy_j // 2
    large = energy_j - small
    return (large, small) if odd_to_first else (small, large)
