/** Wiener, pca and patch through a whole cluster against brute force, and the same bits for any number of workers. */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { startEmbeddedCluster } from '../../client/embedded-cluster.js';
import { collectSamples } from '../../client/collect-samples.js';
import type { SampleInput } from '../../client/sample-call.js';
import {
  connect,
  type GolddiffClient,
  type GoldenRetrieval,
  type RetrievalChoice,
  type ScoreInput,
  type ScoreResult,
} from '../../client/golddiff-client.js';
import { COVARIANCE_FILE } from '../../shared/dataset/manifest-validation.js';
import { goldenSizes, resolveGolden } from '../../shared/math/golden-schedule.js';
import { goldenSubset, worstDifference, type PlainQuery, type PlainRows } from '../support/brute-force.js';
import { importPlain } from '../support/data-sets.js';
import { equivariantOracle } from '../support/equivariant-oracle.js';
import { groupedPosterior, plainMask, plainWindows, wienerMean, type GroupedAnswer } from '../support/grouped-oracle.js';

/** Colour pictures of smooth blobs: neighbours vary together, one value of each is the same in all rows, and two classes differ. */
const SHAPE = [3, 6, 5] as const;
const DIM = 90;
const ROWS = 240;
const PARTITIONS = 7;
const WORKER_COUNTS = [1, 2, 3, 5];
const BATCH = 4;
const LABELS = [-1, 0, 1, -1];
/** Sums are float32 at the nodes of the merge tree. */
const X0HAT_TOLERANCE = 1e-6;
/** Double on both sides; the means are over up to 90 groups. */
const SCALAR_TOLERANCE = 1e-9;
/** Of the optimal denoiser the native engine rounds queries: logits are good to 4e-6 sqrt(D) nats (ADR 5). */
const ROUNDED_SCALAR_TOLERANCE = 4e-4;
const ROUNDED_X0HAT_TOLERANCE = 1e-5;

function blobs(): PlainRows {
  let state = 7;
  const random = (): number => (state = (state * 48271) % 2147483647) / 2147483647;
  const [C, H, W] = SHAPE;
  const pixels = new Uint8Array(ROWS * DIM);
  const labels = new Int32Array(ROWS);
  for (let i = 0; i < ROWS; i++) {
    labels[i] = i % 2;
    const [u, v, size] = [random() * H, random() * W, 1 + random() * 2];
    for (let c = 0; c < C; c++) {
      const ink = 80 + 170 * random() * (labels[i] === 0 ? 1 : 0.5);
      for (let p = 0; p < H * W; p++) {
        const distance = (Math.floor(p / W) - u) ** 2 + ((p % W) - v) ** 2;
        pixels[i * DIM + c * H * W + p] = p === 0 ? 17 : Math.floor(ink * Math.exp(-distance / size) + 4 * random());
      }
    }
  }
  return { pixels, shape: SHAPE, labels };
}

const rows = blobs();
const LEVELS = [
  { alpha: 0.05, sigma: Math.sqrt(1 - 0.05 ** 2) },
  { alpha: 0.7, sigma: Math.sqrt(1 - 0.7 ** 2) },
  { alpha: 0.999, sigma: Math.sqrt(1 - 0.999 ** 2) },
];
/** Both published variants by noise level, and with the fixed sizes of the public code's ablations. */
const GOLDENS: readonly GoldenRetrieval[] = [
  { kind: 'golden', kMin: 20, kMax: 50 },
  { kind: 'golden', variant: 'released', kMin: 20, kMax: 50, presampleSeed: 3, presampleStep: 2, firstQuery: 7 },
  { kind: 'golden', k: 30, candidatePool: 60 },
  { kind: 'golden', variant: 'released', presample: 'all', k: 25, candidatePool: 40 },
];

function queryOf(level: { alpha: number; sigma: number }): Float32Array {
  let state = 99;
  const random = (): number => (state = (state * 48271) % 2147483647) / 2147483647;
  return Float32Array.from({ length: BATCH * DIM }, (_, i) => {
    const y = rows.pixels[((Math.floor(i / DIM) * 53) % ROWS) * DIM + (i % DIM)]! / 127.5 - 1;
    return level.alpha * y + level.sigma * (random() + random() + random() - 1.5) * 2;
  });
}

function print(result: ScoreResult): string {
  const hash = createHash('sha256');
  const { x0hat } = result;
  hash.update(new Uint8Array(x0hat.buffer, x0hat.byteOffset, x0hat.byteLength));
  for (const list of [result.logZ, result.effectiveSupport, result.maxWeight, result.goldenRows, result.logEvidence, result.tailMassBound])
    hash.update(Float64Array.from(list));
  return hash.digest('hex');
}

const kept = new Map<string, unknown>();
/** The brute force is the slow side: once for all numbers of workers. */
function once<T>(key: string, make: () => T): T {
  if (!kept.has(key)) kept.set(key, make());
  return kept.get(key) as T;
}

const mean = (values: number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

/** Groups that count: some value votes for them, and their values vary. Constant here is the first value of each channel. */
function countedGroups(voters: readonly number[][], pixelwise: boolean): number[] {
  const constant = (g: number): boolean => pixelwise && g % (SHAPE[1] * SHAPE[2]) === 0;
  return voters.flatMap((own, g) => (own.length === 0 || constant(g) ? [] : [g]));
}

function eligibleOf(label: number): number {
  return label < 0 ? ROWS : Array.from(rows.labels).filter((own) => own === label).length;
}

function subsetOf(query: PlainQuery, retrieval: GoldenRetrieval, b: number): number[] {
  const eligible = eligibleOf(query.label ?? -1);
  const {
    variant = 'paper',
    kMin = 0,
    kMax = 0,
    k = 0,
    candidatePool = 0,
    presampleSeed: seed = 0,
    presampleStep: step = 0,
    firstQuery = 0,
  } = retrieval;
  const presampleAll = retrieval.presample === 'all' ? 'PRESAMPLE_ALL' : 'PRESAMPLE_AUTO';
  const wish = { variant: variant.toUpperCase(), kMin, kMax, kFixed: Number(k), candidatePool: Number(candidatePool), presample: presampleAll };
  const sizes = goldenSizes(resolveGolden(wish, eligible), eligible, query);
  const presample = sizes.presample < eligible ? { presample: { rows: sizes.presample, seed, step, queryId: firstQuery + b } } : {};
  // 6 x 5 pixels have no common divisor: the proxy is the picture.
  return goldenSubset(rows, query, { factor: 1, pool: sizes.pool, subset: sizes.subset, ...presample });
}

/** alpha -> bound on half of the error of a value, and what it is */
const bounds = new Map<number, [number, number][]>();

interface Case {
  readonly name: string;
  readonly input: Partial<ScoreInput>;
  /** brute force at a level, over the rows given or all of the label */
  readonly answer: (level: Level, query: PlainQuery, ids?: number[]) => GroupedAnswer;
  /** groups that count in the statistics */
  readonly counted: (level: Level) => number[];
}
type Level = (typeof LEVELS)[number];

function casesOf(): Case[] {
  const grouped = (name: string, input: Partial<ScoreInput>, votersAt: (level: Level) => number[][], pixelwise: boolean): Case => {
    const voters = (level: Level) => once(`${name} ${level.alpha}`, () => votersAt(level));
    return {
      name,
      input,
      answer: (level, query, ids) => groupedPosterior(rows, query, voters(level), ids),
      counted: (level) => countedGroups(voters(level), pixelwise),
    };
  };
  const mask = (threshold: number) => (level: Level) => plainMask(rows, level.alpha, level.sigma, threshold);
  return [
    grouped('optimal, hot', { denoiser: 'optimal', temperature: 2 }, () => [Array.from({ length: DIM }, (_, p) => p)], false),
    grouped('pca', { denoiser: 'pca' }, mask(0.02), true),
    grouped('pca of another threshold, hot', { denoiser: 'pca', denoiserSettings: { maskThreshold: 0.2 }, temperature: 3 }, mask(0.2), true),
    grouped('patch of 3', { denoiser: 'patch', denoiserSettings: { patchSize: 3 } }, () => plainWindows(SHAPE, 3), false),
    grouped('patch of 11, larger than the picture', { denoiser: 'patch', denoiserSettings: { patchSize: 11 } }, () => plainWindows(SHAPE, 11), false),
    {
      name: 'patch-equivariant of 3',
      input: { denoiser: 'patch-equivariant', denoiserSettings: { patchSize: 3 }, temperature: 1.5 },
      answer: (_level, query, ids) => equivariantOracle(rows, query, 3, ids),
      counted: () => Array.from({ length: SHAPE[1] * SHAPE[2] }, (_, g) => g),
    },
  ];
}

async function checkGrouped(
  client: GolddiffClient,
  { name, input, answer, counted: countedAt }: Case,
  retrieval: RetrievalChoice,
): Promise<[string, number]> {
  const prints: string[] = [];
  const proven = input.denoiser !== 'optimal';
  let worst = 0;
  for (const level of LEVELS) {
    const x = queryOf(level);
    const result = await client.score({
      ...input,
      x,
      shape: [BATCH, DIM],
      ...level,
      labels: LABELS,
      retrieval,
      resultDtype: 'f64',
      returnMassRows: true,
    });
    const counted = countedAt(level);
    for (let b = 0; b < BATCH; b++) {
      const query = { x: x.subarray(b * DIM, (b + 1) * DIM), ...level, temperature: input.temperature ?? 1, label: LABELS[b]! };
      const key = `${name} ${JSON.stringify(retrieval)} ${level.alpha} ${b}`;
      const ids = retrieval.kind === 'golden' ? once(`rows of ${key}`, () => subsetOf(query, retrieval, b)) : undefined;
      const want: GroupedAnswer = once(key, () => answer(level, query, ids));
      worst = Math.max(worst, worstDifference(result.x0hat.subarray(b * DIM, (b + 1) * DIM), want.x0hat));
      const near = (got: number, wanted: number, what: string): void =>
        assert.ok(
          Math.abs(got - wanted) <= (proven ? SCALAR_TOLERANCE : ROUNDED_SCALAR_TOLERANCE) * Math.max(1, Math.abs(wanted)),
          `${name}: ${what} is ${got}, not ${wanted}`,
        );
      near(result.logZ[b]!, mean(counted.map((g) => want.logZ[g]!)), 'log Z');
      near(result.effectiveSupport[b]!, mean(counted.map((g) => want.effectiveSupport[g]!)), 'effective support');
      near(result.maxWeight[b]!, Math.max(...counted.map((g) => want.maxWeight[g]!)), 'largest weight');
      const exact = once(`${name} exact ${level.alpha} ${b}`, () => answer(level, query));
      const off = worstDifference(want.x0hat, exact.x0hat) / 2;
      const bound = result.tailMassBound[b]!;
      if (ids === undefined) assert.ok(bound <= 2 ** -24);
      // The proxy is the picture, so that the heuristic bounds are right too.
      else assert.ok(bound >= off && bound <= 1, `${key}: ${bound} bounds ${off}`);
      if (proven && ids !== undefined) bounds.set(level.alpha, [...(bounds.get(level.alpha) ?? []), [bound, off]]);
      assert.equal(result.goldenRows[b], ids?.length ?? eligibleOf(LABELS[b]!));
    }
    assert.equal(result.tailMassKind, retrieval.kind === 'exact' ? 'exact' : proven ? 'certified' : 'heuristic');
    assert.equal(result.massRows === undefined, proven);
    assert.equal(result.coverage.fraction, 1);
    prints.push(print(result));
  }
  return [prints.join(), worst];
}

test('samples are the same images however the run is cut into batches', async () => {
  const dataDir = await importPlain(rows, 4, 'blobs');
  const cluster = await startEmbeddedCluster({ dataDir, shards: 2 });
  const client = connect(cluster.endpoint);
  const inputs: Partial<SampleInput>[] = [
    { denoiser: 'pca', retrieval: { kind: 'golden', variant: 'released', kMin: 10, kMax: 30 } },
    { denoiser: 'pca', sampler: 'edm-heun' },
    { denoiser: 'patch', labels: [0, 1, -1] },
    { denoiser: 'patch-equivariant', labels: [0, 1, -1], retrieval: { kind: 'golden', k: 5 } },
    { denoiser: 'wiener', labels: [1, -1, 1] },
  ];
  try {
    for (const input of inputs) {
      const run = (batchRows: number) => collectSamples(client.sample({ ...input, count: 3, steps: 4, seed: 5, batchRows }));
      const [whole, single] = [await run(3), await run(1)];
      assert.deepEqual(single.images, whole.images);
      assert.ok(whole.images.every((value) => Number.isFinite(value)));
      assert.ok(whole.progress.every(({ massRows }) => massRows === undefined));
    }
  } finally {
    client.close();
    await cluster.stop();
  }
});

test('optimal, pca, patch, patch-equivariant and wiener are the brute-force ones, with the same bits for 1, 2, 3 and 5 workers, exact and golden', async (t) => {
  const dataDir = await importPlain(rows, PARTITIONS, 'blobs');
  const seen = new Map<string, string>();
  const worst = new Map<string, number>();
  const same = (name: string, bits: string, error: number): void => {
    assert.equal(bits, seen.get(name) ?? bits, `${name}: other bits for another number of workers`);
    seen.set(name, bits);
    worst.set(name, Math.max(worst.get(name) ?? 0, error));
  };
  for (const shards of WORKER_COUNTS) {
    // So that it is gathered anew from this number of workers.
    await rm(path.join(dataDir, COVARIANCE_FILE), { force: true });
    const cluster = await startEmbeddedCluster({ dataDir, shards });
    const client = connect(cluster.endpoint);
    try {
      for (const one of casesOf())
        for (const retrieval of [{ kind: 'exact' } as const, ...GOLDENS])
          same(`${one.name}, ${JSON.stringify(retrieval)}`, ...(await checkGrouped(client, one, retrieval)));
      for (const level of LEVELS) {
        const x = queryOf(level);
        const result = await client.score({ denoiser: 'wiener', x, shape: [BATCH, DIM], ...level, labels: LABELS, resultDtype: 'f64' });
        const errors = LABELS.map((label, b) => {
          const query = { x: x.subarray(b * DIM, (b + 1) * DIM), ...level, label };
          const want = once(`wiener ${level.alpha} ${b}`, () => wienerMean(rows, query));
          return worstDifference(result.x0hat.subarray(b * DIM, (b + 1) * DIM), want);
        });
        assert.deepEqual(result.goldenRows, LABELS.map(eligibleOf));
        same(`wiener at alpha ${level.alpha}`, print(result), Math.max(...errors));
      }
    } finally {
      client.close();
      await cluster.stop();
    }
  }
  for (const [alpha, found] of bounds) {
    const largest = (i: 0 | 1): string => found.reduce((most, pair) => Math.max(most, pair[i]), 0).toExponential(2);
    t.diagnostic(`alpha ${alpha}: certified bounds up to ${largest(0)}, half errors up to ${largest(1)}`);
  }
  for (const [name, error] of worst) {
    t.diagnostic(`${name}: worst x0hat difference ${error.toExponential(2)}`);
    assert.ok(error <= (name.startsWith('optimal') ? ROUNDED_X0HAT_TOLERANCE : X0HAT_TOLERANCE), `${name}: x0hat is off by ${error}`);
  }
});
