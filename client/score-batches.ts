/** Any number of queries in requests of a bounded number; rows are independent, so any split gives the same answers. */

import type { GolddiffClient } from './golddiff-client.js';
import { listOf, type ScoreInput, type ScoreResult } from './score-call.js';
import type { FloatArray } from './typed-tensor.js';

export interface Queries {
  readonly x: FloatArray;
  /** [count, D] or [count, C, H, W] */
  readonly shape: readonly number[];
  /** queries in one request, 1 .. 256 */
  readonly batchRows: number;
}

/** Answers in the order of the queries, one for each request. Labels are one for all or one for each; pre-samples are told apart by the query's place. */
export async function scoreBatches(
  client: GolddiffClient,
  { x, shape, batchRows }: Queries,
  rest: Omit<ScoreInput, 'x' | 'shape'>,
  signal: AbortSignal,
  onDone?: (queries: number) => void,
): Promise<ScoreResult[]> {
  const [count = 0, ...inner] = shape;
  const size = x.length / count;
  const labels = listOf(rest.labels);
  const answers: ScoreResult[] = [];
  for (let first = 0; first < count; first += batchRows) {
    const batch = Math.min(batchRows, count - first);
    const input: ScoreInput = {
      ...rest,
      x: x.subarray(first * size, (first + batch) * size),
      shape: [batch, ...inner],
      ...(labels.length > 1 ? { labels: labels.slice(first, first + batch) } : {}),
      ...(rest.retrieval?.kind === 'golden' ? { retrieval: { ...rest.retrieval, firstQuery: first } } : {}),
    };
    answers.push(await client.score(input, { signal }));
    onDone?.(first + batch);
  }
  return answers;
}
