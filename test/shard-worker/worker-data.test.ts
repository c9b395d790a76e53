import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { after, test } from 'node:test';
import { LoadProgress } from '../../shard-worker/load-progress.js';
import { openWorkerData } from '../../shard-worker/worker-data.js';
import { dataLocation } from '../../shared/dataset/sources/data-location.js';
import { createLogger } from '../../shared/log.js';
import { createMetrics } from '../../shared/metrics.js';
import { writeSmallDataSet } from '../shared/dataset/small-data-set.js';
import { startDataServer } from '../support/data-server.js';
import { temporaryFolder } from '../support/data-sets.js';

const { dir } = await writeSmallDataSet({ shape: [1, 1, 2], values: Uint8Array.of(1, 2, 3, 4), partitions: [[0], [1]] });
const server = await startDataServer(dir);
after(async () => {
  await server.close();
  await rm(dir, { recursive: true });
});
const log = createLogger('test', 'silent');
const at = (text: string) => dataLocation(text, '--data');
const flags = () => ({
  dataCache: path.join(temporaryFolder(), 'cache'),
  dataCacheBytes: 1e6,
  dataFetches: 2,
  clusterName: 'golddiff',
  natsReplicas: 1,
});

test('what a worker fetches is in its metrics and its progress', async () => {
  const metrics = createMetrics('shard-worker');
  const progress = new LoadProgress({ log });
  server.fault = ({ time }) => (time === 1 ? { breakAfter: 10 } : undefined);
  const { dataSets, close } = await openWorkerData({ ...flags(), data: [at(server.url)] }, metrics, progress, log);
  const entry = dataSets[0]!.manifest.partitions[0]!;
  progress.begin([entry.bytes]);
  for (let i = 0; i < 2; i++) await (await dataSets[0]!.files!.take(entry, new AbortController().signal)).release();
  assert.ok(progress.state!.bytesFetched >= entry.bytes);
  progress.done(entry.bytes);
  const text = await metrics.registry.metrics();
  assert.match(text, /golddiff_dataset_fetched_bytes_total\{source="http"\} \d{3,}/);
  assert.match(text, /golddiff_dataset_fetch_errors_total\{source="http",reason="connection"\} 2/);
  assert.match(text, /golddiff_worker_data_cache_requests_total\{outcome="hit"\} 1/);
  assert.match(text, /golddiff_worker_data_cache_requests_total\{outcome="miss"\} 1/);
  assert.match(text, new RegExp(`golddiff_worker_data_cache_bytes ${entry.bytes}`));
  await close();
});

test('two data sets of one name are refused, wherever they are', async () => {
  const metrics = createMetrics('shard-worker');
  await assert.rejects(openWorkerData({ ...flags(), data: [at(dir), at(server.url)] }, metrics, new LoadProgress({ log }), log), {
    code: 'ARGUMENT_INVALID',
    message: 'Expected data sets with different names for --data but received small twice',
  });
});
