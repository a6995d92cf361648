"""The operations that vectors are about: what each is given, and what it has to answer.

An operation is known by the exact names of its inputs: the file writer
(vector_file.py) looks up the one whose inputs a vector has, so a vector whose
inputs nobody has described cannot be written.  interop/vectors/README.md
prints this catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Op:
    """One operation; `inputs` and `answer` say of each name what it holds."""

    name: str
    about: str
    inputs: Mapping[str, str]
    answer: Mapping[str, str] = field(default_factory=dict)


_NETWORK: Final = {"network_id": "the network's name, text"}
_NOW: Final = {"now_utc_s": "the reader's UTC, seconds"}
_LINK: Final = {
    "loss": "the fields of the attested LossModel, by their names in proto/",
    "slot_s": "slot length, seconds",
    "net_j": "net flow of the link at mid-link before the packet, joules; positive DOWN",
    "flow": "Flow, as a number",
}
_PACKET: Final = "near_j, far_j, flow_j: energies at the near end, at the far end, at mid-link, joules"
_CPACE_GIVEN: Final = ("secret", "channel", "sid", "scalar_a", "data_a", "scalar_b", "data_b")
_CPACE: Final = (
    *("generator_string", "generator", "share_a", "share_b", "shared", "isk", "mac_key"),
    *("tag_a", "tag_b", "seal_key_a", "seal_key_b"),
)

OPS: Final[Sequence[Op]] = (
    Op(
        name="identity.node",
        about="the id and the text form of a node (4.1)",
        inputs={"identity_key": "Ed25519 public key, hex"},
        answer={"node": "node id, hex", "text": "bech32m text"},
    ),
    Op(
        name="identity.link",
        about="the id of a link (6.2)",
        inputs={"ends": "both node ids, hex, in any order", "number": "number of the link between them"},
        answer={"link": "link id, hex"},
    ),
    Op(
        name="identity.text",
        about="read the text form of a node id (4.1); what is no node id is MALFORMED",
        inputs={"text": "what somebody typed"},
        answer={"node": "node id, hex"},
    ),
    Op(
        name="signature-input",
        about="the bytes under a signature (4.6)",
        inputs={**_NETWORK, "message": "registered message name", "signed": "the bytes of signed, hex"},
        answer={"signature_input": "hex"},
    ),
    Op(
        name="ed25519-edge",
        about="strict_verify (4.6); invalid is BAD_SIGNATURE",
        inputs={"key": "hex", "data": "hex", "signature": "hex"},
    ),
    Op(
        name="envelope",
        about="open a SignedEnvelope, read strictly as in a frame (4.5), by steps 7 to 10 of section 3.2",
        inputs={
            **_NETWORK,
            **_NOW,
            "certificates": "OPERATIONAL_KEY envelopes that the reader holds, hex of SignedEnvelope each",
            "envelope": "hex of SignedEnvelope",
        },
        answer={"object_id": "hex", "signers": "node ids of the signers in their order, hex"},
    ),
    Op(
        name="freshness",
        about="offers and withdrawals of one origin from one neighbour, one after another (4.9)",
        inputs={
            **_NETWORK,
            "certificate": "the origin's OPERATIONAL_KEY envelope, hex; held from the beginning",
            "slot_s": "slot length, seconds",
            "offer_lifetime_max_s": "the longest lifetime of an offer, seconds",
            "steps": "list of {now_utc_s, envelope}",
        },
        answer={"answers": "per step: taken, no effect, or the code of the refusal"},
    ),
    Op(
        name="domain.id",
        about="the id and text form of a domain (4.10)",
        inputs={**_NETWORK, "quorum": "number of roots that sign", "roots": "root keys, hex"},
        answer={"domain": "hex", "text": "bech32m text"},
    ),
    Op(
        name="domain.list",
        about="check_list (4.10): a trust list that is offered when another is in force",
        inputs={
            **_NETWORK,
            **_NOW,
            "in_force": "TRUST_LIST envelope, hex",
            "offered": "TRUST_LIST envelope, hex",
        },
        answer={"taken": "whether it replaces the one in force", "serial": "serial in force afterwards"},
    ),
    Op(
        name="domain.member",
        about="until when a member certificate counts (4.10)",
        inputs={
            **_NETWORK,
            "lists": "TRUST_LIST envelopes, hex, oldest first",
            "certificate": "MEMBER_CERTIFICATE envelope, hex",
        },
        answer={"vouched_until_utc_s": "seconds; 0 when it does not count"},
    ),
    Op(
        name="path-hash",
        about="the hashes of a path after each of its entries (7.4)",
        inputs={
            **_NETWORK,
            "origin": "node id, hex",
            "direction": "Direction, as a number",
            "entries": "the signed bytes of the entries from the origin on, hex",
        },
        answer={"hashes": "before the first entry and after each, hex"},
    ),
    Op(
        name="frame",
        about="read a Frame and verify its signature (5.4, steps 2, 3 and 5 of section 3.2)",
        inputs={**_NETWORK, "key": "the neighbour's operational key, hex", "frame": "hex of Frame"},
        answer={"merkle_root": "over the envelopes, hex"},
    ),
    Op(
        name="malformed",
        about="read a serialised body strictly and check its bounds (4.5)",
        inputs={"message": "message name", "signed": "the body, hex"},
        answer={"fields": "by their names in proto/: bytes in hex, enums as numbers, absent parts null"},
    ),
    Op(
        name="session-fsm",
        about="the state machine of a session (6.5)",
        inputs={"state": "name of the state", "event": "name of the event"},
        answer={"next_state": "name"},
    ),
    Op(
        name="session-id",
        about="the id of a session from both HELLOs (5.4)",
        inputs={"dialer_hello": "object id, hex", "listener_hello": "object id, hex"},
        answer={"session": "hex"},
    ),
    Op(
        name="retained.digests",
        about="the 64 digests of what is retained (6.10)",
        inputs={"paths": "list of {origin, path} in hex", "offers": "list of {origin, offer} in hex"},
        answer={"digests": "one after another, hex; empty for nothing"},
    ),
    Op(
        name="retained.kept",
        about="which groups may be kept (6.10)",
        inputs={"mine": "digests, hex", "theirs": "digests, hex"},
        answer={"kept": "bit mask, number"},
    ),
    Op(
        name="reservation-fsm",
        about="the table of section 10.9 at a node in transit; CURTAIL comes from the origin's side",
        inputs={"state": "name of the state", "event": "name of the event"},
        answer={"next_state": "name", "sent": "list of {object, toward}: what goes where"},
    ),
    Op(
        name="pairing-code.draw",
        about="draw a pairing code (6.1)",
        inputs={"entropy": "16 bytes, hex"},
        answer={"code": "8 characters", "shown": "as a person sees it"},
    ),
    Op(
        name="pairing-code.typed",
        about="read a pairing code that somebody typed (6.1); what is none is MALFORMED",
        inputs={"typed": "text"},
        answer={"code": "8 characters"},
    ),
    Op(
        name="pairing-cpace.exchange",
        about="both sides of CPace (6.1)",
        inputs=dict.fromkeys(_CPACE_GIVEN, "hex"),
        answer=dict.fromkeys(_CPACE, "hex"),
    ),
    Op(
        name="pairing-cpace.share",
        about="multiply a share (6.1); zero is BAD_SIGNATURE",
        inputs={"scalar": "hex", "share": "hex"},
        answer={"shared": "hex"},
    ),
    Op(
        name="pairing-talk.whole",
        about="a whole conversation on the pairing port (6.1); certificates are not judged (IOE-SES-475)",
        inputs={
            "code": "8 characters",
            "entropy_a": "48 bytes, hex: 16 for the sid, 32 for the scalar",
            "entropy_b": "as entropy_a",
            "card_a": "{network_id, ca, port}",
            "card_b": "{network_id, ca, port}",
        },
        answer={"messages": "list of [sender, message with its length in hex]"},
    ),
    Op(
        name="pairing-talk.answer",
        about="what side B makes of messages from A (6.1); certificates are not judged (IOE-SES-475)",
        inputs={
            "code": "8 characters",
            "entropy_a": "48 bytes, hex",
            "entropy_b": "48 bytes, hex",
            "card_a": "{network_id, ca, port}",
            "card_b": "{network_id, ca, port}",
            "to_b": "messages with their lengths, hex",
        },
    ),
    Op(
        name="hello.parameters",
        about="the digest of the network's parameters (2.7)",
        inputs={"parameters": "by their names"},
        answer={"digest": "hex"},
    ),
    Op(
        name="hello.check",
        about="check_hello (6.4) at a node without a domain that speaks version 1 and knows RESUME",
        inputs={
            "parameters": "by their names",
            "own_node": "node id, hex",
            "own_epoch": "number",
            "seen_epoch": "the highest epoch of the neighbour that was seen",
            "neighbor": "node id of the neighbour of this stream, hex",
            "role": "what the neighbour is to this node",
            "attestation": "of the link, as configured; hex of SignedEnvelope",
            "transport_key": "of the operational certificate that the neighbour presented; empty: not shown",
            "certificates": "OPERATIONAL_KEY envelopes that have come, hex",
            "now_utc_ms": "milliseconds",
            "hello": "hex of SignedEnvelope",
        },
        answer={"version": "the version in use", "features": "bits in effect"},
    ),
    Op(
        name="hello.proof",
        about="check_proof (6.5) at the dialler",
        inputs={
            **_NETWORK,
            **_NOW,
            "neighbor": "node id, hex",
            "hello_key": "the key that signed the neighbour's HELLO, hex",
            "dialer_hello": "object id, hex",
            "listener_hello": "object id, hex",
            "certificates": "OPERATIONAL_KEY envelopes that have come, hex",
            "proof": "hex of SignedEnvelope",
        },
        answer={"session": "the session id, hex"},
    ),
    Op(
        name="transcript",
        about="read a whole session, frame by frame in the order of sending (5.4, 6.5)",
        inputs={**_NETWORK, "frames": "list of {from, frame}; from is dialler or listener, frame in hex"},
        answer={
            "session": "the session id, hex",
            "frames": "per frame {seq, session, signed, objects}; objects are [type, object id]",
        },
    ),
    Op(
        name="timers.gate",
        about="whether a HOLD passes, by the timetable of a slot (9.1)",
        inputs={
            "slot_s": "slot length, seconds",
            "floor_micro_per_kwh": "the network's floors",
            "before_slot_s": "whole seconds before the slot; negative: after its start",
            "band": "of the HOLD",
        },
        answer={"phase": "name of the phase"},
    ),
    Op(
        name="price.origin",
        about="PRICE_AT_ORIGIN (9.2)",
        inputs={
            "floor_micro_per_kwh": "the network's floors",
            "direction": "Direction of the offer, as a number",
            "is_default": "whether it is a DEFAULT offer",
            "ask_micro_per_kwh": "the offer's price of the slot",
            "band": "of the HOLD",
            "price_limit_micro_per_kwh": "of the HOLD",
        },
        answer={"price_micro_per_kwh": "price", "scarcity_micro_per_kwh": "price"},
    ),
    Op(
        name="capacity.limit",
        about="how much may flow in one direction of a link in a slot (9.4)",
        inputs={
            "rating_va": "attested rating of the direction",
            "envelope": "null: a CONTROLLED link; {}: RADIAL without one; else {power_w, reactive_var}",
            "voltage_min_micro_pu": "lower end of the band",
            "margin_ppm": "the keeper's margin",
            "slot_s": "slot length, seconds",
        },
        answer={"usable_w": "P_r, watts", "limit_j": "joules"},
    ),
    Op(
        name="capacity.ledger",
        about="a keeper's ledger of one slot, step by step (9.5); each packet is a reservation of its own",
        inputs={
            "loss": "the fields of the attested LossModel",
            "slot_s": "slot length, seconds",
            "limit_down_j": "limit of flows DOWN, joules",
            "limit_up_j": "limit of flows UP, joules",
            "steps": "list of {do, packet, direction, flow, energy_j}: admit (energy at the near end), trim "
            "(energy at the far end), leave, or limit (a new limit of the flow)",
        },
        answer={
            "answers": "per step {number, flow_j, sent_j, received_j}, or done, gone, not there, or a code",
            "net_j": "net flow at mid-link afterwards, positive DOWN",
            "used_down_j": "gross use DOWN",
            "used_up_j": "gross use UP",
        },
    ),
    Op(
        name="route.rank",
        about="link_rank (7.7)",
        inputs={
            "loss": "the fields of the attested LossModel",
            "rating_down_va": "attested",
            "rating_up_va": "attested",
            "flow": "sense of the path's energy, Flow as a number",
            "fee_micro_per_kwh": "of the entry",
            "reference_price_micro_per_kwh": "of the network",
            "slot_s": "slot length, seconds",
        },
        answer={"rank": "micro-units per kWh"},
    ),
    Op(
        name="route.tell",
        about="may_tell (7.9); what may not be told is POLICY",
        inputs={
            "learned_from": "what X is to this node",
            "to": "what Y is to this node",
            "transit": "setting of Y",
            "only_to_customers": "whether an entry of the path has the mark",
            "on_path": "whether Y is a node of the path",
            "links": "number of its links; 32 at most",
        },
    ),
    Op(
        name="route.offer",
        about="may_tell_offer (7.9); what may not be told is POLICY",
        inputs={"to": "what Y is to this node", "only_to_customers": "of the offer"},
    ),
    Op(
        name="route.choose",
        about="choose_paths (7.9); all of the paths may be told",
        inputs={
            "told_paths_per_origin": "k",
            "paths": "list of {hash, rank, links, neighbor, width_va}; neighbor: whom it was heard from",
        },
        answer={"chosen": "hashes, best first"},
    ),
    Op(
        name="route.state",
        about="quantise (7.10)",
        inputs={
            "rating_down_va": "attested",
            "rating_up_va": "attested",
            "slot_s": "slot length, seconds",
            "link_state_steps": "of the network",
            "net_flow": "Flow, as a number",
            "net_energy_j": "joules",
            "free_down_j": "joules, may be negative",
            "free_up_j": "joules, may be negative",
        },
        answer={
            "net_flow": "Flow, as a number",
            "net_energy_j": "joules",
            "residual_down_j": "joules",
            "residual_up_j": "joules",
        },
    ),
    Op(
        name="zone.share",
        about="SHARE_OUT (11.3) at the root",
        inputs={
            "parameters": "the network's, by their names",
            "root": "node id, hex",
            "root_micro_pu": "the root's voltage",
            "links": "valid attestations: {keeper, other, kind, rating_down_va, rating_up_va, loss}",
            "limits": "valid connection limits: {node, import_w, export_w, reactive_var}",
        },
        answer={"lines": "from the root outwards {link, down_w, up_w, reactive_var, height}"},
    ),
    Op(
        name="errors.number",
        about="whether a number is registered (4.4, 13.2), as read in a Close or in an envelope of a frame",
        inputs={"registry": "code or type", "number": "the number"},
        answer={"name": "its name, without prefix"},
    ),
    Op(
        name="timers.budget",
        about="charge (14.5), one after another",
        inputs={
            "rate_per_s": "units per second",
            "burst": "units",
            "bursts": "1 or 2",
            "charges": "list of {at_ms, units}",
        },
        answer={"waits_ms": "per charge 0, or after how many ms, rounded up, it would not be refused"},
    ),
    Op(
        name="receive",
        about="a router is told an object by a neighbour: taken, also without effect, or refused",
        inputs={
            "parameters": "the network's parameters (2.7), by their names",
            "receiver": "name of the router in question",
            "keys": "per name: operational_seed (Ed25519, to play the neighbours) and certificate (hex)",
            "neighbors": "list of {name, attestation, role, fee_micro_per_kwh}; sessions are ESTABLISHED, "
            "their epoch is 1, RESUME is not in effect; role is what the neighbour is to the receiver",
            "balance_party": "name of the receiver's balance-responsible party; empty: it is one itself",
            "domain": "null, or {lists, member, members}: trust lists and certificates of receiver and "
            "neighbours",
            "own_offers": "what the receiver's host offers: numbers and runs of an Offer, lifetime_s",
            "start_utc_ms": "when the sessions became ESTABLISHED, UTC",
            "before": "what came before, all of it taken: list of {at_utc_ms, from, envelopes}, a frame each",
            "object": "the frame in question, with one envelope",
            "look_for": "types of objects that the answer is about",
            "listen_ms": "for how long after the object they count; 0: what leaves at once",
        },
        answer={
            "sent": "list of [neighbour, type], sorted: the objects of these types that left the receiver"
        },
    ),
    Op(
        name="reserve",
        about="a router in the middle of reservations, told things step by step (section 10); "
        "hold_step_ms is 1 000, commit_retry_ms 2 000",
        inputs={
            **dict.fromkeys(
                ("parameters", "receiver", "keys", "neighbors", "balance_party", "domain", "own_offers"),
                "as in receive",
            ),
            "start_utc_ms": "as in receive",
            "before": "as in receive",
            "begin_utc_ms": "instant before the first step; all labels have been told by then",
            "steps": "list of {at_utc_ms, do, from, say}: say an object, lose the session "
            "with a neighbour, have another one (up), wait until the instant, or meter: the host reads the "
            "meter of the link to the neighbour {slot_utc_s, imported_j, exported_j}. An object "
            "is {type, by, fields}: by are its signers in order,"
            "none where the frame vouches for it; fields as in proto/, bytes in hex. `$label ORIGIN "
            "DIRECTION` is the path hash that the receiver told this neighbour for the origin whose "
            "id begins so; `$hold_core`, `$commit` and so on the object id of the latest object of "
            "that type that anybody said",
        },
        answer={
            "answers": "per step the different objects of section 10, records, statements, relays and "
            "Faults, that the receiver said because "
            "of it, sorted by their JSON: {to, type, fields}, without ledger numbers, texts and "
            "retry_after_ms; an object id of this run is written `$commit 1` for the first COMMIT and "
            "so on, the label `$label`"
        },
    ),
    Op(
        name="cut-arith",
        about="CUT (10.11): what a cut at one end leaves of a committed packet",
        inputs={"committed": _PACKET, "live": _PACKET, "end": "near or far", "remains_j": "joules"},
        answer={"near_j": "joules", "far_j": "joules", "flow_j": "joules"},
    ),
    Op(
        name="loss-arith.entry",
        about="a packet of flow_j at mid-link beside a net flow, and prices across the link (section 8)",
        inputs={**_LINK, "flow_j": "joules", "price_micro_per_kwh": "price", "fee_micro_per_kwh": "fee"},
        answer={
            "loss_before_j": "joules",
            "increment_j": "joules",
            "sent_j": "joules",
            "received_j": "joules",
            "price_after_micro_per_kwh": "price",
            "price_before_micro_per_kwh": "price",
        },
    ),
    Op(
        name="loss-arith.search",
        about="RECEIVED or SENT (8.4) by itself; no packet is ZERO_ENERGY here, which no wire shows",
        inputs={**_LINK, "by": "received or sent", "energy_j": "joules"},
        answer={"flow_j": "joules", "sent_j": "joules", "received_j": "joules"},
    ),
    Op(
        name="loss-arith.amount",
        about="what an energy costs at a price (section 8)",
        inputs={"price_micro_per_kwh": "price", "energy_j": "joules"},
        answer={"amount_micro": "amount"},
    ),
)


def belongs(op: Op, group: str) -> bool:
    """Whether a group may hold vectors of an operation: by its name, or by the beginning of it."""
    return op.name.partition(".")[0] in (group, group.partition("-")[0])


def op_for(group: str, inputs: Mapping[str, object]) -> Op:
    """The operation of a group that has exactly these inputs. Raises ValueError unless there is one."""
    found = [op for op in OPS if belongs(op, group) and set(op.inputs) == set(inputs)]
    if len(found) != 1:
        raise ValueError(
            f"{len(found)} operations of {group} have the inputs {sorted(inputs)}; see vector_ops.py"
        )
    return found[0]
