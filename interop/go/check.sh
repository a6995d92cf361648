#!/bin/sh
# Checks the second opinion: format, vet, generated tables, Go tests, its answers to all vectors, and real
# sessions with the reference router (they need the repository's Python environment).
#
#     sh interop/go/check.sh [PYTHON]
#
# Without Go on this machine it says so and ends with 0: nothing was checked.
set -eu
python=${1:-python3}
case $python in */*) python=$(cd "$(dirname "$python")" && pwd)/$(basename "$python") ;; esac
cd "$(dirname "$0")"
command -v go >/dev/null 2>&1 || { echo "second-opinion: NOT RUN, there is no go on this machine" >&2; exit 0; }

unformatted=$(gofmt -l .)
[ -z "$unformatted" ] || { echo "second-opinion: run gofmt -w in interop/go on $unformatted" >&2; exit 1; }
go run ./cmd/spec-tables ../../SPEC.md | cmp -s - codec/fields.tsv || {
    echo "second-opinion: codec/fields.tsv is not what SPEC.md says; see interop/go/README.md" >&2; exit 1; }
go vet ./...
go test ./...
go build -o bin/ ./cmd/...
# What not-here.txt names is not answered by this implementation, and so not asked.
only=$("$python" - <<'END'
import pathlib
absent = {line.split("#")[0].strip() for line in open("not-here.txt")}
for file in sorted(pathlib.Path("../vectors/v1").glob("*.json")):
    if file.stem not in absent | {"manifest"}:
        print("--only", file.stem)
END
)
echo "second-opinion: not asked: $(grep -v '^#' not-here.txt | tr '\n' ' ')"
# shellcheck disable=SC2086
(cd .. && PYTHONPATH=.. "$python" -m ioe_conformance.vector_check $only -- go/bin/ioe-vectors)
cd ../.. && "$python" -m pytest -q tests/e2e/test_second_opinion.py
