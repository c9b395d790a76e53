import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { pino } from 'pino';
import type { Backend, StepQueries } from '../../../shard-worker/backends/backend.js';
import { ReferenceBackend } from '../../../shard-worker/backends/reference/reference-backend.js';
import { CandidateIndexes } from '../../../shard-worker/candidates/candidate-indexes.js';
import { CandidateSearch, type StepSearch } from '../../../shard-worker/candidates/candidate-search.js';
import { rankWindow } from '../../../shared/math/rank-selection.js';
import { temporaryFolder } from '../../support/data-sets.js';
import { MNIST_SHAPE, mnistPartition, noisyQueries } from './mnist-partition.js';

const ROWS = 2000;
const BATCH = 6;
const partition = mnistPartition(0, ROWS);
const small = mnistPartition(ROWS, 300, 1);
const lines: Record<string, unknown>[] = [];
const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) });
const backend = new ReferenceBackend({ computeThreads: 1, deviceMemoryBytes: Infinity });
const indexes = new CandidateIndexes({ threads: 1, memoryBytes: () => Infinity, log, rowsMin: ROWS });
const searches: [string, string, number][] = [];
const recalls: number[] = [];
const search = new CandidateSearch({
  indexes,
  backend,
  log,
  recallSample: 1,
  onSearch: (...counted) => searches.push(counted),
  onRecall: (recall) => recalls.push(recall),
});

before(async () => {
  const dir = temporaryFolder();
  for (const held of [partition, small]) {
    await backend.load(held);
    indexes.hold(held, dir);
  }
  await indexes.idle();
});
after(async () => {
  await search.idle();
  await indexes.close();
  await backend.close();
});

function stepSearch(queries: StepQueries, change: Partial<StepSearch> = {}): StepSearch {
  const fraction = new Float64Array(queries.batch).fill(0.05);
  return { partition: 0, shape: MNIST_SHAPE, wish: 'hnsw', queries, fraction, cancelled: new Int32Array(1), ...change };
}

test('the candidates are the rows up to the end of the rank window, and the ranks asked for are those of the window', async () => {
  const queries = noisyQueries(partition, BATCH, 100);
  const fraction = Float64Array.of(0.05, 0.2, 0, 1e-4, 0.9, 0.05);
  const found = await search.find(stepSearch(queries, { fraction }));
  assert.ok(found);
  assert.equal(found.rows, ROWS);
  fraction.forEach((f, b) => {
    const { firstRank, count } = rankWindow(f, ROWS);
    const asked = found.ranks.windows.filter((window) => window.query === b);
    if (f === 0) return assert.deepEqual([found.lists[b], asked], [undefined, []]);
    assert.equal(found.lists[b]!.length, firstRank + count);
    return assert.deepEqual(asked, [{ query: b, firstRank, count }]);
  });
});

test('keys among the candidates are those of the scan, but for what the index missed', async (t) => {
  await search.idle();
  recalls.length = 0;
  for (const step of [0, 100, 300]) {
    const queries = noisyQueries(partition, BATCH, step);
    const found = await search.find(stepSearch(queries));
    const restricted = backend.openStep(queries);
    restricted.restrict?.(0, found!.lists);
    const [own, scan] = [await restricted.screen(0, 'proxy', {}, found!.ranks), await backend.openStep(queries).screen(0, 'proxy', {}, found!.ranks)];
    let equal = 0;
    own.keys.forEach((key, i) => {
      if (key === scan.keys[i] && own.rowIds[i] === scan.rowIds[i]) equal++;
      assert.ok(key >= scan.keys[i]!, 'among fewer rows the key of a rank is not smaller');
    });
    t.diagnostic(`t ${step}: ${equal} of ${own.keys.length} keys are those of the scan`);
    await search.idle();
  }
  const mean = recalls.reduce((sum, recall) => sum + recall, 0) / recalls.length;
  t.diagnostic(`mean recall of ${recalls.length} sampled queries ${mean.toFixed(4)}`);
  assert.equal(recalls.length, 3 * BATCH);
  assert.ok(mean > 0.98 && mean <= 1, 'measured above .995 at these levels');
});

test('a partition that is too small, labelled, or without its index is scanned, and the log and the count say why', async () => {
  searches.length = 0;
  lines.length = 0;
  const queries = noisyQueries(partition, BATCH, 100);
  const near = noisyQueries(small, BATCH, 100);
  assert.equal(await search.find(stepSearch({ ...queries, labels: new Int32Array(BATCH).fill(3) })), undefined);
  assert.equal(await search.find(stepSearch(queries, { fraction: new Float64Array(BATCH).fill(0.999) })), undefined);
  const plain: Backend = Object.create(backend, { takesCandidates: { value: false } }) as Backend;
  const without = new CandidateSearch({ indexes, backend: plain, log, onSearch: (...counted) => searches.push(counted) });
  assert.equal(await without.find(stepSearch(queries)), undefined);
  assert.equal(await search.find(stepSearch(queries, { wish: 'scan' })), undefined);
  assert.equal(await search.find(stepSearch(queries, { wish: 'auto' })), undefined);
  for (let i = 0; i < 3; i++) assert.equal(await search.find(stepSearch(near, { partition: 1 })), undefined);
  const reasons = ['labels', 'too_many', 'unsupported', 'asked', 'slower', 'not_ready', 'not_ready', 'not_ready'];
  assert.deepEqual(
    searches,
    reasons.map((reason) => ['scan', reason, BATCH]),
  );
  const told = lines.filter(({ msg }) => msg === 'search hnsw was asked for and the partition scanned');
  assert.deepEqual(
    told.map(({ partition: id, reason }) => [id, reason]),
    [
      [0, 'labels, index ready'],
      [0, 'too_many, index ready'],
      [0, 'unsupported, index ready'],
      [1, 'not_ready, index absent'],
      [1, 'not_ready, index pending'],
    ],
    'once for each reason',
  );
  await indexes.idle();
  assert.ok(await search.find(stepSearch(near, { partition: 1 })), 'the first wish began the build');
  assert.deepEqual(searches.at(-1), ['hnsw', 'asked', BATCH]);
});

test('a partition of another worker is scanned', async () => {
  assert.equal(await search.find(stepSearch(noisyQueries(partition, 1, 100), { partition: 44 })), undefined);
});

test('a partition whose index goes while it is searched is scanned', async () => {
  lines.length = 0;
  const counted: unknown[] = [];
  const own = new CandidateIndexes({ threads: 1, memoryBytes: () => Infinity, log, rowsMin: 0 });
  own.hold(small, temporaryFolder());
  await own.idle();
  const ending = new CandidateSearch({ indexes: own, backend, log, onSearch: (...search) => counted.push(search) });
  const found = ending.find(stepSearch(noisyQueries(small, 64, 100), { partition: 1 }));
  await own.close();
  assert.equal(await found, undefined);
  assert.deepEqual(counted, [['scan', 'not_ready', 64]]);
  assert.ok(lines.some(({ msg }) => msg === 'a search of an index failed, the partition is scanned'));
});

test('only the sampled share of the searches is compared with the scan', async () => {
  const own: number[] = [];
  const rare = new CandidateSearch({ indexes, backend, log, recallSample: 0, onRecall: (recall) => own.push(recall) });
  await rare.find(stepSearch(noisyQueries(partition, 8, 100)));
  await rare.idle();
  assert.equal(own.length, 0);
  const often = new CandidateSearch({ indexes, backend, log, recallSample: 0.5, onRecall: (recall) => own.push(recall) });
  await often.find(stepSearch(noisyQueries(partition, 64, 100)));
  await often.idle();
  assert.ok(own.length > 16 && own.length < 48, `${own.length} of 64`);
});
