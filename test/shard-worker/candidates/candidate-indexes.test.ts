import assert from 'node:assert/strict';
import { appendFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';
import { pino } from 'pino';
import { CandidateIndexes, type CandidateIndexesSettings } from '../../../shard-worker/candidates/candidate-indexes.js';
import { indexFileName } from '../../../shard-worker/candidates/index-file.js';
import { proxyPoint } from '../../../shard-worker/candidates/hnsw-index.js';
import { proxyGeometry } from '../../../shared/math/proxy.js';
import { temporaryFolder } from '../../support/data-sets.js';
import { MNIST_SHAPE, mnistPartition } from './mnist-partition.js';

const ROWS = 800;
const geometry = proxyGeometry(MNIST_SHAPE, 0);
const RESOLUTION = geometry.resolution;
const partitions = [0, 1, 2].map((id) => mnistPartition(id * ROWS, ROWS, id));
const running: CandidateIndexes[] = [];
after(() => Promise.all(running.map((indexes) => indexes.close())));

interface Started {
  readonly indexes: CandidateIndexes;
  readonly lines: Record<string, unknown>[];
  readonly built: number[];
  readonly changes: [number, number][];
  readonly said: (text: string) => boolean;
}

function start(settings: Partial<CandidateIndexesSettings> = {}): Started {
  const lines: Record<string, unknown>[] = [];
  const log = pino({ level: 'debug' }, { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) });
  const built: number[] = [];
  const changes: [number, number][] = [];
  const indexes = new CandidateIndexes({
    threads: 2,
    memoryBytes: () => Infinity,
    log,
    rowsMin: 0,
    onBuilt: (seconds) => built.push(seconds),
    onChange: (ready, bytes) => changes.push([ready, bytes]),
    ...settings,
  });
  running.push(indexes);
  return { indexes, lines, built, changes, said: (text) => lines.some((line) => String(line.msg).includes(text)) };
}

/** The nearest candidates to some rows of the partition: each finds itself. */
async function ownRows(indexes: CandidateIndexes, partition: (typeof partitions)[number], rows: readonly number[]): Promise<number[][]> {
  const points = new Float64Array(rows.length * geometry.values);
  rows.forEach((row, b) => points.set(proxyPoint(partition, row, geometry, new Float64Array(geometry.values)), b * geometry.values));
  const lists = await indexes.search(partition, RESOLUTION, points, new Uint32Array(rows.length).fill(1), new Int32Array(1));
  return lists.map((list) => [...list]);
}

test('indexes are built in the background one at a time, then saved, then found by the next start', async () => {
  const dir = temporaryFolder();
  const first = start();
  for (const partition of partitions) first.indexes.hold(partition, dir);
  assert.deepEqual(
    partitions.map((partition) => first.indexes.state(partition, RESOLUTION)),
    ['pending', 'pending', 'pending'],
    'nothing waits for a build',
  );
  await first.indexes.idle();
  const order = first.lines.map(({ msg }) => msg).filter((msg) => msg === 'index is being built' || msg === 'index built');
  assert.deepEqual(
    order,
    [1, 2, 3].flatMap(() => ['index is being built', 'index built']),
  );
  assert.equal(first.built.length, 3);
  assert.equal(first.changes.at(-1)![0], 3);
  assert.ok(first.changes.at(-1)![1] > 3 * ROWS * geometry.values * 4);
  for (const partition of partitions) assert.deepEqual(await ownRows(first.indexes, partition, [0, 5, ROWS - 1]), [[0], [5], [ROWS - 1]]);
  while (first.lines.filter(({ msg }) => msg === 'index saved').length < 3) await new Promise((resolve) => setTimeout(resolve, 5));
  await first.indexes.close();
  assert.equal(readdirSync(dir).length, 6);

  const second = start();
  for (const partition of partitions) second.indexes.hold(partition, dir);
  await second.indexes.idle();
  assert.deepEqual([second.built.length, second.said('index loaded')], [0, true]);
  assert.deepEqual(await ownRows(second.indexes, partitions[2]!, [7]), [[7]]);
});

test('a saved index that is spoilt, or of other content, is built anew', async () => {
  const dir = temporaryFolder();
  const partition = partitions[0]!;
  const first = start();
  first.indexes.hold(partition, dir);
  await first.indexes.idle();
  while (!first.said('index saved')) await new Promise((resolve) => setTimeout(resolve, 5));
  const identity = { partition: 0, sha256: partition.sha256, resolution: RESOLUTION, rows: ROWS, proxyValues: geometry.values };
  const file = path.join(dir, indexFileName(identity));
  const whole = readFileSync(file);

  for (const spoil of [
    () => writeFileSync(file, whole.subarray(0, whole.length / 2)),
    () => appendFileSync(file, 'more'),
    () => writeFileSync(file, Buffer.from(whole).fill(255, 4000, 5000)),
    () => writeFileSync(`${file}.json`, 'null'),
  ]) {
    spoil();
    const next = start();
    next.indexes.hold(partition, dir);
    await next.indexes.idle();
    assert.deepEqual([next.built.length, next.said('saved index passed over')], [1, true]);
    assert.deepEqual(await ownRows(next.indexes, partition, [3]), [[3]]);
    while (!next.said('index saved')) await new Promise((resolve) => setTimeout(resolve, 5));
    await next.indexes.close();
    assert.deepEqual(readFileSync(file), whole, 'the same rows give the same bytes');
  }

  const other = start();
  other.indexes.hold({ ...partition, sha256: 'b'.repeat(64) }, dir);
  await other.indexes.idle();
  assert.deepEqual([other.built.length, other.said('passed over')], [1, false]);
});

test('a small partition gets its index when it is asked for, once', async () => {
  const { indexes, built } = start({ rowsMin: ROWS + 1 });
  const partition = partitions[1]!;
  indexes.hold(partition, temporaryFolder());
  assert.equal(indexes.state(partition, RESOLUTION), 'absent');
  indexes.begin(partition, RESOLUTION);
  indexes.begin(partition, RESOLUTION);
  indexes.begin({ dataSet: 'mnist', partition: 99 }, RESOLUTION);
  await indexes.idle();
  assert.deepEqual([indexes.state(partition, RESOLUTION), indexes.state(partition, 7), built.length], ['ready', 'absent', 1]);
  assert.deepEqual([indexes.rows(partition), indexes.rows({ dataSet: 'other', partition: 1 })], [ROWS, undefined]);
  assert.equal(indexes.rowIds(partition), partition.rowIds);
});

test('a build ends where its partition is let go, and the next one begins', async () => {
  const { indexes, built, changes } = start();
  const dir = temporaryFolder();
  for (const partition of partitions) indexes.hold(partition, dir);
  indexes.drop(partitions[0]!);
  indexes.drop(partitions[1]!);
  await indexes.idle();
  assert.deepEqual([indexes.state(partitions[0]!, RESOLUTION), indexes.state(partitions[2]!, RESOLUTION), built.length], ['absent', 'ready', 1]);
  assert.equal(changes.at(-1)![0], 1);
  indexes.hold(partitions[0]!, dir);
  await indexes.idle();
  assert.deepEqual(await ownRows(indexes, partitions[0]!, [11]), [[11]]);
});

test('an index that does not fit in the memory is not begun', () => {
  const { indexes, said } = start({ memoryBytes: () => 1000 });
  indexes.hold(partitions[0]!, temporaryFolder());
  assert.deepEqual([indexes.state(partitions[0]!, RESOLUTION), said('does not fit')], ['failed', true]);
});

test('an index that cannot be saved serves all the same', async () => {
  const { indexes, said } = start();
  indexes.hold(partitions[0]!, path.join(temporaryFolder(), 'gone'));
  await indexes.idle();
  assert.deepEqual(await ownRows(indexes, partitions[0]!, [1]), [[1]]);
  while (!said('index not saved')) await new Promise((resolve) => setTimeout(resolve, 5));
});

test('a build does not hold the event loop, and searches of other indexes go on beside it', async (t) => {
  const { indexes } = start({ threads: 1 });
  const [small, large] = [partitions[0]!, mnistPartition(0, 6000, 9)];
  indexes.hold(small, temporaryFolder());
  await indexes.idle();
  indexes.hold(large, temporaryFolder());
  let searches = 0;
  let worstMs = 0;
  const beganMs = performance.now();
  while (indexes.state(large, RESOLUTION) === 'pending' && performance.now() - beganMs < 20_000) {
    const startMs = performance.now();
    assert.deepEqual(await ownRows(indexes, small, [searches % ROWS]), [[searches % ROWS]]);
    worstMs = Math.max(worstMs, performance.now() - startMs);
    searches++;
  }
  t.diagnostic(`${searches} searches while 6,000 rows were indexed on the same thread, the slowest ${worstMs.toFixed(1)} ms`);
  assert.ok(searches > 10, 'one search waits for a slice, not for the build');
  assert.equal(indexes.state(large, RESOLUTION), 'ready');
});

test('a search that nobody waits for any more, and one at the end, are cancelled', async () => {
  const { indexes } = start();
  indexes.hold(partitions[0]!, temporaryFolder());
  await indexes.idle();
  const points = new Float64Array(geometry.values);
  const cancelled = new Int32Array(new SharedArrayBuffer(4)).fill(1);
  await assert.rejects(indexes.search(partitions[0]!, RESOLUTION, points, Uint32Array.of(1), cancelled), { code: 'CANCELLED' });
  const late = indexes.search(partitions[0]!, RESOLUTION, new Float64Array(geometry.values * 200), new Uint32Array(200).fill(700), new Int32Array(1));
  await Promise.all([assert.rejects(late, { code: 'CANCELLED' }), indexes.close()]);
});
