"""The bounds themselves, one table per message (SPEC section 14).

Wherever proto/ says "Never sent", the range of the enum begins at 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ioe_router.codec.bound_types import Count, Lengths, Nested, Range, Rule, Text, Unbounded
from ioe_router.model import discovery, envelope, grid, reservation, routing, settlement
from ioe_router.model.envelope import ObjectType
from ioe_router.model.errors import ErrorCode, Persistence, Scope
from ioe_router.model.parameters import NO_BAND

ENVELOPE_BYTES: Final = 65_536
FRAME_BYTES: Final = 1_048_576
FRAME_ENVELOPES: Final = 1024
SLOTS_MAX: Final = 192
PACKETS_MAX: Final = 96
PATH_LINKS: Final = 32
LINES_MAX: Final = 1024

HASH = Lengths(frozenset({32}))  # node ids, object ids, path hashes, keys, nonces
SHORT_ID = Lengths(frozenset({16}))  # links, reservations
BOOL = Unbounded()
ENERGY = Range(0, 2**53 - 1)  # exact in every language's numbers
SOME_ENERGY = Range(1, 2**53 - 1)
POWER = Range(0, 10**12)
PRICE = Range(-(10**12), 10**12)  # a million currency units per kWh
FEE = Range(0, 10**12)
AMOUNT = Range(-(2**62), 2**62)
COUNTER = Range(0, 2**63 - 1)  # sequence numbers, meter counters
NUMBERED = Range(1, 2**63 - 1)  # epochs, serials
UTC_S = Range(1, 2**40)
UTC_MS = Range(1, 2**50)
U32 = Range(0, 2**32 - 1)
VERSION = Range(1, 2**32 - 1)
INDEX = Range(1, PACKETS_MAX)
HOLD_MS = Range(1, 60_000)
RESTART_S = Range(0, 3_600)
COEFFICIENT = Range(0, 10**12)
VOLTAGE_MV = Range(1, 10**9)
MESSAGE_TEXT = Text(0, 128)
NETWORK_ID = Text(1, 64)
ZERO = Range(0, 0)
ROUND = Range(1, 2)
DIRECTION = Range(routing.Direction.SUPPLY, routing.Direction.DEMAND)
ANY_CODE = Range(ErrorCode.UNSPECIFIED, max(ErrorCode))
CODE = Range(1, max(ErrorCode))


def _holds(*types: ObjectType, optional: bool = False) -> Nested:
    return Nested(types=frozenset(types), optional=optional)


KEEPER_ENTRY = _holds(ObjectType.KEEPER_ENTRY, optional=True)

TABLES: Final[Mapping[type, Mapping[str, Rule]]] = {
    # -------------------------------------------------------------- envelope.proto
    envelope.Signature: {"key": HASH, "signature": Lengths(frozenset({64}))},
    envelope.Envelope: {
        "type": Range(1, max(ObjectType)),
        "signed": Lengths(range(ENVELOPE_BYTES + 1)),
        "signatures": Count(0, 2, Nested()),
    },
    envelope.Frame: {
        "session": Lengths(frozenset({0, 32})),
        "seq": NUMBERED,
        "envelopes": Count(1, FRAME_ENVELOPES, _holds(*ObjectType)),
        "signature": Nested(optional=True),
    },
    # -------------------------------------------------------------- discovery.proto
    discovery.OperationalKey: {
        "network_id": NETWORK_ID,
        "identity_key": HASH,
        "operational_key": HASH,
        "serial": NUMBERED,
        "issued_utc_s": UTC_S,
        "expires_utc_s": UTC_S,
    },
    discovery.LossModel: {
        "vn_mv": VOLTAGE_MV,
        "planning_mv": VOLTAGE_MV,
        "r_micro_ohm": COEFFICIENT,
        "x_micro_ohm": COEFFICIENT,
        "iron_milli_w": COEFFICIENT,
        "magnetising_var": POWER,
        "charging_var": POWER,
        "tap_ratio_ppm": Range(500_000, 2_000_000),
        "b_ppm": Range(0, 999_999),
        "c_pico_per_w": COEFFICIENT,
    },
    discovery.LinkAttestation: {
        "network_id": NETWORK_ID,
        "keeper": HASH,
        "other": HASH,
        "number": Range(0, 255),
        "kind": Range(discovery.LinkKind.RADIAL, discovery.LinkKind.CONTROLLED),  # CONTRACT is for version 2
        "serial": NUMBERED,
        "rating_down_va": POWER,
        "rating_up_va": POWER,
        "loss": Nested(),
        "fee_down_micro_per_kwh": FEE,
        "fee_up_micro_per_kwh": FEE,
        "access": BOOL,
        "issued_utc_s": UTC_S,
        "expires_utc_s": UTC_S,
    },
    discovery.Hello: {
        "network_id": NETWORK_ID,
        "node": HASH,
        "neighbor": HASH,
        "version_min": Range(1, 65_535),
        "version_max": Range(1, 65_535),
        "nonce": HASH,
        "features": Range(0, 2**64 - 1),
        "role": Range(discovery.Role.SIBLING, discovery.Role.PEER),
        "epoch": NUMBERED,
        "last_seen_epoch": COUNTER,
        "attestation": HASH,
        "parameters": HASH,
        "clock_utc_ms": UTC_MS,
    },
    discovery.SessionProof: {"dialer_hello": HASH, "listener_hello": HASH},
    discovery.Keepalive: {"received_seq": COUNTER, "clock_utc_ms": UTC_MS},
    discovery.Close: {"code": ANY_CODE, "text": MESSAGE_TEXT, "restart_s": RESTART_S},
    discovery.Refresh: {
        "phase": Range(discovery.RefreshPhase.BEGIN, discovery.RefreshPhase.END),
        "kept": Range(0, 2**64 - 1),
    },
    discovery.Retained: {"digests": Lengths(frozenset({0, 64 * 32}))},
    discovery.Fault: {"code": CODE, "object": HASH, "text": MESSAGE_TEXT},
    # -------------------------------------------------------------- routing.proto
    routing.OfferRun: {"slots": Range(1, SLOTS_MAX), "energy_j": ENERGY, "price_micro_per_kwh": PRICE},
    routing.Offer: {
        "origin": HASH,
        "offer_no": U32,
        "epoch": NUMBERED,
        "seq": COUNTER,
        "direction": DIRECTION,
        "source": Range(0, max(routing.SourceClass)),
        "firmness": Range(1, max(routing.Firmness)),
        "first_slot_utc_s": UTC_S,
        "runs": Count(1, SLOTS_MAX, Nested()),
        "energy_cap_j": ENERGY,
        "carbon_mg_per_kwh": Range(0, 10**9),
        "is_default": BOOL,
        "forward": BOOL,
        "only_to_customers": BOOL,
        "issued_utc_s": UTC_S,
        "expires_utc_s": UTC_S,
    },
    routing.OfferWithdrawal: {
        "origin": HASH,
        "offer_no": U32,
        "epoch": NUMBERED,
        "seq": COUNTER,
        "issued_utc_s": UTC_S,
    },
    routing.PathEntry: {
        "origin": HASH,
        "direction": DIRECTION,
        "node": HASH,
        "next_node": HASH,
        "position": Range(0, PATH_LINKS - 1),
        "previous": HASH,
        "attestation": HASH,
        "fee_micro_per_kwh": FEE,
        "not_after_utc_s": UTC_S,
    },
    routing.PathAdvert: {"entries": Count(1, PATH_LINKS, _holds(ObjectType.PATH_ENTRY))},
    routing.PathWithdrawal: {"path": HASH, "code": ANY_CODE},
    routing.LinkState: {
        "link": SHORT_ID,
        "slot_utc_s": UTC_S,
        "epoch": NUMBERED,
        "seq": COUNTER,
        "net_flow": Range(0, max(routing.Flow)),
        "net_energy_j": ENERGY,
        "residual_down_j": ENERGY,
        "residual_up_j": ENERGY,
        "issued_utc_s": UTC_S,
    },
    # -------------------------------------------------------------- reservation.proto
    reservation.HoldItem: {
        "index": INDEX,
        "slot_utc_s": UTC_S,
        "energy_j": ENERGY,  # 0 is answered ZERO_ENERGY, per packet
        "energy_min_j": SOME_ENERGY,
    },
    reservation.HoldCore: {
        "reservation": SHORT_ID,
        "version": VERSION,
        "initiator": HASH,
        "origin": HASH,
        "offer_no": U32,
        "offer_epoch": NUMBERED,
        "offer_seq": COUNTER,
        "direction": DIRECTION,
        "path": HASH,
        "band": Range(0, NO_BAND),
        "price_limit_micro_per_kwh": PRICE,
        "priority": Range(0, 7),
        "replaces": SHORT_ID,
        "all_or_nothing": BOOL,
        "items": Count(1, PACKETS_MAX, Nested()),
        "issued_utc_ms": UTC_MS,
        "hold_fee_micro": ZERO,
        "bond_micro": ZERO,
    },
    reservation.LedgerLine: {
        "index": INDEX,
        "number": COUNTER,
        "slot_utc_s": UTC_S,
        "flow_j": SOME_ENERGY,
        "sent_j": SOME_ENERGY,
        "received_j": SOME_ENERGY,
    },
    reservation.KeeperEntry: {
        "link": SHORT_ID,
        "reservation": SHORT_ID,
        "version": VERSION,
        "flow": Range(routing.Flow.DOWN, routing.Flow.UP),
        "final": BOOL,
        "lines": Count(0, PACKETS_MAX, Nested()),
    },
    reservation.PacketEnergy: {"index": INDEX, "energy_j": ENERGY},
    reservation.Hold: {
        "core": _holds(ObjectType.HOLD_CORE),
        "path": HASH,
        "hold_ms": HOLD_MS,
        "items": Count(1, PACKETS_MAX, Nested()),
        "keeper_entry": KEEPER_ENTRY,
    },
    reservation.GrantItem: {
        "index": INDEX,
        "energy_j": ENERGY,
        "price_micro_per_kwh": PRICE,
        "reason": ANY_CODE,
        "counter_offer_j": ENERGY,
        "scarcity_micro_per_kwh": FEE,
    },
    reservation.Grant: {
        "reservation": SHORT_ID,
        "version": VERSION,
        "core": HASH,
        "link": SHORT_ID,
        "grantor": HASH,
        "items": Count(1, PACKETS_MAX, Nested()),
        "hold_ms": Range(0, HOLD_MS.high),
        "keeper_entry": KEEPER_ENTRY,
    },
    reservation.Refuse: {
        "reservation": SHORT_ID,
        "version": VERSION,
        "code": CODE,
        "persistence": Range(1, max(Persistence)),
        "scope": Range(1, max(Scope)),
        "failing_node": HASH,
        "retry_after_ms": Range(0, 86_400_000),
        "items": Count(0, PACKETS_MAX, Nested()),
    },
    reservation.Commit: {
        "reservation": SHORT_ID,
        "version": VERSION,
        "core": HASH,
        "initiator": HASH,
        "accepted": Count(1, PACKETS_MAX),
    },
    reservation.CommitHop: {"commit": _holds(ObjectType.COMMIT), "keeper_entry": KEEPER_ENTRY},
    reservation.Committed: {
        "reservation": SHORT_ID,
        "version": VERSION,
        "commit": HASH,
        "origin": HASH,
        "accepted_utc_ms": UTC_MS,
        "balance_party": HASH,
    },
    reservation.Receipt: {
        "reservation": SHORT_ID,
        "version": VERSION,
        "committed": HASH,
        "link": SHORT_ID,
        "node": HASH,
    },
    reservation.Failed: {"reservation": SHORT_ID, "version": VERSION, "code": CODE, "node": HASH},
    reservation.Release: {"reservation": SHORT_ID, "version": VERSION, "initiator": HASH},
    reservation.Curtail: {
        "reservation": SHORT_ID,
        "version": VERSION,
        "node": HASH,
        "code": CODE,
        "items": Count(1, PACKETS_MAX, Nested()),
        "effective_utc_ms": UTC_MS,
    },
    reservation.CurtailHop: {
        "curtail": _holds(ObjectType.CURTAIL),
        "items": Count(1, PACKETS_MAX, Nested()),
    },
    reservation.OutcomeQuery: {"reservation": SHORT_ID, "version": VERSION},
    reservation.Outcome: {
        "reservation": SHORT_ID,
        "version": VERSION,
        "state": Range(0, max(reservation.ReservationState)),
        "evidence": _holds(ObjectType.COMMITTED, ObjectType.FAILED, ObjectType.RELEASE, optional=True),
    },
    # -------------------------------------------------------------- grid.proto
    grid.ConnectionLimit: {
        "node": HASH,
        "serial": NUMBERED,
        "import_w": POWER,
        "export_w": POWER,
        "reactive_var": POWER,
        "issued_utc_s": UTC_S,
        "expires_utc_s": UTC_S,
    },
    grid.ZoneReport: {
        "attestations": Count(0, LINES_MAX, _holds(ObjectType.LINK_ATTESTATION)),
        "limits": Count(0, LINES_MAX, _holds(ObjectType.CONNECTION_LIMIT)),
    },
    grid.EnvelopeLine: {
        "link": SHORT_ID,
        "down_w": POWER,
        "up_w": POWER,
        "reactive_var": POWER,
        "height": Range(0, LINES_MAX),
    },
    grid.OperatingEnvelope: {
        "root": HASH,
        "epoch": NUMBERED,
        "seq": COUNTER,
        "first_slot_utc_s": UTC_S,
        "slots": Range(1, SLOTS_MAX),
        "lines": Count(0, LINES_MAX, Nested()),
        "issued_utc_s": UTC_S,
    },
    grid.SweepUp: {
        "slot_utc_s": UTC_S,
        "round": ROUND,
        "active": Range(0, max(grid.Exchange)),
        "active_j": ENERGY,
        "reactive": Range(0, max(grid.Exchange)),
        "reactive_vars": ENERGY,
    },
    grid.SweepDown: {"slot_utc_s": UTC_S, "round": ROUND, "voltage_micro_pu": Range(0, 2_000_000)},
    # -------------------------------------------------------------- settlement.proto
    settlement.MeterRecord: {
        "link": SHORT_ID,
        "slot_utc_s": UTC_S,
        "node": HASH,
        "imported_j": ENERGY,
        "exported_j": ENERGY,
        "counter_imported_j": COUNTER,
        "counter_exported_j": COUNTER,
    },
    settlement.LinkStatement: {
        "link": SHORT_ID,
        "slot_utc_s": UTC_S,
        "node": HASH,
        "packets": U32,
        "keeper_owes_micro": AMOUNT,
        "other_owes_micro": AMOUNT,
        "booked_down_sent_j": ENERGY,
        "booked_up_sent_j": ENERGY,
        "booked_down_received_j": ENERGY,
        "booked_up_received_j": ENERGY,
        "previous": HASH,
    },
    settlement.ImbalanceRecord: {
        "node": HASH,
        "party": HASH,
        "slot_utc_s": UTC_S,
        "deviation": Range(0, max(settlement.Deviation)),
        "energy_j": ENERGY,
        "price_micro_per_kwh": PRICE,
        "amount_micro": AMOUNT,
        "previous": HASH,
    },
    settlement.Relay: {
        "path": Lengths(frozenset({0, 32})),
        "record": _holds(ObjectType.IMBALANCE_RECORD),
    },
}
