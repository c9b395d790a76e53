import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';

import { suggestGolden } from '../../../client/studies/suggest-golden.js';
import { goldenSizes, resolveGolden } from '../../../shared/math/golden-schedule.js';
import { samplingPath } from '../../../shared/math/noise-schedule.js';

const LEVELS = samplingPath('DDPM_LINEAR', 10);

test('every level gets the rows it needs, and no smaller pair of sizes would do with fewer rows', () => {
  const rows = 120;
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: rows }), { minLength: 10, maxLength: 10 }), (needed) => {
      const needs = LEVELS.map((level, i) => ({ ...level, rows: needed[i]! }));
      const { kMin, kMax, sizes, shareOfExact } = suggestGolden(needs, rows);
      const sizesOf = (min: number, max: number): number[] =>
        needs.map((need) => goldenSizes(resolveGolden({ kMin: min, kMax: max, candidatePool: rows }, rows), rows, need).subset);
      assert.deepEqual(sizesOf(kMin, kMax), [...sizes]);
      sizes.forEach((size, i) => assert.ok(size >= needed[i]!));
      const total = sizes.reduce((sum, size) => sum + size, 0);
      assert.ok(Math.abs(shareOfExact - total / (rows * sizes.length)) < 1e-12);
      let best = Infinity;
      for (let max = 1; max <= rows; max++) {
        for (let min = 1; min <= max; min++) {
          const tried = sizesOf(min, max);
          if (tried.every((size, i) => size >= needed[i]!))
            best = Math.min(
              best,
              tried.reduce((sum, size) => sum + size, 0),
            );
        }
      }
      // The real optimum is found and its neighbours are tried: whole numbers further away win by a row a level at most.
      assert.ok(total <= best + sizes.length, `${total} rows where ${best} would do`);
    }),
    { numRuns: 25 },
  );
});

test('one level, all rows and one row are no special cases', () => {
  assert.deepEqual(suggestGolden([{ ...LEVELS[9]!, rows: 1 }], 60_000).kMin, 1);
  const all = suggestGolden(
    LEVELS.map((level) => ({ ...level, rows: 60_000 })),
    60_000,
  );
  assert.deepEqual([all.kMin, all.kMax, all.shareOfExact], [60_000, 60_000, 1]);
  assert.deepEqual(suggestGolden([{ alpha: 1, sigma: 80, rows: 7 }], 7).sizes, [7]);
});

test('a level of nearly pure noise that needs all rows does not drag the others along', () => {
  const needs = LEVELS.map((level, i) => ({ ...level, rows: i === 1 ? 120 : 1 }));
  const { kMin, kMax, sizes } = suggestGolden(needs, 120);
  // k_t = 119.5 at t = 800 is rounded to 120; without that half row k_min would have to be 120 too.
  assert.ok(kMax === 120 && kMin < 10 && sizes[1] === 120, `${kMin} .. ${kMax}: ${sizes.join(', ')}`);
});
