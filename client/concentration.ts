/**
 * Measures posterior progressive concentration on a running cluster: clean images are noised to each noise level, and the exact posterior of each tells
 * how many rows hold its mass.
 */

import { BATCH_ROWS_DEFAULT } from '../shared/limits.js';
import { samplingPath, type PathPoint, type Schedule } from '../shared/math/noise-schedule.js';
import type { GolddiffClient } from './golddiff-client.js';
import { noisedImages } from './noised-images.js';
import type { ConcentrationPoint } from './pictures/concentration-chart.js';
import { scoreBatches } from './score-batches.js';

export interface ConcentrationInput {
  readonly dataSet: string;
  /** [B, D] in the data's range */
  readonly images: Float64Array;
  readonly count: number;
  /** levels of the schedule, as a sampler of so many steps visits them */
  readonly steps: number;
  /** default DDPM_LINEAR */
  readonly schedule?: Schedule;
  readonly seed: number;
  /** the posterior is over rows of this class only */
  readonly label?: number;
  /** queries in one request; default 64 */
  readonly batchRows?: number;
  /** rows that the golden subset has at a timestep, for the chart */
  readonly goldenRowsAt?: ReadonlyMap<number, number>;
}

/** Measured at one noise level; arrays are [B]. */
export interface MeasuredConcentration extends ConcentrationPoint {
  readonly alpha: number;
  readonly sigma: number;
  /** nats */
  readonly logZ: readonly number[];
  /** nats */
  readonly logEvidence: readonly number[];
  /** in (0, 1] */
  readonly maxWeight: readonly number[];
}

/** One point for each level, in descending noise. Cost: steps * B * N * D multiply-adds on the cluster. */
export async function measureConcentration(
  client: GolddiffClient,
  input: ConcentrationInput,
  signal: AbortSignal,
  onStep?: (done: number, point: PathPoint) => void,
): Promise<MeasuredConcentration[]> {
  const points: MeasuredConcentration[] = [];
  const { images, count, dataSet, label, seed } = input;
  for (const level of samplingPath(input.schedule ?? 'DDPM_LINEAR', input.steps)) {
    const { t, alpha, sigma } = level;
    const x = noisedImages(images, count, level, seed);
    const queries = { x, shape: [count, x.length / count], batchRows: input.batchRows ?? BATCH_ROWS_DEFAULT };
    const exact = { alpha, sigma, dataSet, returnMassRows: true, ...(label === undefined ? {} : { labels: label }) };
    const answers = await scoreBatches(client, queries, exact, signal);
    const golden = input.goldenRowsAt?.get(t);
    points.push({
      t,
      alpha,
      sigma,
      effectiveSupport: answers.flatMap((a) => a.effectiveSupport),
      rows50: answers.flatMap((a) => a.massRows?.rows50 ?? []),
      rows90: answers.flatMap((a) => a.massRows?.rows90 ?? []),
      rows99: answers.flatMap((a) => a.massRows?.rows99 ?? []),
      logZ: answers.flatMap((a) => a.logZ),
      logEvidence: answers.flatMap((a) => a.logEvidence),
      maxWeight: answers.flatMap((a) => a.maxWeight),
      ...(golden === undefined ? {} : { goldenRows: golden }),
    });
    onStep?.(points.length, level);
  }
  return points;
}
