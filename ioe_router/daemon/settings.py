"""node.toml: what the operator of one node writes down, and how a mistake in it is named.

The sections here give names, types and defaults; what an option means, its unit and its
bounds are in the table of options (options.py).  A value from the environment
(environment.py) takes the place of one in the file.  Paths are relative to the folder
of the file.  What the files behind the paths say is checked in assembly.py.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from ioe_router.config import BUDGET_BOUNDS, Budgets, Limits, Rate, Timers
from ioe_router.daemon.environment import overrides
from ioe_router.daemon.errors import ConfigRefused
from ioe_router.daemon.options import Option, by_name
from ioe_router.daemon.toml_text import Section, Signed, Source, convert, fields_of, table_of
from ioe_router.daemon.units import unit_of

SourceName = Literal["unspecified", "solar", "wind", "hydro", "geothermal", "storage", "fuel", "grid"]
Action = Literal["accept", "reject"]
_INDEX: Final = re.compile(r"\[\d+\]")


class NodeSection(Section, frozen=True, kw_only=True):
    """[node]: this node's files and addresses."""

    keys: str
    store: str
    listen: str
    health: str | None = None
    metrics: str | None = None
    passphrase: Annotated[str, msgspec.Meta(pattern=r"^(file:.+|fd:[0-9]+|credential:[^/]+)$")] | None = None
    signer: tuple[str, ...] = ()
    operational_lifetime_s: int = 7 * 86_400
    keepalive_ms: int = 5_000
    restart_s: int = 120
    clock: Literal["trusted", "kernel"] = "trusted"
    clock_offset_ms: int = 0
    log_level: Literal["debug", "info", "warning", "error"] = "info"


class NetworkSection(Section, frozen=True, kw_only=True):
    """[network]: what all nodes of the network agree on."""

    network_id: str
    currency: str
    slot_s: int
    reference_price_micro_per_kwh: int
    floor_micro_per_kwh: tuple[Signed, ...]
    link_state_steps: int
    voltage_min_micro_pu: int
    voltage_max_micro_pu: int
    voltage_guard_micro_pu: int
    preemption_gap: int = 0
    preemption_grace_s: int = 30


class ConnectionSection(Section, frozen=True, kw_only=True):
    """[connection]: what the node's own devices may exchange."""

    import_w: int
    export_w: int
    reactive_max_var: int = 0
    slack_voltage_micro_pu: int = 1_000_000
    forecast_margin_ppm: int = 0


class BalanceSection(Section, frozen=True, kw_only=True):
    """[balance]: who settles this node's imbalance, or at what prices it settles that of others."""

    party: str | None = None
    imbalance_short_micro_per_kwh: int = 0
    imbalance_long_micro_per_kwh: int = 0


class NeighborSection(Section, frozen=True, kw_only=True):
    """[[neighbor]]: one neighbour and the attested link to it."""

    node_pub: str
    attestation: str
    name: str | None = None
    address: str | None = None
    role: Literal["sibling", "customer", "provider", "peer"] = "sibling"
    transit: Literal["none", "customers", "paid"] | None = None
    fee_micro_per_kwh: int = 0


class FilterSection(Section, frozen=True, kw_only=True):
    """[[policy.import_filter]], [[policy.export_filter]]: one rule."""

    name: str
    action: Action
    neighbor: tuple[str, ...] = ()
    origin: tuple[str, ...] = ()
    direction: Literal["supply", "demand"] | None = None
    source: tuple[SourceName, ...] = ()
    is_default: bool | None = None
    price_above_micro_per_kwh: int | None = None
    price_below_micro_per_kwh: int | None = None
    carbon_above_mg_per_kwh: int | None = None
    carbon_below_mg_per_kwh: int | None = None


class PolicySection(Section, frozen=True, kw_only=True):
    """[policy]: what is let in, let out and bought."""

    transit: bool = True
    import_default: Action = "accept"
    export_default: Action = "accept"
    import_filter: tuple[FilterSection, ...] = ()
    export_filter: tuple[FilterSection, ...] = ()
    price_cap_micro_per_kwh: int | None = None
    fee_max_micro_per_kwh: int | None = None
    source_premium_micro_per_kwh: dict[SourceName, int] = msgspec.field(default_factory=dict)
    carbon_price_micro_per_kg: int = 0
    battery_reserve_j: int = 0


class PairingSection(Section, frozen=True, kw_only=True):
    """[pairing]: what `ioe pair` uses."""

    peers: str = "peers"
    listen: str = "0.0.0.0:7444"
    announce: bool = False


class ControlSection(Section, frozen=True, kw_only=True):
    """[control]: where `ioe show` and its like ask this node."""

    socket: str | None = None
    read_only_socket: str | None = None
    listen: str | None = None
    certificate: str | None = None
    key: str | None = None
    operators: tuple[str, ...] = ()
    viewers: tuple[str, ...] = ()


class TelemetrySection(Section, frozen=True, kw_only=True):
    """[telemetry]: traces of reservations across hops."""

    traces: str | None = None
    traces_share_ppm: int = 1_000_000


class DomainSection(Section, frozen=True, kw_only=True):
    """[domain]: the trust domain that the node belongs to."""

    trust: str
    member: str
    meters: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


class AggregationSection(Section, frozen=True, kw_only=True):
    """[aggregation]: what a border offers of its domain to other domains."""

    share_ppm: int
    steps: int = 4
    margin_micro_per_kwh: int = 0
    horizon_slots: int = 8


class OfferSection(Section, frozen=True, kw_only=True):
    """[[agent.offer]]: energy offered in every slot."""

    direction: Literal["supply", "demand"]
    energy_j: int
    energy_cap_j: int = 0
    price_micro_per_kwh: int
    source: SourceName = "unspecified"
    carbon_mg_per_kwh: int = 0
    is_default: bool = False


class NeedSection(Section, frozen=True, kw_only=True):
    """[[agent.need]]: energy wanted in every slot."""

    direction: Literal["supply", "demand"]
    energy_j: int
    price_limit_micro_per_kwh: int
    default_limit_micro_per_kwh: int | None = None
    priority: int = 4


class AgentSection(Section, frozen=True, kw_only=True):
    """[agent]: what this node trades by itself."""

    offer: tuple[OfferSection, ...] = ()
    need: tuple[NeedSection, ...] = ()


class Settings(Section, frozen=True, kw_only=True):
    """The whole file."""

    node: NodeSection
    network: NetworkSection
    connection: ConnectionSection
    balance: BalanceSection = BalanceSection()
    domain: DomainSection | None = None
    aggregation: AggregationSection | None = None
    neighbor: tuple[NeighborSection, ...] = ()
    policy: PolicySection = PolicySection()
    pairing: PairingSection = PairingSection()
    control: ControlSection = ControlSection()
    telemetry: TelemetrySection = TelemetrySection()
    agent: AgentSection = AgentSection()
    timers: Timers = Timers()
    limits: Limits = Limits()
    budgets: Budgets = Budgets()


def read_settings(path: Path, environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings in a file. ConfigRefused says in one sentence what is wrong, where, and what to write."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigRefused(f"{path} does not exist; 'ioe config init' makes one") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigRefused(
            f"{path} cannot be read ({error}); check its mode and that it is UTF-8 text"
        ) from error
    return parse_settings(text, str(path), environ)


def parse_settings(text: str, where: str, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings in a text, and in the environment if one is given; `where` names the text in errors."""
    source = Source(text, where, overrides(environ or {}, Settings))
    settings = convert(source, Settings)
    for name, value in numbers_of(settings):
        option = by_name().get(_INDEX.sub("", name))
        if option is not None and not option.allows(value):
            raise ConfigRefused(f"{source.place(name)}: {_out_of_range(name, value, option)}")
    _refuse_odd_budgets(settings.budgets, source)
    return settings


def numbers_of(value: object, prefix: str = "") -> Iterator[tuple[str, int]]:
    """Every whole number in a table by its dotted name."""
    for name in fields_of(type(value)):
        inner = getattr(value, name)
        if isinstance(inner, int) and not isinstance(inner, bool):
            yield prefix + name, inner
        elif table_of(type(inner)) is not None:
            yield from numbers_of(inner, f"{prefix}{name}.")
        elif isinstance(inner, tuple):
            for index, one in enumerate(inner):
                if table_of(type(one)) is not None:
                    yield from numbers_of(one, f"{prefix}{name}[{index}].")


def _out_of_range(name: str, value: int, option: Option) -> str:
    unit = unit_of(name)
    bounds = option.range() or "a number of 64 bits"
    return f"{name} is {value}; write {bounds}{f', in {unit}' if unit else ''}"


def _refuse_odd_budgets(budgets: Budgets, source: Source) -> None:
    """A budget below its least would refuse honest neighbours; a rate above its most is none."""
    for name, (least, most, least_burst) in BUDGET_BOUNDS.items():
        rate: Rate = getattr(budgets, name)
        where = source.place(f"budgets.{name}")
        if not least <= rate.per_s <= most:
            raise ConfigRefused(
                f"{where}: budgets.{name}.per_s is {rate.per_s}; write a rate from {least} to {most}"
            )
        if rate.burst < least_burst:
            raise ConfigRefused(f"{where}: budgets.{name}.burst is {rate.burst}; write {least_burst} or more")
