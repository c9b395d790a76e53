/**
 * Posterior progressive concentration: how many rows of the data set matter, against the timestep. As noise falls the posterior of x shrinks from
 * nearly all rows to one; the golden subset follows. For each measure: the median over queries as a line, and the band from the 10th to the 90th
 * percentile. Source: GoldDiff, arXiv 2602.16498; SCIENCE section 4.
 */

import type { TopLevelSpec } from 'vega-lite';

import { BAND, chartFrame, GRID_COLOR, noiseAxis, powersOfTen, quantile, renderChart, type AxisLevel } from './chart-style.js';

/** Measured at one timestep over some queries. All arrays are [queries], in rows. */
export interface ConcentrationPoint extends AxisLevel {
  /** (sum w)^2 / sum w^2 */
  readonly effectiveSupport: readonly number[];
  readonly rows50: readonly number[];
  readonly rows90: readonly number[];
  readonly rows99: readonly number[];
  /** rows that GoldDiff scores at this step; undefined = not drawn */
  readonly goldenRows?: number;
  /** rows that an error asked for needs; undefined = not drawn */
  readonly rowsNeeded?: number;
}

export interface ConcentrationChart {
  readonly dataSet: string;
  /** N */
  readonly rows: number;
  readonly points: readonly ConcentrationPoint[];
  /** what the queries are: `held-out images noised to each timestep` */
  readonly queries: string;
  /** of the line of goldenRows; default `golden subset k(t)` */
  readonly goldenLabel?: string;
  /** of the points of rowsNeeded */
  readonly neededLabel?: string;
}

const MEASURES = [
  { name: '99% of the mass', key: 'rows99', color: '#08519c' },
  { name: '90% of the mass', key: 'rows90', color: '#3182bd' },
  { name: '50% of the mass', key: 'rows50', color: '#7fb8dc' },
  { name: 'effective support', key: 'effectiveSupport', color: '#d9480f' },
] as const;
const GOLDEN_COLOR = '#2b8a3e';
const NEEDED_COLOR = '#1a1a1a';
const WIDTH = 760;
const HEIGHT = 440;

/** The chart as SVG text and as PNG bytes. */
export async function concentrationChart(chart: ConcentrationChart): Promise<{ svg: string; png: Buffer }> {
  return renderChart(specification(chart));
}

function specification({
  dataSet,
  rows,
  points,
  queries,
  goldenLabel: goldenText = 'golden subset k(t)',
  neededLabel,
}: ConcentrationChart): TopLevelSpec {
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
  const needed = points.flatMap(({ t, rowsNeeded }) => (rowsNeeded === undefined ? [] : [{ t, k: rowsNeeded }]));
  // Beside a point in the upper part of the scale there is room to the right, between the falling bands and the golden line.
  const offset = ({ k }: { k: number }): number => Math.abs(Math.log(k / rows ** 0.75));
  const labelledNeed = [...needed].sort((a, b) => offset(a) - offset(b))[0];
  const goldenLabel = [...golden].sort((a, b) => a.t - b.t)[0];
  const times = points.map((p) => p.t);
  const tMin = Math.min(...times);
  const tMax = Math.max(...times);
  const x = noiseAxis(points);
  const y = (field: string) => ({
    field,
    type: 'quantitative' as const,
    scale: { type: 'log' as const, domain: [0.9, rows * 1.6], nice: false },
    axis: { title: 'rows of the data set (log scale)', values: powersOfTen(rows), format: ',', gridColor: GRID_COLOR },
  });
  const color = {
    field: 'measure',
    type: 'nominal' as const,
    scale: { domain: MEASURES.map((m) => m.name), range: MEASURES.map((m) => m.color) },
    legend: {
      title: ['Rows that hold', `(median, ${BAND.low * 100}–${BAND.high * 100}% band)`],
      fillColor: '#ffffffd9',
      padding: 6,
      orient: 'bottom-left' as const,
      symbolType: 'stroke',
      symbolStrokeWidth: 3,
      symbolOpacity: 1,
      offset: 8,
      titleLimit: 400,
      labelLimit: 300,
    },
  };
  return {
    ...chartFrame(`The posterior concentrates: ${dataSet}, N = ${rows.toLocaleString('en-US')}`, [
      `Exact posterior over all rows; ${count} ${queries}`,
    ]),
    width: WIDTH,
    height: HEIGHT,
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
        data: { values: goldenLabel === undefined ? [] : [{ ...goldenLabel, label: goldenText }] },
        mark: { type: 'text', align: 'right', dy: 17, color: GOLDEN_COLOR, fontSize: 12, fontWeight: 'bold' },
        encoding: { x, y: y('k'), text: { field: 'label' } },
      },
      {
        data: { values: needed },
        mark: { type: 'point', shape: 'diamond', filled: true, size: 110, color: NEEDED_COLOR, opacity: 1 },
        encoding: { x, y: y('k') },
      },
      {
        data: { values: labelledNeed === undefined ? [] : [{ ...labelledNeed, label: neededLabel ?? 'rows needed' }] },
        mark: { type: 'text', align: 'left', dx: 12, dy: -9, color: NEEDED_COLOR, fontSize: 12, fontWeight: 'bold' },
        encoding: { x, y: y('k'), text: { field: 'label' } },
      },
      {
        data: { values: measured },
        mark: { type: 'line', strokeWidth: 2.5, interpolate: 'monotone', point: { size: 36, filled: true } },
        encoding: { x, y: y('median'), color },
      },
    ],
  };
}

/** A logarithmic axis has no zero; a posterior always rests on at least one row. */
function atLeastOne(value: number): number {
  return Math.max(1, value);
}
