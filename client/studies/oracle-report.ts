/** What a comparison with a neural oracle leaves: tables, pictures and the report. */

import path from 'node:path';

import { makeFolder, writeFileAtomically } from '../atomic-file.js';
import { labelledSheetPng } from '../pictures/labelled-sheet.js';
import { oracleChart } from '../pictures/oracle-chart.js';
import { meanOf } from './image-errors.js';
import type { OraclePoint, OracleStudy } from './oracle-study.js';
import type { Oracle } from './oracle.js';
import { csvText, markdownTable, readable, type Table } from './table.js';

export interface OracleSubject {
  readonly name: string;
  readonly rows: number;
  readonly oracle: Oracle;
  /** [C, H, W] */
  readonly shape: readonly [number, number, number];
}

/** Samples that are drawn. */
const SHOWN_MAX = 10;

/** One row for each denoiser and method: means over steps and images, and the last step, which is the image that a sampler gives. */
export function oracleSummary({ points }: OracleStudy): Table {
  const names = [...new Set(points.map(nameOf))];
  return {
    header: ['denoiser', 'rows chosen by', 'single-step MSE', 'single-step r²', 'trajectory MSE', 'trajectory r²', 'last MSE', 'last r²', 'ms/query'],
    rows: names.map((name) => {
      const own = points.filter((p) => nameOf(p) === name);
      const [single, along] = [own.filter((p) => p.mode === 'single-step'), own.filter((p) => p.mode === 'trajectory')];
      const last = along.slice(-1);
      const mse = (some: readonly OraclePoint[]): string => readable(meanOf(some.flatMap((p) => p.errors.mse)));
      const r2 = (some: readonly OraclePoint[]): string => readable(meanOf(some.flatMap((p) => p.errors.r2)));
      return [
        own[0]!.denoiser,
        own[0]!.method,
        mse(single),
        r2(single),
        mse(along),
        r2(along),
        mse(last),
        r2(last),
        readable(meanOf(own.map((p) => p.msPerQuery))),
      ];
    }),
  };
}

export function oracleTable({ points }: OracleStudy): Table {
  return {
    header: ['denoiser', 'rows chosen by', 'mode', 't', 'σ/α', 'MSE', 'r²', 'worst pixel'],
    rows: points.map((p) => [
      ...[p.denoiser, p.method, p.mode, p.t, readable(p.sigma / p.alpha)],
      ...[readable(meanOf(p.errors.mse)), readable(meanOf(p.errors.r2)), readable(Math.max(...p.errors.worst))],
    ]),
  };
}

/** For programs: one row for each image. */
export function oracleRecords({ points }: OracleStudy): Table {
  return {
    header: ['denoiser', 'method', 'mode', 't', 'alpha', 'sigma', 'image', 'mse', 'worst', 'r2', 'ms_per_query'],
    rows: points.flatMap((p) =>
      p.errors.mse.map((mse, b) => [p.denoiser, p.method, p.mode, p.t, p.alpha, p.sigma, b, mse, p.errors.worst[b]!, p.errors.r2[b]!, p.msPerQuery]),
    ),
  };
}

/** Writes everything, each file replaced as a whole. Gives the names. */
export async function writeOracleStudy(folder: string, study: OracleStudy, subject: OracleSubject, report: object): Promise<string[]> {
  const { oracle, name, rows } = subject;
  const chart = await oracleChart({
    title: `How near to the neural oracle: ${name}, N = ${rows.toLocaleString('en-US')}`,
    subtitles: [`Mean over ${oracle.count} samples of the oracle at ${oracle.levels.length} steps; [0, 1] images`],
    points: study.points.map((p) => ({ name: nameOf(p), mode: p.mode, t: p.t, alpha: p.alpha, sigma: p.sigma, r2: meanOf(p.errors.r2) })),
  });
  const text = [
    `# Against a neural oracle: ${name}, ${rows.toLocaleString('en-US')} rows`,
    `${oracle.count} samples of the oracle at ${oracle.levels.length} steps. MSE and r² on [0, 1] images, each the mean over images (and steps). Single-step: on the oracle's own x. ` +
      'Trajectory: a DDIM sampler from the same noise; "last" is its last step.',
    markdownTable(oracleSummary(study)).trimEnd(),
    '![r² at each step](r2.png)',
    '![The last images](images.png)',
    '## Every step',
    markdownTable(oracleTable(study)).trimEnd(),
  ];
  const files: [string, string | Buffer][] = [
    ['oracle.md', `${text.join('\n\n')}\n`],
    ['oracle.csv', csvText(oracleRecords(study))],
    ['oracle.json', `${JSON.stringify(report, undefined, 2)}\n`],
    ['r2.svg', chart.svg],
    ['r2.png', chart.png],
    ['images.png', await finalsSheet(study, subject)],
  ];
  await makeFolder(folder);
  for (const [file, content] of files) await writeFileAtomically(path.join(folder, file), content);
  return files.map(([file]) => file);
}

async function finalsSheet({ finals }: OracleStudy, { oracle, shape }: OracleSubject): Promise<Buffer> {
  const count = Math.min(SHOWN_MAX, oracle.count);
  const images = (values: Float32Array | Float64Array) => ({ values: values.subarray(0, count * oracle.size), count, shape });
  return labelledSheetPng({
    title: 'The last x0hat from the same noise',
    columns: Array.from({ length: count }, (_, b) => String(b)),
    rows: [
      { label: 'neural oracle', images: images(oracle.x0hatAt(oracle.levels.length - 1)) },
      ...[...finals].map(([label, values]) => ({ label, images: images(values) })),
    ],
  });
}

function nameOf({ denoiser, method }: OraclePoint): string {
  return `${denoiser} ${method}`;
}
