"""Check proto/: format, lint, breaking changes, and that the generated code is current.

Breaking changes are judged against the last release tag (`v*`); they fail the
check, because released nodes are out there. Before the first release nothing
has been promised: then the last commit is the reference and a difference is
reported without failing, so that nobody changes a number without noticing.

Run by `make proto-check` with .tools-venv. Prints one line per finding.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import gen_proto

ROOT = gen_proto.ROOT
BUF = Path(sys.executable).parent / "buf"


def run(*command: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command in the repository; its output is kept, a missing program is a failed command."""
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=env)
    except FileNotFoundError as error:
        return subprocess.CompletedProcess(command, 127, "", str(error))


def buf(*arguments: str) -> int:
    """Run buf, print what it says, return its exit code."""
    result = run(str(BUF), *arguments)
    text = (result.stdout + result.stderr).strip()
    if result.returncode and text:
        print(text)
    return result.returncode


def check_format() -> int:
    """Fail where `make fmt` would change a .proto file."""
    return buf("format", "--diff", "--exit-code", "proto")


def check_lint() -> int:
    """Fail on findings of the rules in proto/buf.yaml."""
    return buf("lint", "proto")


def check_generated() -> int:
    """Fail where the committed code differs from what the generator writes now."""
    return gen_proto.main(["--check"])


def reference(wanted: str) -> tuple[str | None, bool]:
    """Return the git commit to compare with, and whether a breaking change fails.

    `wanted` is a git ref, `none`, or `auto`: the last release tag, else HEAD.
    """
    if wanted == "none":
        return None, False
    if wanted != "auto":
        return wanted, True
    tag = run("git", "describe", "--tags", "--abbrev=0", "--match", "v*")
    if tag.returncode == 0:
        return tag.stdout.strip(), True
    return "HEAD", False


def holds_protos(ref: str) -> bool:
    """Return whether `ref` exists and has .proto files to compare with."""
    listing = run("git", "ls-tree", "-r", "--name-only", ref, "--", "proto")
    return listing.returncode == 0 and ".proto" in listing.stdout


def check_breaking(wanted: str) -> int:
    """Compare with the reference; see the module's docstring for what fails."""
    ref, binding = reference(wanted)
    if ref is None:
        print("proto-check: breaking changes not checked, as asked")
        return 0
    if not holds_protos(ref):
        if wanted == "auto":
            print(f"proto-check: {ref} has no proto/ yet, no reference for breaking changes")
            return 0
        print(f"proto-check: {ref} is no commit with a proto/ folder; name another with PROTO_AGAINST=REF")
        return 1
    commit = run("git", "rev-parse", f"{ref}^{{commit}}").stdout.strip()
    code = buf("breaking", "proto", "--against", f".git#ref={commit},subdir=proto")
    if code and not binding:
        print(f"proto-check: the lines above break against {ref}; allowed before the first release tag")
        return 0
    return code


def main(arguments: list[str] | None = None) -> int:
    """Run every check and return 1 if one failed."""
    parser = argparse.ArgumentParser(description="check proto/ and the code generated from it")
    parser.add_argument("--against", default="auto", help="git ref, none, or auto")
    options = parser.parse_args(arguments)
    if not any((ROOT / "proto" / "ioe" / "v1").glob("*.proto")):
        print("proto-check: there is no file in proto/ioe/v1", file=sys.stderr)
        return 1
    os.environ.setdefault("BUF_CACHE_DIR", str(ROOT / ".tools-venv" / "buf-cache"))
    checks: dict[str, Callable[[], int]] = {
        "format": check_format,
        "lint": check_lint,
        "breaking": lambda: check_breaking(options.against),
        "generated code": check_generated,
    }
    failed = [name for name, check in checks.items() if check()]
    print(f"proto-check: {'failed: ' if failed else 'sound: '}{', '.join(failed or checks)}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
