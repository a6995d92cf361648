"""The site of the documents: complete, without dead ends, and readable without a network."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import make_docs
import pytest

from ioe_router.cli.main import ioe
from tests.documents.blocks import RUN, blocks_of
from tests.tidy.product import ROOT

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
FOLLOWED = {DOCS / f"{name}.md" for name in ("tutorial", "domains", "keys", "looking-glass", "replay")} | set(
    (DOCS / "howto").glob("*.md")
)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s#]+)(?:#[^)\s]*)?\)")
_COMMAND = re.compile(r"(?:^ {4}(?:\$ )?|^\$ |`)(ioe(?: [^`\n]*)?)", re.MULTILINE)


def test_links_lead_somewhere() -> None:
    """Every relative link of every document is a file of the repository."""
    dead = [
        f"{page.relative_to(ROOT)}: {link}"
        for page in PAGES
        for link in _LINK.findall(page.read_text(encoding="utf-8"))
        if "://" not in link and not link.startswith("mailto:") and not (page.parent / link).exists()
    ]
    assert dead == []


def test_the_navigation_is_complete() -> None:
    """What the navigation names exists, and instructions and reference pages are all in it."""
    named = re.findall(r"([\w/-]+\.md)$", (DOCS / "site.yml").read_text(), re.MULTILINE)
    assert [name for name in named if not (DOCS / name).exists() and not (ROOT / name).exists()] == []
    wanted = {
        page.relative_to(DOCS).as_posix() for page in PAGES if page.parent.name in {"howto", "reference"}
    }
    assert wanted <= set(named)


def test_commands_to_type_are_followed() -> None:
    """A document with blocks to type is one that the reader follows; all others only show."""
    typed = {page for page in PAGES if any(block.language in RUN for block in blocks_of(page))}
    assert typed <= FOLLOWED


def _commands() -> Iterator[tuple[str, str]]:
    for page in [*PAGES, ROOT / "README.md"]:
        for found in _COMMAND.findall(page.read_text(encoding="utf-8")):
            yield str(page.relative_to(ROOT)), found.partition("#")[0].strip()


@pytest.mark.parametrize(("page", "text"), sorted(set(_commands())))
def test_commands_that_are_shown_exist(page: str, text: str) -> None:
    """Every `ioe ...` in a document names a command that there is, with options that it has."""
    words = shlex.split(text.replace("...", "").replace("|", " "))[1:]
    command: click.Command = ioe
    while words and isinstance(command, click.Group):
        context = click.Context(command)
        found = command.get_command(context, words[0])
        if found is None:
            assert words[0].startswith("-") or words[0].isupper(), f"{page}: no {words[0]!r} in {text!r}"
            break
        command, words = found, words[1:]
    known = {name for one in (command, ioe) for p in one.params for name in (*p.opts, *p.secondary_opts)}
    for word in words:
        if word.startswith("--"):
            assert word.partition("=")[0] in {*known, "--help"}, f"{page}: {text!r} has no {word}"


def test_a_page_that_loads_from_elsewhere_is_found(tmp_path: Path) -> None:
    """Scripts, pictures and fonts of other hosts are named; links that a reader may follow are not."""
    (tmp_path / "a.html").write_text(
        '<a href="https://example.org">x</a><script src="https://cdn.example/x.js"></script>'
    )
    (tmp_path / "b.css").write_text("@font-face { src: url('//fonts.example/a.woff2') }")
    assert make_docs.foreign(tmp_path) == [
        "a.html loads https://cdn.example/x.js",
        "b.css loads //fonts.example/a.woff2",
    ]


@pytest.mark.slow
def test_the_site_is_made(tmp_path: Path) -> None:
    """The generator is content, every page is there, nothing is loaded from elsewhere."""
    program = ROOT / "build" / "docs-env" / "bin" / "zensical"
    if not program.exists():
        pytest.skip("the generator is not installed; 'make docs' installs it")
    make_docs.stage(DOCS, tmp_path / "source")
    make_docs.build(program, tmp_path / "site", tmp_path / "source")
    assert make_docs.foreign(tmp_path / "site") == []
    for page in PAGES:
        made = (tmp_path / "site" / page.relative_to(DOCS)).with_suffix(".html")
        assert made.exists() or page.name == "README.md", made
