import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, test } from 'node:test';
import { dataLocation, type HttpLocation } from '../../../../shared/dataset/sources/data-location.js';
import { fetchBytes, fetchFile, waited, type FetchSettings } from '../../../../shared/dataset/sources/fetch-file.js';
import { HttpSource } from '../../../../shared/dataset/sources/http-source.js';
import { PartFile } from '../../../../shared/dataset/sources/part-file.js';
import { FETCH_ATTEMPTS_MAX } from '../../../../shared/limits.js';
import { createLogger } from '../../../../shared/log.js';
import { startDataServer, type DataServer } from '../../../support/data-server.js';
import { temporaryFolder } from '../../../support/data-sets.js';

const BYTES = Buffer.from(Uint8Array.from({ length: 300_000 }, (_, i) => (i * i) % 251));
const FILE = { name: 'rows.bin', sha256: createHash('sha256').update(BYTES).digest('hex'), bytes: BYTES.length };
const never = new AbortController().signal;
const servers: DataServer[] = [];
after(() => Promise.all(servers.map((server) => server.close())));

interface Run {
  readonly server: DataServer;
  readonly dir: string;
  readonly failures: string[];
  fetched: number;
  go(signal?: AbortSignal): Promise<void>;
  bytes(): Promise<Buffer>;
}

async function runOf(fault: DataServer['fault'], more: Partial<FetchSettings> = {}, content = BYTES): Promise<Run> {
  const dir = temporaryFolder();
  await writeFile(path.join(dir, FILE.name), content);
  const server = await startDataServer(dir, fault);
  servers.push(server);
  const part = path.join(dir, 'part');
  const source = new HttpSource(dataLocation(server.url.replace('//', '//ann:secret@'), 'x') as HttpLocation);
  const run: Run = {
    server,
    dir: part,
    failures: [],
    fetched: 0,
    go: async (signal = never) => {
      const file = await PartFile.open(part);
      const settings = { source, log: createLogger('test', 'silent'), backoffMs: 1, ...more };
      const told = { onBytes: (bytes: number) => void (run.fetched += bytes), onFailure: (reason: string) => void run.failures.push(reason) };
      await fetchFile(FILE, file, { ...settings, ...told }, signal).finally(() => file.close());
    },
    bytes: () => readFile(PartFile.fileIn(part)),
  };
  return run;
}

/** First byte of each request. A client may lose what had arrived when its connection broke: where it goes on is not exact. */
const starts = (run: Run): number[] => run.server.requests.map(({ headers }) => Number(/\d+/.exec(headers.range ?? '0')![0]));

test('a connection that breaks again and again is taken up where it ended', async () => {
  const run = await runOf(({ time }) => (time <= 4 ? { breakAfter: 60_000 } : undefined));
  await run.go();
  assert.deepEqual(await run.bytes(), BYTES);
  assert.equal(run.fetched, BYTES.length, 'no byte came twice');
  assert.equal(run.server.requests.length, 5);
  starts(run).forEach((start, i) => assert.ok(start <= 60_000 * i && (i === 0 || start > starts(run)[i - 1]!), `request ${i} from ${start}`));
  assert.deepEqual(run.failures, Array(4).fill('connection'));
});

test('a server without ranges is begun anew, and one whose file changed meanwhile too', async () => {
  const plain = await runOf(({ time }) => (time === 1 ? { breakAfter: 100_000, noRanges: true } : { noRanges: true }));
  await plain.go();
  assert.deepEqual(await plain.bytes(), BYTES);
  assert.ok(plain.fetched > BYTES.length && plain.fetched <= 100_000 + BYTES.length);
  const other = Buffer.from(BYTES).fill(9);
  const changed = await runOf(({ time }) => (time === 1 ? { breakAfter: 100_000, bytes: other } : undefined));
  await changed.go();
  assert.deepEqual(await changed.bytes(), BYTES);
  assert.ok(changed.fetched > BYTES.length && changed.fetched <= 100_000 + BYTES.length);
});

test('a part of another file under a server without tags is found by the checksum, and fetched anew', async () => {
  const other = Buffer.from(BYTES).fill(9);
  const run = await runOf(({ time }) => ({ etag: null, ...(time === 1 ? { breakAfter: 100_000, bytes: other } : {}) }));
  await run.go();
  assert.deepEqual(await run.bytes(), BYTES);
  assert.deepEqual(run.failures, ['connection', 'checksum']);
});

test('wrong bytes are fetched twice and then refused, naming file, address and both checksums', async () => {
  const wrong = Buffer.from(BYTES);
  wrong[5]! ^= 1;
  const run = await runOf(() => ({ bytes: wrong }));
  await assert.rejects(run.go(), (thrown: Error & { code?: string }) => {
    assert.equal(thrown.code, 'FILE_INVALID');
    assert.match(
      thrown.message,
      new RegExp(`^Could not fetch rows.bin from ${run.server.url}rows.bin: it has the sha256 [0-9a-f]{64} where the manifest says ${FILE.sha256}`),
    );
    return true;
  });
  assert.deepEqual(run.failures, ['checksum', 'checksum']);
  assert.equal((await run.bytes()).length, 0, 'nothing of it is kept');
});

test('a file that is longer or shorter than it should be is refused', async () => {
  await assert.rejects((await runOf(() => ({ bytes: Buffer.concat([BYTES, Buffer.from('x')]) }))).go(), { code: 'FILE_INVALID' });
  await assert.rejects((await runOf(() => ({ bytes: BYTES.subarray(0, 1_000), etag: null }))).go(), /it ended after 1000 of 300000 bytes|416/);
});

test('500 and then good is a success; 404 is final at once; 503 for ever ends with a count of the tries', async () => {
  const passing = await runOf(({ time }) => (time <= 2 ? { status: 500 } : undefined));
  await passing.go();
  assert.deepEqual(passing.failures, ['status', 'status']);
  const missing = await runOf(() => ({ status: 404 }));
  await assert.rejects(missing.go(), (thrown: Error & { code?: string }) => {
    assert.equal(thrown.code, 'NOT_FOUND');
    assert.equal(thrown.message, `Could not fetch rows.bin from ${missing.server.url}rows.bin: the server answered 404 Not Found`);
    return true;
  });
  assert.equal(missing.server.requests.length, 1);
  const away = await runOf(() => ({ status: 503 }));
  await assert.rejects(away.go(), { code: 'DATA_UNAVAILABLE', message: /503 Service Unavailable \(6 tries in a row\)$/ });
  assert.equal(away.server.requests.length, FETCH_ATTEMPTS_MAX);
});

test('what a failed fetch has stays for the next one', async () => {
  const run = await runOf(({ time }) => (time === 1 ? { breakAfter: 200_000 } : time <= 6 ? { status: 503 } : undefined));
  await assert.rejects(run.go(), { code: 'DATA_UNAVAILABLE' });
  await run.go();
  assert.deepEqual(await run.bytes(), BYTES);
  assert.equal(run.fetched, BYTES.length);
});

test('a connection that goes silent is given up and taken up again', async () => {
  const run = await runOf(({ time }) => (time === 1 ? { stallAfter: 64_000 } : undefined), { stallMs: 200 });
  await run.go();
  assert.deepEqual(await run.bytes(), BYTES);
  assert.ok(run.failures.length >= 1 && run.failures.every((reason) => reason === 'stalled'));
});

test('aborted, it ends with the reason of the signal and leaves what it has', async () => {
  const run = await runOf(() => ({ stallAfter: 64_000 }));
  const abort = new AbortController();
  const going = run.go(abort.signal);
  const rejected = assert.rejects(going, { message: 'enough' });
  while (run.fetched === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  abort.abort(new Error('enough'));
  await rejected;
  assert.equal((await run.bytes()).length, run.fetched);
});

test('small files come whole; none is undefined; too large is refused', async () => {
  const run = await runOf(({ file, time }) => (file === 'none' ? { status: 404 } : time === 1 ? { breakAfter: 10 } : undefined));
  const source = new HttpSource(dataLocation(run.server.url, 'x') as HttpLocation);
  const settings = { source, log: createLogger('test', 'silent'), backoffMs: 1 };
  assert.deepEqual(await fetchBytes({ name: FILE.name }, 1e6, settings, never), BYTES);
  assert.equal(await fetchBytes({ name: 'none' }, 1e6, settings, never), undefined);
  await assert.rejects(fetchBytes({ name: FILE.name }, 1_000, settings, never), { code: 'LIMIT_EXCEEDED' });
});

test('a wait ends by itself or with the reason of its signal', async () => {
  await waited(1, never);
  await assert.rejects(waited(60_000, AbortSignal.timeout(10)), { name: 'TimeoutError' });
  await assert.rejects(waited(1, AbortSignal.abort(new Error('before'))), { message: 'before' });
});
