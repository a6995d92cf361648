"""node.toml: what is accepted, and how each kind of mistake is named."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from ioe_router.config import Budgets, Limits, Rate, Timers
from ioe_router.daemon.config_text import choices_of, default_of, example
from ioe_router.daemon.errors import ConfigRefused
from ioe_router.daemon.link_terms import LinkTerms, read_terms
from ioe_router.daemon.options import by_name, tables
from ioe_router.daemon.settings import Settings, parse_settings, read_settings
from ioe_router.daemon.toml_text import options_of


def test_the_table_has_every_option_and_the_example_is_valid() -> None:
    """Sections and table have the same options, each with words, and what is printed of them is accepted."""
    rates = {name.removesuffix(end) for name in options_of(Settings) for end in (".per_s", ".burst")}
    assert set(by_name()) == {name for name in rates if not name.endswith((".per_s", ".burst"))}
    assert all(f"{option.name.rpartition('.')[2]} = " in example() for option in by_name().values())
    parse_settings(example(), "example")
    assert all(option.text for table in tables() for option in table.options)


def test_defaults_and_choices_are_those_of_the_program() -> None:
    """What the pages say about an option is read from what holds, not written beside it."""
    told = {name: default_of(option) for name, option in by_name().items()}
    assert (told["node.keepalive_ms"], told["timers.hold_ms"], told["node.keys"]) == ("5000", "45000", None)
    assert told["neighbor.transit"] == "paid to siblings, else none"
    assert told["budgets.frames"] == "{ per_s = 100, burst = 2000 }"
    assert choices_of("neighbor.role") == ("sibling", "customer", "provider", "peer")


def test_example_states_the_defaults_of_timers_and_limits() -> None:
    """The values that the example gives for timers and limits are the defaults of the program."""
    raw: dict[str, Any] = tomllib.loads(example())
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
        (("import_w = 11000", "import_w = -1"), "connection.import_w is -1; write 0 or more, in watts"),
        (("hold_ms = 45000", "hold_ms = -1"), "timers.hold_ms is -1; write 1000 to 60000, in milliseconds"),
        (
            ("keepalive_ms = 20000", "keepalive_ms = 10"),
            "timers.keepalive_ms is 10; write 0, or 1000 to 60000, in milliseconds",
        ),
        (
            ("import_w = 11000", "import_kw = 11"),
            "there is no option 'connection.import_kw'; 'import_w' is in watts; write import_w = 11000",
        ),
        (
            ("import_w = 11000", 'import_w = "11 kW"'),
            "connection.import_w is in watts; write import_w = 11000",
        ),
        (
            ("hold_ms = 45000", 'hold_ms = "45 km"'),
            "timers.hold_ms is in milliseconds, and 'km' is no unit of that",
        ),
        (
            ("price_cap_micro_per_kwh = 400000", "price_cap_ct_per_kwh = 40"),
            "'price_cap_micro_per_kwh' is in millionths of the currency per kWh;"
            " write price_cap_micro_per_kwh = 400000",
        ),
        (
            ("frames = { per_s = 100,", "frames = { per_s = 1,"),
            "budgets.frames.per_s is 1; write a rate from 50 to 1000000",
        ),
        (("burst = 2000", "burst = 20"), "budgets.frames.burst is 20; write 1000 or more"),
        (("{ per_s = 100, burst = 2000 }", "{ per_s = 100, bust = 2000 }"), "did you mean 'burst'?"),
        (('role = "sibling"', 'role = "boss"'), "neighbor[0].role: invalid enum value 'boss'"),
        (('keys = "keys"  ', "# "), "node: object missing required field keys"),
        (("keepalive_ms = 5000", "keepalive_ms = 10"), "node.keepalive_ms is 10; write 1000 to 60000"),
        (("slot_s = 900", "slot_s = = 900"), "is not valid TOML"),
    ],
)
def test_mistakes_are_named_with_their_place(change: tuple[str, str], sentence: str) -> None:
    """Each kind of mistake gives one sentence that has the file and the option in it."""
    text = example()
    assert change[0] in text
    with pytest.raises(ConfigRefused) as caught:
        parse_settings(text.replace(change[0], change[1], 1), "here/node.toml")
    said = str(caught.value)
    assert said.startswith("here/node.toml")
    assert sentence in said
    assert "\n" not in said


def test_missing_file_says_how_to_begin(tmp_path: Path) -> None:
    """A configuration that is not there names the command that makes one."""
    with pytest.raises(ConfigRefused, match="'ioe config init' makes one"):
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


def test_a_mistake_is_named_with_its_line() -> None:
    """File and line of the option, in lists of tables of the right one, or the variable that stated it."""
    text = example()
    second = text + "\n[[neighbor]]\nnode_pub = 'a'\nattestation = 'b'\nfee = 3\n"
    with pytest.raises(ConfigRefused) as caught:
        parse_settings(second, "node.toml")
    assert str(caught.value).startswith(
        f"node.toml:{len(second.splitlines())}: there is no option 'neighbor.fee'"
    )
    line = 1 + text.splitlines().index(next(one for one in text.splitlines() if one.startswith("export_w")))
    with pytest.raises(ConfigRefused, match=rf"^node.toml:{line}: connection.export_w is -5"):
        parse_settings(text.replace("export_w = 10000", "export_w = -5"), "node.toml")
    with pytest.raises(ConfigRefused, match=r"^environment variable IOE_CONNECTION_EXPORT_W: "):
        parse_settings(text, "node.toml", {"IOE_CONNECTION_EXPORT_W": "-5"})


def test_the_environment_takes_the_place_of_the_file() -> None:
    """Texts as they are, all else as TOML; what is no option is refused with the nearest name."""
    environ = {
        "IOE_NODE_LISTEN": "[::1]:9",
        "IOE_CONNECTION_IMPORT_W": "5",
        "IOE_NODE_SIGNER": '["a", "b"]',
        "IOE_PAIRING_ANNOUNCE": "true",
        "IOE_BUDGETS_FRAMES": "{ per_s = 200, burst = 3000 }",
        "IOE_KILLS": "10",  # of somebody else
    }
    settings = parse_settings(example(), "node.toml", environ)
    assert (settings.node.listen, settings.connection.import_w) == ("[::1]:9", 5)
    assert (settings.node.signer, settings.pairing.announce) == (("a", "b"), True)
    assert settings.budgets.frames == Rate(per_s=200, burst=3_000)
    with pytest.raises(ConfigRefused, match="IOE_NODE_LISTN names no option; did you mean IOE_NODE_LISTEN"):
        parse_settings(example(), "node.toml", {"IOE_NODE_LISTN": "x"})
    with pytest.raises(ConfigRefused, match="IOE_CONNECTION_IMPORT_W is '11 kW', which is no TOML value"):
        parse_settings(example(), "node.toml", {"IOE_CONNECTION_IMPORT_W": "11 kW"})
