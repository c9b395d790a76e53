import assert from 'node:assert/strict';
import { test } from 'node:test';
import { patch, patchSide } from '../../../coordinator/denoisers/patch.js';
import { queryOf } from './query.js';

const sideOf = (sigma: number, shape: readonly [number, number, number], patchSize = 0): number => {
  const plan = patch.plan(queryOf([sigma], { shape, settings: { maskThreshold: 0, patchSize } }));
  return plan.route === 'groups' && plan.precisions[0]?.kind === 'window' ? plan.precisions[0].side : NaN;
};
/** sigma of step i of 20, from low to high noise. */
const sigmaOf = (i: number): number => Math.sin((Math.PI * i) / 20 / 2.016);

test('at the published noise levels the sides are the published ones', () => {
  const grey = [3, 3, 3, 5, 5, 7, 7, 7, 9, 9, 9, 11, 13, 15, 17, 21, 23, 23, 25, 27];
  const colour = [3, 3, 3, 3, 5, 5, 5, 7, 7, 7, 7, 9, 9, 11, 11, 13, 15, 17, 17, 17];
  assert.deepEqual(
    grey.map((_, i) => sideOf(sigmaOf(i + 1), [1, 28, 28])),
    grey,
  );
  assert.deepEqual(
    colour.map((_, i) => sideOf(sigmaOf(i + 1), [3, 32, 32])),
    colour,
  );
});

test('sides are odd and grow with the noise, between the steps, beyond both ends and for other pictures', () => {
  for (const pixels of [1, 8, 28, 64]) {
    let before = 1;
    for (let s = 0.001; s < 1; s += 0.001) {
      const side = patchSide(1, pixels, s);
      assert.ok(side % 2 === 1 && side >= before && side <= 2 * pixels, `${side} at ${s} for ${pixels} pixels`);
      before = side;
    }
  }
  assert.equal(patchSide(3, 64, 1 - 1e-12), 35);
});

test('a level that does not preserve variance counts by its share of noise', () => {
  const query = queryOf([sigmaOf(16)]);
  const scaled = { ...query, alpha: query.alpha.map((a) => 7 * a), sigma: query.sigma.map((s) => 7 * s) };
  assert.deepEqual(patch.plan(scaled), patch.plan(query));
});

test('a size of the request is taken where it is odd and within reach', () => {
  assert.equal(sideOf(0.5, [1, 28, 28], 9), 9);
  assert.equal(sideOf(0.5, [1, 28, 28], 55), 55);
  for (const wrong of [2, 57]) assert.throws(() => sideOf(0.5, [1, 28, 28], wrong), { code: 'ARGUMENT_INVALID', message: /patch_size/ });
});
