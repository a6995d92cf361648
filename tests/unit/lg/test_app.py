"""The web process without a network: headers, doors, keys, and what is never shown."""

from __future__ import annotations

import re

import pytest

from ioe_router.lg.guard import HEADERS
from ioe_router.lg.privacy import COOKIE, key_digest
from tests.unit.lg.glass import Glass

KEY = "00112233445566778899aabbccddeeff"
PAGES = (
    "/",
    "/lines",
    "/neighbours",
    "/offers",
    "/routes",
    "/reservations",
    "/energy",
    "/prices",
    "/homes",
    "/homes/rosa",
    "/homes/school",
    "/nodes/mill",
    "/nodes/school",
)


@pytest.mark.parametrize("audience", ["operator", "public"])
@pytest.mark.parametrize("path", [*PAGES, "/nothing", "/static/lg.css", "/static/nothing", "/healthz"])
def test_every_answer_keeps_the_policy(path: str, audience: str) -> None:
    """Every answer, errors included, has all security headers, and no page needs an exception from them."""
    answer = Glass(audience).get(path)
    assert answer.status in (200, 403, 404)
    for name, value in HEADERS.items():
        assert answer.headers[name] == value
    assert "unsafe" not in answer.headers["content-security-policy"]
    if answer.headers["content-type"].startswith("text/html"):
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*\bsrc=)", answer.text)
        assert not re.search(r"(src|href)=[\"'](https?:)?//", answer.text), "nothing from elsewhere"
        assert answer.headers["cache-control"] == "no-store"
        assert "Traceback" not in answer.text
    kept = path == "/static/lg.css"
    assert answer.headers["cache-control"] == ("public, max-age=86400" if kept else "no-store")


def test_only_known_hosts() -> None:
    """A name that is not configured is refused: a page of somebody else cannot read this one by DNS."""
    glass = Glass("public", hosts=("grid.example.org",))
    assert glass.get("/", host="grid.example.org").status == 200
    assert glass.get("/", host="GRID.example.org:8480").status == 200
    assert glass.get("/", host="127.0.0.1:8480").status == 200
    for host in ("evil.example", "", "grid.example.org.evil.example", "localhost@evil.example"):
        assert glass.get("/", host=host).status == 400


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"])
def test_only_reading(method: str) -> None:
    """Nothing but reading is possible, apart from the two forms."""
    answer = Glass().send(method, "/reservations")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    assert Glass().get("/key").status == 405


def test_the_operators_page_is_not_for_proxies() -> None:
    """Where everything is shown, a request that was passed on is refused; the public's page takes it."""
    for header in ("x_forwarded_for", "forwarded", "via", "x_real_ip"):
        assert Glass().get("/", **{header: "192.0.2.1"}).status == 403
        assert Glass("public").get("/", **{header: "192.0.2.1"}).status == 200


def test_what_the_public_does_not_see() -> None:
    """No page for the public holds a single trade, a home's line, an address, or a home's own page."""
    public, operator = Glass("public"), Glass()
    shown = "\n".join(public.get(path).text for path in PAGES)
    full = "\n".join(operator.get(path).text for path in PAGES)
    for secret in (
        "192.0.2.7",
        "refuses the connection",
        "18.0 kW",
        "30.0 kW",
        "sold to Ada",
        "daemon runs here.",
    ):
        assert secret in full
        assert secret not in shown
    assert "it is one household&#39;s" in shown
    assert "10.0 kW from Utility to Mill" in shown, "lines of several homes are no secret"
    for path in ("/homes/rosa", "/homes/nobody"):
        assert public.get(path).status == 403, "whether or not there is such a home"


def test_a_key_opens_one_home() -> None:
    """A home's key, sent with the form, opens that home's page and no other, and scripts cannot read it."""
    glass = Glass("public", keys={"Rosa": key_digest(KEY)})
    wrong = glass.send("POST", "/key", b"key=ffffffffffffffffffffffffffffffff")
    assert (wrong.status, wrong.headers["location"]) == (303, "/homes?key=unknown")
    assert "set-cookie" not in wrong.headers
    right = glass.send("POST", "/key", f"key={KEY}".encode())
    assert (right.status, right.headers["location"]) == (303, "/homes/rosa")
    cookie = right.headers["set-cookie"].lower()
    assert all(word in cookie for word in ("httponly", "samesite=strict", "path=/"))
    held = f"{COOKIE}={KEY}"
    assert "your roof made 2.00\u00a0kWh" in glass.get("/homes/rosa", cookie=held).text
    assert glass.get("/homes/mill", cookie=held).status == 403
    assert "Rosa → Ada" not in re.sub("<[^>]*>", "", glass.get("/reservations", cookie=held).text)
    forgotten = glass.send("POST", "/key/forget", cookie=held)
    assert "max-age=0" in forgotten.headers["set-cookie"].lower()
    https = Glass("public", keys={"Rosa": key_digest(KEY)}, secure_cookie=True)
    assert "secure" in https.send("POST", "/key", f"key={KEY}".encode()).headers["set-cookie"].lower()


def test_forms_of_other_sites() -> None:
    """A form that another site sends is refused, and a huge one is not read."""
    glass = Glass("public", keys={"Rosa": key_digest(KEY)})
    body = f"key={KEY}".encode()
    assert glass.send("POST", "/key", body, origin="http://evil.example").status == 403
    assert glass.send("POST", "/key", body, origin="null").status == 403
    assert glass.send("POST", "/key", body, sec_fetch_site="cross-site").status == 403
    assert glass.send("POST", "/key", body, origin="http://localhost").status == 303
    huge = glass.send("POST", "/key", body + b"&x=" + b"y" * 5_000)
    assert huge.headers["location"] == "/homes?key=unknown"


@pytest.mark.parametrize(
    "path",
    [
        "/?slot=abc",
        "/?slot=99999999999999999999",
        "/?slot=²",
        "/lines?q=" + "x" * 5_000,
        "/offers?node=nobody&side=both&source=coal&q=%00%ff",
        "/routes?show=%F0%9F%92%A1&q=<script>alert(1)</script>",
        "/reservations?show=x&q='\"><img src=x onerror=alert(1)>",
    ],
)
def test_odd_addresses(path: str) -> None:
    """Whatever stands in an address, the answer is a page, and nothing of it comes back as markup."""
    answer = Glass().get(path)
    assert answer.status == 200
    assert "<script>alert" not in answer.text
    assert "<img" not in answer.text


def test_a_silent_node_is_named() -> None:
    """A node that has never answered is on every page of the grid, with no error of ours."""
    text = Glass().get("/").text
    assert "School does not answer." in text
    assert "No contact since this looking glass was started." in text
    assert "4 of 5 nodes answer" in text
    assert Glass().get("/healthz").text == "ok: 4 of 5 nodes answer\n"
    for path in ("/offers?node=school", "/routes?node=school"):
        assert "School does not answer" in Glass().get(path).text


def test_a_defect_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """When a page cannot be made its reader sees a sentence, with all headers, and no traceback."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("ioe_router.lg.app.timeline", broken)
    answer = Glass().get("/reservations")
    assert answer.status == 500
    assert "This page could not be made" in answer.text
    assert "ZeroDivision" not in answer.text
    assert answer.headers["content-security-policy"] == HEADERS["content-security-policy"]
