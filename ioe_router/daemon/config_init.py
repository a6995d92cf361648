"""A first node.toml from a few answers: short, commented, and accepted as it stands.

Meanings and units come from the table of options; what is not here has its default.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ioe_router.daemon.config_text import comment_of
from ioe_router.daemon.options import by_name

_AT: Final = 44
_ASK_MICRO: Final = 80_000
_LIMIT_MICRO: Final = 320_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What `ioe config init` asks; powers in watts, `sell` and `buy` in joules per slot."""

    network: str
    listen: str
    import_w: int
    export_w: int
    slot_s: int = 900
    sell: int | None = None
    buy: int | None = None


def first_file(answers: Answers) -> str:
    """The text of the file."""
    parts = [
        "# Configuration of one node: 'ioe config example' prints every option with its unit and default.",
        "# Paths are relative to the folder of this file.",
        "",
        "[node]",
        _line("node.keys", '"keys"'),
        _line("node.store", '"store"'),
        _line("node.listen", f'"{answers.listen}"'),
        "",
        "[network]  # agree on this table with everybody else in the network",
        _line("network.network_id", f'"{answers.network}"'),
        _line("network.currency", '"EUR"'),
        _line("network.slot_s", str(answers.slot_s)),
        _line("network.reference_price_micro_per_kwh", "150000"),
        _line("network.floor_micro_per_kwh", "[300000, 250000, 200000, 150000]"),
        _line("network.link_state_steps", "64"),
        _line("network.voltage_min_micro_pu", "900000"),
        _line("network.voltage_max_micro_pu", "1100000"),
        _line("network.voltage_guard_micro_pu", "5000"),
        "",
        "[connection]",
        _line("connection.import_w", str(answers.import_w)),
        _line("connection.export_w", str(answers.export_w)),
    ]
    if answers.sell is not None:
        parts += ["", "[[agent.offer]]", *_offer(answers.sell)]
    if answers.buy is not None:
        parts += ["", "[[agent.need]]", *_need(answers.buy)]
    return "\n".join(parts) + "\n"


def _offer(energy_j: int) -> tuple[str, ...]:
    return (
        _line("agent.offer.direction", '"supply"'),
        _line("agent.offer.energy_j", str(energy_j)),
        _line("agent.offer.price_micro_per_kwh", str(_ASK_MICRO)),
    )


def _need(energy_j: int) -> tuple[str, ...]:
    return (
        _line("agent.need.direction", '"supply"'),
        _line("agent.need.energy_j", str(energy_j)),
        _line("agent.need.price_limit_micro_per_kwh", str(_LIMIT_MICRO)),
    )


def _line(name: str, value: str) -> str:
    stated = f"{name.rpartition('.')[2]} = {value}"
    return f"{stated.ljust(_AT)}  # {comment_of(by_name()[name])}"
