"""What one router is told: who it is, its links, its policy, limits and timers. Reads no files.

Every bound that SPEC section 14 names is a field here, with the default of
that section; the daemon fills it from node.toml, an embedder by hand.  What of it
may change while the router runs is decided in core/reconfiguration.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from ioe_router.model.discovery import Role
from ioe_router.model.envelope import Envelope
from ioe_router.model.ids import NodeId
from ioe_router.model.parameters import NetworkParameters
from ioe_router.model.routing import Direction, SourceClass


class Transit(StrEnum):
    """Whether energy of others may cross this node into a link."""

    NONE = "none"
    CUSTOMERS = "customers"
    PAID = "paid"


class FilterAction(StrEnum):
    """What becomes of what a rule matches."""

    ACCEPT = "accept"
    REJECT = "reject"


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterRule:
    """One line of a filter: what is left empty matches everything, what is stated must all hold."""

    name: str
    action: FilterAction
    neighbors: tuple[NodeId, ...] = ()  # who has told it (import), or is to be told (export)
    origins: tuple[NodeId, ...] = ()
    direction: Direction | None = None
    sources: tuple[SourceClass, ...] = ()  # from here on about offers
    is_default: bool | None = None
    price_above_micro_per_kwh: int | None = None  # in any slot
    price_below_micro_per_kwh: int | None = None
    carbon_above_mg_per_kwh: int | None = None
    carbon_below_mg_per_kwh: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the operator lets in and out, and what this node buys. Rules in order: the first that matches."""

    imports: tuple[FilterRule, ...] = ()
    import_default: FilterAction = FilterAction.ACCEPT
    exports: tuple[FilterRule, ...] = ()
    export_default: FilterAction = FilterAction.ACCEPT
    price_cap_micro_per_kwh: int | None = None  # most that is paid at the own port, whatever a want allows
    fee_max_micro_per_kwh: int | None = None  # most wheeling fees of all links of a path that is used
    source_premium_micro_per_kwh: tuple[tuple[SourceClass, int], ...] = ()  # what a source is worth more here
    carbon_price_micro_per_kg: int = 0  # what a kilogram less is worth here when sources are compared
    storage_reserve_j: int = 0  # of the shared energy of an offer from storage: never sold


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainConfig:
    """The trust domain that a node belongs to, and those that it deals with (SPEC section 4.10)."""

    lists: tuple[Envelope, ...]  # TRUST_LISTs of the own domain by serial; the last is in force
    member: Envelope  # MEMBER_CERTIFICATE of this node
    meters: tuple[Envelope, ...] = ()  # METER_CERTIFICATEs of this node
    others: tuple[Envelope, ...] = ()  # the newest TRUST_LIST of each other domain


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregationConfig:
    """How a border offers its domain's supply to other domains (SPEC section 7.13)."""

    share_ppm: int  # this border's part of the supply; those of all borders add up to a million at most
    steps: int = 4  # offers that the curve is cut into; they count among `offers_per_origin`
    margin_micro_per_kwh: int = 0  # on top of the cost here, for the liability
    horizon_slots: int = 8  # slots ahead


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighborConfig:
    """One configured neighbour and the attested link to it."""

    node: NodeId
    attestation: Envelope  # signed by both ends
    role: Role = Role.SIBLING  # what the neighbour is to this node's domain
    transit: Transit | None = None  # None: PAID within the domain, NONE between domains
    fee_micro_per_kwh: int = 0  # for energy of paths that this node tells the neighbour

    @property
    def transit_in_force(self) -> Transit:
        """What is configured, else the default of the role."""
        if self.transit is not None:
            return self.transit
        return Transit.PAID if self.role is Role.SIBLING else Transit.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Timers:
    """Timer values in milliseconds (SPEC section 14 gives minimum, maximum and conformance profile)."""

    handshake_ms: int = 10_000
    keepalive_ms: int = 20_000  # 0 leaves signs of life to the transport alone
    hold_ms: int = 45_000
    hold_step_ms: int = 1_000  # what each hop takes off
    commit_retry_ms: int = 2_000
    link_state_ms: int = 2_000  # at most one update per link and interval
    advert_ms: int = 500  # batching of improvements; reductions go at once
    path_lifetime_s: int = 172_800
    offer_lifetime_max_s: int = 86_400
    damping_half_life_s: int = 60  # an offer's count of changes halves in this time
    outcome_kept_s: int = 7_200
    retain_s: int = 300  # what was told and heard is retained after a session; longest restart waited for


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of every table (SPEC section 14). At a bound the answer is a refusal, never an eviction."""

    neighbors: int = 64
    origins: int = 4096
    offers_per_origin: int = 8
    paths_per_origin: int = 32
    told_paths_per_origin: int = 4
    path_links: int = 32
    holds_per_link: int = 1024
    holds_per_origin: int = 256
    reservations: int = 8192  # open, or remembered for repeated questions
    packets: int = 131_072  # of those
    held_link_ppm: int = 1_000_000  # of a link's limit: held by all in one slot and direction
    held_share_ppm: int = 750_000  # of a link's limit: held by one initiator in one slot and direction
    keys: int = 8192
    attestations: int = 8192
    revocations: int = 1024
    link_states: int = 65536
    damping_suppress_updates: int = 12  # decayed count of changes above which an offer's improvements wait
    damping_reuse_updates: int = 6  # and at which they go on again


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A budget: so much a second in the long run, and so much at once after a pause."""

    per_s: int
    burst: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Budgets:
    """How much work is done for others (SPEC section 14.5 gives minimum, maximum and reasons)."""

    frames: Rate = Rate(per_s=100, burst=2_000)  # from here on per neighbour
    bytes: Rate = Rate(per_s=262_144, burst=8_388_608)
    objects: Rate = Rate(per_s=500, burst=8_192)
    signatures: Rate = Rate(per_s=500, burst=8_192)
    urgent_objects: Rate = Rate(per_s=200, burst=4_096)
    urgent_signatures: Rate = Rate(per_s=200, burst=4_096)
    revocations: Rate = Rate(per_s=10, burst=2_048)
    refusals: Rate = Rate(per_s=10, burst=200)
    signer_updates: Rate = Rate(per_s=50, burst=4_096)  # from here on per signer
    signer_urgent: Rate = Rate(per_s=20, burst=1_024)


BUDGET_BOUNDS: Final[Mapping[str, tuple[int, int, int]]] = {  # least and most rate, least burst
    "frames": (50, 10**6, 1_000),
    "bytes": (131_072, 10**9, 4_194_304),
    "objects": (200, 10**6, 4_096),
    "signatures": (200, 10**6, 4_096),
    "urgent_objects": (100, 10**6, 2_048),
    "urgent_signatures": (100, 10**6, 2_048),
    "revocations": (5, 10**6, 1_024),
    "refusals": (1, 1_000, 20),
    "signer_updates": (20, 10**6, 1_024),
    "signer_urgent": (10, 10**6, 256),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterConfig:
    """All that the core is told about its place in the network."""

    node: NodeId
    parameters: NetworkParameters
    neighbors: tuple[NeighborConfig, ...]
    balance_party: NodeId | None  # settles this node's imbalance; None when the node is one itself
    connection_import_w: int
    connection_export_w: int
    reactive_max_var: int
    slack_voltage_micro_pu: int  # used by the zone's root only
    imbalance_short_micro_per_kwh: int = 0  # what a balance party charges and pays when it keeps the default
    imbalance_long_micro_per_kwh: int = 0
    aggregation: AggregationConfig | None = None  # borders only
    domain: DomainConfig | None = None  # None: all configured neighbours form one domain without roots
    resume_sessions: bool = True  # feature RESUME: compare before repeating, wait for announced restarts
    forecast_margin_ppm: int = 0  # part of a link's rating kept free for forecast errors
    policy: Policy = field(default_factory=Policy)
    timers: Timers = field(default_factory=Timers)
    limits: Limits = field(default_factory=Limits)
    budgets: Budgets = field(default_factory=Budgets)
