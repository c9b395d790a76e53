import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Retrieval__Output } from '../../proto/generated/golddiff/v1/Retrieval.js';
import { allowedErrors, blocksOf, eligibleRows, planGolden, rowValues } from '../../coordinator/step-plan.js';
import { randomDataSet } from './test-data.js';

const { manifest } = randomDataSet({ rows: 100, partitions: 3, classes: 3, shape: [1, 4, 4] });
const golden = (more: Partial<Retrieval__Output> = {}): Retrieval__Output =>
  ({ kind: 'GOLDEN', variant: 'PAPER', proxyResolution: 0, ...more }) as Retrieval__Output;
const counters = { presampleSeed: 1, presampleStep: 2, firstQuery: 40 };
const levels = (...sigma: number[]): [Float64Array, Float64Array] => [
  Float64Array.from(sigma, (s) => Math.sqrt(1 - s * s)),
  Float64Array.from(sigma),
];

test('eligible rows come from the classes of the manifest', () => {
  assert.deepEqual([...eligibleRows(manifest, undefined, 2)], [100, 100]);
  assert.deepEqual([...eligibleRows(manifest, Int32Array.of(0, 1, -1), 3)], [34, 33, 100]);
  assert.equal(rowValues(manifest), 16);
});

test('an exact retrieval has no golden plan', () => {
  assert.equal(planGolden(manifest, null, counters, Float64Array.of(100), ...levels(0.5)), undefined);
  assert.equal(planGolden(manifest, golden({ kind: 'EXACT_SCAN' }), counters, Float64Array.of(100), ...levels(0.5)), undefined);
});

test('sizes follow the noise and the eligible rows of each query', () => {
  const plan = planGolden(manifest, golden({ kMin: 4, kMax: 10 }), counters, Float64Array.of(100, 100, 33), ...levels(0.1, 0.99, 0.5))!;
  assert.ok(plan.subset[0]! < plan.subset[1]!);
  assert.ok(plan.pool[0]! > plan.pool[1]!);
  assert.deepEqual([...plan.presample], [100, 100, 33]);
  assert.ok(plan.pool[2]! <= 33);
  assert.deepEqual([...plan.queryIds], [40, 41, 42]);
  assert.equal(plan.proxyResolution, 4);
});

test('the search is the one asked for, and a scan where random rows are chosen first', () => {
  const searchOf = (more: Partial<Retrieval__Output>) => planGolden(manifest, golden(more), counters, Float64Array.of(100), ...levels(0.5))!.search;
  assert.equal(searchOf({ search: 'SEARCH_HNSW' }), 'SEARCH_HNSW');
  assert.equal(searchOf({ search: 'SEARCH_AUTO', variant: 'RELEASED' }), 'SEARCH_SCAN');
});

test('sizes that do not fit are refused with their field', () => {
  for (const [wish, field] of [
    [{ kMax: 101 }, 'retrieval.k_max'],
    [{ kMin: 9, kMax: 8 }, 'retrieval.k_min'],
    [{ kFixed: 101 }, 'retrieval.k_fixed'],
    [{ proxyResolution: 3 }, 'retrieval.proxy_resolution'],
  ] as const) {
    assert.throws(() => planGolden(manifest, golden(wish), counters, Float64Array.of(100), ...levels(0.5)), {
      code: 'ARGUMENT_INVALID',
      data: { field },
    });
  }
});

test('an error budget is in the plan, and a tiny one makes what is proven to be negligible smaller too', () => {
  assert.deepEqual(allowedErrors(null), {});
  assert.deepEqual(allowedErrors(golden({ maxTailMass: 0, tolerance: 0 })), {});
  assert.deepEqual(allowedErrors(golden({ maxTailMass: 0.01, tolerance: 0 })), { maxTailMass: 0.01 });
  assert.deepEqual(allowedErrors(golden({ maxTailMass: 1e-9, tolerance: 0 })), { maxTailMass: 1e-9, tolerance: 5e-10 });
  assert.deepEqual(allowedErrors({ ...golden({ maxTailMass: 0 }), kind: 'EXACT_SCAN', tolerance: 0.1 }), { tolerance: 0.1 });
});

test('blocks of rows are a field of the plan where they are asked for, and keep the search to scans', () => {
  const wss = golden({ aggregator: 'WSS', blockRows: 9, search: 'SEARCH_AUTO' });
  const searchOf = (retrieval: Retrieval__Output) => planGolden(manifest, retrieval, counters, Float64Array.of(100), ...levels(0.5))?.search;
  assert.deepEqual([searchOf(wss), searchOf({ ...wss, aggregator: 'SOFTMAX' })], ['SEARCH_SCAN', 'SEARCH_AUTO']);
  assert.deepEqual(blocksOf(wss), { blockRows: 9 });
  assert.deepEqual([blocksOf(null), blocksOf({ ...wss, aggregator: 'SOFTMAX' })], [{}, {}]);
});
