/** What a fidelity study leaves: tables, pictures and the report. */

import path from 'node:path';

import type { PathPoint } from '../../shared/math/noise-schedule.js';
import { makeFolder, writeFileAtomically } from '../atomic-file.js';
import { quantile } from '../pictures/chart-style.js';
import { boundsChart, errorsChart, type FidelityChart } from '../pictures/fidelity-chart.js';
import { labelledSheetPng } from '../pictures/labelled-sheet.js';
import type { Denoiser } from '../vocabulary.js';
import { EXACT, MASS_ROUNDING, ROUNDING, type Fidelity, type FidelityPoint } from './fidelity.js';
import { meanOf } from './image-errors.js';
import { csvText, markdownTable, readable, type Table } from './table.js';

export interface FidelitySubject {
  readonly name: string;
  /** rows that the posterior is over */
  readonly rows: number;
  readonly count: number;
  /** after the number of images */
  readonly queries: string;
  /** [C, H, W] */
  readonly shape: readonly [number, number, number];
  /** noisy form of the first image at each level, for the picture */
  readonly levels: readonly PathPoint[];
  readonly firstNoisy: (level: PathPoint) => Float64Array;
}

/** One row for each denoiser and method, over all levels and images. */
export function fidelitySummary({ points }: Fidelity, rows: number): Table {
  return {
    header: [
      'denoiser',
      'rows chosen by',
      'rows',
      'MSE',
      'worst pixel',
      'r²',
      'lowest r²',
      'bound',
      'held',
      'error/bound',
      'MSE to clean',
      'ms/query',
    ],
    rows: groups(points).map((group) => {
      const exact = group[0]!.method === EXACT;
      const held = group.flatMap((p) => p.holds);
      return [
        group[0]!.denoiser,
        group[0]!.method,
        `${readable((100 * meanOf(group.flatMap((p) => p.rows))) / rows)}%`,
        exact ? '' : readable(meanOf(group.flatMap((p) => p.errors.mse))),
        exact ? '' : readable(Math.max(...group.flatMap((p) => p.errors.worst))),
        exact ? '' : readable(meanOf(group.flatMap((p) => p.errors.r2))),
        exact ? '' : readable(Math.min(...group.flatMap((p) => p.errors.r2))),
        group[0]!.boundKind,
        exact ? '' : `${held.filter(Boolean).length}/${held.length}`,
        exact ? '' : tightness(group),
        readable(meanOf(group.flatMap((p) => p.cleanMse))),
        readable(meanOf(group.map((p) => p.msPerQuery))),
      ];
    }),
  };
}

/** Median of worst error over bound, where the bound says anything at all. */
function tightness(group: readonly FidelityPoint[]): string {
  const ratios = group.flatMap((p) => p.errors.worst.flatMap((worst, b) => (p.bound[b]! > ROUNDING ? [worst / p.bound[b]!] : [])));
  return ratios.length === 0 ? '' : readable(quantile(ratios, 0.5));
}

/** One row for each level of each method; largest over the images beside the means. */
export function fidelityTable({ points }: Fidelity): Table {
  return {
    header: ['denoiser', 'rows chosen by', 't', 'σ/α', 'rows', 'MSE', 'r²', 'worst pixel', 'mass left out', 'bound', 'kind', 'held', 'MSE to clean'],
    rows: points.map((p) => [
      p.denoiser,
      p.method,
      p.t,
      readable(p.sigma / p.alpha),
      readable(meanOf(p.rows)),
      readable(meanOf(p.errors.mse)),
      readable(meanOf(p.errors.r2)),
      readable(Math.max(...p.errors.worst)),
      p.massLeftOut === undefined ? '' : readable(Math.max(...p.massLeftOut)),
      readable(Math.max(...p.bound)),
      p.boundKind,
      `${p.holds.filter(Boolean).length}/${p.holds.length}`,
      readable(meanOf(p.cleanMse)),
    ]),
  };
}

/** For programs: one row for each image. */
export function fidelityRecords({ points }: Fidelity): Table {
  return {
    header: [
      ...['denoiser', 'method', 't', 'alpha', 'sigma', 'image', 'rows', 'mse', 'worst', 'r2', 'mass_left_out', 'bound', 'bound_kind', 'holds'],
      ...['mse_to_clean', 'ms_per_query'],
    ],
    rows: points.flatMap((p) =>
      p.rows.map((rows, b) => [
        ...[p.denoiser, p.method, p.t, p.alpha, p.sigma, b, rows, p.errors.mse[b]!, p.errors.worst[b]!, p.errors.r2[b]!],
        ...[p.massLeftOut?.[b] ?? '', p.bound[b]!, p.boundKind, p.holds[b]!, p.cleanMse[b]!, p.msPerQuery],
      ]),
    ),
  };
}

/** Writes everything, each file replaced as a whole. Gives the names. */
export async function writeFidelityStudy(folder: string, study: Fidelity, subject: FidelitySubject, report: object): Promise<string[]> {
  const files: [string, string | Buffer][] = [];
  const denoisers = [...new Set(study.points.map((p) => p.denoiser))];
  const text = [
    `# Fidelity of cheaper answers: ${subject.name}, ${subject.rows.toLocaleString('en-US')} rows`,
    `Each method against the exact scan of its own denoiser, on ${subject.count} ${subject.queries} at ${subject.levels.length} levels; errors on [0, 1] images. ` +
      'The bound is on the mass left out, and so on the error of a pixel; "held" counts the queries at which neither is above it, "error/bound" is the median of the worst pixel over the bound.',
    markdownTable(fidelitySummary(study, subject.rows)).trimEnd(),
  ];
  for (const denoiser of denoisers) {
    const names = denoisers.length === 1 ? { errors: 'errors', bounds: 'bounds', sheet: 'images' } : suffixed(denoiser);
    const chart = chartOf(study, denoiser, subject);
    if (chart.methods.length > 0) {
      const errors = await errorsChart(chart);
      const bounds = await boundsChart({
        ...chart,
        title: `Does the bound hold, and how tightly: ${denoiser} denoiser, ${subject.name}`,
        subtitles: [
          `Share of the mass and error of a pixel, largest over ${subject.count} ${subject.queries} to each level`,
          'The bound holds where its dashed line is above both others; a red cross: broken for some image',
          `Mass below ${MASS_ROUNDING.toExponential(0)} is rounding and not drawn`,
        ],
      });
      files.push([`${names.errors}.svg`, errors.svg], [`${names.errors}.png`, errors.png]);
      files.push([`${names.bounds}.svg`, bounds.svg], [`${names.bounds}.png`, bounds.png]);
      text.push(`![Errors, ${denoiser}](${names.errors}.png)`, `![Bounds, ${denoiser}](${names.bounds}.png)`);
    }
    files.push([`${names.sheet}.png`, await sheetOf(study, denoiser, subject)]);
    text.push(`![Answers, ${denoiser}](${names.sheet}.png)`);
  }
  text.push('## Every level', markdownTable(fidelityTable(study)).trimEnd());
  if (study.refused.length > 0)
    text.push('## Not served', study.refused.map(({ denoiser, method, reason }) => `- ${denoiser}, ${method}: ${reason}`).join('\n'));
  files.unshift(
    ['fidelity.md', `${text.join('\n\n')}\n`],
    ['fidelity.csv', csvText(fidelityRecords(study))],
    ['fidelity.json', `${JSON.stringify(report, undefined, 2)}\n`],
  );
  await makeFolder(folder);
  for (const [name, content] of files) await writeFileAtomically(path.join(folder, name), content);
  return files.map(([name]) => name);
}

function suffixed(denoiser: Denoiser): { errors: string; bounds: string; sheet: string } {
  return { errors: `errors-${denoiser}`, bounds: `bounds-${denoiser}`, sheet: `images-${denoiser}` };
}

function chartOf({ points }: Fidelity, denoiser: Denoiser, subject: FidelitySubject): FidelityChart {
  const own = points.filter((p) => p.denoiser === denoiser && p.method !== EXACT);
  return {
    title: `Error against the exact scan: ${denoiser} denoiser, ${subject.name}, N = ${subject.rows.toLocaleString('en-US')}`,
    subtitles: [`Mean over ${subject.count} ${subject.queries} to each level; [0, 1] images`],
    methods: [...new Set(own.map((p) => p.method))],
    points: own.map((p) => ({
      method: p.method,
      t: p.t,
      alpha: p.alpha,
      sigma: p.sigma,
      mse: meanOf(p.errors.mse),
      r2: meanOf(p.errors.r2),
      worst: Math.max(...p.errors.worst),
      massLeftOut: drawnMass(p.massLeftOut),
      bound: Math.max(...p.bound),
      holds: p.holds.every(Boolean),
    })),
  };
}

function drawnMass(mass: readonly number[] | undefined): number | undefined {
  const largest = Math.max(...(mass ?? []));
  return largest > MASS_ROUNDING ? largest : undefined;
}

/** The first image at every level: noisy, and as each method answers. */
async function sheetOf({ points, firstImages }: Fidelity, denoiser: Denoiser, { shape, levels, firstNoisy }: FidelitySubject): Promise<Buffer> {
  const methods = [...new Set(points.filter((p) => p.denoiser === denoiser).map((p) => p.method))];
  const row = (label: string, imageAt: (level: PathPoint) => Float64Array) => {
    const images = levels.map(imageAt);
    const values = new Float32Array(images.flatMap((image) => [...image]));
    return { label, images: { values, count: levels.length, shape } };
  };
  return labelledSheetPng({
    title: `The first image as the ${denoiser} denoiser answers it, by the rows it rests on`,
    columns: levels.map(({ t }) => `t = ${t}`),
    rows: [
      row('noisy', (level) => firstNoisy(level).map((value) => value / Math.hypot(level.alpha, level.sigma))),
      ...methods.map((method) => row(method, ({ t }) => firstImages.get(`${denoiser} ${method} ${t}`)!)),
    ],
  });
}

/** Points of each denoiser and method, in the order of their first. */
function groups(points: readonly FidelityPoint[]): FidelityPoint[][] {
  const found = new Map<string, FidelityPoint[]>();
  for (const point of points) found.set(`${point.denoiser} ${point.method}`, [...(found.get(`${point.denoiser} ${point.method}`) ?? []), point]);
  return [...found.values()];
}
