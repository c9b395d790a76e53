import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { test } from 'node:test';

import { startEmbeddedCluster } from '../../client/embedded-cluster.js';
import { connect } from '../../client/golddiff-client.js';
import { importMnist } from '../support/data-sets.js';

test('a cluster of processes answers over the public API and leaves none of them', async () => {
  const dataDir = await importMnist(0, 300, 4);
  const cluster = await startEmbeddedCluster({ dataDir, shards: 3, metrics: true });
  const client = connect(cluster.endpoint);
  const dataSet = await client.datasets.get();
  assert.deepEqual([dataSet.rows, dataSet.partitions.length, dataSet.coverage], [300, 4, 1]);
  assert.equal(new Set(dataSet.partitions.flatMap((p) => p.replicas)).size, 3, 'every worker holds something');
  const { x0hat, goldenRows } = await client.score({ x: new Float32Array(784), shape: [1, 784], t: 500 });
  assert.equal(goldenRows[0], 300);
  assert.ok(x0hat.every((v) => v >= -1 && v <= 1));
  client.close();
  assert.equal(cluster.metricsEndpoints.size, 4);
  const pids = [cluster.coordinatorPid, ...cluster.workers.map((w) => w.pid)];
  await Promise.all([cluster.stop(), cluster.stop()]);
  for (const pid of pids) assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
  assert.deepEqual(cluster.deaths, [], 'what was stopped did not die');
});

test('variables of NATS that are meant for other processes do not reach a cluster without it', async (t) => {
  process.env['GOLDDIFF_NATS'] = '127.0.0.1:1';
  t.after(() => delete process.env['GOLDDIFF_NATS']);
  const cluster = await startEmbeddedCluster({ dataDir: await importMnist(0, 100, 2), shards: 1 });
  const client = connect(cluster.endpoint);
  try {
    assert.equal((await client.cluster.status()).controlPlane, 'in-process');
  } finally {
    client.close();
    await cluster.stop();
  }
});

test(
  'each worker sees the device that is its turn, and the coordinator what there is',
  { skip: !existsSync('/proc/self/environ') && 'no /proc' },
  async () => {
    const cluster = await startEmbeddedCluster({ dataDir: await importMnist(0, 100, 2), shards: 3, backend: 'reference', devices: ['4', 'GPU-7'] });
    try {
      const seen = cluster.workers.map(({ pid }) => /(?:^|\0)CUDA_VISIBLE_DEVICES=([^\0]*)/.exec(readFileSync(`/proc/${pid}/environ`, 'utf8'))?.[1]);
      assert.deepEqual(seen, ['4', 'GPU-7', '4']);
      assert.doesNotMatch(readFileSync(`/proc/${cluster.coordinatorPid}/environ`, 'utf8'), /CUDA_VISIBLE_DEVICES=GPU-7/);
    } finally {
      await cluster.stop();
    }
  },
);

test('the death of a worker while the cluster runs is told once, and no request is answered from less than all rows', async () => {
  const dataDir = await importMnist(0, 100, 4);
  const told: string[] = [];
  const cluster = await startEmbeddedCluster({ dataDir, shards: 2, onDeath: (sentence) => told.push(sentence) });
  try {
    process.kill(cluster.workers[1]!.pid, 'SIGKILL');
    while (told.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.match(told[0]!, /^The shard worker 1 ended by signal SIGKILL/);
    assert.deepEqual(cluster.deaths, told);
    const client = connect(cluster.endpoint);
    // Until the partitions have moved to the worker that is left, the request fails and names them.
    const outcome = await client.score({ x: new Float32Array(784), shape: [1, 784], t: 500 }).catch((error: unknown) => String(error));
    if (typeof outcome === 'string') assert.match(outcome, /partition/);
    else assert.deepEqual([outcome.coverage.fraction, outcome.goldenRows[0]], [1, 100]);
    client.close();
  } finally {
    await cluster.stop();
  }
});

test('a start that fails says why and leaves nothing', async () => {
  const dataDir = await importMnist(0, 100, 2);
  const holder = createServer();
  await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
  const address = holder.address();
  assert.ok(typeof address === 'object' && address !== null);
  await assert.rejects(startEmbeddedCluster({ dataDir, shards: 1, listen: `127.0.0.1:${address.port}` }), { code: 'ADDRESS_IN_USE' });
  holder.close();
  await assert.rejects(startEmbeddedCluster({ dataDir, shards: 1, backend: 'abacus' }), { code: 'ARGUMENT_INVALID' });
  await assert.rejects(startEmbeddedCluster({ dataDir, shards: 0 }), { code: 'ARGUMENT_INVALID' });
  await assert.rejects(startEmbeddedCluster({ dataDir, shards: 2, replicas: 3 }), { code: 'ARGUMENT_INVALID' });
  await assert.rejects(startEmbeddedCluster({ dataDir: path.join(dataDir, 'none') }), { code: 'ARGUMENT_INVALID' });
  await assert.rejects(startEmbeddedCluster({ dataDir, signal: AbortSignal.abort() }), { code: 'CANCELLED' });
});

test('a partition that fails its checksum is not served: the cluster starts and a request says what is missing', async () => {
  const dataDir = await importMnist(0, 100, 2);
  const file = await open(path.join(dataDir, 'partition-00001.safetensors'), 'r+');
  await file.write(Buffer.of(0xab), 0, 1, (await file.stat()).size - 1000);
  await file.close();
  const cluster = await startEmbeddedCluster({ dataDir, shards: 2, readyTimeoutMs: 20_000 }).catch((error: unknown) => String(error));
  if (typeof cluster === 'string') {
    assert.match(cluster, /partition-00001/);
    return;
  }
  const client = connect(cluster.endpoint);
  try {
    await assert.rejects(client.score({ x: new Float32Array(784), shape: [1, 784], t: 500 }), /partition/);
  } finally {
    client.close();
    await cluster.stop();
  }
});
