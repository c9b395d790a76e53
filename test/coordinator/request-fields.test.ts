import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Retrieval__Output } from '../../proto/generated/golddiff/v1/Retrieval.js';
import * as fields from '../../coordinator/request-fields.js';
import { randomDataSet } from './test-data.js';

const { manifest } = randomDataSet({ rows: 40, partitions: 4, classes: 2 });

test('defaults are filled in', () => {
  assert.equal(fields.temperatureOf(0), 1);
  assert.equal(fields.scheduleOf('SCHEDULE_UNSPECIFIED', 'schedule', 'EDM'), 'EDM');
  fields.checkDataSet('', manifest);
  fields.checkRetrieval(null);
  assert.equal(fields.labelsOf([], 3, manifest), undefined);
});

test('one value stands for all', () => {
  assert.deepEqual(fields.broadcast('f', [7], 3), [7, 7, 7]);
  assert.deepEqual(fields.broadcast('f', [7, 8], 2), [7, 8]);
  assert.deepEqual([...fields.labelsOf([-1], 2, manifest)!], [-1, -1]);
  assert.deepEqual([...fields.labelsOf([0, 1], 2, manifest)!], [0, 1]);
});

test('a class without rows and a data set without labels have nobody', () => {
  const classes = [
    { label: 0, name: 'zero', rows: 40 },
    { label: 1, name: 'one', rows: 0 },
  ];
  assert.throws(() => fields.labelsOf([1], 1, { ...manifest, classes }), { message: /labels\[0\] but received 1/ });
  assert.throws(() => fields.labelsOf([0], 1, { ...manifest, classes: [] }), { message: /no labels/ });
});

test('what is out of range is refused with its field', () => {
  for (const refused of [
    () => fields.temperatureOf(NaN),
    () => fields.levelValue('field', Infinity),
    () => fields.levelValue('field', 1e-12),
    () => fields.levelValue('field', -0),
    () => fields.scheduleOf(9 as never, 'field', 'EDM'),
    () => fields.seedOf('field', 2 ** 53),
    () => fields.seedOf('field', -1),
    () => fields.integerIn('field', 1.5, 0, 2),
    () => fields.inRange('field', NaN, 0, 1),
    () => fields.broadcast('field', [], 2),
    () => fields.checkRetrieval({ kind: 7 } as unknown as Retrieval__Output),
    () => fields.checkRetrieval({ kind: 'GOLDEN', variant: 7 } as unknown as Retrieval__Output),
    () => fields.checkRetrieval({ kind: 'GOLDEN', search: 9 } as unknown as Retrieval__Output),
    () => fields.checkRetrieval({ kind: 'GOLDEN', variant: 'RELEASED', search: 'SEARCH_HNSW' } as unknown as Retrieval__Output),
    () => fields.checkRetrieval({ kind: 'GOLDEN', maxTailMass: 1 } as unknown as Retrieval__Output),
    () => fields.checkRetrieval({ kind: 'GOLDEN', maxTailMass: -0.1 } as unknown as Retrieval__Output),
    () => fields.checkRetrieval({ kind: 'GOLDEN', maxTailMass: NaN } as unknown as Retrieval__Output),
    () => fields.checkRetrieval({ kind: 'EXACT_SCAN', maxTailMass: 0.1 } as unknown as Retrieval__Output),
    () => fields.checkRetrieval({ kind: 'EXACT_SCAN', aggregator: 5 } as unknown as Retrieval__Output),
    () => fields.checkRetrieval({ kind: 'EXACT_SCAN', aggregator: 'WSS', blockRows: 0 } as unknown as Retrieval__Output),
    () => fields.checkRetrieval({ kind: 'EXACT_SCAN', aggregator: 'SOFTMAX', blockRows: 3 } as unknown as Retrieval__Output),
    () => fields.checkRetrieval({ kind: 'GOLDEN', aggregator: 'WSS', blockRows: 3, search: 'SEARCH_HNSW' } as unknown as Retrieval__Output),
    () => fields.checkRetrieval({ kind: 'GOLDEN', aggregator: 'WSS', blockRows: 3, maxTailMass: 0.1 } as unknown as Retrieval__Output),
    () => fields.checkMagnitude('field', Float64Array.of(0, 0, 1e31, 0), 2),
  ]) {
    assert.throws(refused, { code: 'ARGUMENT_INVALID' });
  }
  assert.throws(() => fields.checkMagnitude('x', Float64Array.of(0, 0, 1e31, 0), 2), { message: /x\[1\]/ });
});
