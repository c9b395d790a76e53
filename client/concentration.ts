/**
 * Measures posterior progressive concentration on a running cluster: clean images that the data set does not hold are noised to each timestep, and the
 * exact posterior of each tells how many rows hold its mass.
 */

import { fillNormals } from '../shared/math/counter-noise.js';
import { noiseLevelAt, samplingPath, type PathPoint } from '../shared/math/noise-schedule.js';
import type { GolddiffClient } from './golddiff-client.js';
import type { ConcentrationPoint } from './pictures/concentration-chart.js';

export interface ConcentrationInput {
  readonly dataSet: string;
  /** [B, D] in the data's range */
  readonly images: Float64Array;
  readonly count: number;
  /** timesteps of ddpm-linear, as a sampler of so many steps visits them */
  readonly steps: number;
  readonly seed: number;
  /** rows that the golden subset has at a timestep, for the chart */
  readonly goldenRowsAt?: ReadonlyMap<number, number>;
}

/** One point for each timestep, in descending noise. Cost: steps * B * N * D multiply-adds on the cluster. */
export async function measureConcentration(
  client: GolddiffClient,
  input: ConcentrationInput,
  signal: AbortSignal,
  onStep?: (done: number, point: PathPoint) => void,
): Promise<ConcentrationPoint[]> {
  const size = input.images.length / input.count;
  const points: ConcentrationPoint[] = [];
  const noise = new Float64Array(size);
  for (const point of samplingPath('DDPM_LINEAR', input.steps)) {
    const { alpha, sigma } = noiseLevelAt('DDPM_LINEAR', point.t);
    const x = new Float64Array(input.images.length);
    for (let b = 0; b < input.count; b++) {
      fillNormals(noise, input.seed, b, point.t);
      for (let p = 0; p < size; p++) x[b * size + p] = alpha * input.images[b * size + p]! + sigma * noise[p]!;
    }
    const answer = await client.score({ x, shape: [input.count, size], t: point.t, dataSet: input.dataSet, returnMassRows: true }, { signal });
    const golden = input.goldenRowsAt?.get(point.t);
    points.push({
      t: point.t,
      effectiveSupport: answer.effectiveSupport,
      rows50: answer.massRows?.rows50 ?? [],
      rows90: answer.massRows?.rows90 ?? [],
      rows99: answer.massRows?.rows99 ?? [],
      ...(golden === undefined ? {} : { goldenRows: golden }),
    });
    onStep?.(points.length, point);
  }
  return points;
}
