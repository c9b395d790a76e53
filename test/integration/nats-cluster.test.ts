/** A cluster over NATS as processes: the same bytes as one worker alone, whoever is killed, drained or starts anew. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { startEmbeddedCluster, serviceProgram, type EmbeddedCluster } from '../../client/embedded-cluster.js';
import { connect, type GolddiffClient } from '../../client/golddiff-client.js';
import { ServiceProcess } from '../../client/service-process.js';
import { importMnist } from '../support/data-sets.js';
import { natsMissing } from '../support/nats-server.js';
import { until } from '../support/nats-sessions.js';

const golddiff = fileURLToPath(new URL('../../client/main.js', import.meta.url));
const skip = natsMissing ?? false;
const input = { x: Float32Array.from({ length: 4 * 784 }, (_, i) => Math.sin(i)), shape: [4, 784], t: 400 };
const golden = { ...input, retrieval: { kind: 'golden', kMin: 40, kMax: 80 } } as const;
const clients: GolddiffClient[] = [];
let dataDir: string;
let expected: { exact: Float32Array | Float64Array; golden: Float32Array | Float64Array };
let cluster: EmbeddedCluster;

const clientOf = (endpoint: string): GolddiffClient => {
  const client = connect(endpoint);
  clients.push(client);
  return client;
};
const answers = async (client: GolddiffClient): Promise<typeof expected> => ({
  exact: (await client.score(input)).x0hat as Float32Array,
  golden: (await client.score(golden)).x0hat as Float32Array,
});
const holders = async (client: GolddiffClient): Promise<string[]> => [
  ...new Set((await client.cluster.status()).partitions.flatMap((p) => p.replicas)),
];
const startWorker = (id: string): Promise<ServiceProcess> =>
  ServiceProcess.start({
    name: `shard worker ${id}`,
    program: serviceProgram('shard-worker'),
    args: ['--data', dataDir, '--listen', '127.0.0.1:0', '--worker-id', id, '--compute-threads', '1', '--nats', cluster.natsServers!.join(',')],
    readyTimeoutMs: 20_000,
  });

before(async () => {
  if (natsMissing !== undefined) return;
  dataDir = await importMnist(0, 800, 16);
  const alone = await startEmbeddedCluster({ dataDir, shards: 1 });
  const client = connect(alone.endpoint);
  expected = await answers(client);
  client.close();
  await alone.stop();
  cluster = await startEmbeddedCluster({ dataDir, shards: 4, replicas: 2, coordinators: 2, nats: {} });
});
after(async () => {
  clients.forEach((client) => client.close());
  await cluster?.stop();
});

test('every coordinator gives the bytes of one worker alone, and says the same of the cluster', { skip }, async () => {
  const both = cluster.endpoints.map(clientOf);
  for (const client of both) assert.deepEqual(await answers(client), expected);
  const [a, b] = await Promise.all(both.map((client) => client.cluster.status()));
  assert.equal(a!.leader, b!.leader);
  assert.ok([a!.coordinator, b!.coordinator].includes(a!.leader));
  assert.deepEqual(a!.partitions, b!.partitions);
  assert.ok(a!.partitions.every(({ replicas }) => replicas.length === 2));
  assert.deepEqual([a!.controlPlane, a!.coverage, a!.workers.length], ['nats', 1, 4]);
});

test('a worker is drained under load: no request fails, every answer is the same, and it is empty', { skip }, async (t) => {
  const client = clientOf(cluster.endpoint);
  let running = true;
  let answered = 0;
  const load = (async () => {
    for (; running; answered++) assert.deepEqual((await client.score(input)).x0hat, expected.exact);
  })();
  const start = performance.now();
  const drained = await promisify(execFile)(process.execPath, [golddiff, 'cluster', 'drain', 'worker-1', '--endpoint', cluster.endpoints[1]!]);
  assert.equal(drained.stdout, 'worker-1 is empty and may be stopped\n');
  t.diagnostic(`drained in ${Math.round(performance.now() - start)} ms with ${answered} requests answered meanwhile`);
  assert.ok(!(await holders(client)).includes('worker-1'));
  const { stdout } = await promisify(execFile)(process.execPath, [golddiff, 'cluster', 'status', '--endpoint', cluster.endpoint]);
  assert.match(stdout, /worker-1 .* draining/);
  assert.match(stdout, /coverage {4}100\.00 % of the rows/);
  await promisify(execFile)(process.execPath, [golddiff, 'cluster', 'drain', 'worker-1', '--undo', '--endpoint', cluster.endpoint]);
  await until(async () => (await holders(client)).includes('worker-1'), 'it gets work again');
  running = false;
  await load;
  await assert.rejects(client.cluster.drain('nobody'), { code: 'NOT_FOUND' });
});

test('a worker that comes gets work, and one that is told to stop goes without a lost request', { skip }, async (t) => {
  const client = clientOf(cluster.endpoints[1]!);
  const newcomer = await startWorker('newcomer');
  await until(async () => (await holders(client)).includes('newcomer'), 'the newcomer gets partitions');
  let running = true;
  let answered = 0;
  const load = (async () => {
    for (; running; answered++) assert.deepEqual((await client.score(golden)).x0hat, expected.golden);
  })();
  const start = performance.now();
  assert.equal(await newcomer.stop(20_000), true);
  t.diagnostic(`left in ${Math.round(performance.now() - start)} ms with ${answered} requests answered meanwhile`);
  running = false;
  await load;
  const { workers } = await client.cluster.status();
  assert.ok(!workers.some(({ workerId }) => workerId === 'newcomer'));
});

test('the leader and a worker are killed: another leads, the replicas answer, and what was lost is loaded again', { skip }, async (t) => {
  const statuses = await Promise.all(cluster.endpoints.map((endpoint) => clientOf(endpoint).cluster.status()));
  const leading = statuses.findIndex(({ coordinator, leader }) => coordinator === leader);
  const client = clientOf(cluster.endpoints[1 - leading]!);
  const start = performance.now();
  process.kill(cluster.coordinatorPids[leading]!, 'SIGKILL');
  process.kill(cluster.workers[2]!.pid, 'SIGKILL');
  assert.deepEqual(await answers(client), expected);
  t.diagnostic(`answered ${Math.round(performance.now() - start)} ms after the deaths`);
  await until(async () => {
    const { leader, coordinator, partitions } = await client.cluster.status();
    return leader === coordinator && partitions.every(({ replicas }) => replicas.length === 2);
  }, 'the other leads, and there are two replicas of everything');
  t.diagnostic(`another leads and two replicas are back ${Math.round(performance.now() - start)} ms after the deaths`);
  assert.deepEqual(await answers(client), expected);
  const epoch = (await client.cluster.status()).placementEpoch;
  const again = await startWorker('worker-2');
  await until(async () => (await holders(client)).includes('worker-2'), 'the worker that starts anew gets work');
  assert.ok((await client.cluster.status()).placementEpoch > epoch);
  assert.deepEqual(await answers(client), expected);
  await again.stop(20_000);
});
