"""The looking glass in a real browser, with the community of five behind it as real daemons."""

from __future__ import annotations

import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from ioe_router.lg.privacy import key_digest
from tests.e2e.browser import TAB, Browser, Page, installed
from tests.e2e.daemons import Daemon, wait_for
from tests.e2e.loopback_community import Community, glass_text, make_on_loopback
from tests.e2e.node_files import COMMAND, ENVIRONMENT, free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

LEAD_S = 60  # the first steps need no trade, and five daemons take long to start on a busy machine
KEY = "0123456789abcdef0123456789abcdef"
PAGES = (
    "/",
    "/neighbours",
    "/offers",
    "/routes",
    "/reservations",
    "/energy",
    "/prices",
    "/homes",
    "/homes/home-east",
    "/nodes/battery",
    "/lines",
    "/no-such-page",
)
READY = "document.documentElement?.dataset.ready === 'yes'"
ENTER = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13}
# What a page is asked about itself: what sticks out, what has no name, what structure is missing.
SURVEY = """(() => {
  const wide = document.documentElement.clientWidth;
  const seen = (node) => node.getClientRects().length > 0;
  const out = [...document.querySelectorAll('body *')].filter((node) => !node.closest('.sr, .skip, svg') &&
    seen(node) && node.getBoundingClientRect().right > wide + 1);
  const named = (node) => node.getAttribute('aria-label') || node.textContent.trim() || node.labels?.length;
  const all = (what) => [...document.querySelectorAll(what)];
  const mute = all('a, button, input, select').filter((node) => seen(node) && !named(node));
  const levels = [...document.querySelectorAll('h1, h2, h3')].map((node) => Number(node.localName[1]));
  return {
    scroll: document.documentElement.scrollWidth - wide,
    out: out.slice(0, 4).map((node) => node.outerHTML.slice(0, 90)),
    mute: mute.map((node) => node.outerHTML.slice(0, 90)),
    landmarks: ['header', 'nav[aria-label]', 'main', 'footer'].filter((each) =>
      document.querySelectorAll(each).length !== 1),
    headings: [levels.filter((level) => level === 1).length, levels[0]],
    captions: all('table').filter((table) => !table.caption?.textContent.trim()).length,
    scopes: document.querySelectorAll('th:not([scope])').length,
    title: document.title, language: document.documentElement.lang, styled: all('[style]').length,
  };
})()"""


@dataclass
class Stage:
    """What runs: the nodes, one looking glass for their operator, one for the public, a browser."""

    community: Community
    daemons: dict[str, Daemon]
    operator: str
    public: str
    page: Page


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """All of it; ended with the test."""
    command = installed()
    if command is None:
        pytest.skip("not run: chromium is not installed")
    folder = tmp_path
    community = make_on_loopback(folder / "community", more_lead_s=LEAD_S)
    daemons = {name: Daemon(config) for name, config in community.configs.items()}
    processes = [daemon.process for daemon in daemons.values()]
    try:
        glasses = []
        for audience, poll_s in (("operator", 2), ("public", 5)):
            port = free_port()
            more = f'audience = "{audience}"\npoll_s = {poll_s}'
            config = folder / f"{audience}.toml"
            config.write_text(glass_text(folder / "community", port, more, {"home-east": key_digest(KEY)}))
            arguments = [*COMMAND, "lg", "run", "--config", str(config)]
            with (folder / f"{audience}.log").open("w") as log:
                processes.append(subprocess.Popen(arguments, env=ENVIRONMENT, stderr=log))
            glasses.append(f"http://127.0.0.1:{port}")
        for glass in glasses:
            wait_for(partial(_all_answer, glass))
        with Browser(command) as browser:
            yield Stage(community, daemons, glasses[0], glasses[1], browser.page())
        logs = [folder / f"{audience}.log" for audience in ("operator", "public")]
        assert not [log for log in logs if "Traceback" in log.read_text()]
    finally:
        for process in (*processes, *(daemon.process for daemon in daemons.values())):
            if process.poll() is None:
                process.kill()
                process.wait()


def _all_answer(glass: str) -> bool:
    return "5 of 5" in _text(f"{glass}/healthz")


def _text(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own http address
            text: str = answer.read().decode()
            return text
    except (urllib.error.URLError, ConnectionError) as error:
        return str(error)


def test_the_looking_glass_in_a_browser(stage: Stage) -> None:
    """What the functions below claim holds, one after the other, before the same five nodes."""
    _every_page_at_every_width(stage)
    _light_and_dark(stage)
    _keyboard(stage)
    _motion_only_where_it_is_wanted(stage)
    _search_and_reasons(stage)
    _without_script(stage)
    _map_follows_what_is_booked(stage)
    _home_reads_its_own_page_and_nobody_else(stage)
    _node_that_does_not_answer(stage)


def _every_page_at_every_width(stage: Stage) -> None:
    """From 320 to 1280 pixels nothing sticks out, all has names and structure, and the policy is kept."""
    page = stage.page
    for path in PAGES:
        page.open(stage.operator + path, READY)
        for width, dark in ((320, True), (390, False), (768, True), (1280, False)):
            page.screen(width, 900, dark=dark)
            said = page.ask(SURVEY)
            where = f"{path} at {width} px"
            assert (said["scroll"], said["out"]) == (0, []), where
            assert (said["mute"], said["landmarks"]) == ([], []), where
            assert said["headings"] == [1, 1], where
            assert (said["captions"], said["scopes"], said["styled"]) == (0, 0, 0), where
            assert said["language"] == "en", where
            assert said["title"].endswith("Community of five"), where
    expected = ["/no-such-page", "status of 404"]
    assert [one for one in page.complaints if not all(part in one for part in expected)] == []
    page.complaints.clear()


def _light_and_dark(stage: Stage) -> None:
    """The reader's setting decides the colours, and text stands out from its ground in both (4.5 to 1)."""
    page = stage.page
    grounds = []
    for dark in (False, True):
        page.screen(1280, 900, dark=dark)
        page.open(f"{stage.operator}/offers", READY)
        pair = """(() => {
          const of = (node, what) => getComputedStyle(node)[what].match(/[\\d.]+/g).map(Number);
          const light = (rgb) => { const [r, g, b] = rgb.slice(0, 3).map((c) => { const s = c / 255;
            return s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4; });
            return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
          const ground = light(of(document.querySelector('.card'), 'backgroundColor'));
          const texts = [...document.querySelectorAll('.card th, .card td, .card .why, .card .soft')];
          return [ground, Math.min(...texts.map((node) => { const ink = light(of(node, 'color'));
            return (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05); }))]; })()"""
        ground, contrast = page.ask(pair)
        grounds.append(ground)
        assert contrast >= 4.5
    assert grounds[0] > 0.8
    assert grounds[1] < 0.05


def _keyboard(stage: Stage) -> None:
    """The first key leads past the navigation; places on the map keep the focus when the map is new."""
    page = stage.page
    page.screen(1280, 900)
    page.open(f"{stage.operator}/", READY)
    page.press(TAB)
    assert page.ask("document.activeElement.textContent") == "Skip to the content"
    page.press(ENTER, "\r")
    page.wait("location.hash === '#main'")
    reached = set()
    for _ in range(12):
        page.press(TAB)
        reached.add(
            page.ask("document.activeElement.getAttribute('aria-label') ?? document.activeElement.id")
        )
        if page.ask("document.activeElement.classList.contains('place')"):
            break
    place = page.ask("document.activeElement.getAttribute('aria-label')")
    assert place in reached
    assert place.endswith(": answers")
    page.ask(
        "document.activeElement.dataset.old = 'yes'; document.querySelector('#map-wide-shapes').append('x')"
    )
    page.wait("!document.querySelector('#map-wide-shapes').textContent.endsWith('x')")  # a live part is new
    page.wait("document.activeElement.classList.contains('place')")
    assert page.ask("document.activeElement.getAttribute('aria-label')") == place
    assert page.ask("document.activeElement.dataset.old ?? 'new'") == "new"
    page.press(ENTER, "\r")
    page.wait(f"location.pathname.startsWith('/nodes/') && {READY}")


def _motion_only_where_it_is_wanted(stage: Stage) -> None:
    """Energy streams along the lines, and stands still for a reader who wants less motion."""
    page = stage.page
    running = "document.getAnimations().filter((one) => one.playState === 'running').length"
    page.screen(1280, 900)
    page.open(f"{stage.operator}/", READY)
    assert page.ask(running) > 0
    page.screen(1280, 900, calm=True)
    page.open(f"{stage.operator}/", READY)
    assert page.ask(running) == 0


def _search_and_reasons(stage: Stage) -> None:
    """Offers and routes can be searched, and each choice has its reason beside it."""
    page = stage.page
    page.screen(1280, 900)
    page.open(f"{stage.operator}/routes?node=factory&q=home+east", READY)
    best = "document.querySelector('li.best')"
    assert page.ask(f"{best}.querySelector('.hops').innerText").split()[0] == "Factory"
    assert page.ask(f"{best}.querySelector('.why').innerText").endswith(".")
    found = page.ask("[...document.querySelectorAll('.route')].map((each) => each.innerText)")
    assert found
    assert all("Home east" in text for text in found)
    page.open(f"{stage.operator}/offers?node=factory&source=solar", READY)
    rows = page.ask("[...document.querySelectorAll('tbody tr')].map((row) => row.innerText)")
    assert rows
    assert all("solar" in row for row in rows)
    page.open(f"{stage.operator}/offers?node=factory&q=nothing+like+this", READY)
    assert "No offer matches" in page.ask("document.body.innerText")


def _without_script(stage: Stage) -> None:
    """With scripts switched off a page has all its content, and a button for what a script would do."""
    page = stage.page
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    page.open(f"{stage.operator}/", "document.readyState === 'complete'")
    assert page.ask("document.querySelectorAll('#map-wide a.place').length") == len(stage.daemons)
    assert page.ask("document.querySelectorAll('#lines tbody tr').length") > 0
    assert page.ask("getComputedStyle(document.querySelector('.slots button')).display") != "none"
    assert page.ask("document.getElementById('live').hidden") is True
    page.call("Emulation.setScriptExecutionDisabled", value=False)


def _map_follows_what_is_booked(stage: Stage) -> None:
    """Without being touched the open page shows the trade that begins: load, direction, words on a line."""
    page = stage.page
    page.screen(1280, 900)
    page.open(f"{stage.operator}/", READY)
    page.wait(f"document.querySelector('option[value=\"{stage.community.slot_utc_s}\"]') !== null")
    page.open(f"{stage.operator}/?slot={stage.community.slot_utc_s}", READY)
    page.ask("window.untouched = true")
    sunny = "document.querySelector('#map-wide .line:not(.lidle) title')"
    page.wait(f"{sunny} !== null && document.body.innerText.includes('Home east → Battery')", within_s=120)
    assert page.ask("window.untouched") is True, "the page was not loaded again"
    words = page.ask("[...document.querySelectorAll('#map-wide title')].map((node) => node.textContent)")
    told = [text for text in words if "from Home east to Battery" in text]
    assert len(told) == 1
    assert "of its rating" in told[0]
    assert page.ask("document.querySelectorAll('#map-wide a.place').length") == len(stage.daemons)
    assert page.complaints == []


def _home_reads_its_own_page_and_nobody_else(stage: Stage) -> None:
    """For the public a home's page opens with its key only, and then speaks in plain words."""
    page = stage.page
    page.screen(390, 844)
    page.open(f"{stage.public}/homes/home-east", READY)
    assert "belongs to one home" in page.ask("document.body.innerText")
    page.open(f"{stage.public}/homes", READY)
    page.ask("document.querySelector('input[name=key]').value = 'no key at all'")
    page.ask("document.querySelector('.key-form form').requestSubmit()")
    page.wait("document.body?.innerText.includes('No home has this key')")
    page.ask(f"document.querySelector('input[name=key]').value = '{KEY}'")
    page.ask("document.querySelector('.key-form form').requestSubmit()")
    page.wait(f"location.pathname === '/homes/home-east' && {READY}")
    page.wait("/From [\\d:]+ to [\\d:]+ you will sell .*kWh to Factory/.test(document.body.innerText)", 60)
    assert page.ask("document.cookie") == "", "scripts cannot read the key"
    page.open(f"{stage.public}/homes/factory", READY)
    assert "belongs to one home" in page.ask("document.body.innerText")
    page.open(f"{stage.public}/reservations", READY)
    text = page.ask("document.body.innerText")
    assert "Home east →" not in text
    assert "at least 3 homes" in text


def _node_that_does_not_answer(stage: Stage) -> None:
    """A node that is gone is named with the time of its last answer, and no longer once it is back."""
    page = stage.page
    page.screen(1280, 900)
    page.open(f"{stage.operator}/", READY)
    daemon = stage.daemons["factory"]
    daemon.process.kill()
    daemon.process.wait()
    page.wait("document.body.innerText.includes('Factory does not answer. Last contact:')", within_s=60)
    assert page.ask("document.querySelectorAll('#map-wide .place.silent').length") == 1
    page.open(f"{stage.operator}/routes?node=factory", READY)
    page.wait("document.body.innerText.includes('Choose another node above')", within_s=30)
    page.open(f"{stage.operator}/nodes/factory", READY)
    assert "4 of 5 nodes answer" in page.ask("document.body.innerText")
    stage.daemons["factory"] = Daemon(stage.community.configs["factory"])
    page.wait("document.body.innerText.includes('5 of 5 nodes answer')", within_s=60)
    page.wait("!document.body.innerText.includes('does not answer')", within_s=30)
