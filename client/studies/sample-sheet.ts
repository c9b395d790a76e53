/**
 * What the denoisers make of the same noise, side by side, as in the paper's qualitative figure: one row for each denoiser, one column for each first noise.
 */

import sharp from 'sharp';

import { collectSamples } from '../collect-samples.js';
import type { GolddiffClient } from '../golddiff-client.js';
import { labelledSheetPng } from '../pictures/labelled-sheet.js';
import type { RetrievalChoice } from '../retrieval.js';
import type { SampleInput } from '../sample-call.js';
import type { Denoiser } from '../vocabulary.js';
import type { SettingsOf } from './fidelity.js';
import { readable, type Table } from './table.js';

/** Rows of the sheet, from the top. Those over all rows come first; GoldDiff is to be compared with the one above it. */
export const SHEET_ROWS: readonly { readonly label: string; readonly denoiser: Denoiser; readonly retrieval: RetrievalChoice }[] = [
  { label: 'optimal', denoiser: 'optimal', retrieval: { kind: 'exact' } },
  { label: 'wiener', denoiser: 'wiener', retrieval: { kind: 'exact' } },
  { label: 'patch', denoiser: 'patch', retrieval: { kind: 'exact' } },
  { label: 'pca', denoiser: 'pca', retrieval: { kind: 'exact' } },
  { label: 'GoldDiff (pca)', denoiser: 'pca', retrieval: { kind: 'golden', variant: 'paper' } },
];

/** What is the same in all rows. */
export type SheetSampling = Required<Pick<SampleInput, 'count' | 'steps' | 'seed' | 'sampler' | 'schedule' | 'batchRows'>> &
  Pick<SampleInput, 'dataSet' | 'labels'>;

export interface SheetSamples {
  readonly label: string;
  readonly denoiser: Denoiser;
  readonly retrieval: RetrievalChoice;
  /** [count, C, H, W] in the data's range */
  readonly images: Float32Array;
  readonly shape: readonly [number, number, number];
  /** weighted, of all steps and images */
  readonly rowsScored: number;
  readonly totalMs: number;
}

/** Samples every row of the sheet, one after the other. Errors: those of the calls; UNSUPPORTED where the cluster lacks a denoiser. */
export async function sampleSheet(
  client: GolddiffClient,
  sampling: SheetSampling,
  settings: SettingsOf,
  signal: AbortSignal,
  onRow?: (done: number, label: string) => void,
): Promise<SheetSamples[]> {
  const sheet: SheetSamples[] = [];
  for (const { label, denoiser, retrieval } of SHEET_ROWS) {
    const denoiserSettings = settings[denoiser];
    const input = { ...sampling, denoiser, retrieval, ...(denoiserSettings === undefined ? {} : { denoiserSettings }) };
    const { images, shape, summary } = await collectSamples(client.sample(input, { signal }));
    sheet.push({ label, denoiser, retrieval, images, shape, rowsScored: summary.rowsScored, totalMs: summary.totalMs });
    onRow?.(sheet.length, label);
  }
  return sheet;
}

/** PNG. Columns are numbered as the samples are. */
export async function sheetPng(title: string, sheet: readonly SheetSamples[], count: number): Promise<Buffer> {
  const columns = Array.from({ length: count }, (_, sample) => String(sample + 1));
  const rows = sheet.map(({ label, images, shape }) => ({ label, images: { values: images, count, shape } }));
  // What renders text writes an alpha channel that nobody sees and packs loosely.
  return sharp(await labelledSheetPng({ title, columns, rows }))
    .removeAlpha()
    .png({ compressionLevel: 9, effort: 10 })
    .toBuffer();
}

/** @param rows eligible rows of the data set */
export function sheetTable(sheet: readonly SheetSamples[], rows: number, evaluations: number): Table {
  return {
    header: ['row of the sheet', 'denoiser', 'rows weighted', 's'],
    rows: sheet.map(({ label, denoiser, rowsScored, totalMs }) => [
      label,
      denoiser,
      `${readable((100 * rowsScored) / (evaluations * rows))}%`,
      readable(totalMs / 1000),
    ]),
  };
}
