import assert from 'node:assert/strict';
import { test } from 'node:test';

import { withClient } from '../../client/with-client.js';
import { GolddiffError } from '../../shared/errors.js';
import { startCannedCoordinator } from '../support/canned-coordinator.js';
import { startOtlpReceiver } from '../support/otlp-receiver.js';
import { importMnist, temporaryFolder } from '../support/data-sets.js';

test('an endpoint is used as it is, and signals have their usual effect afterwards', async () => {
  const server = await startCannedCoordinator();
  const before = process.listenerCount('SIGINT');
  const name = await withClient({ endpoint: server.endpoint }, async ({ client, cluster }) => {
    assert.equal(cluster, undefined);
    return (await client.datasets.get()).name;
  });
  assert.equal(name, 'tiny');
  assert.equal(process.listenerCount('SIGINT'), before);
});

test('with an address for traces the calls of a command are spans, which have left when it ends', async () => {
  const server = await startCannedCoordinator();
  const receiver = await startOtlpReceiver();
  try {
    await withClient({ endpoint: server.endpoint, otlpEndpoint: receiver.url }, async ({ client }) => {
      await client.score({ x: new Float32Array(4), shape: [1, 4], t: 5 }).catch(() => {});
    });
    assert.deepEqual(
      receiver.spans.map(({ name, service }) => [name, service]),
      [['client score', 'golddiff-client']],
    );
  } finally {
    await receiver.close();
  }
});

test('exactly one of endpoint and data is wanted, and shards only with data', async () => {
  const never = (): Promise<void> => Promise.reject(new Error('not to be called'));
  for (const target of [{}, { endpoint: 'a:1', data: 'b' }, { endpoint: 'a:1', shards: 2 }])
    await assert.rejects(withClient(target, never), { code: 'ARGUMENT_INVALID' });
});

test('flags of TLS, and their variables, are for an endpoint', async () => {
  const server = await startCannedCoordinator();
  const state = (): Promise<string> => withClient({ endpoint: server.endpoint }, ({ client }) => client.health());
  await assert.rejects(
    withClient({ endpoint: server.endpoint, tls: true }, ({ client }) => client.health()),
    { code: 'TLS_FAILED', message: `Expected TLS from ${server.endpoint} but it speaks plain text` },
  );
  process.env['GOLDDIFF_TLS'] = 'true';
  try {
    await assert.rejects(state(), { code: 'TLS_FAILED' });
  } finally {
    delete process.env['GOLDDIFF_TLS'];
  }
  assert.equal(await state(), 'SERVING');
  await assert.rejects(
    withClient({ data: 'nowhere', tlsCa: 'ca' }, () => Promise.resolve()),
    { code: 'ARGUMENT_INVALID', message: 'Expected --endpoint HOST:PORT for --tls-ca but received "--data"' },
  );
});

test('a folder without a data set is refused before a process starts', async () => {
  const dir = temporaryFolder();
  await assert.rejects(
    withClient({ data: dir }, () => Promise.resolve()),
    { code: 'ARGUMENT_INVALID' },
  );
});

test('an interrupt during the work is what the command reports', async () => {
  const server = await startCannedCoordinator();
  await assert.rejects(
    withClient({ endpoint: server.endpoint }, ({ signal }) => {
      process.emit('SIGINT', 'SIGINT');
      assert.ok(signal.aborted);
      throw new GolddiffError('CANCELLED', 'The call was cancelled');
    }),
    { message: 'Interrupted by SIGINT' },
  );
});

test('an embedded cluster is gone after the work, and a death within it is told with the failure', async () => {
  const data = await importMnist(0, 100, 2);
  let pids: number[] = [];
  await assert.rejects(
    withClient({ data, shards: 2 }, async ({ client, cluster, signal }) => {
      assert.ok(cluster !== undefined);
      assert.equal((await client.datasets.get('', { signal })).rows, 100);
      pids = [cluster.coordinatorPid, ...cluster.workers.map((w) => w.pid)];
      process.kill(pids[1]!, 'SIGKILL');
      while (cluster.deaths.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
      throw new GolddiffError('PARTITION_MISSING', 'Something is missing');
    }),
    /^GolddiffError: Something is missing\. The shard worker 0 ended by signal SIGKILL/,
  );
  for (const pid of pids) assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
});
