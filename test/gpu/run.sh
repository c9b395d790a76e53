#!/usr/bin/env bash
# Builds the CUDA engine, runs its conformance suite on the device, the benchmark with its floors, and a real worker and coordinator; prints a short table.
# Runs on a machine with an NVIDIA GPU and nvcc and without a network, in this tree, given .gpu/carry.tar.xz of test/gpu/pack.sh. At most 8 minutes.
#   test/gpu/run.sh [--dry]        --dry: on the emulated device, with few rows: whether it runs, and no figures
set -uo pipefail
cd "$(dirname "$0")/../.."
tree=$PWD
dry=
[ "${1:-}" = --dry ] && dry=1
log=${OUT:-$(mktemp -d)}/gpu.log
mkdir -p "$(dirname "$log")"
: >"$log"
step() {
  local name=$1 limit=$2 from=$SECONDS
  shift 2
  if timeout "$limit" "$@" >>"$log" 2>&1; then
    echo "$name: ok ($((SECONDS - from)) s)"
  else
    echo "$name: FAILED ($((SECONDS - from)) s), the end of $log:"
    tail -40 "$log"
    failed=1
  fi
}
failed=0

if [ -f .gpu/carry.tar.xz ]; then
  carry=$(mktemp -d)
  tar -xJf .gpu/carry.tar.xz -C "$carry" || exit 1
  # The sources of the tree, and what was carried beside them.
  for name in scripts shared shard-worker/cuda shard-worker/native proto test/gpu; do
    mkdir -p "$carry/$(dirname "$name")"
    cp -r "$tree/$name" "$carry/$(dirname "$name")/"
  done
  cd "$carry" || exit 1
  export PATH="$carry/bin:$PATH" npm_config_nodedir="$carry"
fi
command -v node >/dev/null || { echo 'golddiff: node was not found; pack it with test/gpu/pack.sh' >&2; exit 1; }

if [ -n "$dry" ]; then
  step 'build for the emulated device' 300 node scripts/build-cuda.mjs --emulated
else
  nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null || { echo 'golddiff: no NVIDIA device was found; see nvidia-smi' >&2; exit 1; }
  export GOLDDIFF_TEST_CUDA=device
  step 'build' 200 node scripts/build-cuda.mjs
fi
[ "$failed" -eq 0 ] && step 'conformance suite' 90 node --test dist/test/shard-worker/backends/cuda/
if [ "$failed" -eq 0 ]; then
  timeout 120 node dist/test/gpu/bench.js ${dry:+--dry} 2>>"$log" | tee -a "$log"
  [ "${PIPESTATUS[0]}" -eq 0 ] || { failed=1; tail -20 "$log"; }
fi
[ "$failed" -eq 0 ] && step 'worker and coordinator' 40 node dist/test/gpu/processes.js ${dry:+--dry}
# What the floors of pca are of: the same arithmetic written plainly, on this card in this run.
if [ "$failed" -eq 0 ] && [ -z "$dry" ]; then
  if python3 -c 'import torch' 2>/dev/null; then timeout 30 python3 test/gpu/peer.py || failed=1
  else echo 'PyTorch: not run, python3 has no torch'
  fi
fi
exit "$failed"
