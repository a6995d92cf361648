"""Proofs of equivocation: kept durably, told to the host, shown on request (SPEC section 4.9).

They are evidence for people and for other nodes; what follows for the node
that equivocated is decided where its statement was refused.  The table is bounded:
when it is full, what it has is enough to act upon and new proofs are only told.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Final

from ioe_router.core.durable import Fields, envelope_to, to_record
from ioe_router.core.effects import RecordKind
from ioe_router.core.events import Equivocation
from ioe_router.core.evidence import Evidence
from ioe_router.core.outbox import Outbox
from ioe_router.model.envelope import Envelope
from ioe_router.model.ids import NODE_ID_BYTES, NodeId
from ioe_router.model.proof import Proof

PROOFS_MAX: Final = 1_024


class Proofs:
    """What this node can prove, in the order in which it found out."""

    def __init__(self, evidence: Evidence) -> None:
        """Nothing to prove."""
        self._evidence = evidence
        self._proofs: dict[bytes, Proof] = {}

    def keep(self, proof: Proof, out: Outbox) -> None:
        """Take a proof, once, with the certificates to judge it by; make it durable and tell the host."""
        key = _key_of(proof)
        if key in self._proofs:
            return
        proof = replace(proof, certificates=self._certificates(proof))
        out.emit(Equivocation(proof=proof))
        if len(self._proofs) < PROOFS_MAX:
            self._proofs[key] = proof
            out.persist(RecordKind.PROOF, key, _record_of(proof))

    def _certificates(self, proof: Proof) -> tuple[Envelope, ...]:
        keys = dict.fromkeys(s.key for envelope in (proof.first, proof.second) for s in envelope.signatures)
        found = (self._evidence.key(key) for key in keys)
        return tuple(sealed.envelope for sealed in found if sealed is not None)

    def restore(self, key: bytes, record: bytes) -> Proof:
        """Take up a proof from the store. UsageError when the record is damaged."""
        fields = Fields.of(record, f"proof {key.hex()[:12]}")
        proof = Proof(
            node=NodeId(fields.octets("node", NODE_ID_BYTES)),
            epoch=fields.integer("epoch"),
            first=fields.envelope("first"),
            second=fields.envelope("second"),
            certificates=tuple(part.envelope("certificate") for part in fields.parts("certificates")),
        )
        if key != _key_of(proof):
            raise fields.bad("second")
        self._proofs[key] = proof
        return proof

    def all(self) -> tuple[Proof, ...]:
        """Every proof, oldest first."""
        return tuple(self._proofs.values())


def _key_of(proof: Proof) -> bytes:
    return hashlib.sha256(proof.first.signed + proof.second.signed).digest()


def _record_of(proof: Proof) -> bytes:
    return to_record(
        {
            "node": proof.node.hex(),
            "epoch": proof.epoch,
            "first": envelope_to(proof.first),
            "second": envelope_to(proof.second),
            "certificates": [{"certificate": envelope_to(one)} for one in proof.certificates],
        }
    )
