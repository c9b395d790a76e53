import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { test, type TestContext } from 'node:test';
import { gatherMoments, type GatherSettings } from '../../../coordinator/statistics/gather-moments.js';
import type { ClusterView } from '../../../coordinator/step-assignments.js';
import { WorkerLinks } from '../../../coordinator/worker-links.js';
import type { Manifest } from '../../../shared/dataset/manifest.js';
import { createLogger } from '../../../shared/log.js';
import { packedLength, type MomentSums } from '../../../shared/math/moment-sums.js';
import { writeSmallDataSet } from '../../shared/dataset/small-data-set.js';
import { WorkerUnderTest } from '../../shard-worker/worker-under-test.js';
import { randomSource } from '../test-data.js';

const D = 600;
const ROWS = 40;
const PARTITIONS = 5;
const signal = new AbortController().signal;

async function dataSet(t: TestContext): Promise<{ dir: string; manifest: Manifest; values: Float32Array; labels: Int32Array }> {
  const random = randomSource(5);
  const values = Float32Array.from({ length: ROWS * D }, () => random() * 2 - 1);
  const labels = Int32Array.from({ length: ROWS }, (_, i) => i % 3);
  const partitions = Array.from({ length: PARTITIONS }, (_, p) => Array.from({ length: ROWS }, (_value, i) => i).filter((i) => i % PARTITIONS === p));
  const { dir, manifest } = await writeSmallDataSet({ shape: [1, 20, 30], values, labels, partitions });
  t.after(() => rm(dir, { recursive: true, force: true }));
  return { dir, manifest, values, labels };
}

interface Cluster extends GatherSettings {
  readonly workers: WorkerUnderTest[];
  readonly suspected: string[];
}

/** Each worker is assigned `assigned` at epoch 1, and placed on `placed`. */
async function clusterOf(
  t: TestContext,
  dir: string,
  manifest: Manifest,
  count: number,
  replicas: (partition: number) => number[],
): Promise<Cluster> {
  const workers = await Promise.all(Array.from({ length: count }, () => WorkerUnderTest.start({ dataDirs: [dir], computeThreads: 1 })));
  const ids = manifest.partitions.map(({ id }) => id);
  for (const [w, worker] of workers.entries()) {
    const partitions = ids.filter((id) => replicas(id).includes(w));
    await worker.assign({ dataSet: manifest.name, contentHash: manifest.contentHash, epoch: 1, partitions });
  }
  const suspected: string[] = [];
  const cluster: ClusterView = {
    placement: () => ({
      dataSet: manifest.name,
      contentHash: manifest.contentHash,
      epoch: 1,
      partitions: ids.map((partition) => ({ partition, replicas: replicas(partition).map((w) => `w${w}`) })),
    }),
    addressOf: (id) => workers[Number(id.slice(1))]?.server.address,
    changed: () => Promise.resolve(),
    suspect: (id) => suspected.push(id),
    refresh: () => Promise.resolve(),
  };
  const links = new WorkerLinks();
  t.after(async () => {
    links.close();
    await Promise.all(workers.map((worker) => worker.close()));
  });
  return { cluster, links, log: createLogger('test', 'silent'), placementWaitMs: 0, workers, suspected };
}

function check(moments: MomentSums, values: Float32Array, rows: number[]): void {
  assert.equal(moments.rows, rows.length);
  for (const [p, q] of [
    [0, 0],
    [D - 1, 0],
    [D - 1, D - 1],
    [300, 17],
  ] as const) {
    const want = rows.reduce((sum, i) => sum + values[i * D + p]! * values[i * D + q]!, 0);
    assert.ok(Math.abs(moments.products[packedLength(p) + q]! - want) < 1e-12);
  }
}

test('sums over 1, 2, 3 and 5 workers are those of all rows, with the same bits for floats too', async (t) => {
  const { dir, manifest, values, labels } = await dataSet(t);
  const all = Array.from({ length: ROWS }, (_, i) => i);
  let whole: MomentSums | undefined;
  for (const count of [1, 2, 3, 5]) {
    const cluster = await clusterOf(t, dir, manifest, count, (partition) => [partition % count]);
    const moments = await gatherMoments(manifest, -1, cluster, signal);
    check(moments, values, all);
    whole ??= moments;
    assert.deepEqual(moments, whole);
    check(
      await gatherMoments(manifest, 2, cluster, signal),
      values,
      all.filter((i) => labels[i] === 2),
    );
  }
});

test('where a worker is lost another replica takes its place; without one the partition is named', async (t) => {
  const { dir, manifest, values } = await dataSet(t);
  const cluster = await clusterOf(t, dir, manifest, 2, () => [0, 1]);
  await cluster.workers[0]!.close();
  check(
    await gatherMoments(manifest, -1, cluster, signal),
    values,
    Array.from({ length: ROWS }, (_, i) => i),
  );
  assert.deepEqual(cluster.suspected, ['w0']);
  const alone = await clusterOf(t, dir, manifest, 1, () => [0]);
  await alone.workers[0]!.close();
  await assert.rejects(gatherMoments(manifest, -1, alone, signal), { code: 'PARTITION_MISSING' });
});

test('a signal ends it', async (t) => {
  const { dir, manifest } = await dataSet(t);
  const cluster = await clusterOf(t, dir, manifest, 1, () => [0]);
  const leaving = new AbortController();
  const gathering = gatherMoments(manifest, -1, cluster, leaving.signal);
  leaving.abort();
  await assert.rejects(gathering, { code: 'CANCELLED' });
});
