"""A community as one trust domain: who founds it, who is admitted to what (SPEC section 4.10).

The operators of a community are not nodes.  Whoever assembles it - the demo's
coordinator, the simulator - holds their root keys for the moment, founds the domain
and admits every node; no router ever sees a private root key.

A node without RADIAL parent may form the grid of its zone; the utility's node is the
balance-responsible party of all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from ioe_router.analysis.quantities import asset_groups
from ioe_router.codec.root_signing import draft, signed_by
from ioe_router.codec.signing import Ed25519Signer, Signer
from ioe_router.community.layout import places_at
from ioe_router.config import DomainConfig
from ioe_router.model.domain import MemberCertificate, RootSigned, TrustList, domain_id_of, in_order
from ioe_router.model.envelope import Envelope
from ioe_router.model.ids import NodeId
from ioe_router.scenario.model import Scenario, ScenarioLinkKind

QUORUM: Final = 2
OPERATORS: Final = 3
GRACE_S: Final = 86_400
LIFETIME_S: Final = 3 * 86_400


def root_keys(seed_of: Callable[[str], bytes]) -> tuple[Signer, ...]:
    """The operators' root keys from 32-byte seeds by name."""
    return tuple(Ed25519Signer.from_seed(seed_of(f"root {number}")) for number in range(OPERATORS))


def signed(body: RootSigned, roots: Sequence[Signer]) -> Envelope:
    """An object of a domain with the signature of each of its signers among these roots."""
    envelope = draft(body)
    named = {one.key for one in body.signers}
    for root in roots:
        if root.public_key in named:
            envelope = signed_by(envelope, root)
    return envelope


def founding_list(network_id: str, roots: Sequence[Signer], quorum: int, issued_utc_s: int) -> TrustList:
    """The first trust list of a domain, to be signed by its first `quorum` roots."""
    keys = in_order(root.public_key for root in roots)
    return TrustList(
        network_id=network_id,
        domain=domain_id_of(network_id, quorum, keys),
        serial=1,
        quorum=quorum,
        roots=keys,
        signers=keys[:quorum],
        removals=(),
        certified_meters=False,
        grace_s=GRACE_S,
        issued_utc_s=issued_utc_s,
        expires_utc_s=issued_utc_s + LIFETIME_S,
    )


def community_domain(
    scenario: Scenario, nodes: Mapping[str, NodeId], roots: Sequence[Signer], issued_utc_s: int
) -> dict[str, DomainConfig]:
    """The domain of a scenario, as each bus is told of it."""
    founding = founding_list(scenario.market.network_id, roots, QUORUM, issued_utc_s)
    first = signed(founding, roots)
    party = nodes[asset_groups(scenario).utility.bus]
    return {
        bus: DomainConfig(
            lists=(first,),
            member=signed(_member(founding, node, party, forms_grid=_forms_grid(scenario, bus)), roots),
        )
        for bus, node in nodes.items()
    }


def _member(founding: TrustList, node: NodeId, party: NodeId, *, forms_grid: bool) -> MemberCertificate:
    return MemberCertificate(
        network_id=founding.network_id,
        domain=founding.domain,
        node=node,
        serial=1,
        balance_party=party,
        border=False,
        grid_forming=forms_grid,
        signers=founding.signers,
        issued_utc_s=founding.issued_utc_s,
        expires_utc_s=founding.expires_utc_s,
    )


def _forms_grid(scenario: Scenario, bus: str) -> bool:
    return not any(
        place.link.kind is ScenarioLinkKind.RADIAL and place.other == bus
        for place in places_at(scenario, bus)
    )
