import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { Retrieval__Output } from '../../proto/generated/golddiff/v1/Retrieval.js';
import { Hedging } from '../../coordinator/hedging.js';
import type { ClusterView } from '../../coordinator/step-assignments.js';
import { StepRunner, type StepRunnerSettings } from '../../coordinator/step-runner.js';
import type { StepAnswer } from '../../coordinator/step-answer.js';
import { eligibleRows, planGolden, type StepPlan } from '../../coordinator/step-plan.js';
import { WorkerLinks } from '../../coordinator/worker-links.js';
import type { PlacementDocument } from '../../shared/control-plane/control-plane.js';
import { GolddiffError } from '../../shared/errors.js';
import { createLogger } from '../../shared/log.js';
import { createMetrics } from '../../shared/metrics.js';
import { presampleHash } from '../../shared/math/counter-noise.js';
import { startBruteForceWorker, type BruteForceWorker } from './brute-force-worker.js';
import { randomDataSet, randomQueries, type TestDataSet } from './test-data.js';

const log = createLogger('test', 'silent');
const metrics = createMetrics('coordinator');
const context = () => ({ requestId: 'test', signal: new AbortController().signal, remainingMs: () => Infinity });

const NO_STATISTICS: StepRunnerSettings['statistics'] = {
  locality: () => Promise.reject(new Error('no mask is asked for')),
  gaussian: () => Promise.reject(new Error('no covariance is asked for')),
};

interface Cluster {
  readonly runner: StepRunner;
  readonly workers: BruteForceWorker[];
  readonly dead: Set<string>;
}

/** Partition p on worker p mod W, and on the `replicas - 1` next ones. */
async function startCluster(
  t: TestContext,
  data: TestDataSet,
  count: number,
  options: {
    hedging?: Hedging;
    replicas?: number;
    delayMsMax?: number;
    placementWaitMs?: number;
    statistics?: StepRunnerSettings['statistics'];
  } = {},
): Promise<Cluster> {
  const workers: BruteForceWorker[] = [];
  for (let i = 0; i < count; i++) {
    const worker = await startBruteForceWorker({
      workerId: `w${i}`,
      data,
      seed: i * 31 + count,
      delayMsMax: options.delayMsMax ?? 0,
    });
    worker.epoch = 1;
    workers.push(worker);
  }
  const partitions = data.manifest.partitions.map(({ id }) => ({
    partition: id,
    replicas: Array.from({ length: options.replicas ?? 1 }, (_, r) => `w${(id + r) % count}`),
  }));
  const document: PlacementDocument = { dataSet: data.manifest.name, contentHash: 'content', epoch: 1, partitions };
  const dead = new Set<string>();
  const cluster: ClusterView = {
    placement: () => document,
    addressOf: (id) => (dead.has(id) ? undefined : workers.find((w) => w.workerId === id)?.address),
    changed: (ms) => new Promise((resolve) => setTimeout(resolve, Math.min(ms, 20))),
    suspect: () => {},
    refresh: () => Promise.resolve(),
  };
  const links = new WorkerLinks();
  t.after(() => {
    links.close();
    workers.forEach((w) => w.stop());
  });
  return {
    runner: new StepRunner({
      cluster,
      links,
      log,
      statistics: options.statistics ?? NO_STATISTICS,
      placementWaitMs: options.placementWaitMs ?? 0,
      ...(options.hedging && { hedging: options.hedging }),
      metrics,
    }),
    workers,
    dead,
  };
}

interface PlanOptions {
  readonly batch?: number;
  readonly alpha?: number;
  readonly sigma?: number;
  readonly labels?: number[];
  readonly retrieval?: Partial<Retrieval__Output>;
  readonly massRows?: boolean;
  readonly allowPartial?: boolean;
}

function planOf(data: TestDataSet, options: PlanOptions = {}): StepPlan {
  const batch = options.batch ?? 3;
  const [C, H, W] = data.manifest.shape;
  const alpha = new Float64Array(batch).fill(options.alpha ?? 0.8);
  const sigma = Float64Array.from({ length: batch }, (_, b) => (options.sigma ?? 0.6) * (1 + b / 10));
  const labels = options.labels ? Int32Array.from(options.labels) : undefined;
  const eligible = eligibleRows(data.manifest, labels, batch);
  const retrieval = options.retrieval ? ({ kind: 'GOLDEN', proxyResolution: 2, ...options.retrieval } as Retrieval__Output) : null;
  return {
    manifest: data.manifest,
    batch,
    dim: C * H * W,
    x: randomQueries(data, batch, alpha[0]!, sigma[0]!),
    xDtype: 'F32',
    alpha,
    sigma,
    temperature: 1,
    labels,
    eligible,
    golden: planGolden(data.manifest, retrieval, { presampleSeed: 11, presampleStep: 2, firstQuery: 5 }, eligible, alpha, sigma),
    denoiser: { route: 'rows' },
    massRows: options.massRows ?? false,
    allowPartial: options.allowPartial ?? false,
  };
}

/** The bits of everything that must not depend on how the work was split. */
function bitsOf(answer: StepAnswer): string {
  const { timings: _timings, x0hat, ...rest } = answer;
  return JSON.stringify([Buffer.from(x0hat.buffer).toString('hex'), rest]);
}

/** The answer over all rows by definition, for the rows that `inside` keeps. */
function bruteForce(data: TestDataSet, plan: StepPlan, b: number, inside: (row: { id: number; label: number; distance: number }) => boolean) {
  const rows = data.partitions.flatMap((part) =>
    [...part.rowIds].map((id, i) => {
      const y = part.values.subarray(i * plan.dim, (i + 1) * plan.dim);
      let distance = 0;
      for (let p = 0; p < plan.dim; p++) distance += (plan.x[b * plan.dim + p]! - plan.alpha[b]! * y[p]!) ** 2;
      return { id, label: part.labels[i]!, y, distance };
    }),
  );
  const kept = rows.filter(inside);
  const logits = kept.map((row) => -row.distance / (2 * plan.sigma[b]! ** 2 * plan.temperature));
  const m = Math.max(...logits);
  const weights = logits.map((l) => Math.exp(l - m));
  const S = weights.reduce((a, w) => a + w, 0);
  const x0hat = Float64Array.from({ length: plan.dim }, (_, p) => kept.reduce((sum, row, i) => sum + weights[i]! * row.y[p]!, 0) / S);
  return { rows, kept, x0hat, logZ: m + Math.log(S), support: S ** 2 / weights.reduce((a, w) => a + w * w, 0), weights, S };
}

function largestError(x0hat: Float64Array, expected: Float64Array, b: number): number {
  return expected.reduce((worst, value, p) => Math.max(worst, Math.abs(value - x0hat[b * expected.length + p]!)), 0);
}

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

const VARIANTS: readonly { name: string; options: PlanOptions }[] = [
  { name: 'exact', options: { massRows: true } },
  { name: 'exact with labels', options: { labels: [0, -1, 2] } },
  { name: 'exact at low noise', options: { sigma: 0.01 } },
  { name: 'golden as in the paper', options: { retrieval: { kMin: 8, kMax: 20 }, massRows: true } },
  { name: 'golden as released', options: { retrieval: { variant: 'RELEASED', kMin: 8, kMax: 20 } } },
  { name: 'golden over labels', options: { retrieval: { variant: 'RELEASED', kMin: 4, kMax: 9 }, labels: [1, 0, -1] } },
];

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

test('a worker lost during a step is replaced by the other replica with the same bits', async (t) => {
  const data = randomDataSet({ rows: 120, partitions: 6 });
  const { runner, workers } = await startCluster(t, data, 3, { replicas: 2 });
  const expected = bitsOf(await runner.run(planOf(data, { retrieval: { kMin: 5, kMax: 9 } }), context()));
  let died = false;
  workers[1]!.before = () => {
    if (!died) workers[1]!.stop();
    died = true;
    return new Promise(() => {});
  };
  assert.equal(bitsOf(await runner.run(planOf(data, { retrieval: { kMin: 5, kMax: 9 } }), context())), expected);
  assert.ok(died);
});

test('a lost partition fails the step and is named, or is left out where the caller allows it', async (t) => {
  const data = randomDataSet({ rows: 120, partitions: 6 });
  const { runner, workers } = await startCluster(t, data, 3);
  workers[1]!.before = () => {
    workers[1]!.stop();
    return new Promise(() => {});
  };
  await assert.rejects(runner.run(planOf(data), context()), (error: GolddiffError) => {
    assert.equal(error.code, 'PARTITION_MISSING');
    assert.match(error.message, /partitions 1,4 of data set noise/);
    assert.deepEqual(error.data.partitions, [1, 4]);
    return true;
  });
  const plan = planOf(data, { allowPartial: true });
  const partial = await runner.run(plan, context());
  assert.deepEqual(partial.coverage, { rowsReached: 80, rowsTotal: 120, fraction: 80 / 120, missingPartitions: [1, 4] });
  const expected = bruteForce(data, plan, 0, (row) => row.id % 6 !== 1 && row.id % 6 !== 4);
  assert.ok(Math.abs(partial.logZ[0]! - expected.logZ) < 1e-9 * Math.abs(expected.logZ));
  const evidence = expected.logZ - Math.log(80) - (plan.dim / 2) * Math.log(2 * Math.PI * plan.sigma[0]! ** 2);
  assert.ok(Math.abs(partial.logEvidence[0]! - evidence) < 1e-9 * Math.abs(evidence));
  const golden = await runner.run(planOf(data, { allowPartial: true, retrieval: { kMin: 5, kMax: 9 } }), context());
  assert.ok(golden.goldenRows.every((rows) => rows >= 5 && rows <= 9));
  assert.equal(golden.tailMassKind, 'HEURISTIC');
});

test('a step waits a short time for a placement that covers the data set', async (t) => {
  const data = randomDataSet({ rows: 40, partitions: 4 });
  const { runner, dead } = await startCluster(t, data, 2, { placementWaitMs: 5_000 });
  dead.add('w1');
  setTimeout(() => dead.delete('w1'), 60);
  assert.equal((await runner.run(planOf(data), context())).coverage.fraction, 1);
});

test('cancelling a step closes it on every worker at once', async (t) => {
  const data = randomDataSet({ rows: 40, partitions: 4 });
  const { runner, workers } = await startCluster(t, data, 2);
  const abort = new AbortController();
  workers[0]!.before = () => {
    setTimeout(() => abort.abort(new GolddiffError('CANCELLED', 'enough')), 20);
    return new Promise(() => {});
  };
  await assert.rejects(runner.run(planOf(data), { ...context(), signal: abort.signal }), { code: 'CANCELLED', message: 'enough' });
  while (workers.some((w) => w.closes === 0)) await new Promise((resolve) => setTimeout(resolve, 5));
});

test('a failure that another worker cannot mend goes to the caller as it is', async (t) => {
  const data = randomDataSet({ rows: 40, partitions: 4 });
  const { runner, workers } = await startCluster(t, data, 2, { replicas: 2 });
  workers[0]!.before = () => {
    throw new GolddiffError('LIMIT_EXCEEDED', 'no room');
  };
  await assert.rejects(runner.run(planOf(data), context()), { code: 'LIMIT_EXCEEDED', message: 'no room' });
});

test('a worker of another epoch is passed over', async (t) => {
  const data = randomDataSet({ rows: 40, partitions: 4 });
  const { runner, workers } = await startCluster(t, data, 2, { replicas: 2 });
  workers[0]!.epoch = 9;
  assert.equal((await runner.run(planOf(data), context())).coverage.fraction, 1);
});

test('no time left is a deadline exceeded before any work', async (t) => {
  const data = randomDataSet({ rows: 40, partitions: 4 });
  const { runner } = await startCluster(t, data, 1);
  await assert.rejects(runner.run(planOf(data), { ...context(), remainingMs: () => 1 }), { code: 'DEADLINE_EXCEEDED' });
});

/** That hedges whatever is not at once there. */
function hasty(): Hedging {
  return new Hedging({ budgetPercent: 100, percentile: 50, delayMsMin: 1 }, metrics);
}

async function counted(name: string): Promise<number> {
  const metric = await metrics.registry.getSingleMetric(name)!.get();
  return metric.values.reduce((sum, { value }) => sum + value, 0);
}

for (const { name, options } of VARIANTS) {
  test(`a worker that hangs at some request changes no bit, and is waited for no longer than a hedge takes: ${name}`, async (t) => {
    const data = randomDataSet({ rows: 240, partitions: 11, ties: true });
    const quiet = await startCluster(t, data, 1);
    const expected = bitsOf(await quiet.runner.run(planOf(data, options), context()));
    const { runner, workers } = await startCluster(t, data, 4, { replicas: 3, hedging: hasty() });
    for (let i = 0; i < 8; i++) assert.equal(bitsOf(await runner.run(planOf(data, options), context())), expected);
    const won = await counted('golddiff_coordinator_hedge_wins_total');
    let hung = 0;
    for (let i = 0; i < 12; i++) {
      const worker = workers[i % workers.length]!;
      let asked = 0;
      worker.before = () => {
        if (asked++ < i % 5) return undefined;
        hung++;
        return new Promise(() => {});
      };
      assert.equal(bitsOf(await runner.run(planOf(data, options), context())), expected);
      worker.before = () => {};
    }
    const wins = (await counted('golddiff_coordinator_hedge_wins_total')) - won;
    t.diagnostic(`${hung} requests were never answered, ${wins} hedges won`);
    assert.ok(hung > 0 && wins > 0);
  });
}

test('a worker that hangs at any request of a step is hedged there', async (t) => {
  const data = randomDataSet({ rows: 120, partitions: 12 });
  const { runner, workers } = await startCluster(t, data, 3, { replicas: 2, hedging: hasty() });
  const plan = planOf(data, { retrieval: { kMin: 5, kMax: 9 } });
  const expected = bitsOf(await runner.run(plan, context()));
  for (let i = 0; i < 20; i++) await runner.run(plan, context());
  const requests = 4;
  for (let hangsAt = 1; hangsAt <= requests; hangsAt++) {
    let seen = 0;
    workers[1]!.before = () => (++seen >= hangsAt ? new Promise(() => {}) : undefined);
    assert.equal(bitsOf(await runner.run(plan, context())), expected, `at request ${hangsAt}`);
    workers[1]!.before = () => {};
  }
});

test('a newer placement that a worker knows of is asked for, and the step goes on with it', async (t) => {
  const data = randomDataSet({ rows: 40, partitions: 4 });
  const workers = await Promise.all(['w0', 'w1'].map((workerId) => startBruteForceWorker({ workerId, data })));
  const documentAt = (epoch: number): PlacementDocument => ({
    dataSet: data.manifest.name,
    contentHash: 'content',
    epoch,
    partitions: data.manifest.partitions.map(({ id }) => ({ partition: id, replicas: [`w${id % 2}`] })),
  });
  let known = documentAt(1);
  for (const worker of workers) worker.epoch = 7;
  const cluster: ClusterView = {
    placement: () => known,
    addressOf: (id) => workers.find((w) => w.workerId === id)?.address,
    changed: () => assert.fail('nothing is waited for'),
    suspect: () => {},
    refresh: async () => void (known = documentAt(Math.min(7, known.epoch + 2))),
  };
  const links = new WorkerLinks();
  t.after(() => (links.close(), workers.forEach((w) => w.stop())));
  const runner = new StepRunner({ cluster, links, log, statistics: NO_STATISTICS, placementWaitMs: 0, metrics });
  const before = await counted('golddiff_coordinator_epoch_refreshes_total');
  assert.equal((await runner.run(planOf(data), context())).coverage.fraction, 1);
  assert.equal((await counted('golddiff_coordinator_epoch_refreshes_total')) - before, 3, 'from 1 by 3 and 5 to 7');
});
