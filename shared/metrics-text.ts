/**
 * What /metrics says. Exemplars exist in the form of OpenMetrics only, and prom-client makes that by renaming its counters, for good: here they get their names back,
 * and nobody reads in between.
 */

import type { Histogram } from 'prom-client';
import { Registry } from 'prom-client';
import type { Span } from './tracing.js';

export interface MetricsText {
  readonly type: string;
  readonly text: string;
}

interface Reading {
  last: Promise<unknown>;
  /** under way or next in turn, by form: who asks meanwhile gets the same */
  readonly shared: Map<boolean, Promise<MetricsText>>;
}

const readings = new WeakMap<Registry, Reading>();

/** @param openMetrics with exemplars */
export function metricsText(registry: Registry, openMetrics: boolean): Promise<MetricsText> {
  let reading = readings.get(registry);
  if (reading === undefined) readings.set(registry, (reading = { last: Promise.resolve(), shared: new Map() }));
  const { shared } = reading;
  const known = shared.get(openMetrics);
  if (known !== undefined) return known;
  const read = reading.last.then(() => (openMetrics ? openMetricsText(registry) : plainText(registry))).finally(() => shared.delete(openMetrics));
  shared.set(openMetrics, read);
  reading.last = read.catch(() => {});
  return read;
}

async function plainText(registry: Registry): Promise<MetricsText> {
  return { type: registry.contentType, text: await registry.metrics() };
}

async function openMetricsText(registry: Registry): Promise<MetricsText> {
  const metrics = registry.getMetricsAsArray();
  const names = metrics.map(({ name }) => name);
  const form = registry as unknown as Registry<typeof Registry.OPENMETRICS_CONTENT_TYPE | typeof Registry.PROMETHEUS_CONTENT_TYPE>;
  form.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  try {
    return { type: Registry.OPENMETRICS_CONTENT_TYPE, text: await registry.metrics() };
  } finally {
    form.setContentType(Registry.PROMETHEUS_CONTENT_TYPE);
    metrics.forEach((metric, i) => Object.assign(metric, { name: names[i] }));
  }
}

/** Of a histogram that takes exemplars: the value, and where it happened. */
export function observeTraced<L extends string>(
  histogram: Histogram<L>,
  labels: Partial<Record<L, string>>,
  value: number,
  span: Span | undefined,
): void {
  histogram.observe({ labels, value, exemplarLabels: (span?.exemplar ?? {}) as Partial<Record<L, string>> });
}
