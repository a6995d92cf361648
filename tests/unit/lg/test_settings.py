"""lg.toml: every option is in the example, and each mistake is one sentence with its remedy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ioe_router.daemon.errors import ConfigRefused
from ioe_router.daemon.toml_text import options_of
from ioe_router.lg.serving import control_address, watch_of
from ioe_router.lg.settings import EXAMPLE, NodeSection, Settings, parse_settings, slug

NODE = '[[node]]\nname = "Mill"\ncontrol = "unix:mill.sock"\n'


def test_the_example_has_every_option() -> None:
    """The example file names exactly the options that exist, and is accepted."""
    text = EXAMPLE.read_text(encoding="utf-8")
    parse_settings(text, "example")
    table, named = "", set()
    for raw in text.splitlines():
        if found := re.match(r"\[+([a-z_]+)\]+", raw):
            table = found[1]
        elif found := re.match(r"([a-z0-9_]+) = ", raw):
            named.add(f"{table}.{found[1]}")
    assert named == set(options_of(Settings))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[looking_glass]\nlissten = "x"\n' + NODE, "did you mean 'listen'?"),
        ('[looking_glass]\nlisten = "0.0.0.0:80"\n' + NODE, "listen on 127.0.0.1, or write audience"),
        (
            '[looking_glass]\nlisten = "0.0.0.0:80"\naudience = "public"\n' + NODE,
            "hosts is empty; name the hosts",
        ),
        ('[looking_glass]\nlisten = "8480"\n' + NODE, "write host:port, such as 127.0.0.1:8480"),
        ('[looking_glass]\nlisten = "a:99999"\n' + NODE, "write host:port, such as 127.0.0.1:8480"),
        ('[looking_glass]\naudience = "all"\n' + NODE, "looking_glass.audience"),
        ("[looking_glass]\npoll_s = 0\n" + NODE, "looking_glass.poll_s"),
        ("node = []\n", "there is no [[node]]"),
        (NODE + NODE.replace("Mill", "mill!"), "are too alike; change one"),
        (NODE.replace("Mill", "--"), "has no letter or digit"),
        (NODE + 'key_sha256 = "secret"\n', "'ioe lg key' prints a key"),
    ],
)
def test_bad_settings(text: str, sentence: str) -> None:
    """A wrong setting is refused with the place and what to write."""
    with pytest.raises(ConfigRefused) as caught:
        parse_settings(text, "lg.toml")
    assert str(caught.value).startswith("lg.toml")
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("node", "sentence"),
    [
        ({"control": "mill.sock"}, "write unix:PATH of its control socket, or host:port"),
        ({"control": "mill:7481"}, "needs certificates"),
        ({"control": "mill:7481", "tls": "nowhere"}, "nowhere/client.crt for 'Mill' cannot be read"),
    ],
)
def test_bad_control_addresses(node: dict[str, str], sentence: str, tmp_path: Path) -> None:
    """Where a node is asked is checked before anything starts."""
    with pytest.raises(ConfigRefused) as caught:
        control_address(NodeSection(name="Mill", **node), tmp_path / "lg.toml")
    assert sentence in str(caught.value)


def test_unknown_time_zone(tmp_path: Path) -> None:
    """A time zone that the system does not know is refused by name."""
    settings = parse_settings('[looking_glass]\ntime_zone = "Europe/Atlantis"\n' + NODE, "lg.toml")
    with pytest.raises(ConfigRefused, match="'Europe/Atlantis'; write a name such as Europe/Berlin"):
        watch_of(settings, tmp_path / "lg.toml")


def test_a_socket_is_looked_for_beside_the_file(tmp_path: Path) -> None:
    """The path of a control socket counts from the folder of the configuration."""
    address = control_address(NodeSection(name="Mill", control="unix:a/b.sock"), tmp_path / "lg.toml")
    assert address.path == tmp_path / "a" / "b.sock"


def test_slugs() -> None:
    """A name becomes an address of letters, digits and hyphens."""
    assert [slug(name) for name in ("Ada & Noor", "  Mill 2 ", "ÄÖ")] == ["ada-noor", "mill-2", ""]
