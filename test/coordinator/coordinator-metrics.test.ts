import assert from 'node:assert/strict';
import { test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { AdmissionQueue } from '../../coordinator/admission-queue.js';
import { observeCall, observeCluster } from '../../coordinator/coordinator-metrics.js';
import { createMetrics } from '../../shared/metrics.js';

test('gauges are read when they are scraped and calls are counted by method and code', async () => {
  const metrics = createMetrics('coordinator');
  const queue = new AdmissionQueue({ runningMax: 1, waitingMax: 5 });
  let fraction = 1;
  observeCluster(metrics, { coverage: () => ({ rowsReached: 1, rowsTotal: 1, fraction, missingPartitions: [] }), workers: [] }, queue);
  const place = await queue.acquire();
  const waiting = queue.acquire();
  fraction = 0.5;
  observeCall(metrics, { method: 'ScoreService/Score', code: status.NOT_FOUND, seconds: 0.1 });
  const text = await metrics.registry.metrics();
  assert.match(text, /golddiff_coordinator_coverage_ratio 0.5/);
  assert.match(text, /golddiff_coordinator_open_steps 1/);
  assert.match(text, /golddiff_coordinator_queue_depth 1/);
  assert.match(text, /golddiff_coordinator_requests_total\{method="ScoreService\/Score",code="NOT_FOUND"\} 1/);
  place.release();
  (await waiting).release();
});
