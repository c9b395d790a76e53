/** What the charts share: one look, one axis of noise levels, quantile bands, and the way from a specification to SVG text and PNG bytes. */

import * as vega from 'vega';
import { compile, type Config, type TopLevelSpec } from 'vega-lite';

import { FONT_FAMILY, svgToPng } from './svg-to-png.js';

/** Screen pixels for one SVG unit. */
const PNG_ZOOM = 2;
export const GRID_COLOR = '#e9ecef';
/** From the tenth to the ninetieth percentile of the queries. */
export const BAND = { low: 0.1, high: 0.9 };

/** Of our font, in shares of its size: the mean width of a character of English text. */
const CHARACTER_WIDTH = { normal: 0.6, bold: 0.68 } as const;

interface TextItem {
  readonly fontSize?: number;
  readonly fontWeight?: string | number;
}

// Without a canvas to measure on, vega takes every character as 0.8 of the font's size, and long texts push legends and margins away.
const { textMetrics } = vega as unknown as { textMetrics: { width: (item: TextItem, text: string | number | null | undefined) => number } };
textMetrics.width = ({ fontSize = 11, fontWeight }, text) =>
  fontSize * String(text ?? '').length * (fontWeight === 'bold' ? CHARACTER_WIDTH.bold : CHARACTER_WIDTH.normal);

export const CHART_CONFIG: Config = {
  font: FONT_FAMILY,
  view: { stroke: null },
  title: { fontSize: 18, subtitleFontSize: 13, subtitleColor: '#555', subtitlePadding: 6 },
  axis: { labelFontSize: 12, titleFontSize: 13, titleFontWeight: 'normal', titlePadding: 10, domainColor: '#868e96', tickColor: '#868e96' },
  legend: { labelFontSize: 12, titleFontSize: 12, titleFontWeight: 'normal' },
};

/** Characters of a subtitle that fit the usual width; a longer line would widen the whole picture. */
const SUBTITLE_CHARS_MAX = 104;

/** What stands around every chart. Long lines of the subtitle are broken between words. */
export function chartFrame(text: string, subtitles: readonly string[]) {
  const subtitle = subtitles.flatMap((line) => wrapped(line, SUBTITLE_CHARS_MAX));
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    padding: 18,
    background: '#ffffff',
    title: { text, subtitle, anchor: 'start' as const, offset: 14 },
    config: CHART_CONFIG,
  };
}

function wrapped(text: string, charsMax: number): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines.at(-1)!;
    if (last !== '' && last.length + 1 + word.length > charsMax) lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines;
}

export async function renderChart(specification: TopLevelSpec): Promise<{ svg: string; png: Buffer }> {
  const view = new vega.View(vega.parse(compile(specification).spec), { renderer: 'none' });
  try {
    const svg = await view.toSVG();
    return { svg, png: svgToPng(svg, PNG_ZOOM) };
  } finally {
    view.finalize();
  }
}

/** One level of a chart's horizontal axis. */
export interface AxisLevel {
  readonly t: number;
  /** noise over signal is written below the timestep where it is known */
  readonly alpha?: number;
  readonly sigma?: number;
}

/** Labels that find room beside each other at the usual width. */
const AXIS_LABELS_MAX = 13;

/** Timesteps from much noise on the left to little on the right, as a sampler runs, with noise over signal below each. */
export function noiseAxis(levels: readonly AxisLevel[], labelled = true) {
  const times = levels.map(({ t }) => t);
  const every = Math.ceil(levels.length / AXIS_LABELS_MAX);
  // The cleanest level is always named.
  const named = levels.filter((_, i) => (levels.length - 1 - i) % every === 0);
  const ratios = Object.fromEntries(
    named.flatMap(({ t, alpha, sigma }) => (alpha === undefined || sigma === undefined ? [] : [[t, ratioText(sigma / alpha)]])),
  );
  const hasRatios = Object.keys(ratios).length > 0;
  return {
    field: 't',
    type: 'quantitative' as const,
    scale: { domain: [Math.min(...times), Math.max(...times)], reverse: true, nice: false, padding: 14 },
    axis: {
      labels: labelled,
      title: labelled
        ? `timestep t${hasRatios ? ', and noise over signal σ/α below it' : ''}   (noise falls from left to right, as a sampler runs)`
        : null,
      values: named.map(({ t }) => t),
      grid: false,
      ...(hasRatios ? { labelExpr: `[datum.label, '' + (${JSON.stringify(ratios)})[datum.value]]` } : {}),
    },
  };
}

function ratioText(ratio: number): string {
  return ratio >= 99.5 ? ratio.toFixed(0) : String(Number(ratio.toPrecision(2)));
}

/** Value at a share of the way through the sorted values, between neighbours by straight line. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = share * (sorted.length - 1);
  const low = Math.floor(at);
  const from = sorted[low] ?? NaN;
  return from + ((sorted[low + 1] ?? from) - from) * (at - low);
}

/** 1, 10, 100, .. up to a number. */
export function powersOfTen(max: number): number[] {
  const values: number[] = [];
  for (let v = 1; v <= max; v *= 10) values.push(v);
  return values;
}
