"""Two of three operators found a domain, admit, expel and renew; a mistake is one sentence with a remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from ioe_router.adapters.domain_files import read_certificate, read_trust, usable_trust
from ioe_router.adapters.keystore import load_ca, node_pub
from ioe_router.cli.exit_codes import ExitCode
from ioe_router.codec.root_signing import stated
from ioe_router.model.bech32m import domain_text, node_text
from ioe_router.model.domain import MemberCertificate, MeterCertificate
from tests.command_line import Run, runner
from tests.unit.cli.test_commands import TERMS, _config

NETWORK = "pair"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command line in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return runner(monkeypatch, capsys)


def done(run: Run, *arguments: object) -> str:
    """The output of a command that has to succeed."""
    code, out, err = run(*arguments)
    assert code == 0, err
    return out


def refused(run: Run, *arguments: object, code: int = ExitCode.FAILED) -> str:
    """The one sentence of a command that has to be refused."""
    found, _, err = run(*arguments)
    assert found == code
    assert err.count("\n") == 1
    assert err.startswith("error: ")
    return err


@pytest.fixture
def founded(run: Run) -> Run:
    """Three operators, a domain with a quorum of two that the first and the second have signed, two nodes."""
    for number in (1, 2, 3):
        done(run, "domain", "key", "--root", f"ops{number}")
    for node in ("west", "east"):
        done(run, "identity", "new", "--unencrypted", "--keys", node, "--network", NETWORK)
    out = done(run, "domain", "init", "--root", "ops1", "--network", NETWORK, *_others(), "v.trust")
    assert "quorum      2 of 3" in out
    assert "waits for 1 more" in out
    second = _asked(run, "v.trust")
    assert "v.trust is complete" in done(run, "domain", "sign", "--root", second, "--yes", "v.trust")
    return run


def _others() -> tuple[str, ...]:
    return ("--root-pub", "ops2/root.pub", "--root-pub", "ops3/root.pub")


def _asked(run: Run, file: str, operators: int = 3) -> str:
    """The folder of the operator whose signature a file waits for."""
    wanted = next(
        line.split()[-1] for line in done(run, "domain", "show", file).splitlines() if "waits" in line
    )
    numbers = range(1, operators + 1)
    return next(f"ops{n}" for n in numbers if wanted in Path(f"ops{n}/root.pub").read_text())


def _admit(run: Run, node: str, *options: str) -> str:
    """A complete member certificate of a node."""
    file = f"{node}.member"
    done(
        run,
        "domain",
        "admit",
        "--root",
        "ops1",
        "--trust",
        "v.trust",
        "--node",
        f"{node}/node.pub",
        *options,
        file,
    )
    done(run, "domain", "sign", "--root", _asked(run, file), "--yes", file)
    return file


def _member(file: str) -> MemberCertificate:
    body = stated(read_certificate(Path(file)))
    assert isinstance(body, MemberCertificate)
    return body


def test_two_of_three_sign_one_after_the_other(founded: Run) -> None:
    """The first list holds, and names its domain; a third signature is not asked for."""
    known = usable_trust(read_trust(Path("v.trust")), NETWORK, "v.trust")
    shown = done(founded, "domain", "show", "v.trust")
    assert f"in force    list 1 of {domain_text(known.id)}" in shown
    assert "nothing is left to do" in refused(founded, "domain", "sign", "--root", "ops3", "v.trust")


def test_a_member_is_admitted_with_its_duties(founded: Run) -> None:
    """The certificate says who, to what, under whom, and bears two signatures."""
    body = _member(
        _admit(founded, "west", "--duty", "border", "--party", node_text(load_ca(Path("east"))[0]))
    )
    assert body.node == load_ca(Path("west"))[0]
    assert body.balance_party == load_ca(Path("east"))[0]
    assert (body.border, body.grid_forming) == (True, False)
    assert len(read_certificate(Path("west.member")).signatures) == 2


def test_a_removal_is_the_next_list_and_a_new_admission_is_above_it(founded: Run) -> None:
    """What was issued until now is void; a certificate of the same serial is not even drafted."""
    file = _admit(founded, "west", "--serial", "5")
    done(founded, "domain", "remove", "--root", "ops1", "--node", "west/node.pub", "v.trust")
    before = usable_trust(read_trust(Path("v.trust")), NETWORK, "v.trust")
    assert before.newest.serial == 1
    sentence = refused(founded, "domain", "remove", "--root", "ops1", "--node", "east/node.pub", "v.trust")
    assert "waits for signatures; complete it with 'ioe domain sign'" in sentence
    done(founded, "domain", "sign", "--root", _asked(founded, "v.trust"), "--yes", "v.trust")
    known = usable_trust(read_trust(Path("v.trust")), NETWORK, "v.trust")
    assert known.newest.serial == 2
    assert known.until_utc_s(_member(file)) == 0
    admit = ("domain", "admit", "--root", "ops1", "--trust", "v.trust", "--node", "west/node.pub")
    assert "was removed up to serial" in refused(founded, *admit, "--serial", "5", "again.member")


def test_a_list_is_renewed_before_it_ends(founded: Run) -> None:
    """The next list says the same and ends later."""
    before = read_trust(Path("v.trust")).newest
    done(founded, "domain", "renew", "--root", "ops2", "--days", "400", "v.trust")
    done(founded, "domain", "sign", "--root", _asked(founded, "v.trust"), "--yes", "v.trust")
    after = read_trust(Path("v.trust")).newest
    assert (after.serial, after.roots, after.removals) == (2, before.roots, before.removals)
    assert after.expires_utc_s > before.expires_utc_s


def test_operators_change_by_a_quorum_of_both(founded: Run) -> None:
    """Two of the old roots and two of the new ones sign; who has left signs nothing any more."""
    for number in (4, 5):
        done(founded, "domain", "key", "--root", f"ops{number}")
    change = ("domain", "roots", "--root", "ops1", "--add", "ops4/root.pub", "--add", "ops5/root.pub")
    gone = ("--drop", "ops2/root.pub", "--drop", "ops3/root.pub")
    assert "leave it out" in refused(founded, *change, "--drop", "ops4/root.pub", "v.trust")
    drop_all = ("domain", "roots", "--root", "ops1", *gone, "v.trust")
    assert "needs as many root keys" in refused(founded, *drop_all)
    out = done(founded, *change, *gone, "v.trust")
    assert out.count("waits for") == 3  # one old, one new, and the sentence about both
    while "waits" in done(founded, "domain", "show", "v.trust"):
        done(founded, "domain", "sign", "--root", _asked(founded, "v.trust", 5), "--yes", "v.trust")
    known = usable_trust(read_trust(Path("v.trust")), NETWORK, "v.trust").newest
    assert (known.serial, known.quorum, len(known.roots)) == (2, 2, 3)
    assert "none of the domain's" in refused(founded, "domain", "renew", "--root", "ops2", "v.trust")
    done(founded, "domain", "renew", "--root", "ops4", "v.trust")


def test_a_meter_is_certified(founded: Run) -> None:
    """The certificate binds a plate to a member and a link."""
    done(
        founded,
        *("domain", "meter", "--root", "ops1", "--trust", "v.trust", "--node", "west/node.pub"),
        *("--neighbor", "east/node.pub", "--plate", "Maker T1 4711", "--tolerance-ppm", "5000", "w.meter"),
    )
    body = stated(read_certificate(Path("w.meter")))
    assert isinstance(body, MeterCertificate)
    assert body.tolerance_ppm == 5_000
    assert "plate" in done(founded, "domain", "show", "w.meter")


def test_named_signers_may_take_the_place_of_the_default(founded: Run) -> None:
    """The drafting operator says who is to sign as well."""
    admit = ("domain", "admit", "--root", "ops1", "--trust", "v.trust", "--node", "west/node.pub")
    done(founded, *admit, "--signer", "ops3/root.pub", "w.member")
    assert "draft it anew with --signer" in refused(
        founded, "domain", "sign", "--root", "ops2", "--yes", "w.member"
    )
    assert "is complete" in done(founded, "domain", "sign", "--root", "ops3", "--yes", "w.member")


def test_mistakes_of_operators_are_one_sentence(founded: Run, tmp_path: Path) -> None:
    """Each names the cause and what to do."""
    stranger = ("domain", "key", "--root", "ops4")
    done(founded, *stranger)
    admit = ("domain", "admit", "--trust", "v.trust", "--node", "west/node.pub")
    cases = (
        ((*stranger,), "exists already"),
        (("domain", "init", "--root", "ops1", "--network", "n", "v.trust"), "a domain is founded once"),
        (
            (
                "domain",
                "init",
                "--root",
                "ops1",
                "--network",
                "n",
                "--quorum",
                "3",
                *_others()[:2],
                "o.trust",
            ),
            "needs as many root keys",
        ),
        (
            ("domain", "init", "--root", "ops1", "--network", "n", "--root-pub", "ops1/root.pub", "o.trust"),
            "named twice",
        ),
        ((*admit, "--root", "ops4", "x.member"), "none of the domain's"),
        ((*admit, "--root", "ops1", "--signer", "ops4/root.pub", "x.member"), "none of the domain's"),
        ((*admit, "--root", "nowhere", "x.member"), "make a root key with 'ioe domain key'"),
        (("domain", "show", "west/node.pub"), "check which file was meant"),
        (("domain", "show", "gone.trust"), "name a .trust, .member or .meter file"),
    )
    for arguments, sentence in cases:
        assert sentence in refused(founded, *arguments), arguments
    Path("ops1/root.pem").chmod(0o644)
    assert "can be read by others" in refused(founded, *admit, "--root", "ops1", "x.member")
    assert not (tmp_path / "x.member").exists()


def test_a_root_key_may_be_encrypted(run: Run) -> None:
    """The passphrase is asked for where it is needed and refused where it is wrong."""
    Path("secret").write_text("open sesame\n")
    Path("wrong").write_text("open barley\n")
    for path in (Path("secret"), Path("wrong")):
        path.chmod(0o600)
    done(run, "domain", "key", "--root", "ops1", "--passphrase-file", "secret")
    init = ("domain", "init", "--root", "ops1", "--network", NETWORK, "--quorum", "1")
    assert "give its passphrase" in refused(run, *init, "v.trust")
    assert "passphrase is wrong" in refused(run, *init, "--passphrase-file", "wrong", "v.trust")
    assert "is complete" in done(run, *init, "--passphrase-file", "secret", "v.trust")


def test_a_node_checks_its_domain_before_it_starts(founded: Run) -> None:
    """What is half-signed, foreign, void or of the wrong kind is refused by `ioe config check`."""
    run = founded
    Path("terms.toml").write_text(TERMS)
    done(
        run,
        "link",
        "attest",
        "--keys",
        "west",
        "--neighbor",
        "east/node.pub",
        "--terms",
        "terms.toml",
        "--network",
        NETWORK,
        "l",
    )
    done(run, "link", "countersign", "--keys", "east", "--yes", "l")
    for node in ("west", "east"):
        assert node_pub(load_ca(Path(node))[1])
        _admit(run, node)
    table = '[domain]\ntrust = "v.trust"\nmember = "west.member"\n'
    config = _config() + table
    check = ("config", "check", "node.toml")
    Path("node.toml").write_text(config)
    assert "node.toml is sound" in done(run, *check)
    done(
        run, "domain", "admit", "--root", "ops1", "--trust", "v.trust", "--node", "west/node.pub", "h.member"
    )
    done(run, "domain", "init", "--root", "ops1", "--network", NETWORK, "--quorum", "1", "other.trust")
    done(run, "domain", "init", "--root", "ops1", "--network", "else", "--quorum", "1", "else.trust")
    done(run, "domain", "init", "--root", "ops1", "--network", NETWORK, *_others(), "draft.trust")
    cases = (
        (('"west.member"', '"east.member"'), "of another node"),
        (('"west.member"', '"h.member"'), "h.member waits for 1 more signature; let the missing operators"),
        (('"west.member"', '"none.member"'), "run 'ioe domain admit' and put it there"),
        (('"v.trust"', '"draft.trust"'), "draft.trust waits for 1 more signature"),
        (('"v.trust"', '"other.trust"'), "name both from one domain"),
        (('"v.trust"', '"else.trust"'), "NETWORK_MISMATCH"),
        (('attestation = "l"', 'attestation = "l"\nrole = "peer"'), "'ioe domain admit --duty border'"),
    )
    for change, sentence in cases:
        assert change[0] in config
        Path("node.toml").write_text(config.replace(*change))
        assert sentence in refused(run, *check, code=ExitCode.CONFIG), change
    Path("node.toml").write_text(config)
    done(run, "domain", "remove", "--root", "ops1", "--node", "west/node.pub", "v.trust")
    assert "is sound" in done(run, *check)
    done(run, "domain", "sign", "--root", _asked(run, "v.trust"), "--yes", "v.trust")
    assert "the node was removed" in refused(run, *check, code=ExitCode.CONFIG)
