"""A trust domain whose root keys a test holds: it can say whatever a quorum, or less than one, can say."""

# ruff: noqa: ANN401 - a test names the fields that it changes, of any type
from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ioe_router.codec.root_signing import draft, signed_by
from ioe_router.codec.signing import Ed25519Signer
from ioe_router.config import DomainConfig
from ioe_router.model.domain import (
    MemberCertificate,
    MeterCertificate,
    Removal,
    RootSigned,
    TrustList,
    domain_id_of,
    in_order,
)
from ioe_router.model.envelope import Envelope
from ioe_router.model.ids import DomainId, LinkId, NodeId

DAY_S = 86_400


class Realm:
    """One domain with its operators."""

    def __init__(
        self,
        name: str,
        network_id: str,
        issued_utc_s: int,
        *,
        quorum: int = 2,
        operators: int = 3,
        **fields: Any,
    ) -> None:
        """Found it; `fields` change the first list."""
        self.network_id = network_id
        signers = [self.operator(f"{name} {number}") for number in range(operators)]
        self.roots = sorted(signers, key=lambda one: one.public_key)
        keys = in_order(one.public_key for one in self.roots)
        first = TrustList(
            network_id=network_id,
            domain=domain_id_of(network_id, quorum, keys),
            serial=1,
            quorum=quorum,
            roots=keys,
            signers=keys[:quorum],
            removals=(),
            certified_meters=False,
            grace_s=DAY_S,
            issued_utc_s=issued_utc_s,
            expires_utc_s=issued_utc_s + 90 * DAY_S,
        )
        self.newest = replace(first, **fields)
        self.id: DomainId = first.domain
        self.lists = [self.sealed(self.newest)]

    @staticmethod
    def operator(name: str) -> Ed25519Signer:
        """The root key of an operator of this name."""
        return Ed25519Signer.from_seed(hashlib.sha256(f"root {name}".encode()).digest())

    def sealed(self, body: RootSigned, keys: Sequence[Ed25519Signer] | None = None) -> Envelope:
        """`body` signed by the keys that it names."""
        envelope = draft(body)
        for one in self.roots if keys is None else keys:
            if one.public_key in [named.key for named in body.signers]:
                envelope = signed_by(envelope, one)
        return envelope

    def following(self, *signing: int, **fields: Any) -> TrustList:
        """What the next list says, signed by the operators of these numbers (default: the first `quorum`)."""
        numbers = signing or tuple(range(self.newest.quorum))
        signers = in_order(self.roots[number].public_key for number in numbers)
        return replace(self.newest, serial=self.newest.serial + 1, signers=signers, **fields)

    def proceed(self, *signing: int, **fields: Any) -> Envelope:
        """Put the next list in force."""
        self.newest = self.following(*signing, **fields)
        self.lists.append(self.sealed(self.newest))
        return self.lists[-1]

    def remove(self, node: NodeId, serial: int = 1) -> Envelope:
        """Put a list in force that removes a member."""
        removals = {one.node: one for one in (*self.newest.removals, Removal(node=node, serial=serial))}
        return self.proceed(removals=tuple(removals[one] for one in sorted(removals)))

    def member(self, node: NodeId, *signing: int, **fields: Any) -> MemberCertificate:
        """A member certificate, unsigned."""
        numbers = signing or tuple(range(self.newest.quorum))
        body = MemberCertificate(
            network_id=self.network_id,
            domain=self.id,
            node=node,
            serial=1,
            balance_party=node,
            border=False,
            grid_forming=True,
            signers=in_order(self.roots[number].public_key for number in numbers),
            issued_utc_s=self.newest.issued_utc_s,
            expires_utc_s=self.newest.issued_utc_s + 90 * DAY_S,
        )
        return replace(body, **fields)

    def admit(self, node: NodeId, **fields: Any) -> Envelope:
        """A signed member certificate."""
        return self.sealed(self.member(node, **fields))

    def meter(self, node: NodeId, link: LinkId, **fields: Any) -> Envelope:
        """A signed meter certificate."""
        body = MeterCertificate(
            network_id=self.network_id,
            domain=self.id,
            node=node,
            link=link,
            serial=1,
            meter=hashlib.sha256(b"maker, type, number").digest(),
            tolerance_ppm=5_000,
            signers=self.newest.signers,
            issued_utc_s=self.newest.issued_utc_s,
            expires_utc_s=self.newest.issued_utc_s + 90 * DAY_S,
        )
        return self.sealed(replace(body, **fields))

    def config(
        self, node: NodeId, *others: Realm, meters: tuple[Envelope, ...] = (), **fields: Any
    ) -> DomainConfig:
        """What a member of this domain is told, which deals with these others."""
        return DomainConfig(
            lists=tuple(self.lists),
            member=self.admit(node, **fields),
            meters=meters,
            others=tuple(other.lists[-1] for other in others),
        )
