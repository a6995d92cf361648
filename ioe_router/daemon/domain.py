"""The [domain] of node.toml: which trust domain a node belongs to, and how new lists come into force.

The files are checked at the start, and by `ioe config check`.  While the node runs they are looked
at once a second: a trust file with a further complete list, or a renewed certificate, is handed to
the router, so that a removal takes effect everywhere without a restart.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import msgspec

from ioe_router.adapters.domain_files import read_certificate, read_trust, usable_certificate, usable_trust
from ioe_router.codec.root_signing import RootOpener, missing
from ioe_router.config import AggregationConfig, DomainConfig, RouterConfig
from ioe_router.core.aggregation import check_aggregation
from ioe_router.core.domains import Domains
from ioe_router.core.inputs import BringDomain, Input
from ioe_router.daemon.errors import ConfigRefused
from ioe_router.daemon.reporting import Log
from ioe_router.daemon.settings import AggregationSection, DomainSection
from ioe_router.model.clock import Now
from ioe_router.model.envelope import Envelope
from ioe_router.model.errors import UsageError

_LOOK_S: Final = 1.0


def domain_config(
    section: DomainSection | None, folder: Path, network_id: str, now: Now
) -> DomainConfig | None:
    """What the router is told of domains. ConfigRefused names the file, the cause and the remedy."""
    if section is None:
        return None
    try:
        where = folder / section.trust
        trust = read_trust(where)
        domain = usable_trust(trust, network_id, str(where))
        certificates = {path: read_certificate(folder / path) for path in (section.member, *section.meters)}
        for path, envelope in certificates.items():
            usable_certificate(envelope, domain, network_id, now.utc_s, str(folder / path))
        others = []
        for path in section.others:
            other = read_trust(folder / path)
            usable_trust(other, network_id, str(folder / path))
            others.append(other.complete[-1])
    except UsageError as error:
        raise ConfigRefused(str(error)) from error
    return DomainConfig(
        lists=trust.complete,
        member=certificates[section.member],
        meters=tuple(certificates[path] for path in section.meters),
        others=tuple(others),
    )


def aggregation_config(section: AggregationSection | None) -> AggregationConfig | None:
    """What the router is told of aggregation."""
    return None if section is None else AggregationConfig(**msgspec.structs.asdict(section))


def refuse_misfit(config: RouterConfig) -> None:
    """ConfigRefused when the domain does not fit the rest: roles, party, duties."""
    try:
        Domains(config).load(RootOpener(config.parameters.network_id))
        check_aggregation(config)
    except UsageError as error:
        raise ConfigRefused(str(error)) from error


class _Takes(Protocol):
    def submit(self, command: Input) -> None:
        """Give the router an input."""


@dataclass(slots=True)
class DomainWatch:
    """Looks at the files of the domains once a second."""

    section: DomainSection
    folder: Path
    node: _Takes
    log: Log
    _seen: dict[str, bytes] | None = None

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(_LOOK_S)

    def look(self) -> None:
        """Hand over what has changed since the last look; the first one only remembers."""
        section = self.section
        names = (section.trust, section.member, *section.others)
        found = {name: self._content(name) for name in names}
        before, self._seen = self._seen, found
        for name in names if before is not None else ():
            if before is not None and found[name] != before[name]:
                self._bring(name)

    def _content(self, name: str) -> bytes:
        try:
            return (self.folder / name).read_bytes()
        except OSError:
            return b""  # about to be replaced, or taken away: what was read stays in force

    def _bring(self, name: str) -> None:
        path = self.folder / name
        try:
            if name == self.section.member:
                certificate = read_certificate(path)
                envelopes: tuple[Envelope, ...] = () if missing(certificate) else (certificate,)
            else:
                envelopes = read_trust(path).complete
        except UsageError as error:
            self.log.warn("DomainFileUnusable", cause=str(error))
            return
        if envelopes:
            self.log.say("DomainFileChanged", file=name)
            self.node.submit(BringDomain(envelopes=envelopes))
