import assert from 'node:assert/strict';
import { access, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, test } from 'node:test';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { DATA_TOKEN_VARIABLE } from '../../../shared/dataset/data-flags.js';
import { openData, type OpenDataSettings } from '../../../shared/dataset/open-data.js';
import { dataLocation } from '../../../shared/dataset/sources/data-location.js';
import { startDataServer } from '../../support/data-server.js';
import { temporaryFolder } from '../../support/data-sets.js';
import { writeSmallDataSet } from './small-data-set.js';

const { dir } = await writeSmallDataSet({ shape: [1, 1, 2], values: Uint8Array.of(1, 2, 3, 4), partitions: [[0], [1]] });
const other = await writeSmallDataSet({ name: 'other', shape: [1, 1, 2], values: Uint8Array.of(1, 2), partitions: [[0]] });
const server = await startDataServer(dir);
after(async () => {
  await server.close();
  await Promise.all([dir, other.dir].map((each) => rm(each, { recursive: true })));
});
const at = (text: string) => dataLocation(text, '--data');
const never = new AbortController().signal;

function settings(lines: string[] = []): OpenDataSettings & { readonly dataCache: string } {
  const stream = new Writable({
    write: (chunk: Buffer, _, next) => {
      lines.push(chunk.toString());
      next();
    },
  });
  const dataCache = path.join(temporaryFolder(), 'cache');
  return {
    log: pino({ level: 'trace' }, stream),
    dataCache,
    clusterName: 'golddiff',
    natsReplicas: 1,
    partitions: { dataCacheBytes: 1e6, dataFetches: 2 },
    backoffMs: 1,
  };
}

test('folders are opened as they are, without a cache', async () => {
  const used = settings();
  const { dataSets, close } = await openData([at(dir), at(other.dir)], used);
  assert.deepEqual(
    dataSets.map(({ manifest, files }) => [manifest.name, files]),
    [
      ['small', undefined],
      ['other', undefined],
    ],
  );
  await assert.rejects(access(used.dataCache), { code: 'ENOENT' });
  await close();
});

test('a web server and a folder side by side, counted, and no credentials in any line of the log', async () => {
  const lines: string[] = [];
  const bytes: [string, number][] = [];
  const outcomes: string[] = [];
  const before = process.env[DATA_TOKEN_VARIABLE];
  process.env[DATA_TOKEN_VARIABLE] = 'tok-secret';
  try {
    server.fault = ({ time }) => (time === 1 ? { status: 503 } : undefined);
    const { dataSets, close } = await openData([at(`${server.url}x?sig=sig-secret`), at(other.dir)], {
      ...settings(lines),
      onBytes: (source, count) => void bytes.push([source, count]),
      onCache: (outcome) => void outcomes.push(outcome),
    });
    assert.equal(server.requests.at(-1)!.headers.authorization, 'Bearer tok-secret');
    assert.equal(server.requests.at(-1)!.url, '/x/manifest.json?sig=sig-secret');
    const [remote] = dataSets;
    const taken = await remote!.files!.take(remote!.manifest.partitions[0]!, never);
    await taken.release();
    assert.deepEqual(outcomes, ['miss']);
    assert.ok(bytes.every(([source]) => source === 'http') && bytes.length >= 2);
    assert.ok(lines.some((line) => line.includes('tried again')) && lines.some((line) => line.includes('data set found')));
    assert.ok(!lines.join('').includes('secret'));
    await close();
  } finally {
    server.fault = () => undefined;
    if (before === undefined) delete process.env[DATA_TOKEN_VARIABLE];
    else process.env[DATA_TOKEN_VARIABLE] = before;
  }
});

test('a process that loads no partitions keeps a home for what it makes', async () => {
  const { partitions, ...used } = settings();
  assert.ok(partitions !== undefined);
  const { dataSets, close } = await openData([at(server.url)], used);
  await writeFile(path.join(dataSets[0]!.dir, 'covariance.safetensors'), 'x');
  assert.ok(dataSets[0]!.dir.startsWith(path.join(used.dataCache, 'home', 'small-')));
  await close();
});

test('what cannot be had is a declared error', async () => {
  await assert.rejects(openData([at('object-store:x')], settings()), { code: 'ARGUMENT_INVALID', message: /--nats URL beside object-store:NAME/ });
  await assert.rejects(openData([at('/nowhere')], settings()), { code: 'NOT_FOUND' });
  const gone = await startDataServer(dir);
  await gone.close();
  await assert.rejects(openData([at(gone.url)], settings()), {
    code: 'DATA_UNAVAILABLE',
    message:
      /^Could not fetch manifest.json from http:\/\/127.0.0.1:\d+\/manifest.json: the connection failed: .*ECONNREFUSED.* \(6 tries in a row\)$/,
  });
  const file = path.join(temporaryFolder(), 'file');
  await writeFile(file, '');
  await assert.rejects(openData([at(server.url)], { ...settings(), dataCache: file }), { code: 'ARGUMENT_INVALID' });
  const { partitions, ...without } = settings();
  assert.ok(partitions !== undefined);
  await assert.rejects(openData([at(server.url)], { ...without, dataCache: file }), { code: 'ARGUMENT_INVALID' });
  await assert.rejects(openData([at('object-store:x')], { ...settings(), nats: ['127.0.0.1:1'] }), { code: 'CONTROL_PLANE_LOST' });
});
