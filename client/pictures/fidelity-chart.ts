/**
 * What leaving out rows does to an answer, against the noise level. One chart has the errors of all methods; the other has for each method the worst error, the
 * mass that was left out and the server's bound, so that a reader sees where the bound lies above the error and how far.
 */

import type { TopLevelSpec } from 'vega-lite';

import { chartFrame, GRID_COLOR, noiseAxis, renderChart, type AxisLevel } from './chart-style.js';

/** One method at one level, over all images. */
export interface MethodErrors extends AxisLevel {
  readonly method: string;
  /** mean over the images, on [0, 1] images */
  readonly mse: number;
  readonly r2: number;
  /** largest over the images: error of a pixel, mass left out (undefined = not known), the bound on both */
  readonly worst: number;
  readonly massLeftOut: number | undefined;
  readonly bound: number;
  /** for every image */
  readonly holds: boolean;
}

export interface FidelityChart {
  readonly title: string;
  readonly subtitles: readonly string[];
  /** in the order of the legend */
  readonly methods: readonly string[];
  readonly points: readonly MethodErrors[];
}

const WIDTH = 700;
const PANEL_HEIGHT = 240;
const FACET = { width: 290, height: 190, columns: 3 } as const;
/** Smaller errors are rounding; a logarithmic axis needs an end. */
const MSE_FLOOR = 1e-12;
const SHARE_FLOOR = 1e-7;
const DECADES = [1, 0.1, 0.01, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7];
const BOUND_LINES = [
  { name: "server's bound on both", key: 'bound', color: '#212529', dash: [6, 4] },
  { name: 'mass left out', key: 'massLeftOut', color: '#1c7ed6', dash: [2, 2] },
  { name: 'worst error of a pixel', key: 'worst', color: '#d9480f', dash: [1, 0] },
] as const;

/** MSE and r^2 of all methods. */
export async function errorsChart(chart: FidelityChart): Promise<{ svg: string; png: Buffer }> {
  return renderChart(errorsSpecification(chart));
}

/** Worst error, mass left out and bound of each method. */
export async function boundsChart(chart: FidelityChart): Promise<{ svg: string; png: Buffer }> {
  return renderChart(boundsSpecification(chart));
}

function errorsSpecification({ title, subtitles, methods, points }: FidelityChart): TopLevelSpec {
  const color = {
    field: 'method',
    type: 'nominal' as const,
    scale: { domain: [...methods], scheme: 'tableau10' as const },
    legend: { title: 'rows of the answer', labelLimit: 320, symbolType: 'stroke' as const, symbolStrokeWidth: 3 },
  };
  const panel = (field: 'mse' | 'r2', axisTitle: string, scale: object, axis: object, labelled: boolean) => ({
    width: WIDTH,
    height: PANEL_HEIGHT,
    data: { values: points.map((p) => ({ t: p.t, method: p.method, mse: Math.max(MSE_FLOOR, p.mse), r2: p.r2 })) },
    mark: { type: 'line' as const, strokeWidth: 2.2, point: { size: 40, filled: true } },
    encoding: {
      x: noiseAxis(
        points.filter((p) => p.method === points[0]?.method),
        labelled,
      ),
      y: { field, type: 'quantitative' as const, scale, axis: { title: axisTitle, gridColor: GRID_COLOR, ...axis } },
      color,
    },
  });
  const r2Low = Math.min(0.9, ...points.map((p) => p.r2));
  return {
    ...chartFrame(title, subtitles),
    vconcat: [
      panel('mse', 'mean squared error (log scale)', { type: 'log', nice: false }, { format: '.0e', tickCount: 7 }, false),
      panel('r2', 'r²', { domain: [r2Low, 1], nice: true }, { tickCount: 6 }, true),
    ],
    spacing: 26,
  };
}

function boundsSpecification({ title, subtitles, methods, points }: FidelityChart): TopLevelSpec {
  const legend = { title: null, orient: 'bottom' as const, symbolType: 'stroke' as const, symbolStrokeWidth: 3, symbolSize: 400, labelLimit: 320 };
  const color = {
    field: 'line',
    type: 'nominal' as const,
    scale: { domain: BOUND_LINES.map((l) => l.name), range: BOUND_LINES.map((l) => l.color) },
    legend,
  };
  const strokeDash = {
    field: 'line',
    type: 'nominal' as const,
    scale: { domain: BOUND_LINES.map((l) => l.name), range: BOUND_LINES.map((l) => [...l.dash]) },
    legend,
  };
  const panels = methods.map((method) => {
    const own = points.filter((p) => p.method === method);
    const axis = noiseAxis(own, true);
    const x = { ...axis, axis: { ...axis.axis, title: 'timestep t, and σ/α below it', labelFontSize: 10, labelOverlap: true } };
    const y = {
      field: 'value',
      type: 'quantitative' as const,
      scale: { type: 'log' as const, domain: [SHARE_FLOOR, 1], clamp: true },
      axis: {
        title: null,
        gridColor: GRID_COLOR,
        values: DECADES,
        labelExpr: "datum.value === 1 ? '1' : format(datum.value, '.0e')",
      },
    };
    const values = BOUND_LINES.flatMap(({ name, key }) =>
      own.flatMap((p) => (p[key] === undefined ? [] : [{ t: p.t, line: name, value: Math.max(SHARE_FLOOR, p[key]) }])),
    );
    const broken = own.filter((p) => !p.holds).map((p) => ({ t: p.t, value: Math.max(SHARE_FLOOR, p.worst, p.massLeftOut ?? 0) }));
    return {
      title: {
        text: broken.length === 0 ? method : `${method}: broken at ${broken.length} of ${own.length}`,
        fontSize: 13,
        anchor: 'start' as const,
      },
      width: FACET.width,
      height: FACET.height,
      layer: [
        {
          data: { values },
          mark: { type: 'line' as const, strokeWidth: 2 },
          encoding: { x, y, color, strokeDash },
        },
        {
          data: { values: broken },
          mark: { type: 'point' as const, shape: 'cross', filled: true, angle: 45, size: 120, color: '#e03131', opacity: 1 },
          encoding: { x, y },
        },
      ],
    };
  });
  return { ...chartFrame(title, subtitles), columns: FACET.columns, concat: panels, spacing: 24 };
}
