import assert from 'node:assert/strict';
import { test } from 'node:test';
import { goldenSizes, resolveGolden } from '../../../shared/math/golden-schedule.js';
import { noiseLevelAt } from '../../../shared/math/noise-schedule.js';

test('sizes on CIFAR-10 are those of the paper', () => {
  const settings = resolveGolden({ kMin: 2500, kMax: 5000 }, 50_000);
  const expected: [number, number, number][] = [
    [900, 5006, 5000],
    [500, 6786, 4901],
    [300, 14970, 4446],
    [100, 35428, 3310],
    [0, 49550, 2525],
  ];
  for (const [t, pool, subset] of expected) {
    assert.deepEqual(goldenSizes(settings, 50_000, noiseLevelAt('DDPM_LINEAR', t)), { presample: 50_000, pool, subset }, `t = ${t}`);
  }
});

test('subset sizes are those of the published runs', () => {
  const abars = [0.00027024451992474496, 0.0015075210249051452, 0.006868279073387384, 0.02556748501956463, 0.07779666036367416, 0.19357198476791382];
  const later = [0.3940110504627228, 0.6563470363616943, 0.8951413631439209, 0.9998999834060669];
  const settings = resolveGolden({ kMin: 100, kMax: 200, candidatePool: 200 }, 2000);
  const sizes = [...abars, ...later].map((abar) => goldenSizes(settings, 2000, { alpha: Math.sqrt(abar), sigma: Math.sqrt(1 - abar) }));
  assert.deepEqual(
    sizes.map((s) => s.subset),
    [200, 200, 200, 199, 196, 190, 178, 159, 132, 101],
  );
  assert.ok(sizes.every((s) => s.pool === 200 && s.presample === 2000));
});

test('the released variant pre-samples m_t rows and keeps k_max of them by proxy', () => {
  const level = noiseLevelAt('DDPM_LINEAR', 500);
  const released = resolveGolden({ variant: 'RELEASED', kMin: 2500, kMax: 5000 }, 50_000);
  assert.deepEqual(goldenSizes(released, 50_000, level), { presample: 6786, pool: 5000, subset: 4901 });
  const all = resolveGolden({ variant: 'RELEASED', presample: 'PRESAMPLE_ALL', kMin: 2500, kMax: 5000 }, 50_000);
  assert.deepEqual(goldenSizes(all, 50_000, level), { presample: 50_000, pool: 5000, subset: 4901 });
});

test('defaults follow the number of rows', () => {
  assert.deepEqual(
    [60_000, 50_000, 30_000, 1_281_167, 7, 1].map((n) => [resolveGolden({}, n).kMin, resolveGolden({}, n).kMax]),
    [
      [3000, 6000],
      [2500, 5000],
      [1500, 3000],
      [10_000, 20_000],
      [1, 1],
      [1, 1],
    ],
  );
});

test('a fixed subset and a large k_min move k_max along', () => {
  assert.deepEqual(goldenSizes(resolveGolden({ kFixed: 900 }, 1000), 1000, { alpha: 1, sigma: 0.1 }).subset, 900);
  assert.equal(resolveGolden({ kMin: 500 }, 1000).kMax, 500);
  assert.deepEqual(goldenSizes(resolveGolden({ kFixed: 3 }, 1000), 1000, { alpha: 1, sigma: 80 }).subset, 3);
});

test('sizes beyond the rows, and a pool below the subset, are refused by name', () => {
  assert.throws(
    () => resolveGolden({ kMax: 11 }, 10),
    /Expected 0 or an integer in 1\.\.10 \(the eligible rows\) for retrieval\.k_max but received 11/,
  );
  assert.throws(() => resolveGolden({ kFixed: 11 }, 10), /retrieval\.k_fixed/);
  assert.throws(() => resolveGolden({ kMin: 6, kMax: 5 }, 10), /Expected at most k_max = 5 for retrieval\.k_min but received 6/);
  assert.throws(() => resolveGolden({ kMax: 5, candidatePool: 4 }, 10), /integer in 5\.\.10 .* for retrieval\.candidate_pool but received 4/);
});
