/**
 * golddiff study concentration: how many rows the posterior of a noisy image rests on at each noise level, and which golden sizes follow from it for an
 * error that may be made. SCIENCE sections 3, 4 and 5.
 */

import path from 'node:path';

import { makeFolder, writeFileAtomically } from '../atomic-file.js';
import { measureConcentration, type ConcentrationInput, type MeasuredConcentration } from '../concentration.js';
import type { GolddiffClient } from '../golddiff-client.js';
import { noisedImages } from '../noised-images.js';
import { quantile } from '../pictures/chart-style.js';
import { concentrationChart } from '../pictures/concentration-chart.js';
import { weightChart } from '../pictures/weight-chart.js';
import { BATCH_ROWS_DEFAULT } from '../../shared/limits.js';
import { rowsNeeded } from './rows-needed.js';
import { suggestGolden, type GoldenSuggestion } from './suggest-golden.js';
import { csvText, markdownTable, readable, type Table } from './table.js';

export interface ConcentrationStudyInput extends ConcentrationInput {
  /** rows that the posterior is over: all, or those of the label */
  readonly eligibleRows: number;
  /** of a component of x0hat on [0, 1] images, in (0, 1) */
  readonly maxError: number;
}

export interface ConcentrationStudy {
  /** with rowsNeeded and, as goldenRows, the suggested k_t */
  readonly points: readonly MeasuredConcentration[];
  readonly suggestion: GoldenSuggestion;
  /** for the levels alone at which at most half of the rows are needed; undefined where that is all or none of them */
  readonly suggestionBelowHalf: GoldenSuggestion | undefined;
  readonly maxError: number;
}

/** Looks at each level twice: once for the measures, then for the rows that the error needs. */
export async function studyConcentration(
  client: GolddiffClient,
  input: ConcentrationStudyInput,
  signal: AbortSignal,
  onStep?: (done: number, note: string) => void,
): Promise<ConcentrationStudy> {
  let done = 0;
  const measured = await measureConcentration(client, input, signal, (_, { t }) => onStep?.(++done, `t = ${t}, exact`));
  const needs: number[] = [];
  for (const point of measured) {
    const x = noisedImages(input.images, input.count, point, input.seed);
    const queries = { x, shape: [input.count, x.length / input.count], batchRows: input.batchRows ?? BATCH_ROWS_DEFAULT };
    const level = {
      alpha: point.alpha,
      sigma: point.sigma,
      dataSet: input.dataSet,
      ...(input.label === undefined ? {} : { labels: input.label }),
    };
    needs.push(await rowsNeeded(client, queries, level, point, { rows: input.eligibleRows, error: input.maxError }, signal));
    onStep?.(++done, `t = ${point.t}, rows needed`);
  }
  const all = measured.map(({ alpha, sigma }, i) => ({ alpha, sigma, rows: needs[i]! }));
  const below = all.filter(({ rows }) => rows <= input.eligibleRows / 2);
  const suggestion = suggestGolden(all, input.eligibleRows);
  const suggestionBelowHalf = below.length === 0 || below.length === all.length ? undefined : suggestGolden(below, input.eligibleRows);
  const points = measured.map((point, i) => ({ ...point, rowsNeeded: needs[i]!, goldenRows: suggestion.sizes[i]! }));
  return { points, suggestion, suggestionBelowHalf, maxError: input.maxError };
}

/** For people: medians over the images. */
export function concentrationTable({ points, maxError }: ConcentrationStudy): Table {
  const median = (values: readonly number[]): string => readable(quantile(values, 0.5));
  const range = (values: readonly number[]): string => `${readable(Math.min(...values))}–${readable(Math.max(...values))}`;
  return {
    header: ['t', 'σ/α', 'effective support', '(min–max)', '50%', '90%', '99%', 'largest weight', 'log Z', `rows for error ≤ ${maxError}`, 'k(t)'],
    rows: points.map((p) => [
      p.t,
      readable(p.sigma / p.alpha),
      median(p.effectiveSupport),
      range(p.effectiveSupport),
      median(p.rows50),
      median(p.rows90),
      median(p.rows99),
      median(p.maxWeight),
      median(p.logZ),
      (p.rowsNeeded ?? 0).toLocaleString('en-US'),
      (p.goldenRows ?? 0).toLocaleString('en-US'),
    ]),
  };
}

/** For programs: one row for each level and image. */
export function concentrationRecords({ points }: ConcentrationStudy): Table {
  return {
    header: [
      ...['t', 'alpha', 'sigma', 'image', 'effective_support', 'rows50', 'rows90', 'rows99', 'max_weight', 'log_z', 'log_evidence'],
      ...['rows_needed', 'k_suggested'],
    ],
    rows: points.flatMap((p) =>
      p.effectiveSupport.map((support, b) => [
        ...[p.t, p.alpha, p.sigma, b, support, p.rows50[b]!, p.rows90[b]!, p.rows99[b]!, p.maxWeight[b]!, p.logZ[b]!, p.logEvidence[b]!],
        ...[p.rowsNeeded ?? 0, p.goldenRows ?? 0],
      ]),
    ),
  };
}

/** What follows from the numbers, in sentences. */
export function concentrationAdvice({ points, suggestion, suggestionBelowHalf: below, maxError }: ConcentrationStudy, rows: number): string[] {
  const wide = points.filter((point) => (point.rowsNeeded ?? 0) > rows / 2);
  const [first, last] = [wide[0], wide.at(-1)];
  return [
    `error of a pixel at most ${maxError} on [0, 1] images: --retrieval golden --k-min ${suggestion.kMin} --k-max ${suggestion.kMax} weighs ${percent(suggestion.shareOfExact)} of the rows that exact retrieval weighs`,
    'the bound: rows that are left out with a share tau of the mass move a pixel by at most tau; it holds where the subset is the true nearest rows, so choose --candidate-pool with golddiff study fidelity',
    ...(first === undefined || last === undefined
      ? []
      : [
          `${first.t === last.t ? `at t = ${first.t}` : `from t = ${first.t} to ${last.t}`} more than half of the rows are needed: no small subset holds the mass there, and what a small one answers is no bounded approximation`,
        ]),
    ...(below === undefined
      ? []
      : [`at the other levels --k-min ${below.kMin} --k-max ${below.kMax} holds the same error with ${percent(below.shareOfExact)} of the rows`]),
  ];
}

function percent(share: number): string {
  return `${(100 * share).toFixed(share < 0.1 ? 1 : 0)}%`;
}

export interface ConcentrationSubject {
  readonly name: string;
  /** rows that the posterior is over */
  readonly rows: number;
  /** after the number of images */
  readonly queries: string;
}

/** Tables, pictures and the report, each replaced as a whole. Gives their names. */
export async function writeConcentrationStudy(
  folder: string,
  study: ConcentrationStudy,
  subject: ConcentrationSubject,
  report: object,
): Promise<string[]> {
  const { suggestion, maxError, points } = study;
  const queries = `${subject.queries}, noised to each level`;
  const concentration = await concentrationChart({
    dataSet: subject.name,
    rows: subject.rows,
    points,
    queries,
    goldenLabel: `suggested k(t): ${suggestion.kMin.toLocaleString('en-US')} .. ${suggestion.kMax.toLocaleString('en-US')}`,
    neededLabel: `rows needed for an error of at most ${maxError}`,
  });
  const weights = await weightChart({ dataSet: subject.name, rows: subject.rows, points, queries });
  const text = [
    `# Concentration of the posterior: ${subject.name}, ${subject.rows.toLocaleString('en-US')} rows`,
    `Exact posterior of ${points[0]?.effectiveSupport.length} ${queries}. Medians over the images; the rows for an error are those of the worst image.`,
    markdownTable(concentrationTable(study)).trimEnd(),
    concentrationAdvice(study, subject.rows)
      .map((line) => `- ${line}`)
      .join('\n'),
    '![Rows that hold the mass](concentration.png)',
    '![Largest weight and log Z](weights.png)',
  ];
  const files: [string, string | Buffer][] = [
    ['concentration.md', `${text.join('\n\n')}\n`],
    ['concentration.csv', csvText(concentrationRecords(study))],
    ['concentration.json', `${JSON.stringify(report, undefined, 2)}\n`],
    ['concentration.svg', concentration.svg],
    ['concentration.png', concentration.png],
    ['weights.svg', weights.svg],
    ['weights.png', weights.png],
  ];
  await makeFolder(folder);
  for (const [name, content] of files) await writeFileAtomically(path.join(folder, name), content);
  return files.map(([name]) => name);
}
