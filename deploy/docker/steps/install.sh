#!/bin/sh
# Packages and the native engine, in the folder that it is started in. The engine must be there: an image without it would be many times slower, in silence.
set -eu
node_home=$(dirname "$(dirname "$(command -v node)")")
if [ -f "$node_home/include/node/node.h" ]; then
  # Headers that the base carries, rather than ones that are fetched.
  npm_config_nodedir=$node_home
  export npm_config_nodedir
fi
npm ci --no-audit --no-fund --prefer-offline --loglevel=error
[ -f shard-worker/native/build/Release/golddiff_native.node ] || exec node scripts/build-native.mjs --strict
