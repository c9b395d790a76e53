/** r^2 against a neural oracle at each step: single-step above, along the own trajectory below, one line for each denoiser and choice of rows. */

import type { TopLevelSpec } from 'vega-lite';

import { chartFrame, GRID_COLOR, noiseAxis, renderChart, type AxisLevel } from './chart-style.js';

export interface OracleChartPoint extends AxisLevel {
  /** in the legend */
  readonly name: string;
  readonly mode: 'single-step' | 'trajectory';
  /** mean over the images */
  readonly r2: number;
}

export interface OracleChart {
  readonly title: string;
  readonly subtitles: readonly string[];
  readonly points: readonly OracleChartPoint[];
}

const WIDTH = 700;
const PANEL_HEIGHT = 240;
/** A trajectory that went elsewhere has any r^2 below 0; how far below says nothing. */
const R2_LOW = -0.2;

export async function oracleChart(chart: OracleChart): Promise<{ svg: string; png: Buffer }> {
  return renderChart(specification(chart));
}

function specification({ title, subtitles, points }: OracleChart): TopLevelSpec {
  const names = [...new Set(points.map((p) => p.name))];
  const low = Math.min(0.9, ...points.map((p) => Math.max(R2_LOW, p.r2)));
  const panel = (mode: OracleChartPoint['mode'], text: string, labelled: boolean) => {
    const own = points.filter((p) => p.mode === mode);
    return {
      title: { text, fontSize: 13, anchor: 'start' as const },
      width: WIDTH,
      height: PANEL_HEIGHT,
      data: { values: own.map(({ t, name, r2 }) => ({ t, name, r2: Math.max(R2_LOW, r2) })) },
      mark: { type: 'line' as const, strokeWidth: 2.2, point: { size: 40, filled: true } },
      encoding: {
        x: noiseAxis(
          own.filter((p) => p.name === names[0]),
          labelled,
        ),
        y: {
          field: 'r2',
          type: 'quantitative' as const,
          scale: { domain: [low, 1], nice: true },
          axis: { title: 'r² against the oracle', gridColor: GRID_COLOR, tickCount: 6 },
        },
        color: {
          field: 'name',
          type: 'nominal' as const,
          scale: { domain: names, scheme: 'tableau10' as const },
          legend: { title: 'denoiser, rows chosen by', labelLimit: 320, symbolType: 'stroke' as const, symbolStrokeWidth: 3 },
        },
      },
    };
  };
  return {
    ...chartFrame(title, subtitles),
    vconcat: [
      panel('single-step', "Single step: on the oracle's own x at each step", false),
      panel('trajectory', 'Trajectory: own sampler from the same noise', true),
    ],
    spacing: 26,
  };
}
