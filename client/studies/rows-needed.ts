/**
 * How many rows an answer must rest on for a given error. Leaving out rows of the posterior mass tau moves a component of x0hat by at most tau * (hi - lo),
 * which on [0, 1] images is tau (SCIENCE section 5); so the least K is wanted with which the K nearest rows hold a mass of 1 - error. A golden subset over a
 * pool of all rows is the true K nearest, and the mass that it leaves out is 1 - exp(log Z of the subset - log Z).
 */

import type { GolddiffClient } from '../golddiff-client.js';
import type { ScoreInput } from '../score-call.js';
import { scoreBatches, type Queries } from '../score-batches.js';

/**
 * The search ends when it knows the number to this share of itself and of the rows that are not needed, from above: a chart shows no more, and each look
 * costs a scan. Near all rows the others count: sizes that leave out 80 rows and none differ much in what follows from them.
 */
export const ROWS_NEEDED_PRECISION = 0.02;

/**
 * The least number in 1 .. rows for which `holds` is true, or at most that much above it; `rows` itself is taken to hold. `holds` must go from false to true
 * once. Looks near the hints first.
 */
export async function leastRows(
  rows: number,
  hints: readonly number[],
  holds: (k: number) => Promise<boolean>,
  precision = ROWS_NEEDED_PRECISION,
): Promise<number> {
  let fails = 0;
  let works = rows;
  const look = async (k: number): Promise<void> => {
    if (k <= fails || k >= works) return;
    if (await holds(k)) works = k;
    else fails = k;
  };
  for (const hint of hints) await look(Math.ceil(hint));
  while (works - fails > 1 && works - fails > precision * Math.min(fails, rows - fails)) {
    const middle = Math.round(fails > rows / 2 ? (fails + works) / 2 : Math.sqrt(Math.max(fails, 1) * works));
    await look(Math.min(works - 1, Math.max(fails + 1, middle)));
  }
  return works;
}

/** Rows that hold some shares of the mass, [B] each, and log Z [B], of the exact posteriors of the same queries. */
export interface ExactMass {
  readonly rows50: readonly number[];
  readonly rows90: readonly number[];
  readonly rows99: readonly number[];
  readonly logZ: readonly number[];
}

/** Rows such that no query has more than `error` of its mass outside its nearest rows. @param rows eligible rows of the data set */
export async function rowsNeeded(
  client: GolddiffClient,
  queries: Queries,
  level: Pick<ScoreInput, 'alpha' | 'sigma' | 'dataSet' | 'labels'>,
  exact: ExactMass,
  { rows, error }: { readonly rows: number; readonly error: number },
  signal: AbortSignal,
): Promise<number> {
  const holds = async (k: number): Promise<boolean> => {
    const retrieval = { kind: 'golden', variant: 'paper', k, candidatePool: rows, search: 'scan' } as const;
    const answers = await scoreBatches(client, queries, { ...level, retrieval }, signal);
    const logZ = answers.flatMap((answer) => answer.logZ);
    return logZ.every((value, b) => massLeftOut(value, exact.logZ[b]!) <= error);
  };
  return leastRows(rows, hintsFor(exact, error), holds);
}

/** 1 - Z of the subset / Z. Rounding may put it below 0. */
export function massLeftOut(logZSubset: number, logZ: number): number {
  return Math.max(0, -Math.expm1(logZSubset - logZ));
}

/** Where the number must lie, widened a little: histogram counts are exact only up to the rows of one bin. */
function hintsFor({ rows50, rows90, rows99 }: ExactMass, error: number): number[] {
  const shares = [
    [0.5, Math.max(...rows50)],
    [0.1, Math.max(...rows90)],
    [0.01, Math.max(...rows99)],
  ] as const;
  const below = shares.filter(([left]) => left >= error).at(-1)?.[1];
  const above = shares.find(([left]) => left <= error)?.[1];
  return [...(above === undefined ? [] : [above * 1.02]), ...(below === undefined ? [] : [below * 0.98 - 1])];
}
