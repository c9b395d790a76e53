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
      // Sizes are whole numbers: rounding both up may cost a row at each level, and another where k_t was rounded down.
      assert.ok(total <= best + 2 * sizes.length, `${total} rows where ${best} would do`);
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
