"""The reader of documents itself: it does what stands there, and notices what does not hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.documents.blocks import blocks_of, commands_of, fits
from tests.documents.reader import Reader

GOOD = """
# A page

```console
$ mkdir one
$ cd one
$ echo first; \\
> echo second
first
...
```

<!-- test: write two/file -->
```toml
a = 1
```

```sh
test "$(cat two/file)" = "a = 1"
```

<!-- test: fails 3 -->
```console
$ echo no; exit 3
no
```

<!-- test: skip there is no such machine -->
```console
$ false
```

<!-- test: background talker until ready -->
```console
$ sh -c 'echo ready; exec sleep 600'
```

```text
nothing to do
```
"""


def _page(folder: Path, text: str) -> Path:
    page = folder / "page.md"
    page.write_text(text)
    return page


def test_a_page_is_followed(tmp_path: Path) -> None:
    """Commands run in order and stay where `cd` went, files are written, marks are obeyed."""
    reader = Reader(tmp_path)
    try:
        reader.follow(_page(tmp_path, GOOD))
    finally:
        reader.close()
    assert (tmp_path / "reader" / "one" / "two" / "file").read_text() == "a = 1\n"


@pytest.mark.parametrize(
    ("was", "becomes", "says"),
    [
        ("first\n...", "third\n...", "echo first"),
        ("exit 3", "exit 4", "exit code 4"),
        ("echo ready;", "exit 1;", "exit code 1"),
        ("skip there is no such machine", "skip", "skipped without a reason"),
        ("a = 1\n```\n\n```sh", "a = 2\n```\n\n```sh", "exit code 1"),
    ],
)
def test_what_does_not_hold_is_named(tmp_path: Path, was: str, becomes: str, says: str) -> None:
    """Another output, another exit code, a command that ends early and a skip without a reason fail."""
    assert was in GOOD
    reader = Reader(tmp_path)
    try:
        with pytest.raises(AssertionError, match=r"page.md:\d+") as caught:
            reader.follow(_page(tmp_path, GOOD.replace(was, becomes)))
    finally:
        reader.close()
    assert says in str(caught.value)


def test_three_dots_stand_for_anything() -> None:
    """Also for nothing, and for many lines."""
    assert fits(("a ... c",), "a b\nb c\n")
    assert fits(("a", "..."), "a\n")
    assert not fits(("a",), "a\nb")


def test_a_mark_belongs_to_the_block_behind_it(tmp_path: Path) -> None:
    """Text between them takes the mark away."""
    page = _page(tmp_path, "<!-- test: skip x -->\nwords\n```sh\ntrue\n```\n")
    (block,) = blocks_of(page)
    assert (block.verb, commands_of(block)[0].text) == ("", "true\n")
