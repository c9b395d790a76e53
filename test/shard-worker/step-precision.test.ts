import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { OpenStep__Output } from '../../proto/generated/golddiff/v1/OpenStep.js';
import { decodePrecision } from '../../shard-worker/step-precision.js';
import type { GolddiffError } from '../../shared/errors.js';
import { makeSupportSet } from '../../shared/math/support-set.js';

const SHAPE = [3, 4, 5] as const;
const sets = new Map([
  ['all', makeSupportSet(60, 60, (p, g) => p === g)],
  ['short', makeSupportSet(59, 59, (p, g) => p === g)],
  ['odd', makeSupportSet(60, 7, (p, g) => p === g)],
  ['whole', makeSupportSet(60, 1, () => true)],
]);
const find = (hash: string) => sets.get(hash);
const decode = (precisions: object[], precisionOf: number[], batch = 2) =>
  decodePrecision({ precisions, precisionOf } as OpenStep__Output, batch, SHAPE, find);

test('precisions become groups, with the sets that they name', () => {
  assert.equal(decode([], []), undefined);
  assert.deepEqual(decode([{ window: 3 }, { window: 9 }], [1, 0]), {
    groups: 20,
    kinds: [
      { kind: 'window', side: 3 },
      { kind: 'window', side: 9 },
    ],
    of: Uint32Array.of(1, 0),
  });
  assert.deepEqual(decode([{ supports: 'all' }], [0, 0]), {
    groups: 60,
    kinds: [{ kind: 'supports', set: sets.get('all') }],
    of: new Uint32Array(2),
  });
  assert.equal(decode([{ supports: 'whole' }], [0, 0])?.groups, 1);
});

test('what does not fit the rows, the batch or the other precisions is refused with its field', () => {
  const cases: [object[], number[], string, string?][] = [
    [[], [0, 0], 'open.precision_of'],
    [[{ window: 3 }], [0], 'open.precision_of'],
    [[{ window: 3 }], [0, 1], 'open.precision_of'],
    [[{ window: 4 }], [0, 0], 'open.precisions[0].window'],
    [[{ equivariant: 4 }], [0, 0], 'open.precisions[0].equivariant'],
    [[{ equivariant: 3 }, { window: 3 }], [0, 1], 'open.precisions'],
    [[{ window: 11 }], [0, 0], 'open.precisions[0].window'],
    [[{}], [0, 0], 'open.precisions[0].window'],
    [[{ supports: 'short' }], [0, 0], 'open.precisions[0].supports'],
    [[{ supports: 'odd' }], [0, 0], 'open.precisions[0].supports'],
    [[{ supports: 'all' }, { window: 3 }], [0, 1], 'open.precisions[1]'],
    [[{ supports: 'gone' }], [0, 0], 'open.precisions[0]', 'SUPPORTS_MISSING'],
  ];
  for (const [precisions, of, field, code] of cases)
    assert.throws(
      () => decode(precisions, of),
      (error: GolddiffError) => error.code === (code ?? 'ARGUMENT_INVALID') && error.data.field === field,
      JSON.stringify(precisions),
    );
});
