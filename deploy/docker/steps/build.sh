#!/bin/sh
# TypeScript to dist/, without the tests, which the context leaves out.
set -eu
node scripts/build.mjs
