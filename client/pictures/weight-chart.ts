/**
 * How one row takes over: the largest weight of the posterior against the noise level, and log Z, the log of the sum that the weights are divided by. Median
 * over the queries as a line, 10th to 90th percentile as a band.
 */

import type { TopLevelSpec } from 'vega-lite';

import { BAND, chartFrame, GRID_COLOR, noiseAxis, powersOfTen, quantile, renderChart, type AxisLevel } from './chart-style.js';

export interface WeightPoint extends AxisLevel {
  /** [queries], in (0, 1] */
  readonly maxWeight: readonly number[];
  /** [queries], nats */
  readonly logZ: readonly number[];
}

export interface WeightChart {
  readonly dataSet: string;
  readonly rows: number;
  readonly points: readonly WeightPoint[];
  readonly queries: string;
}

const WIDTH = 760;
const PANEL_HEIGHT = 230;
const COLORS = { maxWeight: '#d9480f', logZ: '#5f3dc4' } as const;

export async function weightChart(chart: WeightChart): Promise<{ svg: string; png: Buffer }> {
  return renderChart(specification(chart));
}

/** .., -100, -10, 0, 10, .. as far as the values go. */
function symmetricPowers(points: readonly WeightPoint[]): number[] {
  const values = points.flatMap(({ logZ }) => logZ);
  const down = powersOfTen(Math.max(0, -Math.min(...values)) * 10).slice(1);
  const up = powersOfTen(Math.max(0, ...values)).slice(1);
  return [...down.map((v) => -v).reverse(), 0, ...up];
}

function specification({ dataSet, rows, points, queries }: WeightChart): TopLevelSpec {
  const count = points[0]?.maxWeight.length ?? 0;
  const panel = (key: keyof typeof COLORS, title: string, scale: object, axis: object, last: boolean) => {
    const values = points.map((point) => ({
      t: point.t,
      low: quantile(point[key], BAND.low),
      median: quantile(point[key], 0.5),
      high: quantile(point[key], BAND.high),
    }));
    const x = noiseAxis(points, last);
    const y = (field: string) => ({ field, type: 'quantitative' as const, scale, axis: { title, gridColor: GRID_COLOR, ...axis } });
    return {
      width: WIDTH,
      height: PANEL_HEIGHT,
      data: { values },
      layer: [
        {
          mark: { type: 'area' as const, opacity: 0.18, color: COLORS[key], interpolate: 'monotone' as const },
          encoding: { x, y: y('low'), y2: { field: 'high' } },
        },
        {
          mark: {
            type: 'line' as const,
            strokeWidth: 2.5,
            color: COLORS[key],
            interpolate: 'monotone' as const,
            point: { size: 36, filled: true, color: COLORS[key] },
          },
          encoding: { x, y: y('median') },
        },
      ],
    };
  };
  return {
    ...chartFrame(`One row takes over: ${dataSet}, N = ${rows.toLocaleString('en-US')}`, [
      `Exact posterior over all rows; ${count} ${queries}`,
      `Line: median, band: ${BAND.low * 100}th to ${BAND.high * 100}th percentile`,
    ]),
    vconcat: [
      panel('maxWeight', 'largest weight of one row', { domain: [0, 1] }, { format: '.1f' }, false),
      panel(
        'logZ',
        'log Z, nats (symmetric log scale)',
        { type: 'symlog', constant: 10 },
        { labelExpr: "format(datum.value, ',.0f')", values: symmetricPowers(points) },
        true,
      ),
    ],
    spacing: 26,
  };
}
