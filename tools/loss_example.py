"""The worked example of SPEC section 8, computed with the arithmetic of the core.

Three nodes in a row, S - H - B; H is the keeper of both links. B buys from S,
S can give less than asked, so both entries are trimmed; B commits, H and S
settle, and at last a third packet and a release show the link's loss account.
Used by `render_spec.py`; nothing here is typed in but the inputs.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ioe_router.core.loss import (
    Increment,
    LinkModel,
    amount_micro,
    price_after_link,
    price_before_link,
)
from ioe_router.model.discovery import LinkAttestation, LinkKind, LossModel
from ioe_router.model.ids import NodeId
from ioe_router.model.routing import Flow

SLOT_S = 900
NET_1_J = 3_600_000  # booked before: from H to S
NET_2_J = 1_800_000  # booked before: from H to B
WANTED_J = 1_800_000
FREE_J = 1_700_000
ASK, FEE_1, FEE_2 = 200_000, 3_000, 5_000
SOLD_J, BID = 900_000, 80_000


def _loss(r_micro_ohm: int, iron_milli_w: int) -> LossModel:
    return LossModel(
        vn_mv=400_000,
        planning_mv=396_000,
        r_micro_ohm=r_micro_ohm,
        x_micro_ohm=0,
        iron_milli_w=iron_milli_w,
        magnetising_var=0,
        charging_var=0,
        tap_ratio_ppm=1_000_000,
        b_ppm=0,
        c_pico_per_w=0,
    )


def _model(loss: LossModel) -> LinkModel:
    attestation = LinkAttestation(
        network_id="example",
        keeper=NodeId(b"H" * 32),
        other=NodeId(b"O" * 32),
        number=0,
        kind=LinkKind.RADIAL,
        serial=1,
        rating_down_va=40_000,
        rating_up_va=40_000,
        loss=loss,
        fee_down_micro_per_kwh=FEE_2,
        fee_up_micro_per_kwh=FEE_2,
        access=False,
        issued_utc_s=1,
        expires_utc_s=2,
    )
    return LinkModel.of(attestation, SLOT_S)


LINK_1 = _model(_loss(80_000, 20_000))
LINK_2 = _model(_loss(120_000, 0))


def _got(entry: Increment | None) -> Increment:
    if entry is None:
        raise AssertionError("the example has no solution; choose other inputs")
    return entry


def _line(name: str, entry: Increment) -> str:
    return f"{name}: d = {entry.flow_j}, s = {entry.sent_j}, y = {entry.received_j}"


def text() -> str:
    """The example as Markdown."""
    return "\n\n".join((_models(), _hold(), _grant(), _settled(), _demand(), _account()))


def _models() -> str:
    rows = [
        "| link | `r_micro_ohm` | `iron_milli_w` | A | B | S | F before, signed | L_int(F) |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, model, net_j in (("1 (S-H)", LINK_1, NET_1_J), ("2 (H-B)", LINK_2, NET_2_J)):
        loss = model.loss
        rows.append(
            f"| {name} | {loss.r_micro_ohm} | {loss.iron_milli_w} | {model.linear} | {model.square} |"
            f" {model.scale} | {net_j} | {model.loss_j(net_j)} |"
        )
    return (
        f"T = {SLOT_S} s, `vn_mv` = 400000, `planning_mv` = 396000, `b_ppm` = `c_pico_per_w` = 0; H is the"
        " keeper of both links, so DOWN leads away from H. A, B and S are printed after division by their"
        " greatest common divisor.\n\n" + "\n".join(rows)
    )


def _hold_entries() -> tuple[Increment, Increment]:
    near = _got(LINK_2.for_received(NET_2_J, WANTED_J, Flow.DOWN, 2 * WANTED_J + 2))
    far = _got(LINK_1.for_received(NET_1_J, near.sent_j, Flow.UP, 2 * near.sent_j + 2))
    return near, far


def _hold() -> str:
    near, far = _hold_entries()
    return (
        f"*HOLD.* B asks for y = {WANTED_J} J (SUPPLY). H, keeper of link 2, enters the smallest packet that"
        f" delivers it; it needs {near.sent_j} J there, and enters link 1, where the packet runs against the"
        " net flow and lowers the loss:\n\n"
        f"```\n{_line('link 2', near)}\n{_line('link 1', far)}\n```\n\n"
        f"HOLD to S asks for {far.received_j} J at H's port, which takes s = {far.sent_j} J from S."
    )


def _granted() -> tuple[Increment, Increment, int, int]:
    far = _got(LINK_1.for_sent(NET_1_J, FREE_J, Flow.UP))
    near = _got(LINK_2.for_sent(NET_2_J, far.received_j, Flow.DOWN))
    at_h = price_after_link(ASK, far, FEE_1)
    return far, near, at_h, price_after_link(at_h, near, FEE_2)


def _grant() -> str:
    far, near, at_h, at_b = _granted()
    return (
        f"*GRANT.* S has only {FREE_J} J left and grants them at its ask of {ASK}. H withdraws and re-enters"
        " both packets; each link's fee is added to what its loss makes of the price:\n\n"
        f"```\n{_line('link 1', far)}\n{_line('link 2', near)}\n"
        f"price at H = ceil(({ASK} * {far.sent_j} + {FEE_1} * {far.flow_j}) / {far.received_j}) = {at_h}\n"
        f"price at B = ceil(({at_h} * {near.sent_j} + {FEE_2} * {near.flow_j}) / {near.received_j}) = {at_b}"
        "\n```"
    )


def _settled() -> str:
    far, near, at_h, at_b = _granted()
    to_h, to_s = amount_micro(at_b, near.received_j), amount_micro(at_h, far.received_j)
    return (
        "*Obligations after COMMITTED*, price times energy at the end nearer the initiator, rounded down:\n\n"
        f"```\nB owes H: floor({at_b} * {near.received_j} / 3600000) = {to_h}\n"
        f"H owes S: floor({at_h} * {far.received_j} / 3600000) = {to_s}\n"
        f"H keeps: {to_h} - {to_s} = {to_h - to_s}\n```\n\n"
        f"S is paid {to_s} micro-units for {far.sent_j} J, the ask alone being worth"
        f" {amount_micro(ASK, far.sent_j)}: the fee of a link stays with its far end, and so does the"
        " remainder of the rounding."
    )


def _demand() -> str:
    first = _got(LINK_2.for_sent(NET_2_J, SOLD_J, Flow.UP))
    second = _got(LINK_1.for_sent(NET_1_J, first.received_j, Flow.DOWN))
    at_h = price_before_link(BID, second, FEE_1)
    at_b = price_before_link(at_h, first, FEE_2)
    return (
        f"*DEMAND, from the state before that trade.* B sells s = {SOLD_J} J to a bid of {BID} that S made."
        " Entries go with the energy, prices come back against it:\n\n"
        f"```\n{_line('link 2', first)}\n{_line('link 1', second)}\n"
        f"price at H = floor(({BID} * {second.received_j} - {FEE_1} * {second.flow_j}) / {second.sent_j})"
        f" = {at_h}\n"
        f"price at B = floor(({at_h} * {first.received_j} - {FEE_2} * {first.flow_j}) / {first.sent_j})"
        f" = {at_b}\n"
        f"H owes B: floor({at_b} * {first.sent_j} / 3600000) = {amount_micro(at_b, first.sent_j)}\n"
        f"S owes H: floor({at_h} * {second.sent_j} / 3600000) = {amount_micro(at_h, second.sent_j)}\n```"
    )


def _account() -> str:
    one = LINK_2.entry(0, NET_2_J, Flow.DOWN)
    _, near, _, _ = _granted()
    both = NET_2_J + near.flow_j
    paid = near.sent_j - near.received_j
    live = one.sent_j - one.received_j + paid
    left = LINK_2.loss_j(near.flow_j)
    return (
        f"*Loss account of link 2.* Let the net flow of {NET_2_J} J before be one packet, entered on the"
        " empty link:\n\n"
        f"```\n{_line('first', one)}\n{_line('second', near)}\n"
        f"net {both}: L_int = {LINK_2.loss_j(both)}, sum of (s - y) = {live},"
        f" account = {LINK_2.loss_j(both) - live}\n"
        f"first released, net {near.flow_j}: L_int = {left}, sum of (s - y) = {paid},"
        f" account = {left - paid}\n```\n\n"
        "While both live the account is what trimming left over, zero here and never positive. After the"
        f" release it is {left - paid}: the second packet paid the increment at a net flow that is no longer"
        f" there. Standing loss of link 1 at Q = 900000 vars: {LINK_1.standing_j(900_000)} J, bought apart."
    )
