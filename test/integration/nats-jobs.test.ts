/** Durable jobs: the same bytes as an undisturbed run, whoever is killed. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { collectSamples } from '../../client/collect-samples.js';
import { serviceProgram, startEmbeddedCluster, type EmbeddedCluster } from '../../client/embedded-cluster.js';
import { connect, type GolddiffClient, type JobInfo } from '../../client/golddiff-client.js';
import { ServiceProcess } from '../../client/service-process.js';
import { importMnist, temporaryFolder } from '../support/data-sets.js';
import { natsMissing } from '../support/nats-server.js';
import { until } from '../support/nats-sessions.js';

const program = fileURLToPath(new URL('../../client/main.js', import.meta.url));
const skip = natsMissing ?? false;
const short = { count: 6, steps: 4, seed: 3, batchRows: 4 };
const long = { count: 96, steps: 12, seed: 5, batchRows: 16, sampler: 'edm-heun', retrieval: { kind: 'golden', kMin: 300, kMax: 600 } } as const;
const clients: GolddiffClient[] = [];
const started: ServiceProcess[] = [];
let dataDir: string;
let expected: { short: Float32Array; long: Float32Array };
let cluster: EmbeddedCluster;

const clientOf = (endpoint: string): GolddiffClient => {
  const client = connect(endpoint);
  clients.push(client);
  return client;
};
const ended = async (client: GolddiffClient, jobId: string): Promise<JobInfo> => {
  let last: JobInfo | undefined;
  for await (const job of client.jobs.watch(jobId)) last = job;
  return last!;
};

before(async () => {
  if (natsMissing !== undefined) return;
  dataDir = await importMnist(0, 3_000, 16);
  const alone = await startEmbeddedCluster({ dataDir, shards: 1 });
  const client = connect(alone.endpoint);
  expected = { short: (await collectSamples(client.sample(short))).images, long: (await collectSamples(client.sample(long))).images };
  client.close();
  await alone.stop();
  cluster = await startEmbeddedCluster({ dataDir, shards: 4, replicas: 2, coordinators: 2, nats: {} });
});
after(async () => {
  clients.forEach((client) => client.close());
  await Promise.all(started.map((service) => service.stop(5_000)));
  await cluster?.stop();
});

test('a job gives the bytes of a sampling run, through either coordinator, once for one key', { skip }, async () => {
  const [a, b] = cluster.endpoints.map(clientOf) as [GolddiffClient, GolddiffClient];
  const submitted = await a.jobs.submit('first', short);
  assert.deepEqual((await b.jobs.submit('first', short)).jobId, submitted.jobId);
  await assert.rejects(b.jobs.submit('first', { ...short, seed: 4 }), { code: 'ALREADY_EXISTS' });
  const job = await ended(b, submitted.jobId);
  assert.deepEqual([job.state, job.deliveries, job.evaluationsDone, job.evaluationsTotal, job.idempotencyKey], ['succeeded', 1, 24, 24, 'first']);
  assert.ok(job.submittedUnixMs <= job.startedUnixMs && job.startedUnixMs <= job.endedUnixMs && job.endedUnixMs < job.expiresUnixMs);
  const { images, count, shape } = await b.jobs.result(job.jobId);
  assert.deepEqual([count, shape], [6, [1, 28, 28]]);
  assert.deepEqual(images, expected.short);
  assert.deepEqual(
    (await a.jobs.list()).map(({ jobId }) => jobId),
    [job.jobId],
  );
  await assert.rejects(a.jobs.submit('bad', { ...short, labels: 77 }), { code: 'ARGUMENT_INVALID' });
  await assert.rejects(a.jobs.get('none'), { code: 'NOT_FOUND' });
});

test('a cancelled job stops, and its result is refused', { skip }, async () => {
  const client = clientOf(cluster.endpoint);
  const { jobId } = await client.jobs.submit('cancelled', { ...long, count: 256 });
  await until(async () => (await client.jobs.get(jobId)).evaluationsDone > 0, 'it runs');
  assert.equal((await client.jobs.cancel(jobId)).state, 'cancelled');
  assert.equal((await ended(client, jobId)).state, 'cancelled');
  await until(
    async () => (await Promise.all(cluster.endpoints.map((e) => clientOf(e).cluster.status()))).every((s) => s.stepsRunning === 0),
    'its steps end',
  );
  await assert.rejects(client.jobs.result(jobId), { code: 'JOB_NOT_DONE' });
  assert.equal((await client.jobs.cancel(jobId)).state, 'cancelled');
});

test('a worker and the coordinator at work are killed: the job ends in the same bytes', { skip }, async (t) => {
  const all = cluster.endpoints.map(clientOf);
  const { jobId } = await all[0]!.jobs.submit('disturbed', long);
  await until(async () => (await all[0]!.jobs.get(jobId)).evaluationsDone > 400, 'a part of it is done', 60_000);
  process.kill(cluster.workers[0]!.pid, 'SIGKILL');
  let busy = -1;
  await until(async () => {
    busy = (await Promise.all(all.map((client) => client.cluster.status()))).findIndex((status) => status.stepsRunning > 0);
    return busy >= 0;
  }, 'a coordinator at work');
  const before = await all[1 - busy]!.jobs.get(jobId);
  assert.equal(before.state, 'running');
  const start = performance.now();
  process.kill(cluster.coordinatorPids[busy]!, 'SIGKILL');
  const client = all[1 - busy]!;
  await until(async () => (await client.jobs.get(jobId)).deliveries === 2, 'another takes it up', 30_000);
  t.diagnostic(
    `killed at ${before.evaluationsDone} of ${before.evaluationsTotal} evaluations, taken up again ${Math.round(performance.now() - start)} ms later`,
  );
  const job = await ended(client, jobId);
  assert.deepEqual([job.state, job.evaluationsDone], ['succeeded', job.evaluationsTotal]);
  assert.deepEqual((await client.jobs.result(jobId)).images, expected.long);
});

test('a coordinator that stops in order gives its job back at once; the command follows it to the next', { skip }, async (t) => {
  const nats = cluster.natsServers!.join(',');
  const args = ['--data', dataDir, '--listen', '127.0.0.1:0', '--metrics-listen', 'off', '--nats', nats, '--replicas', '2'];
  const survivor = (
    await Promise.all(
      cluster.endpoints.map((e) =>
        clientOf(e)
          .cluster.status()
          .catch(() => undefined),
      ),
    )
  ).findIndex((s) => s !== undefined);
  const extra = await ServiceProcess.start({ name: 'extra', program: serviceProgram('coordinator'), args, readyTimeoutMs: 30_000 });
  started.push(extra);
  const endpoints = `${extra.address},${cluster.endpoints[survivor]!}`;
  const golddiff = (...words: string[]) => promisify(execFile)(process.execPath, [program, 'jobs', ...words, '--endpoint', endpoints]);
  const flags = ['--denoiser', 'optimal', '--count', '96', '--steps', '12', '--seed', '5', '--batch-rows', '16', '--sampler', 'edm-heun'];
  const golden = ['--retrieval', 'golden', '--k-min', '300', '--k-max', '600'];
  const jobId = (await golddiff('submit', ...flags, ...golden, '--key', 'handed over')).stdout.trim();
  const waiting = golddiff('wait', jobId);
  const others = [cluster.endpoints[survivor]!, extra.address].map(clientOf);
  await until(async () => (await others[0]!.jobs.get(jobId)).evaluationsDone > 300, 'a part of it is done', 60_000);
  // Whoever works on it has a step open nearly always, and nobody else has one.
  let busy = -1;
  const oneWorks = async (): Promise<boolean> => {
    const running = await Promise.all(others.map(async (each) => (await each.cluster.status()).stepsRunning));
    busy = running.findIndex((steps) => steps > 0);
    return busy >= 0;
  };
  await until(oneWorks, 'one of them works on it', 60_000);
  const extraIsBusy = busy === 1;
  const start = performance.now();
  if (extraIsBusy) void extra.stop(30_000);
  else process.kill(cluster.coordinatorPids[survivor]!, 'SIGTERM');
  const left = others[extraIsBusy ? 0 : 1]!;
  await until(async () => (await left.jobs.get(jobId)).deliveries === 2, 'the other takes it up');
  t.diagnostic(`handed over in ${Math.round(performance.now() - start)} ms`);
  assert.match((await waiting).stdout, new RegExp(`^${jobId} succeeded 100 %, taken up 2 times\n$`));
  const out = path.join(temporaryFolder(), 'out');
  assert.equal((await golddiff('result', jobId, '--out', out)).stdout, `96 images: samples.npy, samples.png in ${out}\n`);
  const npy = readFileSync(path.join(out, 'samples.npy'));
  assert.deepEqual(new Float32Array(Uint8Array.from(npy.subarray(npy.length - expected.long.byteLength)).buffer), expected.long);
  assert.match((await golddiff('list')).stdout, new RegExp(`\\| ${jobId} \\| succeeded`));
  await assert.rejects(golddiff('status', 'none'), { code: 1, stderr: /^Expected the id of a job/ });
});
