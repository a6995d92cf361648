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
# What is not supported has to stand in not-here.txt; anything else but a pass fails.
report=$(mktemp)
trap 'rm -f "$report"' EXIT
(cd .. && PYTHONPATH=.. "$python" -m ioe_conformance.vector_check --report "$report" -- go/bin/ioe-vectors) || true
"$python" - "$report" <<'END'
import fnmatch, json, sys
lines = [line.split("#")[0].strip() for line in open("not-here.txt")]
absent = [line for line in lines if line]
outcomes = json.load(open(sys.argv[1]))["outcomes"]
missing = [o["id"] for o in outcomes if o["verdict"] == "NOT_SUPPORTED"]
bad = [o["id"] for o in outcomes if o["verdict"] not in ("PASS", "NOT_SUPPORTED")]
bad += [i for i in missing if not any(fnmatch.fnmatch(i, glob) for glob in absent)]
bad += [f"{glob} in not-here.txt, which nothing matches" for glob in absent if not fnmatch.filter(missing, glob)]
if bad:
    sys.exit("second-opinion: " + ", ".join(bad[:10]))
print(f"second-opinion: {len(outcomes) - len(missing)} vectors answered as they stand, {len(missing)} are in not-here.txt")
END
cd ../.. && "$python" -m pytest -q tests/e2e/test_second_opinion.py
