"""What is committed works elsewhere: no path of one machine, no address of a package registry."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.tidy.product import ROOT

# Put together from pieces, so that this file is not its own finding.
HOSTS = ("py" + "pi.org", "python" + "hosted.org", "npm" + "js.org", "proxy." + "golang.org")
FOLDERS = ("wo" + "rk", "ro" + "ot", "tm" + "p", "ho" + "me", "opt/whe" + "els")
FORBIDDEN = {
    "package registry": re.compile("|".join(re.escape(host) for host in HOSTS)),
    "index option": re.compile("-" + r"-(?:extra-)?index-" + "url|-" + "-find-" + "links"),
    "machine path": re.compile(r"(?<![\w.~/$})-])/(?:" + "|".join(FOLDERS) + r")(?:/|(?![\w/-]))"),
}
# Where an option is named in order to switch it off.
ALLOWED = {("Makefile", "index option")}


def _committed() -> list[str]:
    """List the files that git knows, and those it would take in."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode:
        pytest.skip("not a git work tree, so nothing says which files are committed")
    return sorted(name for name in listing.stdout.split("\0") if name and (ROOT / name).is_file())


def _findings(name: str, text: str) -> list[str]:
    return [
        f"{name}:{text.count(chr(10), 0, match.start()) + 1}: {kind}: {match[0]}"
        for kind, pattern in FORBIDDEN.items()
        if (name, kind) not in ALLOWED
        for match in pattern.finditer(text)
    ]


def test_committed_files_name_no_machine_and_no_registry() -> None:
    """No committed text file holds a path of one machine or the address of a package registry."""
    findings: list[str] = []
    for name in _committed():
        content = (ROOT / name).read_bytes()
        if b"\0" not in content:
            findings += _findings(name, content.decode("utf-8", errors="replace"))
    assert findings == []


@pytest.mark.parametrize(
    "text",
    [
        "see https://" + HOSTS[0] + "/simple",
        "pip install -" + "-index-" + "url x",
        "open('/" + FOLDERS[0] + "/main')",
        "cd /" + FOLDERS[2],
        "in /" + FOLDERS[1] + "/.venv",
    ],
)
def test_forbidden_text_is_found(text: str) -> None:
    """Each kind of forbidden text is recognised."""
    assert len(_findings("a.md", text)) == 1


@pytest.mark.parametrize(
    "text", ["a/" + FOLDERS[0] + "/b", "the leaf/" + FOLDERS[1] + " link", "/workshop", "~/x"]
)
def test_other_text_is_not(text: str) -> None:
    """Relative paths and longer words pass."""
    assert _findings("a.md", text) == []
