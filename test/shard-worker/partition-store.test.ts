import assert from 'node:assert/strict';
import { open, rm } from 'node:fs/promises';
import path from 'node:path';
import { after, test } from 'node:test';
import { LoadProgress, type LoadState } from '../../shard-worker/load-progress.js';
import { pino } from 'pino';
import type { Backend, PartitionRef, PartitionRows } from '../../shard-worker/backends/backend.js';
import { CandidateIndexes } from '../../shard-worker/candidates/candidate-indexes.js';
import { PartitionStore } from '../../shard-worker/partition-store.js';
import { openDataSet, type DataSetFiles } from '../../shared/dataset/data-set.js';
import { GolddiffError } from '../../shared/errors.js';
import { PARTITION_LOADS_MAX } from '../../shared/limits.js';
import { writeSmallDataSet } from '../shared/dataset/small-data-set.js';

/** Holds rows and computes nothing; counts how many loads run at once. */
class HoldingBackend implements Backend {
  readonly name = 'reference';
  readonly computeThreads = 1;
  readonly takesCandidates: boolean;
  readonly rows = new Map<number, PartitionRows>();
  loading = 0;
  loadingMost = 0;
  loads = 0;
  constructor(takesCandidates = true) {
    this.takesCandidates = takesCandidates;
  }
  get residentBytes(): number {
    return [...this.rows.values()].reduce((sum, rows) => sum + rows.values.byteLength, 0);
  }
  async load(rows: PartitionRows): Promise<void> {
    this.loads++;
    this.loadingMost = Math.max(this.loadingMost, ++this.loading);
    await new Promise((resolve) => setTimeout(resolve, 5));
    this.loading--;
    this.rows.set(rows.partition, rows);
  }
  async unload(ref: PartitionRef): Promise<void> {
    this.rows.delete(ref.partition);
  }
  moments(): never {
    throw new Error('nothing is computed here');
  }
  openStep(): never {
    throw new Error('nothing is computed here');
  }
  async close(): Promise<void> {}
}

const folders: string[] = [];
after(() => Promise.all(folders.map((dir) => rm(dir, { recursive: true, force: true }))));

async function storeOf(partitions: number, deviceMemoryBytes = Infinity) {
  const rows = partitions * 3;
  const ids = Array.from({ length: partitions }, (_, p) => [p, p + partitions, p + 2 * partitions]);
  const values = Uint8Array.from({ length: rows * 4 }, (_, i) => i % 251);
  const { dir, manifest } = await writeSmallDataSet({ shape: [1, 2, 2], values, partitions: ids });
  folders.push(dir);
  const backend = new HoldingBackend();
  const store = new PartitionStore({ dataSets: [await openDataSet(dir)], backend, deviceMemoryBytes, log: pino({ level: 'silent' }) });
  const assign = (epoch: number, wanted: number[], inEffectEpoch?: number) =>
    store.assign({
      dataSet: 'small',
      contentHash: manifest.contentHash,
      epoch,
      partitions: wanted,
      ...(inEffectEpoch === undefined ? {} : { inEffectEpoch }),
    });
  return { dir, manifest, backend, store, assign };
}

const code = (wanted: string) => (error: GolddiffError) => error.code === wanted;

test('partitions are loaded a few at a time, verified, and held at their epoch', async () => {
  const { backend, store, assign, manifest } = await storeOf(9);
  const held = await assign(3, [0, 1, 2, 3, 4, 5, 8]);
  assert.equal(backend.loadingMost <= PARTITION_LOADS_MAX, true);
  assert.deepEqual(
    held.map((state) => [state.partition, state.rows, state.epoch, state.failure]),
    [0, 1, 2, 3, 4, 5, 8].map((id) => [id, 3, 3, undefined]),
  );
  assert.equal(held[1]!.sha256, manifest.partitions[1]!.sha256);
  store.checkHeld('small', 3, [0, 8]);
  assert.throws(
    () => store.checkHeld('small', 3, [0, 7]),
    (error: GolddiffError) => error.code === 'EPOCH_STALE' && error.data.partitions!.join() === '7',
  );
  assert.throws(() => store.checkHeld('small', 2, [0]), code('EPOCH_STALE'));
  assert.throws(() => store.checkHeld('small', 4, [0]), code('EPOCH_STALE'));
  assert.throws(() => store.checkHeld('other', 3, [0]), code('DATA_SET_UNKNOWN'));
});

test('rows have their places in the data set, partition after partition, whatever is held', async () => {
  const { store } = await storeOf(3);
  const { present, spanOf } = store.dataSet('small');
  assert.deepEqual(present.map(spanOf), [
    { from: 0, to: 3 },
    { from: 3, to: 6 },
    { from: 6, to: 9 },
  ]);
  assert.throws(() => spanOf(9), /Invariant/);
});

test('the epoch before stays valid until the next, then its partitions go', async () => {
  const { backend, store, assign } = await storeOf(4);
  await assign(1, [0, 1]);
  await assign(2, [1, 2]);
  store.checkHeld('small', 1, [0, 1]);
  store.checkHeld('small', 2, [1, 2]);
  assert.deepEqual([...backend.rows.keys()].sort(), [0, 1, 2]);
  await assign(3, [3]);
  assert.throws(() => store.checkHeld('small', 1, [0]), code('EPOCH_STALE'));
  assert.deepEqual([...backend.rows.keys()].sort(), [1, 2, 3]);
  assert.deepEqual(
    store.held().map((state) => state.partition),
    [1, 2, 3],
  );
  await assert.rejects(assign(2, [0]), code('EPOCH_STALE'));
});

test('the same Assign again loads nothing, at once or later', async () => {
  const { backend, assign } = await storeOf(4);
  await Promise.all([assign(1, [0, 1]), assign(1, [0, 1])]);
  await assign(1, [0, 1]);
  assert.equal(backend.loads, 2);
});

test('a partition whose bytes were changed is reported and not served, the others are, and it is tried again when asked for', async () => {
  const { dir, store, assign, manifest } = await storeOf(3);
  const file = path.join(dir, manifest.partitions[1]!.file);
  const flip = async (): Promise<void> => {
    const handle = await open(file, 'r+');
    const byte = Buffer.alloc(1);
    await handle.read(byte, 0, 1, manifest.partitions[1]!.bytes - 1);
    byte[0] = byte[0]! ^ 1;
    await handle.write(byte, 0, 1, manifest.partitions[1]!.bytes - 1);
    await handle.close();
  };
  await flip();
  const held = await assign(1, [0, 1, 2]);
  assert.match(held[1]!.failure!, /FILE_INVALID: .*sha256/);
  assert.deepEqual([held[0]!.failure, held[2]!.failure], [undefined, undefined]);
  store.checkHeld('small', 1, [0, 2]);
  assert.throws(
    () => store.checkHeld('small', 1, [0, 1]),
    (error: GolddiffError) => error.code === 'PARTITION_MISSING' && error.data.partitions!.join() === '1',
  );
  await flip();
  assert.equal((await assign(1, [0, 1, 2]))[1]!.failure, undefined);
  store.checkHeld('small', 1, [0, 1, 2]);
});

test('a partition beyond the device memory or unknown to the data set is reported', async () => {
  const { assign, backend } = await storeOf(3, 10);
  const held = await assign(1, [0, 99]);
  assert.match(held[0]!.failure!, /LIMIT_EXCEEDED: .* 10 are free/);
  assert.match(held[1]!.failure!, /NOT_FOUND/);
  assert.equal(backend.loads, 0, 'no file was read');
});

test('indexes hear of partitions where the backend takes candidates, and of none where nothing could search one', async () => {
  const log = pino({ level: 'silent' });
  const { dir, manifest } = await storeOf(2);
  for (const takesCandidates of [true, false]) {
    const indexes = new CandidateIndexes({ threads: 1, memoryBytes: () => Infinity, log, rowsMin: Infinity });
    const backend = new HoldingBackend(takesCandidates);
    const store = new PartitionStore({ dataSets: [await openDataSet(dir)], backend, indexes, deviceMemoryBytes: Infinity, log });
    await store.assign({ dataSet: 'small', contentHash: manifest.contentHash, epoch: 1, partitions: [0, 1] });
    assert.equal(indexes.rows({ dataSet: 'small', partition: 1 }), takesCandidates ? 3 : undefined);
    await indexes.close();
  }
});

test('partitions of a remote data set are fetched more at once than are read into memory, and are held until they are let go', async () => {
  const { dir, manifest, backend } = await storeOf(9);
  const log = pino({ level: 'silent' });
  const held = new Set<string>();
  let fetching = 0;
  let most = 0;
  const files: DataSetFiles = {
    take: async ({ file }) => {
      most = Math.max(most, ++fetching);
      await new Promise((resolve) => setTimeout(resolve, 20));
      fetching--;
      if (file === manifest.partitions[8]!.file) throw new GolddiffError('DATA_UNAVAILABLE', 'the server answered 503');
      held.add(file);
      return { path: path.join(dir, file), release: async () => void held.delete(file), discard: async () => void held.delete(file) };
    },
    optional: () => Promise.resolve(undefined),
    offer: () => Promise.resolve(),
  };
  const states: (LoadState | undefined)[] = [];
  const progress = new LoadProgress({ log, onChange: (state) => void states.push(state) });
  const store = new PartitionStore({
    dataSets: [{ dir: '/nowhere', manifest, files }],
    backend,
    deviceMemoryBytes: Infinity,
    log,
    fetchesMax: 5,
    progress,
  });
  assert.equal(store.isEmpty, true);
  const assign = (epoch: number, partitions: number[]) => store.assign({ dataSet: 'small', contentHash: manifest.contentHash, epoch, partitions });
  const loading = assign(1, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([store.isEmpty, progress.state?.partitions], [true, 9]);
  const states1 = await loading;
  assert.equal(states1[8]!.failure, 'DATA_UNAVAILABLE: the server answered 503');
  assert.deepEqual([store.isEmpty, progress.state, most, held.size], [false, undefined, 5, 8]);
  assert.ok(backend.loadingMost <= PARTITION_LOADS_MAX);
  assert.equal(states.length, 10);
  await assign(2, [0, 1]);
  await assign(3, [0]);
  assert.deepEqual([...held], [manifest.partitions[0]!.file, manifest.partitions[1]!.file]);
  await store.close();
  assert.equal(held.size, 0);
});

test('another data set than the one on disk is refused', async () => {
  const { store } = await storeOf(1);
  await assert.rejects(store.assign({ dataSet: 'small', contentHash: 'abc', epoch: 1, partitions: [0] }), code('DATA_SET_MISMATCH'));
  await assert.rejects(store.assign({ dataSet: 'nobody', contentHash: 'abc', epoch: 1, partitions: [0] }), code('DATA_SET_UNKNOWN'));
});

test('the epoch in effect stays valid however many Assigns come before another takes effect', async () => {
  const { store, assign, backend } = await storeOf(4);
  await assign(1, [0, 1]);
  // Planned by one that lost a race, then by one that died, then by the one whose placement took effect.
  await assign(2, [1, 2], 1);
  await assign(3, [2], 1);
  await assign(4, [2, 3], 1);
  store.checkHeld('small', 1, [0, 1]);
  store.checkHeld('small', 4, [2, 3]);
  assert.throws(() => store.checkHeld('small', 3, [2]), code('EPOCH_STALE'));
  await assign(5, [3], 4);
  assert.throws(() => store.checkHeld('small', 1, [0]), code('EPOCH_STALE'));
  store.checkHeld('small', 4, [2, 3]);
  assert.deepEqual([...backend.rows.keys()].sort(), [2, 3]);
});
