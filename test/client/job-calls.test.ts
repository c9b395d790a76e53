import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startEmbeddedCluster, type EmbeddedCluster } from '../../client/embedded-cluster.js';
import { collectSamples } from '../../client/collect-samples.js';
import { connect, type GolddiffClient } from '../../client/golddiff-client.js';
import { importMnist } from '../support/data-sets.js';

let cluster: EmbeddedCluster;
let client: GolddiffClient;
before(async () => {
  cluster = await startEmbeddedCluster({ dataDir: await importMnist(0, 200, 4), shards: 1 });
  client = connect(cluster.endpoint, { timeoutMs: 20_000 });
});
after(async () => {
  client.close();
  await cluster.stop();
});

test('jobs are submitted, watched, listed and fetched, in a cluster without NATS too', async () => {
  const input = { count: 5, steps: 3, seed: 2 };
  const jobs = await Promise.all(['a', 'b', 'c'].map((key) => client.jobs.submit(key, input)));
  const states = new Set<string>();
  for await (const { state } of client.jobs.watch(jobs[2]!.jobId)) states.add(state);
  assert.ok(states.has('succeeded'));
  const { images, count, shape } = await client.jobs.result(jobs[2]!.jobId);
  assert.deepEqual([count, shape], [5, [1, 28, 28]]);
  assert.deepEqual(images, (await collectSamples(client.sample(input))).images);
  assert.equal((await client.jobs.list()).length, 3);
  assert.deepEqual(
    (await client.jobs.list(2)).map(({ idempotencyKey }) => idempotencyKey),
    ['c', 'b'],
  );
  assert.equal((await client.jobs.cancel(jobs[2]!.jobId)).state, 'succeeded', 'an ended job stays as it is');
  assert.equal((await client.jobs.get(jobs[0]!.jobId)).request?.seed, 2);
  await assert.rejects(client.jobs.get('none'), { code: 'NOT_FOUND' });
});
