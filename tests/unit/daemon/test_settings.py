"""node.toml: what is accepted, and how each kind of mistake is named."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from ioe_router.config import Budgets, Limits, Rate, Timers
from ioe_router.daemon.errors import ConfigRefused
from ioe_router.daemon.link_terms import LinkTerms, read_terms
from ioe_router.daemon.settings import EXAMPLE, Settings, options_of, parse_settings, read_settings


def _names(value: object, prefix: str = "") -> set[str]:
    if isinstance(value, dict):
        return {name for key, inner in value.items() for name in _names(inner, f"{prefix}{key}.")}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return {name for inner in value for name in _names(inner, prefix)}
    return {prefix.rstrip(".")}


def test_example_documents_every_option_and_is_valid() -> None:
    """The example file has every option there is, with a comment, and is accepted."""
    text = EXAMPLE.read_text(encoding="utf-8")
    parse_settings(text, "example")
    assert _names(tomllib.loads(text)) == set(options_of(Settings))
    for line in text.splitlines():
        name = line.partition(" =")[0]
        if " = " in line and not line.startswith("#") and name not in _SELF_EXPLAINING:
            assert "#" in line, f"{name} has no comment"


_SELF_EXPLAINING = {
    "neighbors",
    "origins",
    "offers_per_origin",
    "paths_per_origin",
    "told_paths_per_origin",
    "path_links",
    "holds_per_link",
    "holds_per_origin",
    "keys",
    "attestations",
    "link_states",
}


def test_example_states_the_defaults_of_timers_and_limits() -> None:
    """The values that the example gives for timers and limits are the defaults of the program."""
    raw: dict[str, Any] = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))
    assert Timers(**raw["timers"]) == Timers()
    assert Limits(**raw["limits"]) == Limits()
    assert Budgets(**{name: Rate(**rate) for name, rate in raw["budgets"].items()}) == Budgets()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("listen =", "listne ="), "there is no option 'node.listne'; did you mean 'listen'?"),
        (("[connection]", "[conection]"), "there is no option 'conection'; did you mean 'connection'?"),
        (("hold_ms =", "holdms ="), "there is no option 'timers.holdms'; did you mean 'hold_ms'?"),
        (("fee_micro_per_kwh =", "fee ="), "there is no option 'neighbor.fee'; "),
        (
            ("energy_j = 3600000", 'energy_j = "3600000"'),
            "agent.offer[0].energy_j: expected a whole number, got a text",
        ),
        (
            ("import_w = 11000", "import_w = 11000.5"),
            "connection.import_w: expected a whole number, got float",
        ),
        (("import_w = 11000", "import_w = -1"), "connection.import_w: expected a whole number >= 0"),
        (("hold_ms = 45000", "hold_ms = -1"), "timers.hold_ms is negative; write 0 or more"),
        (
            ("frames = { per_s = 100,", "frames = { per_s = 1,"),
            "budgets.frames.per_s is 1; write a rate from 50 to 1000000",
        ),
        (("burst = 2000", "burst = 20"), "budgets.frames.burst is 20; write 1000 or more"),
        (("{ per_s = 100, burst = 2000 }", "{ per_s = 100, bust = 2000 }"), "did you mean 'burst'?"),
        (('role = "sibling"', 'role = "boss"'), "neighbor[0].role: invalid enum value 'boss'"),
        (('keys = "keys"  ', "# "), "node: object missing required field keys"),
        (("keepalive_ms = 5000", "keepalive_ms = 10"), "node.keepalive_ms: expected a whole number >= 1000"),
        (("slot_s = 900", "slot_s = = 900"), "is not valid TOML"),
    ],
)
def test_mistakes_are_named_with_their_place(change: tuple[str, str], sentence: str) -> None:
    """Each kind of mistake gives one sentence that has the file and the option in it."""
    text = EXAMPLE.read_text(encoding="utf-8")
    assert change[0] in text
    with pytest.raises(ConfigRefused) as caught:
        parse_settings(text.replace(change[0], change[1], 1), "here/node.toml")
    said = str(caught.value)
    assert said.startswith("here/node.toml")
    assert sentence in said
    assert "\n" not in said


def test_missing_file_says_how_to_begin(tmp_path: Path) -> None:
    """A configuration that is not there names the command that prints one."""
    with pytest.raises(ConfigRefused, match="'ioe config example' prints a file to begin with"):
        read_settings(tmp_path / "node.toml")
    (tmp_path / "node.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigRefused, match="UTF-8"):
        read_settings(tmp_path / "node.toml")


def test_link_terms(tmp_path: Path) -> None:
    """Terms have defaults for what a plain line does not need, and refuse an unknown kind of link."""
    path = tmp_path / "terms.toml"
    text = (
        'keeper = "self"\nkind = "radial"\nserial = 1\nrating_down_va = 5\nrating_up_va = 6\n'
        "[loss]\nvn_mv = 400000\nplanning_mv = 400000\n"
    )
    path.write_text(text)
    terms = read_terms(path)
    assert isinstance(terms, LinkTerms)
    assert (terms.rating_up_va, terms.loss.tap_ratio_ppm, terms.valid_days) == (6, 1_000_000, 365)
    path.write_text(text.replace("radial", "rope"))
    with pytest.raises(ConfigRefused, match="kind: invalid enum value 'rope'"):
        read_terms(path)
