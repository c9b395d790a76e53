import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMetrics } from '../../shared/metrics.js';
import { metricsText, observeTraced } from '../../shared/metrics-text.js';
import type { Span } from '../../shared/tracing.js';

const span = { exemplar: { trace_id: 'a'.repeat(32), span_id: 'b'.repeat(16) } } as unknown as Span;

test('exemplars are in the form of OpenMetrics, and the plain form before and after is the same', async () => {
  const metrics = createMetrics('coordinator');
  observeTraced(metrics.phaseSeconds, { phase: 'merge' }, 0.003, span);
  observeTraced(metrics.phaseSeconds, { phase: 'queue' }, 0.003, undefined);
  const counters = (text: string): string[] => text.split('\n').filter((line) => line.startsWith('golddiff_') && line.includes('_total'));
  const [before, open, same] = await Promise.all([
    metricsText(metrics.registry, false),
    metricsText(metrics.registry, true),
    metricsText(metrics.registry, false),
  ]);
  const after = await metricsText(metrics.registry, false);
  assert.ok(same === before && after !== before, 'readers of one form at one time share what is read');
  assert.match(before.type, /^text\/plain/);
  assert.match(open.type, /^application\/openmetrics-text/);
  assert.ok(open.text.endsWith('# EOF\n'));
  assert.match(open.text, /phase_duration_seconds_bucket\{le="0\.005",phase="merge"\} 1 # \{trace_id="a{32}",span_id="b{16}"\} 0\.003 \d/);
  assert.equal([...open.text.matchAll(/ # \{/g)].length, 1);
  assert.ok(!before.text.includes('trace_id') && !after.text.includes('trace_id'));
  assert.ok(counters(before.text).length > 20);
  assert.deepEqual(counters(open.text), counters(before.text));
  assert.deepEqual(counters(after.text), counters(before.text));
});
