#!/bin/sh
# The CUDA engine, and the folder of its image: that of shard-worker with the engine in it.
set -eu
images=$1
node_home=$(dirname "$(dirname "$(command -v node)")")
if [ -f "$node_home/include/node/node.h" ]; then
  npm_config_nodedir=$node_home
  export npm_config_nodedir
fi
node scripts/build-cuda.mjs
[ -f shard-worker/cuda/build/Release/golddiff_cuda.node ] || { echo "build-cuda.sh: Expected shard-worker/cuda/build/Release/golddiff_cuda.node but it was not built" >&2; exit 1; }
node deploy/docker/steps/assemble.mjs shard-worker-cuda "$images/shard-worker-cuda"
