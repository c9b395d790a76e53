/**
 * Posterior progressive concentration: how many rows of the data set matter, against the timestep. As noise falls the posterior of x shrinks from
 * nearly all rows to one; the golden subset follows. For each measure: the median over queries as a line, and the band from the 10th to the 90th
 * percentile. Source: GoldDiff, arXiv 2602.16498; SCIENCE section 4.
 */

import * as vega from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';

import { FONT_FAMILY, svgToPng } from './svg-to-png.js';

/** Measured at one timestep over some queries. All arrays are [queries], in rows. */
export interface ConcentrationPoint {
  readonly t: number;
  /** (sum w)^2 / sum w^2 */
  readonly effectiveSupport: readonly number[];
  readonly rows50: readonly number[];
  readonly rows90: readonly number[];
  readonly rows99: readonly number[];
  /** rows that GoldDiff scores at this step; undefined = not drawn */
  readonly goldenRows?: number;
}

export interface ConcentrationChart {
  readonly dataSet: string;
  /** N */
  readonly rows: number;
  readonly points: readonly ConcentrationPoint[];
  /** what the queries are: `held-out images noised to each timestep` */
  readonly queries: string;
}

const MEASURES = [
  { name: '99% of the mass', key: 'rows99', color: '#08519c' },
  { name: '90% of the mass', key: 'rows90', color: '#3182bd' },
  { name: '50% of the mass', key: 'rows50', color: '#7fb8dc' },
  { name: 'effective support', key: 'effectiveSupport', color: '#d9480f' },
] as const;
const GOLDEN_COLOR = '#2b8a3e';
const WIDTH = 760;
const HEIGHT = 440;
const PNG_ZOOM = 2;
const BAND = { low: 0.1, high: 0.9 };

/** The chart as SVG text and as PNG bytes. */
export async function concentrationChart(chart: ConcentrationChart): Promise<{ svg: string; png: Buffer }> {
  const view = new vega.View(vega.parse(compile(specification(chart)).spec), { renderer: 'none' });
  try {
    const svg = await view.toSVG();
    return { svg, png: svgToPng(svg, PNG_ZOOM) };
  } finally {
    view.finalize();
  }
}

/** Value at a share of the way through the sorted values, between neighbours by straight line. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = share * (sorted.length - 1);
  const low = Math.floor(at);
  const from = sorted[low] ?? NaN;
  return from + ((sorted[low + 1] ?? from) - from) * (at - low);
}

function specification({ dataSet, rows, points, queries }: ConcentrationChart): TopLevelSpec {
  const measured = MEASURES.flatMap(({ name, key }) =>
    points.map((point) => ({
      t: point.t,
      measure: name,
      low: atLeastOne(quantile(point[key], BAND.low)),
      median: atLeastOne(quantile(point[key], 0.5)),
      high: atLeastOne(quantile(point[key], BAND.high)),
    })),
  );
  const golden = points.flatMap(({ t, goldenRows }) => (goldenRows === undefined ? [] : [{ t, k: goldenRows }]));
  const count = points[0]?.effectiveSupport.length ?? 0;
  const goldenLabel = [...golden].sort((a, b) => a.t - b.t)[0];
  const times = points.map((p) => p.t);
  const tMin = Math.min(...times);
  const tMax = Math.max(...times);
  const x = {
    field: 't',
    type: 'quantitative' as const,
    scale: { domain: [tMin, tMax], reverse: true, nice: false, padding: 14 },
    axis: { title: 'timestep t   (noise falls from left to right, as a sampler runs)', values: times, grid: false },
  };
  const y = (field: string) => ({
    field,
    type: 'quantitative' as const,
    scale: { type: 'log' as const, domain: [0.9, rows * 1.6], nice: false },
    axis: { title: 'rows of the data set (log scale)', values: powersOfTen(rows), format: ',', gridColor: '#e9ecef' },
  });
  const color = {
    field: 'measure',
    type: 'nominal' as const,
    scale: { domain: MEASURES.map((m) => m.name), range: MEASURES.map((m) => m.color) },
    legend: {
      title: `Rows that hold (median and ${BAND.low * 100}–${BAND.high * 100}% band)`,
      orient: 'bottom-left' as const,
      symbolType: 'stroke',
      symbolStrokeWidth: 3,
      symbolOpacity: 1,
      offset: 14,
      titleLimit: 400,
      labelLimit: 300,
    },
  };
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    width: WIDTH,
    height: HEIGHT,
    padding: 18,
    background: '#ffffff',
    title: {
      text: `The posterior concentrates: ${dataSet}, N = ${rows.toLocaleString('en-US')}`,
      subtitle: `Exact posterior over all rows; ${count} ${queries}`,
      anchor: 'start',
      offset: 14,
    },
    layer: [
      {
        data: { values: measured },
        mark: { type: 'area', opacity: 0.15, interpolate: 'monotone' },
        encoding: { x, y: y('low'), y2: { field: 'high' }, color },
      },
      {
        data: { values: [{ rows, t: tMax, label: `all ${rows.toLocaleString('en-US')} rows` }] },
        mark: { type: 'rule', color: '#adb5bd', strokeWidth: 1 },
        encoding: { y: y('rows') },
      },
      {
        data: { values: [{ rows, t: tMin, label: `all ${rows.toLocaleString('en-US')} rows` }] },
        mark: { type: 'text', align: 'right', dy: -7, color: '#868e96', fontSize: 11 },
        encoding: { x, y: y('rows'), text: { field: 'label' } },
      },
      {
        data: { values: golden },
        mark: { type: 'line', color: GOLDEN_COLOR, strokeDash: [6, 4], strokeWidth: 2 },
        encoding: { x, y: y('k') },
      },
      {
        data: { values: goldenLabel === undefined ? [] : [{ ...goldenLabel, label: 'golden subset k(t)' }] },
        mark: { type: 'text', align: 'right', dy: 17, color: GOLDEN_COLOR, fontSize: 12, fontWeight: 'bold' },
        encoding: { x, y: y('k'), text: { field: 'label' } },
      },
      {
        data: { values: measured },
        mark: { type: 'line', strokeWidth: 2.5, interpolate: 'monotone', point: { size: 36, filled: true } },
        encoding: { x, y: y('median'), color },
      },
    ],
    config: {
      font: FONT_FAMILY,
      view: { stroke: null },
      title: { fontSize: 18, subtitleFontSize: 13, subtitleColor: '#555', subtitlePadding: 6 },
      axis: { labelFontSize: 12, titleFontSize: 13, titleFontWeight: 'normal', titlePadding: 10, domainColor: '#868e96', tickColor: '#868e96' },
      legend: { labelFontSize: 12, titleFontSize: 12, titleFontWeight: 'normal' },
    },
  };
}

/** A logarithmic axis has no zero; a posterior always rests on at least one row. */
function atLeastOne(value: number): number {
  return Math.max(1, value);
}

function powersOfTen(max: number): number[] {
  const values: number[] = [];
  for (let v = 1; v <= max; v *= 10) values.push(v);
  return values;
}
