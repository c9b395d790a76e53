import assert from 'node:assert/strict';
import { test } from 'node:test';

import { encodeRetrieval } from '../../client/retrieval.js';

test('no choice is the exact scan', () => {
  assert.deepEqual(encodeRetrieval(undefined), { kind: 'EXACT_SCAN' });
});

test('the words for "decide yourself" go as 0', () => {
  const encoded = encodeRetrieval({ kind: 'golden', k: 'dynamic', candidatePool: 'auto' });
  assert.deepEqual([encoded.kFixed, encoded.candidatePool, encoded.variant, encoded.presample], [0, 0, 'PAPER', 'PRESAMPLE_AUTO']);
});

test('the search goes by its name, and another word is refused', () => {
  const searches = (['auto', 'scan', 'hnsw'] as const).map((search) => encodeRetrieval({ kind: 'golden', search }).search);
  assert.deepEqual([...searches, encodeRetrieval({ kind: 'golden' }).search], ['SEARCH_AUTO', 'SEARCH_SCAN', 'SEARCH_HNSW', 'SEARCH_AUTO']);
  assert.throws(() => encodeRetrieval({ kind: 'golden', search: 'faiss' as never }), {
    message: 'Expected one of auto, scan, hnsw for retrieval.search but received "faiss"',
  });
});

test('sizes and counters go as they are', () => {
  const encoded = encodeRetrieval({
    kind: 'golden',
    variant: 'released',
    kMin: 1,
    kMax: 2,
    k: 3,
    candidatePool: 4,
    proxyResolution: 5,
    presample: 'all',
    firstQuery: 6,
  });
  assert.deepEqual(
    [
      encoded.variant,
      encoded.kMin,
      encoded.kMax,
      encoded.kFixed,
      encoded.candidatePool,
      encoded.proxyResolution,
      encoded.presample,
      encoded.firstQuery,
    ],
    ['RELEASED', 1, 2, 3, 4, 5, 'PRESAMPLE_ALL', 6],
  );
});

test('an error budget travels with golden retrieval', () => {
  assert.equal(encodeRetrieval({ kind: 'golden', maxTailMass: 0.01 }).maxTailMass, 0.01);
  assert.equal(encodeRetrieval({ kind: 'golden' }).maxTailMass, 0);
});

test('a tolerance travels with exact retrieval', () => {
  assert.deepEqual(encodeRetrieval({ kind: 'exact', tolerance: 0.01 }), { kind: 'EXACT_SCAN', tolerance: 0.01 });
  assert.deepEqual(encodeRetrieval({ kind: 'exact' }), { kind: 'EXACT_SCAN' });
});

test('an aggregator and its blocks travel with either retrieval', () => {
  assert.deepEqual(encodeRetrieval({ kind: 'exact', aggregator: 'wss', blockRows: 9 }), { kind: 'EXACT_SCAN', aggregator: 'WSS', blockRows: 9 });
  const { aggregator, blockRows } = encodeRetrieval({ kind: 'golden', aggregator: 'softmax' });
  assert.deepEqual([aggregator, blockRows], ['SOFTMAX', undefined]);
  assert.throws(() => encodeRetrieval({ kind: 'golden', aggregator: 'mean' as 'wss' }), { message: /one of softmax, wss for retrieval.aggregator/ });
});
