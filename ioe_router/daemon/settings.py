"""node.toml: what the operator of one node writes down, and how a mistake in it is named.

Every option is documented in node.example.toml beside this file, with its unit
and default; a test keeps the two equal.  Unknown options are refused with the
nearest known name, wrong values with their place.  Paths are relative to the
folder of the file.  What the files behind the paths say is checked in
assembly.py.
"""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
import typing
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec

from ioe_router.config import BUDGET_BOUNDS, Budgets, Limits, Rate, Timers
from ioe_router.daemon.errors import ConfigRefused

Unsigned = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Positive = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
Signed = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_Ppm = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
_Keepalive = Annotated[int, msgspec.Meta(ge=1_000, le=60_000)]
_Restart = Annotated[int, msgspec.Meta(ge=0, le=3_600)]
_Lifetime = Annotated[int, msgspec.Meta(ge=3_600, le=90 * 86_400)]

_TYPES: Final = {"int": "a whole number", "str": "a text", "bool": "true or false", "array": "a list"}
EXAMPLE: Final = Path(__file__).with_name("node.example.toml")


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file."""


S = TypeVar("S", bound=Section)


class NodeSection(Section, frozen=True, kw_only=True):
    """[node]: this node's files and addresses."""

    keys: str
    store: str
    listen: str
    health: str | None = None
    metrics: str | None = None
    passphrase: Annotated[str, msgspec.Meta(pattern=r"^(file:.+|fd:[0-9]+|credential:[^/]+)$")] | None = None
    signer: tuple[str, ...] = ()
    operational_lifetime_s: _Lifetime = 7 * 86_400
    keepalive_ms: _Keepalive = 5_000
    restart_s: _Restart = 0
    clock: Literal["trusted", "kernel"] = "trusted"
    clock_offset_ms: Signed = 0
    log_level: Literal["debug", "info", "warning", "error"] = "info"


class NetworkSection(Section, frozen=True, kw_only=True):
    """[network]: what all nodes of the network agree on."""

    network_id: str
    currency: str
    slot_s: int
    reference_price_micro_per_kwh: Signed
    floor_micro_per_kwh: tuple[Signed, ...]
    link_state_steps: Positive
    voltage_min_micro_pu: Positive
    voltage_max_micro_pu: Positive
    voltage_guard_micro_pu: Unsigned
    preemption_gap: Unsigned = 0
    preemption_grace_s: Positive = 30


class ConnectionSection(Section, frozen=True, kw_only=True):
    """[connection]: what the node's own devices may exchange."""

    import_w: Unsigned
    export_w: Unsigned
    reactive_max_var: Unsigned = 0
    slack_voltage_micro_pu: Positive = 1_000_000
    forecast_margin_ppm: _Ppm = 0


class BalanceSection(Section, frozen=True, kw_only=True):
    """[balance]: who settles this node's imbalance, or at what prices it settles that of others."""

    party: str | None = None
    imbalance_short_micro_per_kwh: Signed = 0
    imbalance_long_micro_per_kwh: Signed = 0


class NeighborSection(Section, frozen=True, kw_only=True):
    """[[neighbor]]: one neighbour and the attested link to it."""

    node_pub: str
    attestation: str
    address: str | None = None
    role: Literal["sibling", "customer", "provider", "peer"] = "sibling"
    transit: Literal["none", "customers", "paid"] | None = None
    fee_micro_per_kwh: Unsigned = 0


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
    traces_share_ppm: _Ppm = 1_000_000


class DomainSection(Section, frozen=True, kw_only=True):
    """[domain]: the trust domain that the node belongs to."""

    trust: str
    member: str
    meters: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


class AggregationSection(Section, frozen=True, kw_only=True):
    """[aggregation]: what a border offers of its domain to other domains."""

    share_ppm: _Ppm
    steps: Annotated[int, msgspec.Meta(ge=1, le=8)] = 4
    margin_micro_per_kwh: Unsigned = 0
    horizon_slots: Annotated[int, msgspec.Meta(ge=1, le=96)] = 8


class OfferSection(Section, frozen=True, kw_only=True):
    """[[agent.offer]]: energy offered in every slot."""

    direction: Literal["supply", "demand"]
    energy_j: Positive
    price_micro_per_kwh: Signed
    source: Literal["unspecified", "solar", "wind", "hydro", "geothermal", "storage", "fuel", "grid"] = (
        "unspecified"
    )
    carbon_mg_per_kwh: Unsigned = 0
    is_default: bool = False


class NeedSection(Section, frozen=True, kw_only=True):
    """[[agent.need]]: energy wanted in every slot."""

    direction: Literal["supply", "demand"]
    energy_j: Positive
    price_limit_micro_per_kwh: Signed
    default_limit_micro_per_kwh: Signed | None = None
    priority: Annotated[int, msgspec.Meta(ge=0, le=7)] = 4


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
    pairing: PairingSection = PairingSection()
    control: ControlSection = ControlSection()
    telemetry: TelemetrySection = TelemetrySection()
    agent: AgentSection = AgentSection()
    timers: Timers = Timers()
    limits: Limits = Limits()
    budgets: Budgets = Budgets()


def read_settings(path: Path) -> Settings:
    """The settings in a file. ConfigRefused says in one sentence what is wrong, where, and what to write."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigRefused(
            f"{path} does not exist; 'ioe config example' prints a file to begin with"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigRefused(
            f"{path} cannot be read ({error}); check its mode and that it is UTF-8 text"
        ) from error
    return parse_settings(text, str(path))


def parse_settings(text: str, where: str) -> Settings:
    """The settings in a text; `where` names it in errors."""
    settings = parse_toml(text, where, Settings)
    _refuse_negative(settings.timers, "timers", where)
    _refuse_negative(settings.limits, "limits", where)
    _refuse_odd_budgets(settings.budgets, where)
    return settings


def parse_toml(text: str, where: str, kind: type[S]) -> S:
    """A TOML text as a table of this kind. ConfigRefused as above."""
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # beside TOMLDecodeError: digits or brackets without end
        raise ConfigRefused(f"{where} is not valid TOML: {error}; correct that line") from error
    _refuse_unknown(raw, kind, where, "")
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        raise ConfigRefused(f"{where}: {_readable(str(error))}") from error


def options_of(kind: type, prefix: str = "") -> list[str]:
    """Every option under a table as dotted names, for the test of the example file."""
    found: list[str] = []
    for name, inner in _fields(kind).items():
        table = _table_of(inner)
        found += [prefix + name] if table is None else options_of(table, f"{prefix}{name}.")
    return found


def _refuse_unknown(raw: dict[str, Any], kind: type, where: str, prefix: str) -> None:
    """Walk the tables of a file beside their types; what has no field is refused with the nearest name."""
    fields = _fields(kind)
    for name, value in raw.items():
        if name not in fields:
            near = difflib.get_close_matches(name, fields, n=1)
            advice = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(fields)}"
            raise ConfigRefused(f"{where}: there is no option {prefix + name!r}; {advice}")
        table = _table_of(fields[name])
        if table is not None:
            inner = value if isinstance(value, list) else [value]
            for one in inner:
                if isinstance(one, dict):
                    _refuse_unknown(one, table, where, f"{prefix}{name}.")


def _fields(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _table_of(hint: object) -> type | None:
    """The table type inside an annotation, None for a plain value."""
    for inner in (hint, *typing.get_args(hint)):
        if isinstance(inner, type) and (issubclass(inner, Section) or dataclasses.is_dataclass(inner)):
            return inner
    return None


def _refuse_negative(values: Timers | Limits, table: str, where: str) -> None:
    for field in dataclasses.fields(values):
        if getattr(values, field.name) < 0:
            raise ConfigRefused(f"{where}: {table}.{field.name} is negative; write 0 or more")


def _refuse_odd_budgets(budgets: Budgets, where: str) -> None:
    """A budget below its least would refuse honest neighbours; a rate above its most is none."""
    for name, (least, most, least_burst) in BUDGET_BOUNDS.items():
        rate: Rate = getattr(budgets, name)
        if not least <= rate.per_s <= most:
            raise ConfigRefused(
                f"{where}: budgets.{name}.per_s is {rate.per_s}; write a rate from {least} to {most}"
            )
        if rate.burst < least_burst:
            raise ConfigRefused(f"{where}: budgets.{name}.burst is {rate.burst}; write {least_burst} or more")


def _readable(message: str) -> str:
    """A message of msgspec with the place first and types as people call them."""
    what, _, place = message.partition(" - at ")
    for name, words in _TYPES.items():
        what = what.replace(f"`{name}`", words)
    place = place.strip("`").removeprefix("$.")
    what = what.replace("`", "")
    what = what[:1].lower() + what[1:]
    return f"{place}: {what}; correct the value" if place else f"{what}; add it"
