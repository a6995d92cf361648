#!/bin/sh
# Makes passphrases, keys, links and configurations of the community in deploy/kubernetes/community, for kustomize to take
# up as Secrets and ConfigMaps. Wants `ioe` on the path of PYTHON (default: python3). What it makes is not committed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
umask 077
mkdir -p "$here/community/operators"
for name in battery factory home-east home-west utility operators; do
    test -e "$here/community/$name/passphrase" ||
        head -c 24 /dev/urandom | base64 >"$here/community/$name/passphrase"
done
"${PYTHON:-python3}" "$here/../community/make.py" "$here/community" \
    --passphrases "$here/community/{}/passphrase" --address "{}-node:7443"
