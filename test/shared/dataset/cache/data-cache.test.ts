import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { dataPath, evictable, readContents } from '../../../../shared/dataset/cache/cache-contents.js';
import { DataCache, type CachedFile, type CacheOutcome, type DataCacheSettings, type Fill } from '../../../../shared/dataset/cache/data-cache.js';
import { dataLocation, type HttpLocation } from '../../../../shared/dataset/sources/data-location.js';
import { fetchFile } from '../../../../shared/dataset/sources/fetch-file.js';
import { HttpSource } from '../../../../shared/dataset/sources/http-source.js';
import { createLogger } from '../../../../shared/log.js';
import type { CacheProcessSettings } from '../../../support/cache-process.js';
import { startDataServer, type DataServer, type Fault } from '../../../support/data-server.js';
import { temporaryFolder } from '../../../support/data-sets.js';
import { until } from '../../../support/nats-sessions.js';
import { mountSmallDisk } from '../../../support/small-disk.js';

const log = createLogger('test', 'silent');
const never = new AbortController().signal;
const program = fileURLToPath(new URL('../../../support/cache-process.js', import.meta.url));

interface RemoteFile {
  readonly name: string;
  readonly sha256: string;
  readonly bytes: number;
}

class Setting {
  readonly root = path.join(temporaryFolder(), 'cache');
  readonly outcomes: CacheOutcome[] = [];
  evicted = 0;
  heldBytes = 0;
  readonly #caches: DataCache[] = [];
  readonly #children: ChildProcess[] = [];
  private constructor(
    readonly server: DataServer,
    readonly files: readonly RemoteFile[],
  ) {}

  /** @param sizes of the files, in bytes */
  static async of(sizes: readonly number[], fault?: (file: string, time: number) => Fault | undefined): Promise<Setting> {
    const dir = temporaryFolder();
    const files = await Promise.all(
      sizes.map(async (bytes, n) => {
        const content = Buffer.from(Uint8Array.from({ length: bytes }, (_, i) => (i * (n + 3)) % 251));
        await writeFile(path.join(dir, `f${n}`), content);
        return { name: `f${n}`, sha256: createHash('sha256').update(content).digest('hex'), bytes };
      }),
    );
    const server = await startDataServer(dir, ({ file, time }) => fault?.(file, time));
    const setting = new Setting(server, files);
    after(() => setting.#end());
    return setting;
  }

  async open(bytesMax: number, more: Partial<DataCacheSettings> = {}): Promise<DataCache> {
    const cache = await DataCache.open({
      dir: this.root,
      bytesMax,
      log,
      onOutcome: (outcome) => void this.outcomes.push(outcome),
      onEvicted: (files) => void (this.evicted += files),
      onBytes: (bytes) => void (this.heldBytes = bytes),
      ...more,
    });
    this.#caches.push(cache);
    return cache;
  }

  fill(file: RemoteFile): Fill {
    const source = new HttpSource(dataLocation(this.server.url, 'url') as HttpLocation);
    return (part, makeRoom) => fetchFile(file, part, { source, log, backoffMs: 1 }, never, makeRoom);
  }

  take(cache: DataCache, n: number): Promise<CachedFile> {
    return cache.take(this.files[n]!, this.fill(this.files[n]!), never);
  }

  /** Another process that takes files. */
  start(bytesMax: number, wanted: readonly number[]): { child: ChildProcess; lines: Record<string, unknown>[]; ended: Promise<void> } {
    const settings: CacheProcessSettings = { dir: this.root, bytesMax, url: this.server.url, files: wanted.map((n) => this.files[n]!) };
    const child = spawn(process.execPath, [program, JSON.stringify(settings)], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#children.push(child);
    const lines: Record<string, unknown>[] = [];
    createInterface({ input: child.stdout }).on('line', (line) => lines.push(JSON.parse(line) as Record<string, unknown>));
    return { child, lines, ended: new Promise((resolve) => child.once('close', () => resolve())) };
  }

  requests(n: number): number {
    return this.server.requests.filter(({ file }) => file === `f${n}`).length;
  }

  async #end(): Promise<void> {
    this.#children.forEach((child) => child.kill('SIGKILL'));
    await Promise.all(this.#caches.map((cache) => cache.close()));
    await this.server.close();
  }
}

test('a file is fetched once, whoever asks for it and however often, and stays', async () => {
  const setting = await Setting.of([50_000, 60_000]);
  const cache = await setting.open(1e6);
  const taken = await Promise.all([setting.take(cache, 0), setting.take(cache, 0), setting.take(cache, 1)]);
  assert.equal((await stat(taken[0].path)).size, 50_000);
  await Promise.all(taken.map((file) => file.release()));
  const again = await (await setting.open(1e6)).take(setting.files[0]!, () => assert.fail('it is there'), never);
  assert.equal(again.path, taken[0].path);
  await again.release();
  assert.deepEqual([setting.requests(0), setting.requests(1)], [1, 1]);
  assert.deepEqual([...setting.outcomes].sort(), ['hit', 'hit', 'miss', 'miss']);
});

test('what nobody uses goes when room is needed, the longest unused first; what is in use stays, and then there is a declared error', async () => {
  const setting = await Setting.of([100_000, 100_000, 100_000, 100_000, 400_000]);
  const cache = await setting.open(310_000);
  const other = await setting.open(310_000);
  const first = await setting.take(cache, 0);
  const second = await setting.take(cache, 1);
  const third = await setting.take(other, 2);
  await second.release();
  await first.release();
  const fourth = await setting.take(cache, 3);
  const left = async (): Promise<number[]> => {
    const names = await readdir(path.join(setting.root, 'data'));
    return setting.files.flatMap(({ sha256 }, n) => (names.includes(sha256) ? [n] : []));
  };
  assert.deepEqual(await left(), [0, 2, 3], 'the one released first went');
  const zero = await setting.take(cache, 0);
  await assert.rejects(setting.take(cache, 1), {
    code: 'LIMIT_EXCEEDED',
    message: `The data cache ${setting.root} has no room for a file of 100000 bytes: of its 310000 bytes (--data-cache-bytes) 300000 are in use on this machine`,
  });
  await assert.rejects(setting.take(cache, 4), { code: 'LIMIT_EXCEEDED' });
  assert.deepEqual(await left(), [0, 2, 3], 'nothing goes for nothing');
  await third.release();
  await (await setting.take(cache, 1)).release();
  assert.deepEqual(await left(), [0, 1, 3]);
  assert.equal(setting.evicted, 2);
  assert.equal(setting.heldBytes, 300_000);
  await Promise.all([zero.release(), fourth.release()]);
});

test('files released within a millisecond are in the order of their release', async () => {
  const setting = await Setting.of(Array.from({ length: 12 }, () => 100));
  const cache = await setting.open(1e6);
  const taken = await Promise.all(setting.files.map((_, n) => setting.take(cache, n)));
  for (const file of taken) await file.release();
  const unused = evictable(await readContents(setting.root));
  assert.deepEqual(
    unused.map((entry) => entry.path),
    taken.map((file) => file.path),
  );
});

test('a damaged file is thrown away and fetched again, but not one that somebody has replaced meanwhile', async () => {
  const setting = await Setting.of([50_000]);
  const cache = await setting.open(1e6);
  const one = await setting.take(cache, 0);
  const two = await setting.take(cache, 0);
  await one.discard();
  const fresh = await setting.take(cache, 0);
  await two.discard();
  assert.equal((await stat(fresh.path)).size, 50_000, 'the new one is still there');
  await fresh.release();
  assert.deepEqual(setting.outcomes, ['miss', 'hit', 'damaged', 'miss', 'damaged']);
  await writeFile(fresh.path, 'short');
  await (await setting.take(cache, 0)).release();
  assert.equal(setting.requests(0), 3, 'a file of another length is none');
});

test('a fetch that failed is gone on with by the next one, here or elsewhere', async () => {
  const setting = await Setting.of([300_000], (_, time) => (time === 1 ? { breakAfter: 200_000 } : time <= 6 ? { status: 503 } : undefined));
  const cache = await setting.open(1e6);
  await assert.rejects(setting.take(cache, 0), { code: 'DATA_UNAVAILABLE' });
  const other = await setting.open(1e6);
  await (await setting.take(other, 0)).release();
  assert.ok(setting.server.sentBytes < 400_000, `${setting.server.sentBytes} bytes in all`);
  assert.deepEqual(await readdir(path.join(setting.root, 'part')), []);
});

test('two processes that share a cache fetch each file once', async () => {
  const setting = await Setting.of([700_000, 800_000, 900_000], () => ({ slowMs: 10 }));
  const both = [setting.start(1e8, [0, 1, 2]), setting.start(1e8, [2, 1, 0])];
  const done = (lines: Record<string, unknown>[]): boolean => lines.some((line) => line['done'] === true);
  await until(() => both.every(({ lines }) => done(lines)), 'both have all files', 60_000);
  assert.deepEqual(
    [0, 1, 2].map((n) => setting.requests(n)),
    [1, 1, 1],
  );
  const fetched = both.map(({ lines }) => Number(lines.find((line) => line['done'])!['fetched']));
  assert.equal(fetched[0]! + fetched[1]!, 2_400_000);
  // What either uses stays, whoever else needs room.
  const third = await setting.open(2_500_000);
  await assert.rejects(
    third.take({ sha256: 'f'.repeat(64), bytes: 200_000 }, () => assert.fail('no room'), never),
    { code: 'LIMIT_EXCEEDED' },
  );
  both.forEach(({ child }) => child.stdin!.end());
  await Promise.all(both.map(({ ended }) => ended));
  assert.deepEqual(await readdir(path.join(setting.root, 'users')), [third.userId]);
});

test('a process killed in the middle of a fetch: another goes on where it was, at once, and its uses end', async (t) => {
  const size = 6_000_000;
  const setting = await Setting.of([size, 10_000], (file, time) => (file === 'f0' && time === 1 ? { slowMs: 5 } : undefined));
  const killed = setting.start(1e8, [1, 0]);
  await until(() => setting.server.sentBytes > size / 2, 'half of it is there', 60_000);
  killed.child.kill('SIGKILL');
  await killed.ended;
  const start = performance.now();
  const next = setting.start(1e8, [0]);
  await until(() => next.lines.some((line) => line['done'] === true), 'the next has it', 60_000);
  t.diagnostic(`fetched the rest ${Math.round(performance.now() - start)} ms after the death`);
  const { at } = next.lines.find((line) => line['begins'] === 'f0')!;
  assert.ok(Number(at) > size / 4, `it went on at ${String(at)}`);
  assert.equal(setting.server.requests.filter(({ file }) => file === 'f0').at(-1)!.headers.range, `bytes=${String(at)}-`);
  const bytes = await readFile(dataPath(setting.root, setting.files[0]!.sha256));
  assert.equal(createHash('sha256').update(bytes).digest('hex'), setting.files[0]!.sha256);
  // The dead one held f1: now it may go.
  const cache = await setting.open(size + 5_000);
  await (await setting.take(cache, 0)).release();
  await assert.rejects(
    cache.take({ sha256: 'f'.repeat(64), bytes: 20_000 }, () => assert.fail('no room'), never),
    { code: 'LIMIT_EXCEEDED' },
  );
  assert.deepEqual((await readdir(path.join(setting.root, 'data'))).sort(), setting.files.map(({ sha256 }) => sha256).sort());
  next.child.stdin!.end();
  await next.ended;
  await (
    await cache.take({ sha256: 'e'.repeat(64), bytes: 1 }, async (part) => part.append(new Uint8Array(1), undefined).then(() => part.finish()), never)
  ).release();
  assert.ok(!(await readdir(path.join(setting.root, 'data'))).includes(setting.files[1]!.sha256));
});

test('a process that is stopped in the middle of a fetch holds nobody up for ever', async () => {
  const setting = await Setting.of([400_000], (_, time) => (time === 1 ? { stallAfter: 100_000 } : undefined));
  const stopped = setting.start(1e7, [0]);
  await until(() => setting.server.sentBytes >= 100_000, 'it has begun', 30_000);
  stopped.child.kill('SIGSTOP');
  try {
    const cache = await setting.open(1e7, { waitStallMs: 300 });
    await (await setting.take(cache, 0)).release();
    assert.equal(setting.requests(0), 2);
    // Woken, it finds its own way to the same file.
    setting.server.fault = () => undefined;
  } finally {
    stopped.child.kill('SIGKILL');
  }
  await stopped.ended;
});

test('a full disk is a declared error, leaves nothing half-written, and what is unused goes first', (t) => {
  const disk = mountSmallDisk(3_000_000);
  if (typeof disk === 'string') return t.skip(disk);
  return (async () => {
    try {
      const setting = await Setting.of([1_500_000, 1_200_000, 1_200_000, 3_500_000]);
      Object.defineProperty(setting, 'root', { value: path.join(disk.dir, 'cache') });
      const cache = await setting.open(1e9);
      await (await setting.take(cache, 0)).release();
      const one = await setting.take(cache, 1);
      // Fits once the unused one is gone.
      const two = await setting.take(cache, 2);
      assert.equal(setting.evicted, 1);
      await assert.rejects(setting.take(cache, 3), (thrown: Error & { code?: string }) => {
        assert.equal(thrown.code, 'LIMIT_EXCEEDED');
        assert.match(thrown.message, /^There is no room on the disk for .* \(ENOSPC\)$/);
        return true;
      });
      assert.deepEqual(await readdir(path.join(setting.root, 'part')), []);
      assert.deepEqual((await readdir(path.join(setting.root, 'data'))).sort(), [one, two].map((file) => path.basename(file.path)).sort());
      for (const [n, file] of [one, two].entries()) {
        assert.equal(
          createHash('sha256')
            .update(await readFile(file.path))
            .digest('hex'),
          setting.files[n + 1]!.sha256,
        );
        await file.release();
      }
      await cache.close();
    } finally {
      disk.unmount();
    }
  })();
});

test('a cache that cannot be made is refused with a sentence', async () => {
  const file = path.join(temporaryFolder(), 'file');
  await writeFile(file, '');
  for (const dir of [file, path.join(file, 'below'), path.dirname(file)])
    await assert.rejects(DataCache.open({ dir, bytesMax: 1, log }), {
      code: 'ARGUMENT_INVALID',
      message: /^Expected a folder on a local disk .* for --data-cache but/,
    });
});
