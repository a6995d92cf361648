"""Prints pages: templates, the words that they use, and what stands on every page."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import tzinfo
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from ioe_router.lg import words
from ioe_router.lg.privacy import PARTIES_MIN, Viewer
from ioe_router.lg.settings import LookingGlassSection
from ioe_router.lg.snapshot import Side, Source
from ioe_router.lg.watch import State

_HERE: Final = Path(__file__).parent
_ERRORS: Final = {
    HTTPStatus.NOT_FOUND: (
        "There is no such page",
        "The address may be mistyped, or the node has another name now.",
    ),
    HTTPStatus.FORBIDDEN: (
        "This page belongs to one home",
        "Enter the key of the home to see it; whoever runs this looking glass hands keys out.",
    ),
    HTTPStatus.INTERNAL_SERVER_ERROR: (
        "This page could not be made",
        "The fault is on this side and has been logged; the other pages are not affected.",
    ),
}
_FIGURE: Final = re.compile(r"(?<=[0-9]) (?=(?:kWh|Wh|ct|kW|W|%)\b)")  # between a figure and its unit
_NOBODY: Final = Viewer(operator=False, homes=frozenset())


class Printer:
    """Turns values into pages."""

    def __init__(self, section: LookingGlassSection, zone: tzinfo, poll_s: float) -> None:
        """Compiles nothing yet; a template is compiled when it is first used."""
        self._env = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._env.globals.update(
            words=words,
            title=section.title,
            public=section.audience == "public",
            zone_name=section.time_zone,
            software=version("ioe-router"),
            poll_ms=round(1000 * poll_s),
            assets=_fingerprint(_HERE / "static"),
            sides=tuple(Side),
            sources=tuple(Source),
            parties_min=PARTIES_MIN,
        )
        self._env.filters["clock"] = lambda utc_s: words.clock(utc_s, zone)
        self._env.filters["stamp"] = lambda utc_s: words.stamp(utc_s, zone)
        self._env.filters["joined"] = lambda text: _FIGURE.sub("\u00a0", text)
        self._env.filters["sentence"] = words.sentence
        self._env.filters["machine_time"] = words.machine_time

    def page(self, name: str, state: State, viewer: Viewer, **values: object) -> Response:
        """A page for a viewer."""
        return HTMLResponse(self._render(name, state, viewer, values))

    def error(self, state: State, status: int) -> Response:
        """A page that says why there is no other."""
        heading, advice = _ERRORS.get(HTTPStatus(status), _ERRORS[HTTPStatus.NOT_FOUND])
        values = {"heading": heading, "advice": advice, "status": status}
        return HTMLResponse(self._render("error.html", state, _NOBODY, values), status)

    def _render(self, name: str, state: State, viewer: Viewer, values: Mapping[str, object]) -> str:
        silent = tuple(node for node in state.nodes if node.asked and not node.answers)
        network = next((node.snapshot.network for node in state.nodes if node.snapshot), "")
        return self._env.get_template(name).render(
            state=state,
            viewer=viewer,
            silent=silent,
            network=network,
            answering=sum(node.answers for node in state.nodes),
            **values,
        )


def _fingerprint(folder: Path) -> str:
    """Changes when an asset does, so that no browser keeps an old one."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        digest.update(path.read_bytes() if path.is_file() else b"")
    return digest.hexdigest()[:12]
