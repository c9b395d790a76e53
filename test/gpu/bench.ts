/**
 * Steps of the CUDA backend on random rows, with the floors that issue 6 sets. Prints one line each; nothing is asserted. With --dry: few rows, and no figures, for the
 * emulated device.
 */

import { randomFillSync } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type { Backend, PartitionRows, StepQueries } from '../../shard-worker/backends/backend.js';
import { cudaBackend, cudaDevice } from '../shard-worker/backends/cuda/emulated-device.js';
import { cutAt } from '../shard-worker/backends/conformance-comparison.js';
import { generateQueries } from '../shard-worker/backends/generated-partition.js';

const dry = process.argv.includes('--dry');
const REPEATS = dry ? 1 : 5;
/** Of one H200, read and written together; what reading alone is compared with. */
const READ_BYTES_PER_SECOND = 4.3e12;
const FILL_BYTES = 2 ** 26;
/** alpha and sigma: high noise, in between, and next to the data. */
const LEVELS = [
  [0.1, 0.995],
  [0.8, 0.6],
  [0.999, 0.04],
] as const;

function randomRows(rows: number, shape: readonly [number, number, number]): PartitionRows {
  const dim = shape[0] * shape[1] * shape[2];
  const values = new Uint8Array(new SharedArrayBuffer(rows * dim));
  for (let from = 0; from < values.length; from += FILL_BYTES) randomFillSync(values, from, Math.min(FILL_BYTES, values.length - from));
  return {
    dataSet: 'generated',
    partition: 0,
    rows,
    shape,
    values,
    labels: new Int32Array(rows).fill(-1),
    rowIds: Uint32Array.from({ length: rows }, (_, i) => i),
  };
}

async function median(run: () => Promise<void>): Promise<number> {
  await run();
  const times: number[] = [];
  for (let k = 0; k < REPEATS; k++) {
    const begin = performance.now();
    await run();
    times.push(performance.now() - begin);
  }
  return times.sort((a, b) => a - b)[Math.floor(times.length / 2)]!;
}

function line(what: string, ms: number, floor: string): void {
  process.stdout.write(dry ? `${what}: ran\n` : `${what}: ${ms.toFixed(2)} ms; ${floor}\n`);
}

/** The exact optimal step over partitions that have the same rows, which the device does not know. */
async function exact(backend: Backend): Promise<void> {
  const [rows, partitions, shape] = dry ? ([64, 2, [3, 16, 16]] as const) : ([160_146, 8, [3, 64, 64]] as const);
  const one = randomRows(rows, shape);
  const ids = Array.from({ length: partitions }, (_, partition) => partition);
  for (const partition of ids) await backend.load({ ...one, partition });
  for (const [alpha, sigma] of LEVELS) {
    const queries = generateQueries(one, { batch: 32, seed: 1, alpha, sigma });
    const ms = await median(async () => {
      const step = backend.openStep(queries);
      for (const partition of ids) await step.sums(partition, {}, await step.scalars(partition, {}), 0, false);
      step.close();
    });
    const readMs = ((rows * partitions * one.values.length) / rows / READ_BYTES_PER_SECOND) * 1000;
    line(
      `exact optimal, N ${rows * partitions}, D ${one.values.length / rows}, B 32, sigma ${sigma}`,
      ms,
      `floor ${(2 * readMs).toFixed(1)} ms, twice reading the rows once`,
    );
  }
  for (const partition of ids) await backend.unload({ dataSet: 'generated', partition });
}

/**
 * Largest logit and mass against plain sums in float64, at the largest D and the noise levels of `exact`: of distances with the limbs, and the second look, that weights
 * are made of. So many rows that they share an error where no row matters much.
 */
async function accuracy(backend: Backend): Promise<void> {
  const one = randomRows(dry ? 40 : 4_096, dry ? [3, 16, 16] : [3, 64, 64]);
  const D = one.values.length / one.rows;
  await backend.load(one);
  for (const [alpha, sigma] of LEVELS) {
    const queries = generateQueries(one, { batch: dry ? 4 : 8, seed: 1, alpha, sigma });
    const step = backend.openStep(queries);
    const { maxLogit, mass } = await step.scalars(0, {});
    step.close();
    let [worstLogit, worstMass] = [0, 0];
    for (let b = 0; b < queries.batch; b++) {
      const logits = Float64Array.from({ length: one.rows }, (_, row) => {
        let distance = 0;
        for (let p = 0; p < D; p++) distance += (queries.x[b * D + p]! - alpha * (one.values[row * D + p]! / 127.5 - 1)) ** 2;
        return -distance / (2 * sigma ** 2);
      });
      const largest = logits.reduce((most, logit) => Math.max(most, logit), -Infinity);
      const total = logits.reduce((sum, logit) => sum + Math.exp(logit - largest), 0);
      worstLogit = Math.max(worstLogit, Math.abs(maxLogit[b]! - largest));
      worstMass = Math.max(worstMass, Math.abs(Math.log(mass[b]! / total)));
    }
    const off = `the largest by at most ${worstLogit.toExponential(1)} nats, the log of the mass by ${worstMass.toExponential(1)}`;
    process.stdout.write(`logits, D ${D}, sigma ${sigma}: off float64 ${off}; 1e-3 wanted\n`);
  }
  await backend.unload({ dataSet: 'generated', partition: 0 });
}

/** Supports of a band around each value, of about 7% of the values in three channels, as at a middle noise level. */
function bandPrecision(shape: readonly [number, number, number], batch: number): NonNullable<StepQueries['precision']> {
  const [channels, height, width] = shape;
  const D = channels * height * width;
  const reach = Math.max(1, Math.floor(Math.sqrt(0.07 * height * width) / 2));
  const runs: number[] = [];
  const firstRun = [0];
  for (let g = 0; g < D; g++) {
    const i = Math.floor(g / width) % height;
    const j = g % width;
    for (let c = 0; c < channels; c++)
      for (let y = Math.max(0, i - reach); y < Math.min(height, i + reach + 1); y++)
        runs.push((c * height + y) * width + Math.max(0, j - reach), (c * height + y) * width + Math.min(width, j + reach + 1));
    firstRun.push(runs.length / 2);
  }
  const set = { rowValues: D, groups: D, firstRun: Uint32Array.from(firstRun), runs: Uint32Array.from(runs) };
  return { groups: D, kinds: [{ kind: 'supports', set }], of: new Uint32Array(batch) };
}

async function golden(
  backend: Backend,
  name: string,
  rows: number,
  shape: readonly [number, number, number],
  batch: number,
  pool: number,
  subset: number,
): Promise<void> {
  const one = randomRows(rows, shape);
  await backend.load(one);
  const queries: StepQueries = {
    ...generateQueries(one, { batch, seed: 1, alpha: 0.8, sigma: 0.6, proxyResolution: 16 }),
    precision: bandPrecision(shape, batch),
  };
  const ms = await median(async () => {
    const proxy = await cutAt(backend, one, queries, 'proxy', {}, pool / rows);
    const full = await cutAt(backend, one, queries, 'full', { proxy }, subset / pool);
    const step = backend.openStep(queries);
    await step.groups(0, { proxy, full });
    step.close();
  });
  line(`golden pca at the ${name} setting, N ${rows}, k ${subset}, B ${batch}`, ms, 'floor: ten times faster than the PyTorch line below');
  await backend.unload({ dataSet: 'generated', partition: 0 });
}

const { device } = cudaDevice();
process.stdout.write(`${device.device}, compute capability ${device.architecture / 10}, ${device.multiprocessors} multiprocessors\n`);
const backend = cudaBackend({ computeThreads: 8 });
try {
  if (dry) {
    await golden(backend, 'dry', 300, [3, 16, 16], 4, 100, 30);
  } else {
    await golden(backend, 'AFHQ', 15_000, [3, 64, 64], 32, 5_000, 1_500);
    await golden(backend, 'CIFAR-10', 50_000, [3, 32, 32], 64, 15_000, 3_750);
  }
  await accuracy(backend);
  await exact(backend);
} finally {
  await backend.close();
}
