import assert from 'node:assert/strict';
import { test } from 'node:test';
import { patch } from '../../../coordinator/denoisers/patch.js';
import { patchEquivariant } from '../../../coordinator/denoisers/patch-equivariant.js';
import { queryOf } from './query.js';

test('sides and their order are those of patch, the patches come from everywhere', () => {
  const query = queryOf([0.9, 0.1, 0.9]);
  const [here, everywhere] = [patch.plan(query), patchEquivariant.plan(query)];
  assert.ok(here.route === 'groups' && everywhere.route === 'groups');
  assert.deepEqual(
    everywhere.precisions,
    here.precisions.map((precision) => ({ ...precision, kind: 'equivariant' })),
  );
  assert.deepEqual([everywhere.groups, everywhere.of], [784, here.of]);
  const fixed = patchEquivariant.plan(queryOf([0.5], { settings: { maskThreshold: 0, patchSize: 5 } }));
  assert.deepEqual(fixed.route === 'groups' && fixed.precisions, [{ kind: 'equivariant', side: 5 }]);
});

test('even patches, and pictures of too many pixels, are refused', () => {
  assert.throws(() => patchEquivariant.plan(queryOf([0.5], { settings: { maskThreshold: 0, patchSize: 4 } })), { code: 'ARGUMENT_INVALID' });
  assert.throws(() => patchEquivariant.plan(queryOf([0.5], { shape: [1, 65, 64] })), { code: 'UNSUPPORTED', message: /at most 4096 pixels/ });
});
