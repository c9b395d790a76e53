/**
 * The metrics of one process, made from the tables of metric-tables.ts: own ones and those of the process (event-loop lag, memory, garbage collection), in a
 * registry of its own.
 */

import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import {
  COMMON_METRICS,
  COORDINATOR_METRICS,
  DURATION_BUCKETS_SECONDS,
  PUBLIC_METHODS,
  WORKER_METRICS,
  type Component,
  type Definition,
} from './metric-tables.js';
import { packageVersion } from './package-version.js';

export { COMMON_METRICS, COORDINATOR_METRICS, DURATION_BUCKETS_SECONDS, WORKER_METRICS, type Component } from './metric-tables.js';

type MetricOf<D extends Definition> = D['type'] extends 'counter'
  ? Counter<D['labels'][number]>
  : D['type'] extends 'gauge'
    ? Gauge<D['labels'][number]>
    : Histogram<D['labels'][number]>;
type MetricsOf<T extends Record<string, Definition>> = { readonly [K in keyof T]: MetricOf<T[K]> };

export type CoordinatorMetrics = MetricsOf<typeof COMMON_METRICS> & MetricsOf<typeof COORDINATOR_METRICS> & { readonly registry: Registry };
export type WorkerMetrics = MetricsOf<typeof COMMON_METRICS> & MetricsOf<typeof WORKER_METRICS> & { readonly registry: Registry };

/** Own and process metrics (event-loop lag, memory, garbage collection) of one process, in a registry of its own. */
export function createMetrics(component: 'coordinator'): CoordinatorMetrics;
export function createMetrics(component: 'shard-worker'): WorkerMetrics;
export function createMetrics(component: Component): CoordinatorMetrics | WorkerMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const own = component === 'coordinator' ? COORDINATOR_METRICS : WORKER_METRICS;
  const entries = Object.entries<Definition>({ ...COMMON_METRICS, ...own }).map(([key, definition]) => [key, build(definition, registry)] as const);
  const metrics = { ...Object.fromEntries(entries), registry } as unknown as CoordinatorMetrics | WorkerMetrics;
  startAtZero(metrics, { ...COMMON_METRICS, ...own });
  metrics.buildInfo.set({ component, version: packageVersion(), node: process.version }, 1);
  return metrics;
}

/** Series of a counter that are there from the start, so that its first event is an increase and not a beginning. */
const ZEROS_MAX = 32;

function startAtZero(metrics: CoordinatorMetrics | WorkerMetrics, tables: Readonly<Record<string, Definition>>): void {
  for (const [key, { type, values }] of Object.entries(tables)) {
    if (type !== 'counter') continue;
    const combinations = Object.entries(values).reduce<Record<string, string>[]>(
      (some, [label, allowed]) => some.flatMap((before) => allowed.map((value) => ({ ...before, [label]: value }))),
      [{}],
    );
    const counter = (metrics as unknown as Record<string, Counter>)[key]!;
    if (combinations.length <= ZEROS_MAX) for (const labels of combinations) counter.inc(labels, 0);
  }
  if ('requests' in metrics) for (const method of PUBLIC_METHODS) metrics.requests.inc({ method, code: 'OK' }, 0);
}

function build(definition: Definition, registry: Registry): Counter | Gauge | Histogram {
  const settings = { name: definition.name, help: definition.help, labelNames: [...definition.labels], registers: [registry] };
  if (definition.type === 'counter') return new Counter(settings);
  if (definition.type === 'gauge') return new Gauge(settings);
  const buckets = [...(definition.buckets ?? DURATION_BUCKETS_SECONDS)];
  if (definition.exemplars !== true) return new Histogram({ ...settings, buckets });
  // A registry of the plain form refuses it when it is made there; metrics-text.ts reads it in the form that has exemplars.
  const traced = new Histogram({ ...settings, buckets, enableExemplars: true, registers: [] });
  registry.registerMetric(traced);
  return traced;
}
