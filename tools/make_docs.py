"""Make the site of docs/ in build/site: `make docs`.

    python tools/make_docs.py [--env build/docs-env] [--out build/site]

The generator (zensical) lives in an environment of its own, filled from the hashed
requirements-docs.txt.  It is given a copy of docs/ to which the documents of the
repository are added that docs/ links to (SPEC.md and its like), so that no link of the site
leaves it for a file; links to source code become plain text.

Fails when the generator finds a broken link, or when a page would load anything from
another host: the site is read without a network.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
DOCS: Final = ROOT / "docs"
STAGE: Final = ROOT / "build" / "docs-src"
_LINK: Final = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s#]+)(#[^)\s]*)?\)")
_COLOR: Final = re.compile(r"\x1b\[[0-9;]*m")
_LOADS: Final = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src"}


class DocsRefused(Exception):
    """The site cannot be made; one sentence says why."""


def stage(docs: Path, into: Path) -> None:
    """Copy docs/ and what it links to; rewrite links that leave it."""
    shutil.rmtree(into, ignore_errors=True)
    inside = into / "docs"
    shutil.copytree(docs, inside, ignore=shutil.ignore_patterns("site.yml"))
    shutil.copy(docs / "site.yml", into / "mkdocs.yml")
    wanted = sorted(inside.rglob("*.md"))
    sources = {path: docs / path.relative_to(inside) for path in wanted}
    while wanted:
        page = wanted.pop()
        source = sources[page]

        def rewritten(found: re.Match[str], page: Path = page, source: Path = source) -> str:
            target = _moved(source, found[3], docs)
            if target is None:
                return found[0]
            if target.is_relative_to(docs):
                place = os.path.relpath(inside / target.relative_to(docs), page.parent)
                return f"{found[1]}[{found[2]}]({place}{found[4] or ''})"
            if target.suffix != ".md":
                return f"{found[2]} (`{target.relative_to(ROOT)}`)"
            copy = inside / target.relative_to(ROOT)
            if copy not in sources:
                sources[copy] = target
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(target.read_bytes())
                wanted.append(copy)
            return f"{found[1]}[{found[2]}]({os.path.relpath(copy, page.parent)}{found[4] or ''})"

        page.write_text(_LINK.sub(rewritten, page.read_text(encoding="utf-8")), encoding="utf-8")


def _moved(source: Path, link: str, docs: Path) -> Path | None:
    """The file that a link leads to if the way there is another one in the copy; None for all other links."""
    if "://" in link or link.startswith("mailto:"):
        return None
    target = (source.parent / link).resolve()
    if source.is_relative_to(docs) and target.is_relative_to(docs):
        return None
    if not target.exists():
        return None  # the generator says so
    return target / "README.md" if target.is_dir() and (target / "README.md").exists() else target


def build(program: Path, out: Path, source: Path) -> None:
    """Run the generator on the copy in `source`. DocsRefused: it found something wrong."""
    done = subprocess.run(
        [str(program), "build", "--clean"],
        cwd=source,
        env={**os.environ, "NO_COLOR": "1", "TERM": "dumb"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode or re.search(r"\b[1-9]\d* issues? found", done.stdout):
        raise DocsRefused(f"the generator is not content:\n{_COLOR.sub('', done.stdout)}")
    shutil.rmtree(out, ignore_errors=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(source / "site", out)


class _Loads(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "link" and values.get("rel") in {"canonical", "alternate", "prev", "next"}:
            return
        address = values.get(_LOADS.get(tag, "")) or ""
        if "//" in address:
            self.found.append(address)


def foreign(site: Path) -> list[str]:
    """What pages or style sheets of a site would load from other hosts."""
    found = []
    for page in sorted(site.rglob("*.html")):
        parser = _Loads()
        parser.feed(page.read_text(encoding="utf-8"))
        found += [f"{page.relative_to(site)} loads {address}" for address in parser.found]
    for sheet in sorted(site.rglob("*.css")):
        text = sheet.read_text(encoding="utf-8")
        addresses = re.findall(r"(?:url\(|@import )[\"']?((?:https?:)?//[^\"')]+)", text)
        found += [f"{sheet.relative_to(site)} loads {address}" for address in addresses]
    return found


def main() -> int:
    """Make the site; 1 with a sentence when it cannot be, or is not, as it should be."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--env", type=Path, default=ROOT / "build" / "docs-env")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "site")
    options = parser.parse_args()
    try:
        stage(DOCS, STAGE)
        build(options.env.resolve() / "bin" / "zensical", options.out, STAGE)
        loads = foreign(options.out)
        if loads:
            raise DocsRefused("; ".join(loads))
    except DocsRefused as error:
        print(f"docs: {error}", file=sys.stderr)
        return 1
    print(f"{options.out}/index.html")
    return 0


if __name__ == "__main__":
    sys.exit(main())
