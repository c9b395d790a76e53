/** Pictures of docs/SCALING.md: figures of one step against the number of workers, and the way of a cluster whose workers come and go. */

import type { TopLevelSpec } from 'vega-lite';
import { chartFrame, GRID_COLOR, renderChart } from '../../client/pictures/chart-style.js';
import type { Change, Moment } from './changing-fleet.js';
import { sum, type BatchMeasurement } from './measure-batch.js';

export interface ScalingChart {
  readonly title: string;
  readonly subtitles: readonly string[];
  readonly measured: readonly BatchMeasurement[];
  /** what a worker does, as a share of what one alone does, beside 1/W; else as it is, beside what one does */
  readonly relative: boolean;
}

interface Panel {
  readonly title: string;
  readonly of: (m: BatchMeasurement) => number;
  /** work of one worker, that scaling out is to divide */
  readonly divided?: boolean;
}

const SIZE = { width: 330, height: 190 } as const;
const TIMELINE = { width: 740, height: 150 } as const;
/** A logarithmic axis needs an end; less than a hundredth of a millisecond or KiB is nothing here. */
const FLOOR = 0.01;
const COLORS = ['#1c7ed6', '#e8590c', '#2f9e44'] as const;

const PANELS: readonly Panel[] = [
  { title: 'rows looked at by the busiest worker', of: (m) => Math.max(...rowsOfWorkers(m)), divided: true },
  { title: 'CPU time of the busiest worker, ms', of: (m) => Math.max(...m.workerCpuMs), divided: true },
  { title: 'KiB on the wire, both ways', of: (m) => (m.sentBytes + m.receivedBytes) / 1024 },
  { title: 'CPU time of the coordinator, ms', of: (m) => m.coordinatorCpuMs },
  { title: 'merge at the coordinator, ms', of: (m) => m.mergeMs },
  { title: 'wall time of the step, ms', of: (m) => m.wallMs },
];

/** [W] rows that each worker looked at, over all stages. */
export function rowsOfWorkers({ rowsByWorker, workers }: BatchMeasurement): number[] {
  return Array.from({ length: workers }, (_, w) => sum(Object.values(rowsByWorker).map((rows) => rows[w] ?? 0)));
}

export function scalingChart(chart: ScalingChart): Promise<{ svg: string; png: Buffer }> {
  return renderChart(scalingSpecification(chart));
}

function scalingSpecification({ title, subtitles, measured, relative }: ScalingChart): TopLevelSpec {
  const methods = [...new Set(measured.map((m) => m.method))];
  const levels = [...new Set(measured.map((m) => m.t))];
  const sizes = [...new Set(measured.map((m) => m.workers))].sort((a, b) => a - b);
  const legend = { orient: 'bottom' as const, symbolType: 'stroke' as const, symbolStrokeWidth: 3, symbolSize: 400 };
  const color = {
    field: 'method',
    type: 'nominal' as const,
    scale: { domain: methods, range: [...COLORS] },
    legend: { title: null, ...legend },
  };
  const strokeDash = {
    field: 'level',
    type: 'nominal' as const,
    scale: {
      domain: levels.map((t) => `t = ${t}`),
      range: [
        [1, 0],
        [5, 3],
      ],
    },
    // Told in the subtitle: a legend of dashes alone comes out empty.
    legend: null,
  };
  const x = {
    field: 'workers',
    type: 'quantitative' as const,
    scale: { type: 'log' as const, base: 2, domain: [sizes[0]!, sizes.at(-1)!], nice: false, padding: 10 },
    axis: { title: 'workers', values: sizes, format: 'd', grid: false },
  };
  const panels = PANELS.map(({ title: text, of, divided }) => {
    const asShare = relative && divided === true;
    const one = (m: BatchMeasurement): number => of(measured.find((o) => o.method === m.method && o.t === m.t && o.workers === sizes[0])!);
    const values = measured.map((m) => ({
      workers: m.workers,
      method: m.method,
      level: `t = ${m.t}`,
      value: Math.max(FLOOR, asShare ? of(m) / one(m) : of(m)),
    }));
    const domain = logDomain([...values.map((v) => v.value), ...(asShare ? [sizes[0]! / sizes.at(-1)!] : [])]);
    const y = {
      field: 'value',
      type: 'quantitative' as const,
      scale: { type: 'log' as const, domain, nice: false },
      axis: { title: null, gridColor: GRID_COLOR, values: logTicks(domain), labelExpr: LOG_LABEL },
    };
    const ideal = sizes.map((workers) => ({ workers, value: sizes[0]! / workers }));
    return {
      title: {
        text: asShare ? `${text.replace(/, ms$/, '')}, one worker = 1` : text,
        fontSize: 13,
        fontWeight: 'normal' as const,
        anchor: 'start' as const,
      },
      ...SIZE,
      layer: [
        {
          data: { values },
          mark: { type: 'line' as const, strokeWidth: 2, point: { size: 45, filled: true } },
          encoding: { x, y, color, strokeDash },
        },
        ...(asShare
          ? [
              {
                data: { values: ideal },
                mark: { type: 'line' as const, color: '#868e96', strokeWidth: 1.5, strokeDash: [2, 3] },
                encoding: { x, y },
              },
              {
                data: { values: ideal.slice(-1).map((v) => ({ ...v, text: '1/W' })) },
                mark: { type: 'text' as const, color: '#495057', fontSize: 12, dx: -22, dy: 10 },
                encoding: { x, y, text: { field: 'text', type: 'nominal' as const } },
              },
            ]
          : []),
      ],
    };
  });
  return { ...chartFrame(title, subtitles), columns: 2, concat: panels, spacing: 26 };
}

/** 0.1, 20, 5k: letters for thousands and more only. */
const LOG_LABEL = "datum.value < 1000 ? format(datum.value, '~g') : format(datum.value, '~s')";
/** Of the range, on either side. */
const LOG_MARGIN = 1.25;
const TICKS_MAX = 7;

function logDomain(values: readonly number[]): [number, number] {
  return [Math.min(...values) / LOG_MARGIN, Math.max(...values) * LOG_MARGIN];
}

/** 1, 2 and 5 of every power of ten within the range, or the powers alone where those would be too many. */
export function logTicks([low, high]: readonly [number, number]): number[] {
  const ticks = (steps: readonly number[]): number[] => {
    const found: number[] = [];
    for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power++)
      for (const step of steps) if (step * 10 ** power >= low && step * 10 ** power <= high) found.push(Number((step * 10 ** power).toPrecision(6)));
    return found;
  };
  const all = ticks([1, 2, 5]);
  return all.length <= TICKS_MAX ? all : ticks([1]);
}

export interface TimelineChart {
  readonly title: string;
  readonly subtitles: readonly string[];
  readonly moments: readonly Moment[];
  readonly changes: readonly Change[];
}

/** Evaluations in a second are counted over so long. */
const RATE_WINDOW_MS = 2_000;

export function timelineChart(chart: TimelineChart): Promise<{ svg: string; png: Buffer }> {
  return renderChart(timelineSpecification(chart));
}

function timelineSpecification({ title, subtitles, moments, changes }: TimelineChart): TopLevelSpec {
  const end = moments.at(-1)?.atMs ?? 0;
  const x = (labelled: boolean) => ({
    field: 'seconds',
    type: 'quantitative' as const,
    scale: { domain: [0, end / 1000], nice: false },
    axis: { title: labelled ? 'seconds since the first job was submitted' : null, labels: labelled, grid: false },
  });
  const spans = changes.map((c) => ({ seconds: c.startMs / 1000, until: c.endMs / 1000, text: `${c.from} to ${c.to}` }));
  const panel = (text: string, values: readonly object[], interpolate: 'step-after' | 'linear', labelled: boolean) => {
    const y = {
      field: 'value',
      type: 'quantitative' as const,
      scale: { zero: true, nice: true },
      axis: { title: null, gridColor: GRID_COLOR, tickCount: 5 },
    };
    const scale = { domain: ['live', 'with partitions'], range: ['#adb5bd', '#1c7ed6'] };
    const coloured = values.some((v) => 'line' in v);
    return {
      title: { text, fontSize: 13, fontWeight: 'normal' as const, anchor: 'start' as const },
      ...TIMELINE,
      layer: [
        {
          data: { values: spans },
          mark: { type: 'rect' as const, color: '#fff3bf', opacity: 0.8 },
          encoding: { x: x(labelled), x2: { field: 'until' } },
        },
        {
          data: { values: [...values] },
          mark: { type: 'line' as const, interpolate, strokeWidth: 2, ...(coloured ? {} : { color: '#2f9e44' }) },
          encoding: {
            x: x(labelled),
            y,
            ...(coloured
              ? {
                  color: {
                    field: 'line',
                    type: 'nominal' as const,
                    scale,
                    legend: { title: null, orient: 'top-right' as const, symbolType: 'stroke' as const },
                  },
                }
              : {}),
          },
        },
      ],
    };
  };
  const workers = moments.flatMap((m) => [
    { seconds: m.atMs / 1000, value: m.workersLive, line: 'live' },
    { seconds: m.atMs / 1000, value: m.workersHolding, line: 'with partitions' },
  ]);
  return {
    ...chartFrame(title, subtitles),
    vconcat: [
      panel('workers (shaded: from the order to the end of the move)', workers, 'step-after', false),
      panel(
        'epoch of the placement',
        moments.map((m) => ({ seconds: m.atMs / 1000, value: m.epoch })),
        'step-after',
        false,
      ),
      panel('score evaluations in a second, all jobs', evaluationRates(moments), 'linear', true),
    ],
    spacing: 18,
  };
}

/** Over windows that end at each look. */
export function evaluationRates(moments: readonly Moment[]): { seconds: number; value: number }[] {
  return moments.flatMap((now, i) => {
    const before = moments.slice(0, i).findLast((m) => now.atMs - m.atMs >= RATE_WINDOW_MS);
    if (before === undefined) return [];
    return [{ seconds: now.atMs / 1000, value: (1000 * (now.evaluations - before.evaluations)) / (now.atMs - before.atMs) }];
  });
}
