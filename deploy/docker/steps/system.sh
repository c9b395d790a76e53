#!/bin/sh
# What the build stage needs beside its base: a static tini, which the images without a package manager take from here, and a compiler where the base has none.
set -eu
missing=
command -v python3 >/dev/null || missing="$missing python3"
command -v make >/dev/null || missing="$missing make"
command -v g++ >/dev/null || missing="$missing g++"
[ -x /usr/bin/tini-static ] || missing="$missing tini"
[ -n "$missing" ] || exit 0
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
# shellcheck disable=SC2086 # a list of packages
apt-get -qq -y --no-install-recommends install $missing
rm -rf /var/lib/apt/lists/*
