/**
 * Asks a running cluster what its users will: scores a batch over gRPC and looks whether the answer can be right. For the moment after an install or an upgrade.
 */

import { defined } from '../shared/defined.js';
import { GolddiffError } from '../shared/errors.js';
import { fillNormals } from '../shared/math/counter-noise.js';
import type { GolddiffClient } from './golddiff-client.js';
import type { RetrievalChoice } from './retrieval.js';
import type { ScoreResult } from './score-call.js';

export interface ClusterCheckOptions {
  /** queries, 1 .. 256 */
  readonly batch: number;
  /** where the cluster serves several data sets */
  readonly dataSet?: string;
  readonly signal?: AbortSignal;
  /** of each call */
  readonly timeoutMs?: number;
}

export interface ClusterCheck {
  readonly endpoint: string;
  readonly dataSet: string;
  readonly rows: number;
  readonly shape: readonly number[];
  readonly batch: number;
  /** exact, optimal; on the coordinator */
  readonly exactMs: number;
  /** GoldDiff over a golden subset, optimal */
  readonly goldenMs: number;
  /** rows in the golden subset of the first query */
  readonly goldenRows: number;
  /** largest difference between two answers to the same exact question, which may have come from other replicas */
  readonly repeatDifference: number;
}

/** The middle of the schedule, where thousands of rows have a say and every worker has something to add. */
const TIMESTEP = 500;
/** Data lie in [-1, 1], and so does a mean of them, but for float32. */
const RANGE_SLACK = 1e-4;
/**
 * Two answers are the same bits where all workers have the same kernels. With slack where they have not: under GOLDDIFF_ISA=avx512, avx2 and scalar `golddiff denoise` of four
 * such queries, MNIST, t = 500, optimal, exact, --result-dtype f64, differed by 2.2e-16; devices may compute in float32.
 */
const REPEAT_MAX = 1e-5;
const NOISE_SEED = 7;

/** @throws PARTITION_MISSING where rows are not served; INTERNAL where an answer cannot be right; what the calls throw */
export async function checkCluster(client: GolddiffClient, options: ClusterCheckOptions): Promise<ClusterCheck> {
  const { batch, signal, timeoutMs } = options;
  const control = defined({ signal, timeoutMs });
  const health = await client.health('', control);
  if (health !== 'SERVING') throw new GolddiffError('DRAINING', `Expected the coordinator at ${client.endpoint} to be SERVING but it is ${health}`);
  const { name, rows, shape } = await client.datasets.get(options.dataSet, control);
  const values = shape.reduce((product, n) => product * n, 1);
  const x = new Float64Array(batch * values);
  for (let b = 0; b < batch; b++) fillNormals(x.subarray(b * values, (b + 1) * values), NOISE_SEED, b, 0);
  const score = async (retrieval: RetrievalChoice): Promise<ScoreResult> => {
    const answer = await client.score({ x, shape: [batch, ...shape], t: TIMESTEP, dataSet: name, retrieval, returnScore: true }, control);
    checkAnswer(answer, batch * values);
    return answer;
  };
  const exact = await score({ kind: 'exact' });
  const again = await score({ kind: 'exact' });
  const golden = await score({ kind: 'golden' });
  const repeatDifference = largestDifference(exact.x0hat, again.x0hat);
  if (repeatDifference > REPEAT_MAX) throw unlikely(`two answers to the same question differ by ${repeatDifference}`);
  return {
    endpoint: client.endpoint,
    dataSet: name,
    rows,
    shape,
    batch,
    exactMs: exact.timings.totalMs,
    goldenMs: golden.timings.totalMs,
    goldenRows: golden.goldenRows[0] ?? 0,
    repeatDifference,
  };
}

function checkAnswer(answer: ScoreResult, length: number): void {
  const { coverage, x0hat, score } = answer;
  if (coverage.fraction < 1)
    throw new GolddiffError('PARTITION_MISSING', `Expected every row to be served but the coverage is ${coverage.fraction}`, {
      partitions: coverage.missingPartitions,
    });
  if (x0hat.length !== length || score?.length !== length)
    throw unlikely(`${x0hat.length} values and ${score?.length ?? 0} of the score for ${length}`);
  const wrong = x0hat.findIndex((value) => !(Math.abs(value) <= 1 + RANGE_SLACK));
  if (wrong >= 0) throw unlikely(`a mean of data in [-1, 1] is ${x0hat[wrong]}, at value ${wrong}`);
  if (!score.every((value) => Number.isFinite(value))) throw unlikely('the score has values that are not finite');
}

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let largest = 0;
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs(a[i]! - b[i]!));
  return largest;
}

function unlikely(what: string): GolddiffError {
  return new GolddiffError('INTERNAL', `The answer of the cluster cannot be right: ${what}`);
}
