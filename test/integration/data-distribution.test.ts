/** Real processes whose data set comes from a web server or from the object store: the same bytes as from the folder, whoever breaks, dies or waits. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { startEmbeddedCluster, serviceProgram, type EmbeddedCluster } from '../../client/embedded-cluster.js';
import { connect } from '../../client/golddiff-client.js';
import { ServiceProcess } from '../../client/service-process.js';
import { COVARIANCE_FILE } from '../../shared/dataset/manifest-validation.js';
import type { Manifest } from '../../shared/dataset/manifest.js';
import { startDataServer, type DataServer } from '../support/data-server.js';
import { importMnist, temporaryFolder } from '../support/data-sets.js';
import { natsMissing, startNats } from '../support/nats-server.js';
import { until } from '../support/nats-sessions.js';

const golddiff = fileURLToPath(new URL('../../client/main.js', import.meta.url));
const input = { x: Float32Array.from({ length: 4 * 784 }, (_, i) => Math.sin(i)), shape: [4, 784], t: 400 };
const golden = { ...input, denoiser: 'pca', retrieval: { kind: 'golden', kMin: 40, kMax: 80 } } as const;
type Answers = readonly (Float32Array | Float64Array)[];
const closing: (() => Promise<void>)[] = [];
let dataDir: string;
let manifest: Manifest;
let server: DataServer;
let expected: Answers;

const newCache = (): string => path.join(temporaryFolder(), 'cache');
const cached = (cache: string): Promise<string[]> => readdir(path.join(cache, 'data'));

async function answers(endpoint: string): Promise<Answers> {
  const client = connect(endpoint);
  try {
    return [(await client.score(input)).x0hat, (await client.score(golden)).x0hat] as Answers;
  } finally {
    client.close();
  }
}

async function clusterOf(options: Partial<Parameters<typeof startEmbeddedCluster>[0]>): Promise<EmbeddedCluster> {
  const cluster = await startEmbeddedCluster({ dataDir, shards: 2, computeThreads: 1, ...options });
  closing.push(() => cluster.stop());
  return cluster;
}

before(async () => {
  dataDir = await importMnist(0, 1_600, 8);
  manifest = JSON.parse(await readFile(path.join(dataDir, 'manifest.json'), 'utf8')) as Manifest;
  const folder = await clusterOf({});
  expected = await answers(folder.endpoint);
  await folder.stop();
  server = await startDataServer(dataDir);
});
after(async () => {
  await Promise.all(closing.map((close) => close()));
  await server?.close();
});

test('from a web server that breaks, is away and answers with wrong bytes: the same answers as from the folder, and the covariance is taken from there', async (t) => {
  server.fault = ({ file, time }) => {
    if (file === 'manifest.json') return time === 1 ? { status: 500 } : undefined;
    if (time > 1 || !file.startsWith('partition')) return undefined;
    const id = Number(/\d+/.exec(file)![0]);
    return [
      { breakAfter: 70_000 },
      { status: 503 },
      { bytes: Buffer.alloc(manifest.partitions[id]!.bytes) },
      { noRanges: true, breakAfter: 100_000 },
    ][id % 4];
  };
  const cache = newCache();
  const lines: string[] = [];
  const cluster = await clusterOf({
    dataDir: server.url,
    dataCache: cache,
    logLevel: 'info',
    metrics: true,
    onLogLine: (line) => void lines.push(line),
  });
  assert.deepEqual(await answers(cluster.endpoint), expected);
  const partitions = server.requests.filter(({ file }) => file.startsWith('partition'));
  assert.equal((await cached(cache)).length, 8);
  assert.ok(
    lines.some((line) => line.includes('covariance fetched')),
    'it lies in the folder since the first cluster needed it',
  );
  assert.equal(new Set(partitions.map(({ file }) => file)).size, 8);
  assert.ok(partitions.length >= 16, 'each was asked for at least twice');
  const metrics = await Promise.all([...cluster.metricsEndpoints.values()].map(async (address) => (await fetch(`http://${address}/metrics`)).text()));
  const total = (name: RegExp): number => metrics.reduce((sum, text) => sum + [...text.matchAll(name)].reduce((s, [, n]) => s + Number(n), 0), 0);
  const misses = total(/golddiff_worker_data_cache_requests_total\{outcome="miss"\} (\d+)/g);
  assert.equal(misses, 8);
  const errors = total(/golddiff_dataset_fetch_errors_total\{source="http",reason="(?:connection|status|checksum)"\} (\d+)/g);
  assert.ok(errors >= 8, `${errors} errors`);
  t.diagnostic(
    `${partitions.length} requests for 8 partitions, ${errors} failures, ${total(/golddiff_dataset_fetched_bytes_total\{source="http"\} (\d+)/g)} bytes`,
  );
  await cluster.stop();

  server.fault = ({ file }) => (file.startsWith('partition') ? { status: 404 } : undefined);
  const again = await clusterOf({ dataDir: server.url, dataCache: cache });
  assert.deepEqual(await answers(again.endpoint), expected, 'partitions come from the cache');
  await again.stop();

  const damaged = path.join(cache, 'data', manifest.partitions[3]!.sha256);
  const bytes = await readFile(damaged);
  bytes[bytes.length >> 1]! ^= 8;
  await writeFile(damaged, bytes);
  server.fault = () => undefined;
  const before = server.requests.length;
  const healed = await clusterOf({ dataDir: server.url, dataCache: cache });
  assert.deepEqual(await answers(healed.endpoint), expected);
  assert.deepEqual(
    server.requests.slice(before).flatMap(({ file }) => (file.startsWith('partition') ? [file] : [])),
    [manifest.partitions[3]!.file],
    'the damaged one is fetched again, no other',
  );
  await healed.stop();
});

test('a worker that fetches is not ready and says how far it is; killed, the next one goes on where it was', async (t) => {
  // Partitions of 1.6 MB: a fetch that is killed loses what came after the last whole MiB.
  const largeDir = await importMnist(0, 8_000, 4);
  const large = JSON.parse(await readFile(path.join(largeDir, 'manifest.json'), 'utf8')) as Manifest;
  const folder = await clusterOf({ dataDir: largeDir });
  const wanted = await answers(folder.endpoint);
  await folder.stop();
  const slow = await startDataServer(largeDir, ({ file }) => (file.startsWith('partition') ? { slowMs: 40 } : undefined));
  closing.push(() => slow.close());
  const cache = newCache();
  const common = ['--data', slow.url, '--data-cache', cache];
  const startWorker = async (): Promise<ServiceProcess> => {
    const worker = await ServiceProcess.start({
      name: 'shard worker',
      program: serviceProgram('shard-worker'),
      args: [...common, '--listen', '127.0.0.1:0', '--metrics-listen', '127.0.0.1:0', '--compute-threads', '1', '--data-fetches', '2'],
      readyTimeoutMs: 60_000,
    });
    closing.push(() => worker.kill());
    return worker;
  };
  const startCoordinator = (worker: ServiceProcess, stop: AbortSignal): Promise<ServiceProcess> =>
    ServiceProcess.start({
      name: 'coordinator',
      program: serviceProgram('coordinator'),
      args: [...common, '--listen', '127.0.0.1:0', '--metrics-listen', 'off', '--workers', worker.address],
      readyTimeoutMs: 120_000,
      signal: stop,
    });
  const health = async (worker: ServiceProcess): Promise<string> => {
    const answer = await fetch(`http://${worker.metricsAddress}/healthz`);
    return `${answer.status} ${await answer.text()}`;
  };
  const serving = async (worker: ServiceProcess): Promise<string> => {
    const client = connect(worker.address);
    try {
      return await client.health();
    } finally {
      client.close();
    }
  };
  const partBytes = async (): Promise<number> => {
    const folders = await readdir(path.join(cache, 'part')).catch(() => []);
    const sizes = await Promise.all(
      folders.map((name) =>
        stat(path.join(cache, 'part', name, 'bytes')).then(
          ({ size }) => size,
          () => 0,
        ),
      ),
    );
    return Math.max(0, ...sizes);
  };

  const first = await startWorker();
  assert.equal(await health(first), '200 ok\n');
  const stop = new AbortController();
  // It is not ready before its first placement is: not awaited.
  const waiting = startCoordinator(first, stop.signal).catch(() => undefined);
  await until(async () => (await partBytes()) > 1.2 * 2 ** 20, 'more than a MiB of a partition is there', 60_000);
  assert.match(await health(first), /^503 \d of 4 partitions loaded, [\d.]+ of [\d.]+ MB, [\d.]+ MB fetched\n$/);
  assert.equal(await serving(first), 'NOT_SERVING');
  await first.kill();
  stop.abort();
  await waiting;
  const held = await cached(cache);
  const requestsBefore = slow.requests.length;
  slow.fault = () => undefined;
  const second = await startWorker();
  const coordinator = await startCoordinator(second, new AbortController().signal);
  closing.push(() => coordinator.kill());
  assert.deepEqual([await health(second), await serving(second)], ['200 ok\n', 'SERVING']);
  assert.deepEqual(await answers(coordinator.address), wanted);
  const later = slow.requests.slice(requestsBefore).filter(({ file }) => file.startsWith('partition'));
  const whole = large.partitions.filter(({ sha256 }) => held.includes(sha256)).map(({ file }) => file);
  assert.ok(
    later.every(({ file }) => !whole.includes(file)),
    'what was whole is not fetched again',
  );
  const resumed = later.flatMap(({ headers }) => (headers.range === undefined ? [] : [Number(/\d+/.exec(headers.range)![0])]));
  assert.ok(resumed.length > 0 && resumed.every((from) => from >= 2 ** 20), `went on at ${resumed.join(', ')}`);
  t.diagnostic(
    `killed with ${whole.length} of 4 partitions whole; the next one asked for ${later.length} files, ${resumed.length} of them from where they were`,
  );
});

test('from the object store, with the workers and coordinators of a NATS cluster', { skip: natsMissing ?? false }, async () => {
  const nats = await startNats();
  try {
    const pushed = await promisify(execFile)(process.execPath, [golddiff, 'dataset', 'push', dataDir, '--nats', nats.addresses[0]!]);
    assert.match(pushed.stdout, /^object-store:mnist: 10 files, /, 'eight partitions, statistics, covariance');
    const name = manifest.name;
    const cache = newCache();
    const cluster = await clusterOf({ dataDir: `object-store:${name}`, dataCache: cache, coordinators: 2, nats: { servers: nats.addresses } });
    for (const endpoint of cluster.endpoints) assert.deepEqual(await answers(endpoint), expected);
    assert.equal((await cached(cache)).length, 8);
    const homes = await readdir(path.join(cache, 'home'));
    assert.ok((await readdir(path.join(cache, 'home', homes[0]!))).includes(COVARIANCE_FILE));
    await cluster.stop();
  } finally {
    await Promise.all(closing.splice(0).map((close) => close()));
    await nats.dispose();
  }
});

test('what is wrong with --data ends a process with one sentence, without what is secret', async () => {
  const cases: [string[], RegExp][] = [
    [['--data', 's3://key:secret@bucket/x'], /^Expected a folder, http\(s\):\/\/HOST\/PATH\/ or object-store:NAME for --data/],
    [['--data', 'object-store:x'], /--nats URL beside object-store:NAME/],
    [['--data', `${server.url.replace('//', '//u:secret@')}`, '--data-cache', dataDir], /it is not empty and not a cache/],
  ];
  for (const [args, sentence] of cases) {
    const failed = (await promisify(execFile)(process.execPath, [serviceProgram('shard-worker'), '--listen', '127.0.0.1:0', ...args]).catch(
      (thrown: unknown) => thrown,
    )) as { code: number; stderr: string };
    assert.equal(failed.code, 2, failed.stderr);
    assert.match(failed.stderr, sentence);
    assert.doesNotMatch(failed.stderr, /secret/);
  }
});
