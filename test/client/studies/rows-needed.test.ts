import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';

import { connect } from '../../../client/golddiff-client.js';
import { leastRows, massLeftOut, rowsNeeded, ROWS_NEEDED_PRECISION } from '../../../client/studies/rows-needed.js';
import { SMALL_DIM, SMALL_ROWS, smallPosterior, startPosteriorServer } from '../../support/posterior-server.js';

test('the least number that holds is found from above, whatever the hints say', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 1_000_000 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.array(fc.integer({ min: -5, max: 1_000_000 }), { maxLength: 3 }),
      async (rows, share, hints) => {
        const least = Math.max(1, Math.ceil(share * rows));
        let looks = 0;
        const found = await leastRows(rows, hints, async (k) => {
          assert.ok(k >= 1 && k < rows, 'only numbers that are not known are looked at');
          looks++;
          return k >= least;
        });
        assert.ok(found >= least && found <= Math.max(least, Math.ceil(least * (1 + ROWS_NEEDED_PRECISION))), `${found} for ${least} of ${rows}`);
        assert.ok(
          found === least || found - least <= ROWS_NEEDED_PRECISION * (rows - least + 1) + 1,
          `${found} for ${least} of ${rows}, near all rows`,
        );
        // To 2% of a number below half a million: 10 halvings of its logarithm; above, where all but one are needed: 20 halvings.
        assert.ok(looks <= 25 + hints.length, `${looks} looks`);
      },
    ),
  );
});

test('the mass left out is the difference of two log Z, never below 0', () => {
  assert.ok(Math.abs(massLeftOut(Math.log(0.75) - 400, -400) - 0.25) < 1e-12);
  assert.equal(massLeftOut(-399.9999999, -400), 0);
  // At 1e-9 the difference of exp(.) from 1 would have lost half its digits.
  assert.ok(Math.abs(massLeftOut(-1e-9, 0) / 1e-9 - 1) < 1e-8);
});

test('the rows found hold the mass for the worst of the queries, and a few less do not', async (t) => {
  const server = await startPosteriorServer();
  const client = connect(server.endpoint);
  const x = Float64Array.from([0.1, 0.4, -0.3, 0.2, 0.9, -0.2, 0.5, 0.3]);
  for (const [sigma, error] of [
    [0.3, 0.05],
    [0.3, 0.6],
    [1, 0.02],
    [0.05, 0.005],
  ] as const) {
    const exact = [0, 1].map((b) => smallPosterior(x.subarray(b * SMALL_DIM, (b + 1) * SMALL_DIM), 1, sigma));
    const left = (k: number): number => Math.max(...exact.map(({ weights }) => weights.slice(k).reduce((sum, w) => sum + w, 0)));
    const least = Array.from({ length: SMALL_ROWS }, (_, i) => i + 1).find((k) => left(k) <= error)!;
    const rowsOf = (share: number) =>
      exact.map(({ weights }) => weights.filter((_, i) => weights.slice(0, i).reduce((sum, w) => sum + w, 0) < share).length);
    const measured = { rows50: rowsOf(0.5), rows90: rowsOf(0.9), rows99: rowsOf(0.99), logZ: exact.map((p) => p.logZ) };
    const before = server.scoreRequests.length;
    const level = { alpha: 1, sigma, dataSet: 'tiny' };
    const queries = { x, shape: [2, SMALL_DIM], batchRows: 1 };
    const found = await rowsNeeded(client, queries, level, measured, { rows: SMALL_ROWS, error }, new AbortController().signal);
    assert.ok(found >= least && found <= Math.ceil(least * (1 + ROWS_NEEDED_PRECISION)), `${found} for ${least}`);
    const asked = server.scoreRequests.slice(before);
    assert.ok(asked.every((r) => r.retrieval?.kind === 'GOLDEN' && r.retrieval.candidatePool === SMALL_ROWS && r.retrieval.search === 'SEARCH_SCAN'));
    t.diagnostic(`sigma ${sigma}, error ${error}: ${found} of ${SMALL_ROWS} rows, ${asked.length} requests`);
  }
  client.close();
});
