#!/bin/sh
# One folder for each image, under the folder that is named: what becomes /opt/golddiff.
set -eu
for image in coordinator shard-worker tools; do
  node deploy/docker/steps/assemble.mjs "$image" "$1/$image"
done
