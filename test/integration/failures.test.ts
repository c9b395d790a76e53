/** What breaks around a request: files, ports, processes. Each ends in the right answer or in one sentence with the right status. */

import assert from 'node:assert/strict';
import { open, readFile } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startEmbeddedCluster, type EmbeddedCluster } from '../../client/embedded-cluster.js';
import { connect, type GolddiffClient, type ScoreInput } from '../../client/golddiff-client.js';
import { GolddiffError } from '../../shared/errors.js';
import { fillNormals } from '../../shared/math/counter-noise.js';
import { importMnist } from '../support/data-sets.js';

const DIM = 784;
const PARTITIONS = 8;
/** 12,000 rows and 96 queries are about 0.9 G multiply-adds: on the reference backend long enough to be struck in the middle. */
const ROWS = 12_000;
const BATCH = 96;
/** Re-placement after a death: the lease, the next probe and a load. */
const RECOVERY_MS = 30_000;

let dataDir: string;
before(async () => {
  dataDir = await importMnist(0, ROWS, PARTITIONS);
});

function longInput(batch = BATCH): ScoreInput {
  const x = new Float64Array(batch * DIM);
  fillNormals(x, 9, 0, 0);
  return { x: Float32Array.from(x), shape: [batch, DIM], t: 500 };
}

async function withCluster(
  options: { shards: number; replicas?: number; dataDir?: string },
  body: (client: GolddiffClient, cluster: EmbeddedCluster) => Promise<void>,
): Promise<void> {
  const cluster = await startEmbeddedCluster({ dataDir, backend: 'reference', ...options });
  const client = connect(cluster.endpoint);
  try {
    await body(client, cluster);
  } finally {
    client.close();
    await cluster.stop();
  }
}

async function failureOf(call: Promise<unknown>): Promise<GolddiffError> {
  const error: unknown = await call.then(
    () => assert.fail('the call succeeded'),
    (e: unknown) => e,
  );
  assert.ok(error instanceof GolddiffError, String(error));
  return error;
}

test('a worker killed during a step: the error names the partitions that are gone', async (t) => {
  await withCluster({ shards: 1 }, async (client, cluster) => {
    await client.score(longInput(1));
    const call = failureOf(client.score(longInput()));
    await sleep(150);
    process.kill(cluster.workers[0]!.pid, 'SIGKILL');
    const error = await call;
    t.diagnostic(error.message);
    assert.ok(['PARTITION_MISSING', 'WORKER_LOST'].includes(error.code), error.code);
    assert.deepEqual(error.data.partitions, [0, 1, 2, 3, 4, 5, 6, 7]);
    assert.match(error.message, /partitions 0.*7/);
    assert.ok(error.retryable);
    assert.equal(await client.health(), 'SERVING', 'the coordinator lives on');
  });
});

test('with a second replica the step survives the death of a worker, with the same bits', async () => {
  await withCluster({ shards: 2, replicas: 2 }, async (client, cluster) => {
    const want = await client.score(longInput());
    const call = client.score(longInput());
    await sleep(150);
    process.kill(cluster.workers[1]!.pid, 'SIGKILL');
    const got = await call;
    assert.deepEqual(got.x0hat, want.x0hat);
    assert.deepEqual(got.logZ, want.logZ);
  });
});

test('after a death without replicas the partitions move to the workers that are left, with the same bits', async (t) => {
  await withCluster({ shards: 3 }, async (client, cluster) => {
    const input = longInput(4);
    const want = await client.score(input);
    process.kill(cluster.workers[2]!.pid, 'SIGKILL');
    const from = Date.now();
    for (;;) {
      const got = await client.score(input).catch((error: GolddiffError) => error);
      if (!(got instanceof Error)) {
        assert.deepEqual(got.x0hat, want.x0hat);
        break;
      }
      assert.ok(got.retryable, got.message);
      assert.ok(Date.now() - from < RECOVERY_MS, `still failing: ${got.message}`);
      await sleep(100);
    }
    t.diagnostic(`recovered after ${Date.now() - from} ms`);
  });
});

test('a corrupted partition is not served: requests name it, and partial answers carry their coverage', async () => {
  const damaged = await importMnist(0, 800, PARTITIONS);
  const manifest = JSON.parse(await readFile(path.join(damaged, 'manifest.json'), 'utf8')) as {
    partitions: { id: number; file: string; rows: number }[];
  };
  const bad = manifest.partitions[2]!;
  const file = await open(path.join(damaged, bad.file), 'r+');
  const at = (await file.stat()).size - 20_000;
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, at);
  byte[0]! ^= 1;
  await file.write(byte, 0, 1, at);
  await file.close();
  await withCluster({ shards: 2, dataDir: damaged }, async (client) => {
    const error = await failureOf(client.score(longInput(2)));
    assert.equal(error.code, 'PARTITION_MISSING');
    assert.deepEqual(error.data.partitions, [2]);
    const partial = await client.score({ ...longInput(2), allowPartial: true });
    assert.deepEqual(partial.coverage.missingPartitions, [2]);
    assert.equal(partial.coverage.rowsReached, 800 - bad.rows);
    assert.equal(partial.coverage.fraction, (800 - bad.rows) / 800);
    assert.deepEqual(partial.goldenRows, [800 - bad.rows, 800 - bad.rows]);
    const info = await client.datasets.get();
    assert.ok(Math.abs(info.coverage - (800 - bad.rows) / 800) < 1e-12);
  });
});

test('a port in use: one sentence that names the address', async () => {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  try {
    const error = await failureOf(startEmbeddedCluster({ dataDir, shards: 1, listen: `127.0.0.1:${port}` }));
    assert.equal(error.code, 'ADDRESS_IN_USE');
    assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${port}`));
  } finally {
    server.close();
  }
});

test('a full queue answers RESOURCE_EXHAUSTED with the time to wait, and what was taken is answered', async (t) => {
  await withCluster({ shards: 1 }, async (client) => {
    const results = await Promise.allSettled(Array.from({ length: 90 }, () => client.score(longInput(2))));
    const refused = results.filter((r) => r.status === 'rejected').map((r) => r.reason as GolddiffError);
    t.diagnostic(`${results.length - refused.length} answered, ${refused.length} refused`);
    assert.ok(refused.length > 0 && refused.length < results.length);
    for (const error of refused) {
      assert.equal(error.code, 'QUEUE_FULL');
      assert.ok(error.data.retryAfterMs! > 0);
    }
  });
});

test('a coordinator told to stop finishes the step under way and refuses new ones', async () => {
  await withCluster({ shards: 2 }, async (client, cluster) => {
    const want = await client.score(longInput(8));
    const call = client.score(longInput());
    await sleep(100);
    process.kill(cluster.coordinatorPid, 'SIGTERM');
    assert.deepEqual((await call).x0hat.subarray(0, DIM), want.x0hat.subarray(0, DIM));
    const error = await failureOf(client.score(longInput(1), { timeoutMs: 2_000 }));
    assert.ok(['DRAINING', 'WORKER_LOST'].includes(error.code), error.code);
  });
});

test('a cancelled call frees the workers at once', async () => {
  await withCluster({ shards: 1 }, async (client) => {
    const short = longInput(1);
    await client.score(short);
    const cancel = new AbortController();
    const calls = Array.from({ length: 4 }, () => failureOf(client.score(longInput(256), { signal: cancel.signal })));
    await sleep(200);
    cancel.abort();
    for (const error of await Promise.all(calls)) assert.equal(error.code, 'CANCELLED');
    // Left running, the four would hold the one compute thread for about ten seconds more than this call's own deadline.
    await client.score(short, { timeoutMs: 3_000 });
  });
});
