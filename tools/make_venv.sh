#!/bin/sh
# Create ./.venv from the newest suitable Python on PATH and fill it from the
# hashed requirements, then put the project itself in, editable and without
# resolving anything. Nothing is fetched that requirements.txt does not pin.
#
#   PYTHON=/path/to/python  chooses the interpreter (default: python3.13, 3.12, 3.11, python3)
set -eu
cd "$(dirname "$0")/.."

fail() {
    echo "setup: $1" >&2
    exit 1
}

# Prints why an interpreter will not do; prints nothing when it will.
objection() {
    command -v "$1" >/dev/null 2>&1 || { echo "$1 not found"; return; }
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 ||
        { echo "$1 is $("$1" --version 2>&1)"; return; }
    "$1" -c 'import ensurepip, venv' >/dev/null 2>&1 ||
        echo "$1 has no venv or ensurepip module"
}

choose_python() {
    reasons=""
    for candidate in ${PYTHON:-python3.13 python3.12 python3.11 python3}; do
        why=$(objection "$candidate")
        if [ -z "$why" ]; then
            python=$candidate
            return
        fi
        reasons="$reasons; $why"
    done
    fail "no Python 3.11 or newer with venv and pip was found (${reasons#; }). Install one (on Debian and Ubuntu: python3 and python3-venv) or name it: make setup PYTHON=/path/to/python3"
}

if [ -e .venv ] && ! .venv/bin/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
    echo "setup: .venv does not work any more, making it anew"
    rm -rf .venv
fi
if [ ! -e .venv ]; then
    choose_python
    echo "setup: .venv from $("$python" --version 2>&1)"
    "$python" -m venv .venv || fail "could not create .venv with $python (message above)"
fi

pip=".venv/bin/python -m pip --disable-pip-version-check"
echo "setup: installing requirements.txt (about 250 MB to fetch the first time)"
$pip install --quiet --require-hashes -r requirements.txt ||
    fail "could not install requirements.txt (message above). It needs a package index that pip can reach; behind a proxy set HTTPS_PROXY or pip's own configuration, then run make setup again"
$pip install --quiet --no-build-isolation --no-deps --no-index -e . ||
    fail "could not install the project itself into .venv (message above)"
$pip check >/dev/null || fail "the installed packages contradict each other: $($pip check 2>&1 | head -n 1). Remove .venv and run make setup again"
echo "setup: ready"
