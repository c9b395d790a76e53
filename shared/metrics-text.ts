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

const turns = new WeakMap<Registry, Promise<unknown>>();

/** @param openMetrics with exemplars */
export function metricsText(registry: Registry, openMetrics: boolean): Promise<MetricsText> {
  const turn = (turns.get(registry) ?? Promise.resolve()).then(() => (openMetrics ? openMetricsText(registry) : plainText(registry)));
  turns.set(
    registry,
    turn.catch(() => {}),
  );
  return turn;
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
