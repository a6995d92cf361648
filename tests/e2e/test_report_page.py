"""The report page in a real browser: it draws everything, and nothing sticks out at any width."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from ioe_router.demo.report import write_report
from ioe_router.demo.summary import summary_of
from ioe_router.scenario import bundled
from tests.unit.demo.sample_run import sample_run

WIDTHS_PX = (320, 390, 768, 1280, 1400)
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--virtual-time-budget=8000",
    "--dump-dom",
)
# Put into a copy of the page: acts as a reader would, and tells the frame around it what there is to see.
PROBE = """<script>
addEventListener('error', (event) => parent.postMessage({ error: event.message, line: event.lineno }, '*'));
addEventListener('load', () => {
  const count = (what) => document.querySelectorAll(what).length;
  const clock = () => document.getElementById('clock').textContent;
  const [time, first] = [document.getElementById('time'), clock()];
  time.value = 70;
  time.dispatchEvent(new Event('input'));
  const heads = document.querySelectorAll('.members thead th');
  heads[8].querySelector('button').click();
  document.querySelector('.bus[role="button"]').dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter' }));
  const wide = document.documentElement.clientWidth;
  const out = [...document.querySelectorAll('body *')].filter((each) => {
    const { right, width } = each.getBoundingClientRect();
    return width && right > wide + 1 && !each.closest('.table-card, .scroll, .skip');
  });
  const labels = [...document.querySelectorAll('.map-label')].map((each) => each.getBoundingClientRect());
  const over = labels.filter((a, i) => labels.some((b, k) => k > i &&
    a.left < b.right - 2 && b.left < a.right - 2 && a.top < b.bottom - 3 && b.top < a.bottom - 3));
  parent.postMessage({
    width: innerWidth, ready: document.documentElement.dataset.ready, first, then: clock(),
    buses: count('.bus[role="button"]'), links: count('.link'), charts: count('.chart svg .cursor'),
    unnamed: ['.bus[role="button"]', '.link', '.chart svg'].map((what) => count(`${what}:not([aria-label])`)),
    days: count('#days button'), sorted: heads[8].getAttribute('aria-sort'), chosen: count('.bus.chosen'),
    side: document.getElementById('side').innerText, scroll: document.documentElement.scrollWidth,
    out: out.slice(0, 5).map((each) => each.outerHTML.slice(0, 80)), over: over.length,
  }, '*');
});
</script>"""


def _browser() -> str:
    for name in BROWSERS:
        found = shutil.which(name)
        if found is not None:
            return found
    pytest.skip("not run: chromium is not installed")


def _look(folder: Path, page: Path, count: int) -> list[dict[str, Any]]:
    """What the page says of itself in a frame of each width."""
    probed = folder / "probed.html"
    text = page.read_text(encoding="utf-8")
    probed.write_text(text.replace("<script type", PROBE + "<script type", 1), encoding="utf-8")
    frames = "".join(f'<iframe src="probed.html" width="{w}" height="900"></iframe>' for w in WIDTHS_PX)
    keep = "said.push(e.data); document.body.dataset.said = JSON.stringify(said);"
    script = f"const said = []; onmessage = (e) => {{ {keep} }};"
    rig = folder / "rig.html"
    rig.write_text(f"<!DOCTYPE html><body><script>{script}</script>{frames}</body>", encoding="utf-8")
    command = [_browser(), *OPTIONS, f"--user-data-dir={folder / 'profile'}", rig.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    found = re.search(r'data-said="([^"]*)"', done.stdout)
    assert found is not None, f"the page said nothing; the browser said: {done.stderr[-800:]}"
    said: list[dict[str, Any]] = json.loads(unescape(found[1]))
    assert [one for one in said if "error" in one] == []
    assert len(said) == count
    return sorted(said, key=lambda one: one["width"])


@pytest.mark.parametrize("name", ["village", "feeder33"])
def test_the_page_works_at_every_width(name: str, tmp_path: Path) -> None:
    """From 320 to 1400 pixels the page draws all, reacts to its reader, and nothing overlaps or juts out."""
    _browser()
    run = sample_run(bundled(name), deaths=True)
    page = write_report(run, summary_of(run), tmp_path / "report.html")
    for said in _look(tmp_path, page, len(WIDTHS_PX)):
        where = f"at {said['width']} px"
        assert said["ready"] == "yes", where
        assert (said["buses"], said["links"]) == (len(run.scenario.buses), len(run.scenario.links)), where
        assert (said["charts"], said["days"]) == (6, len(run.days)), where
        assert said["unnamed"] == [0, 0, 0], where
        assert said["first"] != said["then"] == "17:30", where
        assert (said["sorted"], said["chosen"]) == ("descending", 1), where
        assert run.scenario.buses[0].title in said["side"], where
        assert (said["out"], said["over"]) == ([], 0), where
        assert said["scroll"] <= said["width"], where
