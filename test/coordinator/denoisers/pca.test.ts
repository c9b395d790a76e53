import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pca } from '../../../coordinator/denoisers/pca.js';
import { queryOf } from './query.js';

test('a mask for each level, shared by the queries of it', () => {
  const ratio = (s: number): number => (s / Math.sqrt(1 - s * s)) ** 2;
  assert.deepEqual(pca.plan(queryOf([0.5, 0.9, 0.5])), {
    route: 'groups',
    groups: 784,
    precisions: [
      { kind: 'locality', ratio: ratio(0.5), threshold: 0.02 },
      { kind: 'locality', ratio: ratio(0.9), threshold: 0.02 },
    ],
    of: Uint32Array.of(0, 1, 0),
  });
});

test('the threshold of the request, within its range', () => {
  const plan = (maskThreshold: number) => pca.plan(queryOf([0.5], { settings: { maskThreshold, patchSize: 0 } }));
  const used = plan(0.04);
  assert.equal(used.route === 'groups' && used.precisions[0]?.kind === 'locality' && used.precisions[0].threshold, 0.04);
  for (const wrong of [-0.1, 1.1, NaN]) assert.throws(() => plan(wrong), { code: 'ARGUMENT_INVALID', message: /mask_threshold/ });
});
