"""What stands before every page: host and method checks, and the security headers of every answer.

    Host        only names of the configuration and of loopback, against DNS rebinding
    method      GET and HEAD; POST for the two forms that set and clear a home's key
    forwarded   a page for the operator is for its own machine: what a proxy passes on is refused
    headers     no script, style, image or frame from anywhere but this process; no page is cached

There is no inline script or style in any page, so the policy needs no exception.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ioe_router.lg.settings import LOOPBACK_HOSTS

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
FORMS: Final = ("/key", "/key/forget")
_FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
_HSTS: Final = "max-age=31536000"
_STATIC: Final = "/static/"


class Guard:
    """ASGI middleware; the outermost."""

    def __init__(self, app: ASGIApp, *, hosts: tuple[str, ...], operator: bool, https: bool) -> None:
        """`hosts`: allowed names beside loopback's; `operator`: everything is shown here."""
        self._app = app
        self._hosts = {host.lower() for host in (*hosts, *LOOPBACK_HOSTS)}
        self._operator = operator
        self._https = https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on; either way with the headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = scope["path"].startswith(_STATIC) and message["status"] == HTTPStatus.OK
                self._add(MutableHeaders(scope=message), kept=kept)
            await send(message)

        refusal = self._refusal(scope)
        await (refusal or self._app)(scope, receive, send_with_headers)

    def _add(self, headers: MutableHeaders, *, kept: bool) -> None:
        for name, value in HEADERS.items():
            headers[name] = value
        headers["cache-control"] = "public, max-age=86400" if kept else "no-store"
        if self._https:
            headers["strict-transport-security"] = _HSTS

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        """The answer to what is not for this process; None for everything else."""
        headers = Headers(scope=scope)
        if _name(headers.get("host", "")) not in self._hosts:
            return PlainTextResponse(
                "This looking glass is not known under that name; its operator adds it to 'hosts'.\n", 400
            )
        if self._operator and any(name in headers for name in _FORWARDED):
            return PlainTextResponse(
                "This looking glass shows everything and is for its own machine only;"
                ' behind a proxy its operator writes audience = "public".\n',
                403,
            )
        allowed = ("POST",) if scope["path"] in FORMS else ("GET", "HEAD")
        if scope["method"] not in allowed:
            return PlainTextResponse(
                "The looking glass only reads.\n", 405, headers={"allow": ", ".join(allowed)}
            )
        if scope["method"] == "POST" and not _same_origin(headers):
            return PlainTextResponse("This form was sent from another site.\n", 403)
        return None


def _name(host: str) -> str:
    """The name in a Host header, without port."""
    head, colon, port = host.rpartition(":")
    return (head if colon and port.isdigit() else host).lower()


def _same_origin(headers: Headers) -> bool:
    """Whether a form comes from a page of this process, as far as the browser says."""
    origin = headers.get("origin")
    site = headers.get("sec-fetch-site", "same-origin")
    host = headers.get("host", "")
    return site in ("same-origin", "none") and (origin is None or origin.split("://")[-1] == host)
