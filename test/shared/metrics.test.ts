import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { it } from 'node:test';
import { COMMON_METRICS, COORDINATOR_METRICS, createMetrics, WORKER_METRICS } from '../../shared/metrics.js';
import { packageVersion } from '../../shared/package-version.js';
import { observeTraced } from '../../shared/metrics-text.js';
import { packageRoot } from '../../shared/package-root.js';

interface Row {
  name: string;
  type: string;
  labels: string;
  process: string;
  help: string;
}

function documented(): Row[] {
  const lines = readFileSync(path.join(packageRoot, 'docs', 'METRICS.md'), 'utf8').split('\n');
  return lines
    .filter((line) => line.startsWith('| `golddiff_'))
    .map((line) => line.split('|').map((cell) => cell.trim().replaceAll('`', '')))
    .map(([, name = '', type = '', labels = '', process = '', help = '']) => ({ name, type, labels, process, help }));
}

function defined(): Row[] {
  const rows = (table: Record<string, { name: string; type: string; labels: readonly string[]; help: string }>, process: string): Row[] =>
    Object.values(table).map(({ name, type, labels, help }) => ({ name, type, labels: labels.join(', ') || '-', process, help }));
  return [...rows(COMMON_METRICS, 'both'), ...rows(COORDINATOR_METRICS, 'coordinator'), ...rows(WORKER_METRICS, 'shard-worker')];
}

it('has in docs/METRICS.md exactly what the tables define, name for name', () => {
  assert.deepEqual(documented(), defined());
});

for (const component of ['coordinator', 'shard-worker'] as const) {
  it(`registers for the ${component} exactly the metrics that are documented for it`, async () => {
    const { registry } = component === 'coordinator' ? createMetrics('coordinator') : createMetrics('shard-worker');
    const registered = (await registry.getMetricsAsJSON()).filter(({ name }) => name.startsWith('golddiff_'));
    const wanted = documented().filter(({ process }) => process === 'both' || process === component);
    assert.deepEqual(registered.map(({ name }) => name).sort(), wanted.map(({ name }) => name).sort());
    for (const { name, type, help } of registered) {
      const row = wanted.find((candidate) => candidate.name === name);
      assert.equal(help, row?.help);
      assert.equal(String(type), row?.type);
    }
    const text = await registry.metrics();
    assert.match(text, /nodejs_eventloop_lag_seconds/);
    assert.ok(text.includes(`golddiff_build_info{component="${component}",version="${packageVersion()}",node="${process.version}"} 1`));
  });
}

it('names counters with _total, durations in seconds, and nothing else so', () => {
  for (const { name, type } of defined()) {
    assert.equal(name.endsWith('_total'), type === 'counter', name);
    assert.ok(!/_(ms|milliseconds|us)$/.test(name), name);
  }
});

it('counts and observes by the defined labels only', async () => {
  const metrics = createMetrics('coordinator');
  metrics.requests.inc({ method: 'ScoreService/Score', code: 'OK' });
  observeTraced(metrics.phaseSeconds, { phase: 'merge' }, 0.003, undefined);
  metrics.tailMassBound.observe({ kind: 'EXACT' }, 0);
  const text = await metrics.registry.metrics();
  assert.ok(text.includes('golddiff_coordinator_requests_total{method="ScoreService/Score",code="OK"} 1'));
  assert.ok(text.includes('golddiff_coordinator_step_phase_duration_seconds_bucket{le="0.005",phase="merge"} 1'));
  assert.ok(text.includes('golddiff_coordinator_step_phase_duration_seconds_bucket{le="0.0025",phase="merge"} 0'));
  assert.ok(text.includes('golddiff_coordinator_tail_mass_bound_bucket{le="0",kind="EXACT"} 1'));
  assert.throws(() => metrics.requests.inc({ user: 'x' } as unknown as { method: string }));
});

it('has the series of counters from the start, so that a first event is seen as one', async () => {
  const text = await createMetrics('coordinator').registry.metrics();
  assert.ok(text.includes('golddiff_coordinator_retries_total{reason="lost",scope="step"} 0'));
  assert.ok(text.includes('golddiff_coordinator_requests_total{method="JobService/Submit",code="OK"} 0'));
  assert.ok(!text.includes('code="INTERNAL"'), 'not of every method and status');
});

it('keeps two processes within one program apart', async () => {
  const first = createMetrics('shard-worker');
  const second = createMetrics('shard-worker');
  first.steps.inc({ outcome: 'ok' });
  assert.ok((await first.registry.metrics()).includes('golddiff_worker_steps_total{outcome="ok"} 1'));
  assert.ok((await second.registry.metrics()).includes('golddiff_worker_steps_total{outcome="ok"} 0'));
});
