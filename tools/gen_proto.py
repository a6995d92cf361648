"""Generate the Python code of proto/, flat and import-safe.

Of ioe.v1, the protocol between nodes, messages and their stubs go to
`ioe_router/codec/_pb`, the gRPC stubs of the service to
`ioe_router/adapters/_pb`, because the codec must not import grpc.  Of
ioe.control.v1, the service of a daemon for its operator, all goes to
`ioe_router/control/_pb`.
The generator writes absolute imports by proto path (`from ioe.v1 import
envelope_pb2`); they are rewritten to the place where the files really live.
The proto path stays in the descriptors, so nothing on the wire changes.

The generator's version decides which protobuf run-time can load the result:
grpcio-tools 1.80 emits 6.31 code, which run-times from 6.31 up to 7.x accept.
That is why it lives in its own environment (`requirements-tools.txt`) and why
the result is committed and compared by `make proto-check`.

Run by `make proto` with .tools-venv; `--check` compares instead of writing.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where one family of generated files goes; `module` is the import path of that folder."""

    folder: str
    module: str
    docstring: str


MESSAGES = Target(
    folder="ioe_router/codec/_pb",
    module="ioe_router.codec._pb",
    docstring="Generated from proto/ioe/v1 by `make proto`; only `ioe_router.codec` imports it.",
)
SERVICE = Target(
    folder="ioe_router/adapters/_pb",
    module="ioe_router.adapters._pb",
    docstring="Generated gRPC stubs of proto/ioe/v1/service.proto by `make proto`; needs the extra `node`.",
)
CONTROL = Target(
    folder="ioe_router/control/_pb",
    module="ioe_router.control._pb",
    docstring="Generated from proto/ioe/control/v1 by `make proto`; needs the extra `node`.",
)
TARGETS = (MESSAGES, SERVICE, CONTROL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package of proto/ and the homes of its messages and of its service's stubs."""

    name: str
    messages: Target
    service: Target

    @property
    def folder(self) -> Path:
        """Where its files are, relative to the folder of protos."""
        return Path(*self.name.split("."))


PACKAGES = (
    Package(name="ioe.v1", messages=MESSAGES, service=SERVICE),
    Package(name="ioe.control.v1", messages=CONTROL, service=CONTROL),
)


class GenerationError(Exception):
    """The generator could not run or wrote something unexpected; the text says what to do."""


def generate(proto_root: Path) -> dict[str, str]:
    """Run the generator and return {path relative to the repository: text}."""
    sources = [source for package in PACKAGES for source in _sources(proto_root, package)]
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch)
        run_generator(proto_root, sources, out)
        written = {path.relative_to(out): path.read_text() for path in out.rglob("*") if path.is_file()}
    files = {f"{target.folder}/__init__.py": f'"""{target.docstring}"""\n' for target in TARGETS}
    homes = {package.folder: package for package in PACKAGES}
    for path, text in written.items():
        package = homes.get(path.parent)
        if package is None:
            raise GenerationError(f"the generator wrote {path}, which belongs to no package")
        if has_content(path, text):
            target = package.service if "_pb2_grpc" in path.name else package.messages
            files[f"{target.folder}/{path.name}"] = rewrite_imports(text)
    return dict(sorted(files.items()))


def _sources(proto_root: Path, package: Package) -> list[Path]:
    sources = sorted((proto_root / package.folder).glob("*.proto"))
    if not sources:
        raise GenerationError(f"no .proto file in {proto_root / package.folder}")
    return sources


def run_generator(proto_root: Path, sources: list[Path], out: Path) -> None:
    """Call protoc of grpc_tools with the mypy plug-ins next to this interpreter."""
    plugins = Path(sys.executable).parent
    command = [
        sys.executable,
        "-m",
        "grpc_tools.protoc",
        f"--proto_path={proto_root}",
        f"--plugin=protoc-gen-mypy={plugins / 'protoc-gen-mypy'}",
        f"--plugin=protoc-gen-mypy_grpc={plugins / 'protoc-gen-mypy_grpc'}",
        f"--python_out={out}",
        f"--mypy_out=quiet:{out}",
        f"--grpc_python_out={out}",
        f"--mypy_grpc_out=quiet:{out}",
        *(str(source) for source in sources),
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise GenerationError(
            f"the generator failed: {result.stderr.strip() or result.stdout.strip()} "
            "(if a module is missing, run it as `make proto`)"
        )


def has_content(path: Path, text: str) -> bool:
    """Return whether a file is worth keeping: a proto without a service still gets an empty grpc file."""
    return "_pb2_grpc" not in path.name or "Stub" in text


def rewrite_imports(text: str) -> str:
    """Point every reference to a generated module of our packages at its flat home."""
    for package in PACKAGES:
        name, home = re.escape(package.name), package.messages.module
        text = re.sub(
            rf"^from {name} import (\w+_pb2)\b", rf"from {home} import \1", text, flags=re.MULTILINE
        )
        # Dotted references, among them the module name that generated classes report. Names of
        # messages and services ('ioe.v1.PeerService') are wire names and stay.
        text = re.sub(rf"(?<![\w./]){name}\.(\w+_pb2)\b", rf"{home}.\1", text)
    return text


def stale(files: dict[str, str], root: Path) -> list[str]:
    """Return the paths under `root` that differ from `files`, are missing, or should not be there."""
    found = {
        str(path.relative_to(root))
        for target in TARGETS
        for path in (root / target.folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    changed = [name for name in files if name not in found or (root / name).read_text() != files[name]]
    return sorted(changed + [name for name in found if name not in files])


def write(files: dict[str, str], root: Path) -> None:
    """Make the generated folders under `root` hold exactly `files`."""
    for name in stale(files, root):
        path = root / name
        if name in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[name])
        else:
            path.unlink()


def main(arguments: list[str] | None = None) -> int:
    """Write the generated code, or with --check name what is out of date; 0 when all is well."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument("--proto", type=Path, default=ROOT / "proto", help="folder that holds ioe/")
    parser.add_argument("--root", type=Path, default=ROOT, help="repository to write into")
    options = parser.parse_args(arguments)
    try:
        files = generate(options.proto)
    except GenerationError as error:
        print(f"gen_proto: {error}", file=sys.stderr)
        return 1
    if not options.check:
        write(files, options.root)
        return 0
    for name in (differing := stale(files, options.root)):
        print(f"{name}: differs from what proto/ says; run `make proto` and commit the result")
    return 1 if differing else 0


if __name__ == "__main__":
    raise SystemExit(main())
