"""The web application: addresses, who looks, and which page is made from what.

Every page is made from the last answers of the nodes (`Watch.state`), so a
page never waits for a node.  Offers and routes are the exception: they may be
many, so the chosen node is asked when somebody looks, once for all who look.
"""

from __future__ import annotations

import contextlib
import urllib.parse
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from ioe_router.lg.drawing import drawings, line_rows
from ioe_router.lg.grid import grid_of, now_slot
from ioe_router.lg.guard import Guard
from ioe_router.lg.pages.books import currency, slot_books, slot_length_s, window
from ioe_router.lg.pages.home import home_page
from ioe_router.lg.pages.tables import destinations, neighbor_rows, offer_rows
from ioe_router.lg.pages.timeline import timeline
from ioe_router.lg.printing import Printer
from ioe_router.lg.privacy import COOKIE, KEY_CHARACTERS_MAX, Viewer, hidden_links, homes_of, viewer_of
from ioe_router.lg.settings import LookingGlassSection
from ioe_router.lg.watch import State, Unreachable, Watch, Watched

STATIC: Final = Path(__file__).with_name("static")
_QUERY_MAX: Final = 100
_FORM_BYTES_MAX: Final = 1_024
_KEY_LIFE_S: Final = 180 * 86_400
_GZIP_LEAST: Final = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One request: what is known, who asks, and what for."""

    state: State
    viewer: Viewer
    query: Mapping[str, str]

    def text(self, name: str) -> str:
        """A word of the address; empty when it is not there, cut where it is too long."""
        return self.query.get(name, "").strip()[:_QUERY_MAX]


def make_app(watch: Watch, section: LookingGlassSection) -> Guard:
    """The application behind its guard; it asks the nodes for as long as it runs."""
    site = _Site(watch, section)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        watch.start()
        yield
        await watch.stop()

    app = Starlette(
        routes=[
            Route("/", site.grid),
            Route("/lines", site.lines),
            Route("/neighbours", site.neighbors),
            Route("/offers", site.offers),
            Route("/routes", site.routes),
            Route("/reservations", site.reservations),
            Route("/energy", site.energy),
            Route("/prices", site.prices),
            Route("/homes", site.homes),
            Route("/homes/{slug}", site.home),
            Route("/nodes/{slug}", site.node),
            Route("/key", site.take_key, methods=["POST"]),
            Route("/key/forget", site.forget_key, methods=["POST"]),
            Route("/healthz", site.health),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[Middleware(GZipMiddleware, minimum_size=_GZIP_LEAST, compresslevel=5)],
        exception_handlers={HTTPException: site.refused, Exception: site.failed},
        lifespan=lifespan,
    )
    # Outside of everything, so that the page about a defect has its headers, too.
    return Guard(
        app, hosts=section.hosts, operator=section.audience == "operator", https=section.secure_cookie
    )


class _Site:
    def __init__(self, watch: Watch, section: LookingGlassSection) -> None:
        self._watch = watch
        self._section = section
        self._zone = ZoneInfo(section.time_zone)
        self._printer = Printer(section, self._zone, watch.poll_s)

    def _look(self, request: Request) -> Look:
        state = self._watch.state()
        return Look(
            state=state,
            viewer=viewer_of(self._section.audience, request.cookies, state),
            query=request.query_params,
        )

    def _page(self, name: str, look: Look, **values: object) -> Response:
        return self._printer.page(name, look.state, look.viewer, currency=currency(look.state), **values)

    # ------------------------------------------------------------- grid

    async def grid(self, request: Request) -> Response:
        """The map and what stands out."""
        look = self._look(request)
        grid = grid_of(look.state, _slot(look))
        hidden = hidden_links(grid, look.viewer)
        rows = line_rows(grid, hidden)
        books = {one.slot_utc_s: one for one in slot_books(look.state, look.viewer)}
        return self._page(
            "grid.html",
            look,
            grid=grid,
            drawings=drawings(grid, hidden),
            rows=rows,
            books=books.get(grid.slot_utc_s),
            slots=window(look.state),
            now=now_slot(look.state),
        )

    async def lines(self, request: Request) -> Response:
        """All lines as a table."""
        look = self._look(request)
        grid = grid_of(look.state, _slot(look))
        rows = line_rows(grid, hidden_links(grid, look.viewer))
        asked = look.text("q").casefold().split()
        found = [row for row in rows if all(word in row.words.casefold() for word in asked)]
        return self._page("lines.html", look, grid=grid, rows=found, q=look.text("q"))

    async def node(self, request: Request) -> Response:
        """One node: its neighbours and its lines."""
        look = self._look(request)
        node = self._known(request)
        grid = grid_of(look.state, _slot(look))
        hidden = hidden_links(grid, look.viewer)
        rows = line_rows(grid.around(node.snapshot.node if node.snapshot else ""), hidden)
        return self._page(
            "node.html",
            look,
            node=node,
            rows=rows,
            neighbors=[
                row for row in neighbor_rows(look.state, look.viewer, "", "") if row.slug == node.slug
            ],
        )

    async def neighbors(self, request: Request) -> Response:
        """Sessions between nodes."""
        look = self._look(request)
        q, only = look.text("q"), look.text("show")
        rows = neighbor_rows(look.state, look.viewer, q, only)
        return self._page("neighbours.html", look, rows=rows, q=q, show=only)

    # ------------------------------------------------------------- tables

    async def offers(self, request: Request) -> Response:
        """Offers as one node knows them."""
        look = self._look(request)
        teller = self._teller(look)
        q, side, source = look.text("q"), look.text("side"), look.text("source")
        try:
            found = await self._watch.offers(teller.slug)
            trouble = ""
        except Unreachable as error:
            found, trouble = (), str(error)
        rows, shown = offer_rows(look.state, found, q, side, source)
        return self._page(
            "offers.html",
            look,
            teller=teller,
            rows=rows,
            shown=shown,
            trouble=trouble,
            q=q,
            side=side,
            source=source,
        )

    async def routes(self, request: Request) -> Response:
        """Routes as one node knows them, with the reason for every choice."""
        look = self._look(request)
        teller = self._teller(look)
        q, only = look.text("q"), look.text("show")
        try:
            found = await self._watch.routes(teller.slug)
            trouble = ""
        except Unreachable as error:
            found, trouble = (), str(error)
        groups, shown = destinations(look.state, teller, found, q, only)
        return self._page(
            "routes.html", look, teller=teller, groups=groups, shown=shown, trouble=trouble, q=q, show=only
        )

    # ------------------------------------------------------------- books

    async def reservations(self, request: Request) -> Response:
        """The timeline."""
        look = self._look(request)
        q, only = look.text("q"), look.text("show")
        table = timeline(look.state, look.viewer, q, only)
        return self._page(
            "reservations.html", look, table=table, q=q, show=only, slot_s=slot_length_s(look.state)
        )

    async def energy(self, request: Request) -> Response:
        """What the energy is made from."""
        look = self._look(request)
        books = slot_books(look.state, look.viewer)
        return self._page("energy.html", look, books=books, now=now_slot(look.state))

    async def prices(self, request: Request) -> Response:
        """What the energy costs."""
        look = self._look(request)
        books = slot_books(look.state, look.viewer)
        return self._page("prices.html", look, books=books, now=now_slot(look.state))

    # ------------------------------------------------------------- homes

    async def homes(self, request: Request) -> Response:
        """The homes that this viewer may see, and the form for a key."""
        look = self._look(request)
        seen = [node for node in look.state.nodes if look.viewer.may_see_home(node.slug)]
        return self._page("homes.html", look, seen=seen, wrong=look.text("key") == "unknown")

    async def home(self, request: Request) -> Response:
        """A member's own page."""
        look = self._look(request)
        slug = request.path_params["slug"]
        if not look.viewer.may_see_home(slug):
            raise HTTPException(HTTPStatus.FORBIDDEN)  # whether or not there is such a home
        node = self._known(request)
        return self._page("home.html", look, node=node, home=home_page(look.state, node, self._zone))

    async def take_key(self, request: Request) -> Response:
        """Remember a home's key in the browser."""
        key = (await _form(request)).get("key", "")[:KEY_CHARACTERS_MAX].strip()
        homes = sorted(homes_of(key, self._watch.state().nodes))
        if not homes:
            return RedirectResponse("/homes?key=unknown", HTTPStatus.SEE_OTHER)
        answer = RedirectResponse(f"/homes/{homes[0]}", HTTPStatus.SEE_OTHER)
        answer.set_cookie(
            COOKIE,
            key,
            max_age=_KEY_LIFE_S,
            httponly=True,
            samesite="strict",
            secure=self._section.secure_cookie,
        )
        return answer

    async def forget_key(self, _: Request) -> Response:
        """Forget the key."""
        answer = RedirectResponse("/homes", HTTPStatus.SEE_OTHER)
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=self._section.secure_cookie)
        return answer

    # ------------------------------------------------------------- rest

    async def health(self, _: Request) -> Response:
        """For probes: this process works, whatever the nodes do."""
        state = self._watch.state()
        answering = sum(node.answers for node in state.nodes)
        return PlainTextResponse(f"ok: {answering} of {len(state.nodes)} nodes answer\n")

    async def refused(self, request: Request, error: Exception) -> Response:
        """A page that does not exist, or is not for this viewer."""
        status = error.status_code if isinstance(error, HTTPException) else HTTPStatus.NOT_FOUND
        return self._printer.error(self._look(request).state, status)

    async def failed(self, request: Request, _: Exception) -> Response:
        """A defect of ours: one sentence for the reader; the traceback goes to the log."""
        return self._printer.error(self._look(request).state, HTTPStatus.INTERNAL_SERVER_ERROR)

    def _known(self, request: Request) -> Watched:
        node = self._watch.node(request.path_params["slug"])
        if node is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return node

    def _teller(self, look: Look) -> Watched:
        """The node whose view was asked for; else the first that answers; else the first."""
        nodes = look.state.nodes
        asked = [node for node in nodes if node.slug == look.text("node")]
        return (asked or [node for node in nodes if node.answers] or list(nodes))[0]


def _slot(look: Look) -> int | None:
    """The slot in the address, if it is one of the window."""
    text = look.text("slot")
    slot = int(text) if text.isdecimal() else None
    return slot if slot in window(look.state) else None


async def _form(request: Request) -> dict[str, str]:
    """The fields of a small form; a large body counts as empty."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _FORM_BYTES_MAX:
            return {}
    fields = urllib.parse.parse_qs(body.decode("utf-8", "replace"), max_num_fields=4)
    return {name: values[0] for name, values in fields.items()}
