import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backendConformance } from '../conformance.js';
import { groupsConformance } from '../conformance-groups.js';
import { cudaBackend, skip } from './emulated-device.js';

test('the conformance suite runs on the CUDA engine', { skip }, () => {
  assert.equal(skip, false);
});

/** Row lengths and numbers of rows around the widths of the kernels (64 bytes of a row, 32 rows of a product), a prime, and more than a block. */
const SHAPES = [
  [31, 1, 1],
  [32, 1, 1],
  [33, 1, 1],
  [1, 9, 7],
  [1, 8, 8],
  [1, 13, 5],
  [101, 1, 1],
  [3, 32, 32],
] as const;

if (skip === false) {
  backendConformance({
    name: 'cuda',
    threadCounts: [1, 3],
    create: ({ computeThreads, deviceMemoryBytes = Infinity }) => cudaBackend({ computeThreads, deviceMemoryBytes }),
    shapes: SHAPES,
    rows: [31, 32, 33, 257],
    closeAfterMs: 0,
    tolerances: {
      // As those of the native engine, whose limbs these are.
      distance: 1e-9,
      mass: 1e-13,
      logit: 2e-5,
      sums: 1e-5,
      leftOut: 2 ** -24,
      floatProxy: 4 * 2 ** -24,
      histogram: 1e-6,
    },
  });
  groupsConformance({
    name: 'cuda',
    create: (options) => cudaBackend(options),
    // Distances to 8-bit rows are integers of 32 bits; weights are float32 of a float32 number of nats.
    tolerance: { nats: 5e-5, relative: 4e-7, weights: 2e-6 },
  });
}
