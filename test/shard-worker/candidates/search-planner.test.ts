import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hnswNs, planSearch, scanNs, type SearchFacts, type SearchReason } from '../../../shard-worker/candidates/search-planner.js';

/** A case in which the index wins by far. */
const WINS: SearchFacts = {
  wish: 'auto',
  backend: 'reference',
  supported: true,
  index: 'ready',
  labelled: false,
  rows: 240_000,
  proxyValues: 196,
  wanted: 100,
  batch: 8,
  noise: 0.3,
};

test('the plan follows the table', () => {
  const table: [Partial<SearchFacts>, 'scan' | 'hnsw', SearchReason][] = [
    [{}, 'hnsw', 'faster'],
    [{ wish: 'scan' }, 'scan', 'asked'],
    [{ wish: 'scan', supported: false }, 'scan', 'asked'],
    [{ wish: 'hnsw' }, 'hnsw', 'asked'],
    [{ wish: 'hnsw', rows: 500 }, 'hnsw', 'asked'],
    [{ wish: 'hnsw', noise: 0.99 }, 'hnsw', 'asked'],
    [{ wish: 'hnsw', wanted: 239_999 }, 'hnsw', 'asked'],
    [{ wish: 'hnsw', wanted: 240_000 }, 'scan', 'too_many'],
    [{ wish: 'hnsw', labelled: true }, 'scan', 'labels'],
    [{ wish: 'hnsw', supported: false }, 'scan', 'unsupported'],
    [{ wish: 'hnsw', index: 'pending' }, 'scan', 'not_ready'],
    [{ wish: 'hnsw', index: 'absent' }, 'scan', 'not_ready'],
    [{ wish: 'hnsw', index: 'failed' }, 'scan', 'not_ready'],
    [{ index: 'pending' }, 'scan', 'not_ready'],
    [{ noise: 0.95 }, 'scan', 'noisy'],
    [{ wanted: 100_000 }, 'scan', 'slower'],
    [{ rows: 10_000 }, 'scan', 'slower'],
    [{ labelled: true }, 'scan', 'labels'],
    [{ supported: false }, 'scan', 'unsupported'],
    [{ backend: 'native', rows: 20_000, batch: 64, wanted: 1000 }, 'scan', 'slower'],
    [{ backend: 'native', rows: 1_000_000, batch: 1 }, 'hnsw', 'faster'],
    [{ backend: 'cuda', supported: false, rows: 1_000_000 }, 'scan', 'unsupported'],
  ];
  for (const [change, method, reason] of table) assert.deepEqual(planSearch({ ...WINS, ...change }), { method, reason }, JSON.stringify(change));
});

test('a scan costs in proportion to its rows, an index hardly more for more rows', () => {
  const scan = (rows: number): number => scanNs({ ...WINS, rows });
  const hnsw = (rows: number): number => hnswNs({ ...WINS, rows });
  assert.ok(Math.abs(scan(960_000) / scan(240_000) - 4) < 1e-9);
  assert.ok(hnsw(960_000) / hnsw(240_000) < 1.6);
  assert.ok(hnswNs({ ...WINS, wanted: 10_000 }) > hnswNs({ ...WINS, wanted: 1000 }));
});
