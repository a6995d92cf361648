"""What each registered code means in general (SPEC section 13), and what an operator can do about it.

The meanings are those of the registry, word for word; a test compares them.
A code without a remedy needs none, or the sentence that comes with it says it.
"""

from __future__ import annotations

from typing import Final

from ioe_router.model.errors import ErrorCode

MEANINGS: Final = {
    ErrorCode.TOO_LARGE: "object or frame above its size limit",
    ErrorCode.MALFORMED: (
        "not decodable; unknown or duplicate field; unregistered enum number; text not printable"
    ),
    ErrorCode.OUT_OF_BOUNDS: (
        "a field is outside its bounds, a slot is not aligned, a validity is not positive or too long"
    ),
    ErrorCode.BAD_SIGNATURE: "a signature is missing, superfluous or wrong; an unsound key",
    ErrorCode.UNKNOWN_KEY: "no OperationalKey object for the signing key",
    ErrorCode.KEY_EXPIRED: "the signing key is not valid at this time",
    ErrorCode.WRONG_SIGNER: "signed by another node or key than the object names or the session uses",
    ErrorCode.EXPIRED: "the object's validity has ended",
    ErrorCode.FROM_FUTURE: "issued more than 60 s after the receiver's UTC",
    ErrorCode.STALE: "epoch or serial below the last seen; a path gave way to a better one",
    ErrorCode.EQUIVOCATION: "same epoch and sequence, or serial, with other content",
    ErrorCode.UNKNOWN_TYPE: "object type not registered",
    ErrorCode.UNEXPECTED: "not allowed here, in this state or phase, or from this neighbour",
    ErrorCode.LIMIT_REACHED: "a bounded table, a budget or a queue is full",
    ErrorCode.VERSION_MISMATCH: "no common protocol version",
    ErrorCode.NETWORK_MISMATCH: "another network id",
    ErrorCode.PARAMETER_MISMATCH: "other network parameters",
    ErrorCode.FEATURE_REQUIRED: "a required feature is not supported",
    ErrorCode.IDENTITY_MISMATCH: (
        "HELLO or proof is not from the node that the transport proved, or for another node"
    ),
    ErrorCode.DUPLICATE_IDENTITY: "this identity has a live session",
    ErrorCode.CLOCK_UNSYNCED: "clocks differ by more than 60 s, or the own clock is not known to be right",
    ErrorCode.NOT_A_NEIGHBOR: "not configured as a neighbour",
    ErrorCode.SHUTTING_DOWN: "the node is stopping",
    ErrorCode.KEEPALIVE_TIMEOUT: "nothing heard for three intervals, or no complete handshake in time",
    ErrorCode.REPLAYED: "frame number, session or named HELLOs are not those of this session",
    ErrorCode.NOT_A_MEMBER: (
        "no valid certificate of a known domain, or not for this duty; too few roots have signed"
    ),
    ErrorCode.DOMAIN_MISMATCH: "the domain does not go with the role, or is not known here",
    ErrorCode.TRUST_STALE: "the trust list of the domain and its grace have ended",
    ErrorCode.KEY_REVOKED: "the operational key, or the identity, is revoked",
    ErrorCode.LOOP: (
        "a node is on the path twice, or the receiver is on it; a withdrawal came back to its "
        "origin; a path came back into the receiver's domain"
    ),
    ErrorCode.PATH_TOO_LONG: "more links than allowed",
    ErrorCode.BROKEN_CHAIN: (
        "entries do not continue each other, or the last is not by the sender; a statement does not "
        "continue the one before"
    ),
    ErrorCode.NOT_FOR_ME: "the last entry names another next node",
    ErrorCode.UNKNOWN_LINK: "no attestation of a link, or not the one in force",
    ErrorCode.FEE_ABOVE_ATTESTED: "fee above the attested maximum",
    ErrorCode.POLICY: "refused by the operator's policy, or against a role",
    ErrorCode.NO_PATH: "the path was not told to this neighbour, or was withdrawn; an offer without a path",
    ErrorCode.NO_OFFER: "no such offer here",
    ErrorCode.OFFER_CHANGED: "the offer that was read is not one that the origin still knows",
    ErrorCode.NO_ENERGY: "nothing left of the offer in this slot",
    ErrorCode.NO_CAPACITY: "link capacity is used up",
    ErrorCode.NOT_BOOKABLE: "link without valid attestation, operating envelope or keeper",
    ErrorCode.TOO_EARLY: "the band is not open",
    ErrorCode.GATE_CLOSED: "the slot's gate is closed",
    ErrorCode.PRICE_LIMIT: "delivered price beyond the limit",
    ErrorCode.BELOW_MINIMUM: "less than the least useful energy",
    ErrorCode.ZERO_ENERGY: "energy of 0 asked or reached",
    ErrorCode.TOO_MANY_ITEMS: "more packets than allowed",
    ErrorCode.CONFLICT: (
        "same id and version with other content; second, other record of a slot; key of another "
        "node; stream that lost against another"
    ),
    ErrorCode.UNKNOWN_RESERVATION: "not known here",
    ErrorCode.HOLD_EXPIRED: "the hold time is over",
    ErrorCode.NEIGHBOR_LOST: "the session on the path was lost",
    ErrorCode.NOT_OWNER: "not signed by the initiator, or not from the neighbour it belongs to",
    ErrorCode.QUOTA: "quota of holds or held energy is used up",
    ErrorCode.GRANT_CHANGED: "a grant or entry does not fit what was asked or granted",
    ErrorCode.IN_PAST: "the slot has begun or is over",
    ErrorCode.NO_TRANSIT: "the operator does not carry this",
    ErrorCode.CURTAILED: "cut for safety",
    ErrorCode.PREEMPTED: "gives way to a reservation of higher priority",
    ErrorCode.WRONG_CODE: "the two ends do not have the same pairing code",
    ErrorCode.CODE_CLOSED: "the pairing code has run out, was tried too often or has been used",
}

REMEDIES: Final = {
    ErrorCode.TOO_LARGE: "the other end runs other software or sends rubbish; look at its log",
    ErrorCode.UNKNOWN_KEY: "nothing, if it comes again behind the key; else look at the log of the other end",
    ErrorCode.KEY_EXPIRED: "an operational key has expired; its node must renew it ('ioe identity rotate')",
    ErrorCode.EXPIRED: "nothing, if a newer one follows; else compare the two clocks",
    ErrorCode.FROM_FUTURE: "compare the two clocks and synchronise both machines",
    ErrorCode.STALE: "a node was started from an old copy; set its clock and put its newest store back",
    ErrorCode.EQUIVOCATION: "keep the proof ('ioe store export' has it), ask the operator of that node",
    ErrorCode.LIMIT_REACHED: "'ioe show limits' says which table is full; raise it in [limits] or [budgets]",
    ErrorCode.VERSION_MISMATCH: "no common protocol version; bring the older node up to date",
    ErrorCode.NETWORK_MISMATCH: "the network_id differs; correct it",
    ErrorCode.PARAMETER_MISMATCH: "the [network] tables differ; agree on one",
    ErrorCode.FEATURE_REQUIRED: "bring the older of the two nodes up to date",
    ErrorCode.IDENTITY_MISMATCH: "the neighbour is not who it says; compare its node.pub",
    ErrorCode.DUPLICATE_IDENTITY: "stop the second node with this identity, or give it one of its own",
    ErrorCode.CLOCK_UNSYNCED: "the two clocks differ by more than a minute; synchronise both machines",
    ErrorCode.NOT_A_NEIGHBOR: "add each node to the configuration of the other, or pair them",
    ErrorCode.KEEPALIVE_TIMEOUT: "look whether the neighbour runs, and at the network between the two",
    ErrorCode.NOT_A_MEMBER: "the node is no member of its domain, or not for this; its operators admit it",
    ErrorCode.DOMAIN_MISMATCH: "the [domain] tables or the roles of the two ends differ; agree on them",
    ErrorCode.TRUST_STALE: "the trust list has run out; let the domain's operators run 'ioe domain renew'",
    ErrorCode.KEY_REVOKED: "a key or identity is revoked; its node needs a new one ('ioe identity rotate')",
    ErrorCode.PATH_TOO_LONG: "raise limits.path_links if the network is that long",
    ErrorCode.UNKNOWN_LINK: "the two ends hold different attestations of the link; exchange the file again",
    ErrorCode.FEE_ABOVE_ATTESTED: "lower the fee there, or attest the link anew with a higher maximum",
    ErrorCode.POLICY: "change transit, role or filter of the neighbour, if that is wanted",
    ErrorCode.NO_PATH: "'ioe explain route' says which routes there are",
    ErrorCode.NO_OFFER: "'ioe show offers' says what is offered in the slot",
    ErrorCode.OFFER_CHANGED: "nothing: the router tries again with the new version",
    ErrorCode.NO_ENERGY: "ask for another slot, another offer, or less",
    ErrorCode.NO_CAPACITY: "'ioe trace' says which link is full; ask for another slot or less",
    ErrorCode.NOT_BOOKABLE: "look whether the zone's root runs and issues operating envelopes",
    ErrorCode.TOO_EARLY: "wait for the band; the router does so by itself",
    ErrorCode.GATE_CLOSED: "ask for a later slot",
    ErrorCode.PRICE_LIMIT: "'ioe explain price' says what it costs; raise the limit, or take another slot",
    ErrorCode.BELOW_MINIMUM: "ask for less, or for another slot",
    ErrorCode.HOLD_EXPIRED: "nothing: the router tries again; if it lasts, look at the neighbours on the way",
    ErrorCode.NEIGHBOR_LOST: "nothing: it is tried again once the session stands; 'ioe show neighbors'",
    ErrorCode.QUOTA: "wait for open holds to end, or raise [limits]",
    ErrorCode.IN_PAST: "ask for a slot to come",
    ErrorCode.WRONG_CODE: "compare the pairing code at both ends",
    ErrorCode.CODE_CLOSED: "ask for a new code: 'ioe pair show'",
}


def meaning_of(code: ErrorCode) -> str:
    """What a code means in general; empty for UNSPECIFIED."""
    return MEANINGS.get(code, "")


def remedy_of(code: ErrorCode) -> str:
    """What an operator can do; empty where there is nothing."""
    return REMEDIES.get(code, "")
