import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeAggregate, decodeOpen, decodeScreen, encodeScreen } from '../../shard-worker/step-messages.js';
import type { GolddiffError } from '../../shared/errors.js';

const SHAPE = [1, 4, 4] as const;
const NOTHING_HELD = () => undefined;
const open: Parameters<typeof decodeOpen>[0] = {
  requestId: 'r',
  dataSet: 'small',
  epoch: 1,
  partitions: [0, 2],
  xDtype: 'F32',
  batchRows: 2,
  rowValues: 16,
  alpha: [1, 0.5],
  sigma: [1, 2],
  temperature: 1,
  labels: [],
  proxyResolution: 2,
  presampleSeed: 7,
  presampleStep: 1,
  queryIds: [4, 5],
  timeoutMs: 1000,
  search: 'SEARCH_UNSPECIFIED',
  tolerance: 0,
  blockRows: 0,
  precisions: [],
  precisionOf: [],
  x: Buffer.alloc(0),
};
const opening = decodeOpen(open, SHAPE, NOTHING_HELD);
const cut = (stage: 'PRESAMPLE_HASH' | 'PROXY_DISTANCE' | 'FULL_DISTANCE' | 'SCREEN_STAGE_UNSPECIFIED') => ({
  stage,
  key: [1, Infinity],
  rowId: [3, 0],
});

const refuses =
  (field: string, code = 'ARGUMENT_INVALID') =>
  (error: GolddiffError) =>
    error.code === code && error.data.field === field && !error.message.includes('\n');

test('a sound opening becomes queries', () => {
  assert.deepEqual(opening.partitions, [0, 2]);
  assert.deepStrictEqual(opening.queries.alpha, Float64Array.of(1, 0.5));
  assert.equal(opening.queries.labels, undefined);
  assert.deepStrictEqual(opening.queries.golden?.queryIds, Uint32Array.of(4, 5));
  assert.equal(decodeOpen({ ...open, proxyResolution: 0, queryIds: [] }, SHAPE, NOTHING_HELD).queries.golden, undefined);
});

test('each field of an opening that is wrong is refused by name', () => {
  const cases: [Partial<typeof open>, string, string?][] = [
    [{ batchRows: 0 }, 'open.batch_rows'],
    [{ batchRows: 257 }, 'open.batch_rows'],
    [{ rowValues: 15 }, 'open.row_values', 'TENSOR_INVALID'],
    [{ xDtype: 'U8' }, 'open.x_dtype', 'TENSOR_INVALID'],
    [{ precisionOf: [0, 0] }, 'open.precision_of'],
    [{ precisions: [{ supports: 'ab' }], precisionOf: [0, 0] }, 'open.precisions[0]', 'SUPPORTS_MISSING'],
    [{ partitions: [] }, 'open.partitions'],
    [{ partitions: [1, 1] }, 'open.partitions'],
    [{ timeoutMs: 0 }, 'open.timeout_ms'],
    [{ temperature: 0 }, 'open.temperature'],
    [{ alpha: [1] }, 'open.alpha'],
    [{ sigma: [1, 0] }, 'open.sigma'],
    [{ sigma: [1, NaN] }, 'open.sigma'],
    [{ labels: [1] }, 'open.labels'],
    [{ queryIds: [1] }, 'open.query_ids'],
    [{ proxyResolution: 3 }, 'retrieval.proxy_resolution'],
  ];
  for (const [wrong, field, code] of cases) assert.throws(() => decodeOpen({ ...open, ...wrong }, SHAPE, NOTHING_HELD), refuses(field, code));
});

test('a screen asks every partition by fraction, or those named by windows', () => {
  const fractions = decodeScreen({ stage: 'FULL_DISTANCE', cuts: [cut('PROXY_DISTANCE')], rankFraction: [0.5, 0], windows: [] }, opening);
  assert.equal(fractions.stage, 'full');
  assert.deepStrictEqual(fractions.cuts.proxy, { key: Float64Array.of(1, Infinity), rowId: Uint32Array.of(3, 0) });
  assert.deepEqual([...fractions.ranks.keys()], [0, 2]);
  const window = { partition: 2, query: 1, firstRank: 3, count: 4 };
  const windows = decodeScreen({ stage: 'FULL_DISTANCE', cuts: [], rankFraction: [], windows: [window, { ...window, firstRank: 9 }] }, opening);
  assert.deepEqual([...windows.ranks.keys()], [2]);
  assert.equal(windows.ranks.get(2)?.kind, 'windows');
});

test('each field of a screen that is wrong is refused by name', () => {
  const screen: Parameters<typeof decodeScreen>[0] = { stage: 'FULL_DISTANCE', cuts: [], rankFraction: [0.5, 0.5], windows: [] };
  const window = { partition: 2, query: 1, firstRank: 3, count: 4 };
  const cases: [Partial<typeof screen>, string][] = [
    [{ stage: 'SCREEN_STAGE_UNSPECIFIED' }, 'screen.stage'],
    [{ rankFraction: [] }, 'screen.rank_fraction'],
    [{ rankFraction: [0.5, 1.5] }, 'screen.rank_fraction'],
    [{ windows: [window] }, 'screen'],
    [{ rankFraction: [], windows: [{ ...window, partition: 1 }] }, 'screen.windows.partition'],
    [{ rankFraction: [], windows: [{ ...window, query: 2 }] }, 'screen.windows.query'],
    [{ rankFraction: [], windows: [{ ...window, count: 0 }] }, 'screen.windows.count'],
    [{ cuts: [cut('SCREEN_STAGE_UNSPECIFIED')] }, 'screen.cuts[0].stage'],
    [{ cuts: [cut('FULL_DISTANCE'), cut('FULL_DISTANCE')] }, 'screen.cuts[1].stage'],
    [{ cuts: [{ ...cut('FULL_DISTANCE'), key: [1, NaN] }] }, 'screen.cuts[0].key'],
    [{ cuts: [{ ...cut('FULL_DISTANCE'), rowId: [1] }] }, 'screen.cuts[0].row_id'],
  ];
  for (const [wrong, field] of cases) assert.throws(() => decodeScreen({ ...screen, ...wrong }, opening), refuses(field));
  const plain = decodeOpen({ ...open, proxyResolution: 0, queryIds: [] }, SHAPE, NOTHING_HELD);
  for (const stage of ['PRESAMPLE_HASH', 'PROXY_DISTANCE'] as const) {
    assert.throws(() => decodeScreen({ ...screen, stage }, plain), refuses('screen.stage'));
    assert.throws(() => decodeScreen({ ...screen, cuts: [cut(stage)] }, plain), refuses('screen.cuts[0].stage'));
  }
});

test('an aggregate asks for scalars or for sums, and each field that is wrong is refused by name', () => {
  const sums: Parameters<typeof decodeAggregate>[0] = {
    stage: 'SUMS',
    cuts: [],
    maxLogit: [-1, -Infinity],
    mass: [2, 0],
    negligibleShare: 0.1,
    histogram: true,
    poolShare: [],
    last: false,
  };
  assert.equal(decodeAggregate({ ...sums, stage: 'SCALARS' }, opening).stage, 'scalars');
  const got = decodeAggregate(sums, opening);
  assert.ok(got.stage === 'sums' && got.histogram && got.global.maxLogit[1] === -Infinity);
  const cases: [Partial<typeof sums>, string][] = [
    [{ stage: 'AGGREGATE_STAGE_UNSPECIFIED' }, 'aggregate.stage'],
    [{ maxLogit: [1] }, 'aggregate.max_logit'],
    [{ maxLogit: [NaN, 1] }, 'aggregate.max_logit'],
    [{ mass: [1] }, 'aggregate.mass'],
    [{ mass: [1, -1] }, 'aggregate.mass'],
    [{ negligibleShare: NaN }, 'aggregate.negligible_share'],
  ];
  for (const [wrong, field] of cases) assert.throws(() => decodeAggregate({ ...sums, ...wrong }, opening), refuses(field));
});

test('the search is one of the enumeration, and nothing is auto', () => {
  const searchOf = (search: typeof open.search) => decodeOpen({ ...open, search }, SHAPE, NOTHING_HELD).search;
  assert.deepEqual((['SEARCH_UNSPECIFIED', 'SEARCH_AUTO', 'SEARCH_SCAN', 'SEARCH_HNSW'] as const).map(searchOf), ['auto', 'auto', 'scan', 'hnsw']);
  assert.throws(() => searchOf(9 as never), refuses('open.search'));
});

test('a large answer is split between queries and holds the same keys', () => {
  const screen = {
    queries: Uint32Array.of(0, 1, 2),
    eligible: Uint32Array.of(9, 9, 9),
    firstRank: Uint32Array.of(0, 1, 2),
    count: Uint32Array.of(2, 3, 0),
    keys: Float64Array.of(1, 2, 3, 4, 5),
    rowIds: Uint32Array.of(10, 20, 30, 40, 50),
  };
  assert.equal(encodeScreen(7, screen).length, 1);
  assert.deepEqual([encodeScreen(7, screen)[0]?.searchedRows, encodeScreen(7, screen, 500)[0]?.searchedRows], [0, 500]);
  const parts = encodeScreen(7, screen, 0, 36);
  assert.deepEqual(
    parts.map((part) => part.queries),
    [[0], [1, 2]],
  );
  assert.deepEqual(Buffer.concat(parts.map((part) => part.keys as Buffer)), Buffer.from(screen.keys.buffer));
  assert.deepEqual(Buffer.concat(parts.map((part) => part.rowIds as Buffer)), Buffer.from(screen.rowIds.buffer));
  assert.equal(encodeScreen(7, { ...screen, queries: new Uint32Array(0), count: new Uint32Array(0) }).length, 1, 'one part even for no query');
});

test('a tolerance reaches the backend, 0 means its default, and one beyond half of the mass is refused by name', () => {
  assert.equal(decodeOpen({ ...open, tolerance: 0.25 }, SHAPE, NOTHING_HELD).queries.massTolerance, 0.25);
  assert.equal(decodeOpen(open, SHAPE, NOTHING_HELD).queries.massTolerance, undefined);
  for (const tolerance of [-1, 0.6, NaN])
    assert.throws(() => decodeOpen({ ...open, tolerance }, SHAPE, NOTHING_HELD), /Expected a share from 0 to 0\.5 for open\.tolerance but received/);
});

test('a step with blocks of rows is asked for blocks alone, one without for anything else', () => {
  const aggregate = { stage: 'BLOCKS' as const, cuts: [], maxLogit: [], mass: [], negligibleShare: 0, histogram: false, poolShare: [], last: true };
  const blocks = decodeOpen({ ...open, blockRows: 7 }, SHAPE, NOTHING_HELD);
  assert.deepEqual([blocks.blockRows, decodeAggregate(aggregate, blocks)], [7, { stage: 'blocks', cuts: {} }]);
  assert.throws(() => decodeAggregate({ ...aggregate, stage: 'SCALARS' }, blocks), refuses('aggregate.stage'));
  assert.throws(() => decodeAggregate(aggregate, opening), refuses('aggregate.stage'));
});
