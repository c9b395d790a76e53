/** What a step answers: against the definition, and the same bits for any number of workers. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { presampleHash } from '../../shared/math/counter-noise.js';
import { bitsOf, bruteForce, context, largestError, planOf, startCluster, VARIANTS } from './steps-under-test.js';
import { randomDataSet } from './test-data.js';

test('an exact step equals the posterior mean over all rows', async (t) => {
  const data = randomDataSet({ rows: 200, partitions: 5 });
  const { runner } = await startCluster(t, data, 2);
  for (const sigma of [0.02, 0.3, 5]) {
    const plan = planOf(data, { sigma });
    const answer = await runner.run(plan, context());
    for (let b = 0; b < plan.batch; b++) {
      const expected = bruteForce(data, plan, b, () => true);
      const error = largestError(answer.x0hat, expected.x0hat, b);
      t.diagnostic(`sigma ${sigma}: largest error of x0hat ${error.toExponential(1)}`);
      // Partial sums travel as float32: 2^-24 of values up to 1, once per level of the tree.
      assert.ok(error < 4e-7);
      assert.ok(Math.abs(answer.logZ[b]! - expected.logZ) < 1e-9 * Math.abs(expected.logZ));
      const evidence = expected.logZ - Math.log(200) - (plan.dim / 2) * Math.log(2 * Math.PI * plan.sigma[b]! ** 2);
      assert.ok(Math.abs(answer.logEvidence[b]! - evidence) < 1e-9 * Math.abs(evidence));
      assert.ok(Math.abs(answer.effectiveSupport[b]! / expected.support - 1) < 1e-9);
      assert.ok(Math.abs(answer.maxWeight[b]! - 1 / expected.S) < 1e-12);
      assert.equal(answer.goldenRows[b], 200);
      assert.ok(answer.tailMassBound[b]! < 5 * 2 ** -40);
    }
    assert.equal(answer.tailMassKind, 'EXACT');
    assert.deepEqual(answer.coverage, { rowsReached: 200, rowsTotal: 200, fraction: 1, missingPartitions: [] });
  }
});

for (const { name, options } of VARIANTS) {
  test(`the answer is bit-identical for 1, 2, 3, 5 and 8 workers in any order of arrival: ${name}`, async (t) => {
    const data = randomDataSet({ rows: 240, partitions: 11, ties: true });
    const bits = new Set<string>();
    for (const count of [1, 2, 3, 5, 8]) {
      const { runner } = await startCluster(t, data, count, { delayMsMax: 3 });
      bits.add(bitsOf(await runner.run(planOf(data, options), context())));
    }
    assert.equal(bits.size, 1);
  });
}

test('the golden subset is the brute-force one, ties by row id', async (t) => {
  const data = randomDataSet({ rows: 150, partitions: 4, ties: true });
  const { runner } = await startCluster(t, data, 3);
  const plan = planOf(data, { retrieval: { kind: 'GOLDEN', kFixed: 17, candidatePool: 150 } });
  const answer = await runner.run(plan, context());
  for (let b = 0; b < plan.batch; b++) {
    const all = bruteForce(data, plan, b, () => true).rows.sort((l, r) => l.distance - r.distance || l.id - r.id);
    const golden = new Set(all.slice(0, 17).map((row) => row.id));
    const expected = bruteForce(data, plan, b, (row) => golden.has(row.id));
    assert.equal(answer.goldenRows[b], 17);
    assert.ok(Math.abs(answer.logZ[b]! - expected.logZ) < 1e-9 * Math.abs(expected.logZ));
    assert.ok(largestError(answer.x0hat, expected.x0hat, b) < 4e-7);
    const last = -all[16]!.distance / (2 * plan.sigma[b]! ** 2);
    const tail = 133 * Math.exp(last - expected.logZ);
    assert.ok(Math.abs(answer.tailMassBound[b]! - tail / (1 + tail)) < 1e-9);
  }
  assert.equal(answer.tailMassKind, 'HEURISTIC');
});

test('where the pool is the subset its farthest row still bounds the rest', async (t) => {
  const data = randomDataSet({ rows: 150, partitions: 4 });
  const { runner } = await startCluster(t, data, 3);
  const plan = planOf(data, { retrieval: { kFixed: 17, candidatePool: 17, proxyResolution: 4 } });
  const answer = await runner.run(plan, context());
  for (let b = 0; b < plan.batch; b++) {
    // A proxy of the full resolution selects by the full distance.
    const all = bruteForce(data, plan, b, () => true).rows.sort((l, r) => l.distance - r.distance || l.id - r.id);
    const tail = 133 * Math.exp(-all[16]!.distance / (2 * plan.sigma[b]! ** 2) - answer.logZ[b]!);
    assert.ok(Math.abs(answer.tailMassBound[b]! - tail / (1 + tail)) < 1e-9);
  }
});

test('the released variant draws its pre-sample by the counter hash', async (t) => {
  const data = randomDataSet({ rows: 150, partitions: 4 });
  const { runner } = await startCluster(t, data, 2);
  const plan = planOf(data, { retrieval: { variant: 'RELEASED', kMin: 10, kMax: 10, proxyResolution: 4 }, sigma: 0.7 });
  const answer = await runner.run(plan, context());
  for (let b = 0; b < plan.batch; b++) {
    const all = bruteForce(data, plan, b, () => true).rows;
    const drawn = all.sort((l, r) => presampleHash(11, 2, 5 + b, l.id) - presampleHash(11, 2, 5 + b, r.id)).slice(0, plan.golden!.presample[b]);
    const golden = new Set(
      drawn
        .sort((l, r) => l.distance - r.distance)
        .slice(0, 10)
        .map((row) => row.id),
    );
    const expected = bruteForce(data, plan, b, (row) => golden.has(row.id));
    assert.ok(plan.golden!.presample[b]! < 150);
    assert.ok(Math.abs(answer.logZ[b]! - expected.logZ) < 1e-9 * Math.abs(expected.logZ));
  }
});

test('a golden subset of all rows is exact and says so', async (t) => {
  const data = randomDataSet({ rows: 60, partitions: 3 });
  const { runner, workers } = await startCluster(t, data, 2);
  const asked: string[] = [];
  for (const worker of workers) worker.before = (body) => void asked.push(body);
  const golden = await runner.run(planOf(data, { retrieval: { kFixed: 60 } }), context());
  assert.equal(golden.tailMassKind, 'EXACT');
  assert.ok(!asked.includes('screen'));
  assert.equal(bitsOf(golden), bitsOf(await runner.run(planOf(data), context())));
});

test('the rows that hold a share of the mass are counted to within a bin', async (t) => {
  const data = randomDataSet({ rows: 300, partitions: 5 });
  const { runner } = await startCluster(t, data, 3);
  const plan = planOf(data, { massRows: true });
  const answer = await runner.run(plan, context());
  for (let b = 0; b < plan.batch; b++) {
    const { weights, S } = bruteForce(data, plan, b, () => true);
    weights.sort((l, r) => r - l);
    const exact = (share: number): number => {
      let sum = 0;
      return 1 + weights.findIndex((w) => (sum += w) >= share * S);
    };
    for (const [got, share] of [
      [answer.massRows!.rows50[b]!, 0.5],
      [answer.massRows!.rows90[b]!, 0.9],
      [answer.massRows!.rows99[b]!, 0.99],
    ] as const) {
      // At most the rows of one bin of 1/32 nat apart; three hundred rows leave a few in each.
      assert.ok(Math.abs(got - exact(share)) <= 6, `${got} rows against ${exact(share)}`);
    }
  }
});

test('a label restricts the posterior to its rows', async (t) => {
  const data = randomDataSet({ rows: 90, partitions: 4 });
  const { runner } = await startCluster(t, data, 2);
  const plan = planOf(data, { labels: [2, 0, -1] });
  const answer = await runner.run(plan, context());
  assert.deepEqual(answer.goldenRows, [30, 30, 90]);
  const expected = bruteForce(data, plan, 0, (row) => row.label === 2);
  assert.ok(largestError(answer.x0hat, expected.x0hat, 0) < 4e-7);
});
