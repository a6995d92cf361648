"""Makes the community of five in a folder: keys, a trust domain, attested links, one folder for each node.

    python make.py FOLDER --passphrases 'secrets/passphrase-{}' [--address '{}:7443'] [--owner UID:GID]

Every step is a command of `ioe` that an operator would type; each one is printed
before it is run, so that the output is also a list of how such a community is
made by hand.  What it makes is for one person who tries a community out:
really, each operator makes the keys of one node, and only public files travel.

    nodes/NAME.toml            what is particular to a node
    links/KEEPER_OTHER.toml    terms of the link between two of them, see `ioe link attest`
    network.toml               what all agree on

    FOLDER/NAME/               one node: node.toml, keys/, neighbors/, domain/, a store when it runs
    FOLDER/operators/          root key of the domain; no node needs it

{} stands for the name of a node: its passphrase is in that file (that of the root key under
the name operators), and its neighbours dial that address.  A folder in which a community
has been made is left as it is.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ioe_router.adapters.keystore import read_node_pub
from ioe_router.cli.main import ioe
from ioe_router.model.bech32m import node_text
from ioe_router.model.errors import IoeError

HERE: Final = Path(__file__).resolve().parent
NETWORK: Final = "community"
PEER_PORT: Final = 7443
PARTY: Final = "utility"  # settles the deviations of all others, and holds the voltage
DONE: Final = "operators/made"  # written last; with it there is nothing left to do


def main() -> int:
    """Make it, or say in one sentence why not."""
    arguments = _arguments()
    folder: Path = arguments.folder.resolve()
    passphrases = None if arguments.unencrypted else str(Path(arguments.passphrases).absolute())
    if (folder / DONE).exists():
        sys.stdout.write(f"a community has been made in {folder} already; nothing is changed\n")
        return 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
        began = [name for name in names() if (folder / name / "keys").exists()]
        if began:
            _complain(
                f"{folder / began[0]} has keys already; move away what is in {folder} and run this again"
            )
            return 1
        with contextlib.chdir(folder):
            make(passphrases, arguments.address)
            if arguments.owner:
                _give_to(folder, arguments.owner)
            Path(DONE).write_text("The community in this folder is complete.\n")
    except (IoeError, OSError) as error:
        _complain(f"{error}; move away what is in {folder} and run this again")
        return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Make the community of five in FOLDER.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--passphrases", metavar="PATTERN", help="private file of each name, {} for the name")
    parser.add_argument("--unencrypted", action="store_true", help="instead: keys without passphrases")
    parser.add_argument(
        "--address", default=f"{{}}:{PEER_PORT}", metavar="PATTERN", help="where a node is dialled"
    )
    parser.add_argument("--owner", type=_owner, help="UID:GID that the files are to belong to")
    arguments = parser.parse_args()
    if (arguments.passphrases is None) != arguments.unencrypted:
        parser.error("say either --passphrases PATTERN or --unencrypted")
    return arguments


def _owner(text: str) -> tuple[int, int]:
    uid, _, gid = text.partition(":")
    return int(uid), int(gid)


def _complain(sentence: str) -> None:
    sys.stderr.write(f"error: {sentence}\n")


def names() -> list[str]:
    """The nodes of the community."""
    return sorted(path.stem for path in (HERE / "nodes").glob("*.toml"))


def links() -> list[tuple[str, str, Path]]:
    """Keeper, other end and file with the terms of every link."""
    found = sorted((HERE / "links").glob("*_*.toml"))
    return [(*_ends(path), path) for path in found]


def _ends(path: Path) -> tuple[str, str]:
    keeper, other = path.stem.split("_")
    return keeper, other


def make(passphrases: str | None, address: str) -> None:
    """Everything, in the current folder. IoeError or OSError at the first command that fails."""
    for name in names():
        Path(name).mkdir(exist_ok=True)
        new = ("identity", "new", "--network", NETWORK, "--keys", f"{name}/keys")
        _run(*new, *(_secret(passphrases, name) or ("--unencrypted",)))
    party = _node_id(PARTY)
    _found_domain(passphrases, party)
    for keeper, other, terms in links():
        _attest(keeper, other, terms, passphrases)
    for name in names():
        Path(name, "run").mkdir(exist_ok=True)  # sockets for programs beside the node
        Path(name, "node.toml").write_text(_configuration(name, party, address), encoding="utf-8")
        _run("config", "check", f"{name}/node.toml")


def _found_domain(passphrases: str | None, party: str) -> None:
    """One operator's domain; every node is a member, the utility may hold a zone's voltage."""
    Path("operators").mkdir(exist_ok=True)
    secret, trust = _secret(passphrases, "operators"), "operators/community.trust"
    _run("domain", "key", "--root", "operators/root", *secret)
    _run("domain", "init", "--root", "operators/root", *secret, "--network", NETWORK, trust)
    for name in names():
        member = f"{name}/domain/me.member"
        Path(name, "domain").mkdir()
        admit = ("domain", "admit", "--root", "operators/root", *secret, "--trust", trust)
        duty = ("--duty", "grid-forming") if name == PARTY else ()
        _run(*admit, "--node", f"{name}/keys/node.pub", "--party", party, *duty, member)
        shutil.copy(trust, f"{name}/domain/community.trust")


def _attest(keeper: str, other: str, terms: Path, passphrases: str | None) -> None:
    """Both ends sign the terms; each gets the attestation and the other's node.pub."""
    for name in (keeper, other):
        Path(name, "neighbors").mkdir(exist_ok=True)
    mine, theirs = f"{keeper}/neighbors/{other}", f"{other}/neighbors/{keeper}"
    shutil.copy(f"{other}/keys/node.pub", f"{mine}.node.pub")
    shutil.copy(f"{keeper}/keys/node.pub", f"{theirs}.node.pub")
    attest = ("link", "attest", "--keys", f"{keeper}/keys", *_secret(passphrases, keeper))
    neighbor = ("--network", NETWORK, "--neighbor", f"{mine}.node.pub", "--terms", str(terms))
    _run(*attest, *neighbor, f"{mine}.attestation")
    countersign = ("link", "countersign", "--yes", "--keys", f"{other}/keys", *_secret(passphrases, other))
    _run(*countersign, f"{mine}.attestation")
    shutil.copy(f"{mine}.attestation", f"{theirs}.attestation")


def _configuration(name: str, party: str, address: str) -> str:
    """node.toml: what is particular, what all agree on, the domain, the neighbours."""
    own = (HERE / "nodes" / f"{name}.toml").read_text(encoding="utf-8").replace(f"@{PARTY}@", party)
    network = (HERE / "network.toml").read_text(encoding="utf-8")
    domain = '[domain]\ntrust = "domain/community.trust"\nmember = "domain/me.member"\n'
    return "\n".join((own, network, domain, *(_neighbor(one, address) for one in _neighbors(name))))


def _neighbors(name: str) -> Iterator[str]:
    for keeper, other, _ in links():
        if name in {keeper, other}:
            yield other if name == keeper else keeper


def _neighbor(name: str, address: str) -> str:
    return (
        f'[[neighbor]]\nnode_pub = "neighbors/{name}.node.pub"\n'
        f'attestation = "neighbors/{name}.attestation"\naddress = "{address.replace("{}", name)}"\n'
    )


def _secret(passphrases: str | None, name: str) -> tuple[str, ...]:
    return () if passphrases is None else ("--passphrase-file", passphrases.replace("{}", name))


def _node_id(name: str) -> str:
    node, _ = read_node_pub(Path(name, "keys", "node.pub"))
    return node_text(node)


def _run(*arguments: str) -> None:
    """One command of `ioe`, in this process: the same as typing it, but for the time of starting Python."""
    sys.stdout.write(f"$ ioe {shlex.join(arguments)}\n")
    sys.stdout.flush()
    ioe.main(arguments, standalone_mode=False)


def _give_to(folder: Path, owner: tuple[int, int]) -> None:
    for name in (*names(), "operators"):
        top = folder / name
        for path in (top, *top.rglob("*")):
            os.chown(path, *owner, follow_symlinks=False)


if __name__ == "__main__":
    sys.exit(main())
