import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RoundStage } from '../../coordinator/round-times.js';
import { SEARCH_METHODS, SEARCH_REASONS } from '../../shard-worker/candidates/search-planner.js';
import type { ComputePhase, RowStage } from '../../shard-worker/step-session.js';
import { TIMESTEPS } from '../../shared/math/noise-schedule.js';
import {
  COMMON_METRICS,
  COORDINATOR_METRICS,
  DURATION_BUCKETS_SECONDS,
  NOISE_BANDS,
  PUBLIC_METHODS,
  WORKER_METRICS,
  type Definition,
} from '../../shared/metric-tables.js';
import { protoPackage } from '../../shared/rpc/proto-package.js';

const all = [COMMON_METRICS, COORDINATOR_METRICS, WORKER_METRICS].flatMap((table) => Object.values<Definition>(table));
/** What code may pass and what the tables allow, each way; wrong where tsc complains. */
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : never) : never;
type Allowed<T extends readonly string[]> = T[number];

test('every label has its values, but for what programs call themselves', () => {
  for (const { name, labels, values } of all) {
    assert.deepEqual(Object.keys(values), labels, name);
    for (const [label, allowed] of Object.entries<readonly string[]>(values)) {
      assert.equal(new Set(allowed).size, allowed.length, `${name} ${label}`);
      assert.equal(allowed.length === 0, name.endsWith('_info') && ['version', 'node', 'variant'].includes(label), `${name} ${label}`);
    }
  }
});

test('no metric can have more series than a scrape bears', (t) => {
  const seriesOf = (metric: (typeof all)[number]): number =>
    Object.values<readonly string[]>(metric.values).reduce((n, allowed) => n * Math.max(1, allowed.length), 1) * ((metric.buckets?.length ?? -2) + 3);
  const counts = all.map((metric) => [metric.name, seriesOf(metric)] as const);
  for (const [name, series] of counts) assert.ok(series <= 400, `${name}: ${series}`);
  t.diagnostic(`${counts.reduce((sum, [, series]) => sum + series, 0)} series at most`);
});

test('durations go from a quarter of a millisecond to ten seconds and beyond, upwards', () => {
  assert.equal(DURATION_BUCKETS_SECONDS[0], 0.00025);
  assert.ok(DURATION_BUCKETS_SECONDS.includes(10));
  for (const { name, buckets } of all) assert.deepEqual(buckets && [...buckets].sort((a, b) => a - b), buckets, name);
});

test('methods are those of the public services', () => {
  const services = [
    protoPackage.ScoreService,
    protoPackage.SamplingService,
    protoPackage.DatasetService,
    protoPackage.JobService,
    protoPackage.ClusterService,
  ];
  const paths = services.flatMap(({ service }) => Object.values(service).map(({ path }) => path.slice(path.lastIndexOf('.') + 1)));
  assert.deepEqual([...PUBLIC_METHODS].sort(), paths.sort());
});

test('bands are tenths of the timesteps, and searches, phases and stages are those that the code knows', () => {
  const width = TIMESTEPS / NOISE_BANDS.length;
  assert.deepEqual(
    NOISE_BANDS,
    NOISE_BANDS.map((_, i) => `${i * width}-${(i + 1) * width - 1}`),
  );
  assert.deepEqual(WORKER_METRICS.proxySearches.values, { method: SEARCH_METHODS, reason: SEARCH_REASONS });
  const same: [
    Same<Allowed<typeof COORDINATOR_METRICS.workerAnswerSeconds.values.stage>, RoundStage>,
    Same<Allowed<typeof WORKER_METRICS.computeSeconds.values.phase>, ComputePhase>,
    Same<Allowed<typeof WORKER_METRICS.rowsScored.values.stage>, RowStage>,
  ] = [true, true, true];
  assert.equal(same.length, 3);
});
