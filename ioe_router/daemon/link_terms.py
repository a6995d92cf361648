"""What two operators agree on about a link, as one of them writes it down for `ioe link attest`.

keeper = "self"                  # or "neighbor": the end that orders admissions; RADIAL: the parent's end
kind = "radial"                  # radial (part of a tree feeder) or controlled (converter, DC, switch port)
serial = 1                       # rises with every new attestation of the link
rating_down_va = 100000          # from the keeper to the other end, volt-ampere
rating_up_va = 100000            # from the other end to the keeper
fee_down_micro_per_kwh = 0       # largest wheeling fee in that direction, micro-units per kWh; default 0
fee_up_micro_per_kwh = 0
access = false                   # true when the other end is a single customer; default false
valid_days = 365                 # default 365

[loss]                           # as in LossModel; what is left out is 0
vn_mv = 400000
planning_mv = 400000
r_micro_ohm = 24700
x_micro_ohm = 8300
tap_ratio_ppm = 1000000          # default 1000000
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from ioe_router.daemon.errors import ConfigRefused
from ioe_router.daemon.toml_text import Positive, Section, Unsigned, parse_toml
from ioe_router.model.discovery import LinkAttestation, LinkKind, LossModel
from ioe_router.model.ids import NodeId

_DAY_S = 86_400


class LossTerms(Section, frozen=True, kw_only=True):
    """[loss]: the fields of LossModel, with its units."""

    vn_mv: Positive
    planning_mv: Positive
    r_micro_ohm: Unsigned = 0
    x_micro_ohm: Unsigned = 0
    iron_milli_w: Unsigned = 0
    magnetising_var: Unsigned = 0
    charging_var: Unsigned = 0
    tap_ratio_ppm: Positive = 1_000_000
    b_ppm: Unsigned = 0
    c_pico_per_w: Unsigned = 0


class LinkTerms(Section, frozen=True, kw_only=True):
    """The whole file."""

    keeper: Literal["self", "neighbor"]
    kind: Literal["radial", "controlled"]
    serial: Positive
    rating_down_va: Positive
    rating_up_va: Positive
    loss: LossTerms
    fee_down_micro_per_kwh: Unsigned = 0
    fee_up_micro_per_kwh: Unsigned = 0
    access: bool = False
    valid_days: Annotated[int, msgspec.Meta(ge=1, le=3_650)] = 365


def read_terms(path: Path) -> LinkTerms:
    """The terms in a file. ConfigRefused names the place of a mistake."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigRefused(
            f"{path} cannot be read ({error}); name a TOML file with the link's terms"
        ) from error
    return parse_toml(text, str(path), LinkTerms)


def attestation_of(
    terms: LinkTerms, *, mine: NodeId, neighbor: NodeId, network_id: str, utc_s: int
) -> LinkAttestation:
    """The attestation that these terms amount to, for link 0 of the pair."""
    keeper, other = (mine, neighbor) if terms.keeper == "self" else (neighbor, mine)
    return LinkAttestation(
        network_id=network_id,
        keeper=keeper,
        other=other,
        number=0,
        kind=LinkKind[terms.kind.upper()],
        serial=terms.serial,
        rating_down_va=terms.rating_down_va,
        rating_up_va=terms.rating_up_va,
        loss=LossModel(**msgspec.structs.asdict(terms.loss)),
        fee_down_micro_per_kwh=terms.fee_down_micro_per_kwh,
        fee_up_micro_per_kwh=terms.fee_up_micro_per_kwh,
        access=terms.access,
        issued_utc_s=utc_s,
        expires_utc_s=utc_s + terms.valid_days * _DAY_S,
    )
