import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, test } from 'node:test';
import { dataLocation, type HttpLocation } from '../../../../shared/dataset/sources/data-location.js';
import type { ResumePoint } from '../../../../shared/dataset/sources/data-source.js';
import { HttpSource } from '../../../../shared/dataset/sources/http-source.js';
import { startDataServer, type DataServer, type Fault } from '../../../support/data-server.js';
import { temporaryFolder } from '../../../support/data-sets.js';

const BYTES = Uint8Array.from({ length: 200_000 }, (_, i) => (i * 7) % 251);
const FILE = { name: 'a b.bin' };
const servers: DataServer[] = [];
after(() => Promise.all(servers.map((server) => server.close())));

async function serverWith(fault: Fault = {}): Promise<DataServer> {
  const dir = temporaryFolder();
  await writeFile(path.join(dir, FILE.name), BYTES);
  const server = await startDataServer(dir, () => fault);
  servers.push(server);
  return server;
}

const sourceOf = (url: string, token?: string): HttpSource => new HttpSource(dataLocation(url, 'x') as HttpLocation, token);
const never = new AbortController().signal;

async function read(source: HttpSource, from?: ResumePoint): Promise<{ offset: number; bytes: Buffer; token: string | undefined }> {
  const { offset, chunks } = await source.open(FILE, from, never);
  const pieces: Uint8Array[] = [];
  let token: string | undefined;
  for await (const chunk of chunks) {
    pieces.push(chunk.bytes);
    token = chunk.token;
  }
  return { offset, bytes: Buffer.concat(pieces), token };
}

test('a file comes whole, and from a resume point its rest, under If-Range with the tag that came first', async () => {
  const server = await serverWith();
  const source = sourceOf(server.url);
  const whole = await read(source);
  assert.deepEqual([whole.offset, whole.bytes.equals(BYTES)], [0, true]);
  const rest = await read(source, { offset: 150_001, token: whole.token });
  assert.deepEqual([rest.offset, rest.bytes.equals(BYTES.subarray(150_001))], [150_001, true]);
  assert.deepEqual([server.requests[1]!.headers.range, server.requests[1]!.headers['if-range']], ['bytes=150001-', whole.token]);
  const changed = await read(source, { offset: 150_001, token: '"another"' });
  assert.deepEqual([changed.offset, changed.bytes.length], [0, BYTES.length], 'another file begins anew');
});

test('a weak tag is no condition for a part, and a server without ranges begins anew', async () => {
  const weak = await serverWith({ etag: 'W/"x"' });
  const { token } = await read(sourceOf(weak.url));
  assert.equal((await read(sourceOf(weak.url), { offset: 7, token })).offset, 7);
  assert.equal(weak.requests[1]!.headers['if-range'], undefined);
  const plain = await serverWith({ noRanges: true });
  assert.equal((await read(sourceOf(plain.url), { offset: 7, token })).offset, 0);
});

test('a user of the URL and a bearer token travel as Authorization, the query with every file, none of them in what is shown', async () => {
  const server = await serverWith();
  const withUser = sourceOf(server.url.replace('//', '//ann:secret@').replace(/$/, 'sets?sig=xyz'));
  await read(withUser);
  assert.equal(server.requests[0]!.url, '/sets/a%20b.bin?sig=xyz');
  assert.equal(server.requests[0]!.headers.authorization, `Basic ${Buffer.from('ann:secret').toString('base64')}`);
  assert.equal(withUser.shownFile(FILE), `${server.url}sets/a%20b.bin`);
  await read(sourceOf(server.url, 'token'));
  assert.equal(server.requests[1]!.headers.authorization, 'Bearer token');
  await read(sourceOf(server.url));
  assert.equal(server.requests[2]!.headers.authorization, undefined);
});

test('credentials do not follow a redirect to another host', async () => {
  const far = await serverWith();
  const near = await serverWith({ status: 302, headers: { location: `${far.url}a%20b.bin` } });
  assert.equal((await read(sourceOf(near.url, 'token'))).bytes.equals(BYTES), true);
  assert.equal(near.requests[0]!.headers.authorization, 'Bearer token');
  assert.equal(far.requests[0]!.headers.authorization, undefined);
});

test('statuses become failures: for good, for now, or to begin anew', async () => {
  for (const [fault, reason, retry, message, afterMs] of [
    [{ status: 404 }, 'missing', false, /404 Not Found/, undefined],
    [{ status: 410 }, 'missing', false, /410/, undefined],
    [{ status: 401 }, 'status', false, /401 .*GOLDDIFF_DATA_TOKEN/, undefined],
    [{ status: 400 }, 'status', false, /400/, undefined],
    [{ status: 429, headers: { 'retry-after': '2' } }, 'status', true, /429/, 2_000],
    [{ status: 503, headers: { 'retry-after': '100000' } }, 'status', true, /503/, 10_000],
    [{ status: 500 }, 'status', true, /500 Internal Server Error/, undefined],
  ] as const) {
    const server = await serverWith(fault);
    await assert.rejects(read(sourceOf(server.url)), (thrown: Error) => {
      assert.deepEqual({ ...thrown, message: message.test(thrown.message) }, { ...thrown, reason, retry, message: true, retryAfterMs: afterMs });
      return true;
    });
  }
  const server = await serverWith();
  await assert.rejects(read(sourceOf(server.url), { offset: BYTES.length, token: 'untagged' }), { reason: 'checksum', retry: true });
});

test('a connection that breaks, or that none takes, is a failure that may pass', async () => {
  const server = await serverWith({ breakAfter: 70_000 });
  await assert.rejects(read(sourceOf(server.url)), { reason: 'connection', retry: true });
  const { url } = server;
  await server.close();
  servers.splice(servers.indexOf(server), 1);
  await assert.rejects(read(sourceOf(url.replace('//', '//u:secret@'))), (thrown: Error & { reason?: string }) => {
    assert.match(thrown.message, /ECONNREFUSED/);
    assert.doesNotMatch(thrown.message, /secret/);
    return thrown.reason === 'connection';
  });
});

test('aborted, it ends with the reason of the signal', async () => {
  const server = await serverWith({ stallAfter: 1_000 });
  const abort = new AbortController();
  const { chunks } = await sourceOf(server.url).open(FILE, undefined, abort.signal);
  setTimeout(() => abort.abort(new Error('enough')), 20);
  await assert.rejects(
    (async () => {
      for await (const chunk of chunks) assert.ok(chunk.bytes.length > 0);
    })(),
    { message: 'enough' },
  );
});
