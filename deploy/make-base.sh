#!/bin/sh
# Makes a small base image from the packages of the Debian that this machine runs, for where no image registry is reached.
#
#   sh deploy/make-base.sh [IMAGE]        as root; IMAGE is localhost/ioe-base:latest unless named
#
# Wants mmdebstrap and podman (apt-get install mmdebstrap podman) and takes packages from where apt takes them.
# What is in it: Debian's essential packages and its Python with venv; no documentation, no apt.
set -eu

image=${1:-localhost/ioe-base:latest}
mirror=$(apt-get indextargets --format '$(SITE)' | head -n 1)
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The hook makes /usr merged from the beginning; the package that would do so afterwards brings all of Perl (45 MB).
mmdebstrap --quiet --variant=essential --hook-dir=/usr/share/mmdebstrap/hooks/maybe-merged-usr \
    --include=python3,python3-venv,libstdc++6,netbase,tzdata \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/info/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/lintian/*' \
    "$suite" "$work/base.tar" "$mirror"
podman import --quiet --change 'ENV LANG=C.UTF-8' --change 'CMD ["python3"]' "$work/base.tar" "$image"
podman image inspect --format "$image {{.Size}} bytes" "$image"
