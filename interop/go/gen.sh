#!/bin/sh
# Writes wire/*.pb.go from proto/ioe/v1 anew. Needs Go and a protoc (PROTOC=..., or the one of the
# repository's .tools-venv); the two plugins are built from the versions that go.mod pins.
set -eu
cd "$(dirname "$0")"
proto=../../proto
plugins=$(mktemp -d)
trap 'rm -rf "$plugins"' EXIT
GOBIN=$plugins go install google.golang.org/protobuf/cmd/protoc-gen-go google.golang.org/grpc/cmd/protoc-gen-go-grpc

if [ -z "${PROTOC:-}" ]; then
    if command -v protoc >/dev/null 2>&1; then PROTOC=protoc
    else PROTOC=../../.tools-venv/bin/python-grpc-tools-protoc; fi
fi

set -- --proto_path="$proto" \
    --plugin=protoc-gen-go="$plugins/protoc-gen-go" --plugin=protoc-gen-go-grpc="$plugins/protoc-gen-go-grpc" \
    --go_out=. --go_opt=module=ioe.example/interop \
    --go-grpc_out=. --go-grpc_opt=module=ioe.example/interop
for file in "$proto"/ioe/v1/*.proto; do
    name=ioe/v1/$(basename "$file")
    set -- "$@" "--go_opt=M$name=ioe.example/interop/wire" "--go-grpc_opt=M$name=ioe.example/interop/wire"
done
rm -f wire/*.pb.go
"$PROTOC" "$@" "$proto"/ioe/v1/*.proto
# Which protoc it was is the machine's affair, not the repository's.
sed -i.bak '/^\/\/[[:space:]-]*protoc[[:space:]]*(*v[0-9]/d' wire/*.pb.go && rm -f wire/*.bak
