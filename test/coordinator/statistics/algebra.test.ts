import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Algebra } from '../../../coordinator/statistics/algebra.js';
import { gaussianFactor, gaussianMean } from '../../../coordinator/statistics/gaussian-mean.js';
import { localityMask } from '../../../coordinator/statistics/locality-mask.js';
import type { Covariance } from '../../../shared/math/moment-sums.js';
import { encodeSupportSet } from '../../../shared/math/support-set.js';

function shared(...values: number[]): Float64Array {
  const array = new Float64Array(new SharedArrayBuffer(values.length * 8));
  array.set(values);
  return array;
}
const covariance: Covariance = { rows: 9, mean: shared(0.1, -0.2), covariance: shared(1, 0.5, 0.5, 2) };

test('the thread answers what the functions do, one after the other, and lets the event loop turn', async () => {
  const algebra = new Algebra();
  try {
    const x = Float64Array.of(1, 2);
    const alpha = Float64Array.of(0.9);
    const [mask, answer, again] = await Promise.all([
      algebra.locality(covariance, 0.5, 0.02),
      algebra.gaussian('all', covariance, 0.5, x, alpha),
      algebra.gaussian('all', covariance, 0.5, x, alpha),
    ]);
    assert.deepEqual(mask, encodeSupportSet(localityMask(covariance.covariance, 0.5, 0.02)));
    const want = gaussianMean(gaussianFactor(covariance.covariance, 2, 0.5), covariance.mean, covariance.covariance, x, alpha);
    assert.deepEqual(answer, want);
    assert.deepEqual(again, want);
  } finally {
    await algebra.close();
  }
});

test('what fails fails alone, and a closed one rejects what waits and what comes', async () => {
  const algebra = new Algebra();
  const broken: Covariance = { ...covariance, covariance: shared(1, 2, 3) };
  await assert.rejects(algebra.locality(broken, 1, 0.02), { code: 'INTERNAL', message: /square/ });
  await algebra.locality(covariance, 1, 0.02);
  const waiting = assert.rejects(algebra.locality(covariance, 2, 0.02), { code: 'CANCELLED' });
  await algebra.close();
  await waiting;
  await assert.rejects(algebra.locality(covariance, 1, 0.02), { code: 'CANCELLED' });
  await new Algebra().close();
});
