import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RoundTimes, roundKind } from '../../coordinator/round-times.js';
import { HEDGE_SAMPLES, HEDGE_SAMPLES_MIN, ROUND_KINDS_MAX } from '../../shared/limits.js';

test('the percentile is that of the newest times of the kind, once there are enough', () => {
  const times = new RoundTimes(95);
  for (let i = 1; i < HEDGE_SAMPLES_MIN; i++) times.note('a', i);
  assert.equal(times.late('a'), undefined);
  times.note('a', HEDGE_SAMPLES_MIN);
  assert.equal(times.late('a'), Math.ceil(0.95 * HEDGE_SAMPLES_MIN));
  assert.equal(times.late('b'), undefined);
  for (let i = 0; i < HEDGE_SAMPLES; i++) times.note('a', 1_000 + i);
  assert.equal(times.late('a'), 1_000 + Math.ceil(0.95 * HEDGE_SAMPLES) - 1, 'the old ones are forgotten');
});

test('the kinds that are remembered are limited, and the oldest goes first', () => {
  const times = new RoundTimes(50);
  for (let k = 0; k <= ROUND_KINDS_MAX; k++) for (let i = 0; i < HEDGE_SAMPLES_MIN; i++) times.note(`kind ${k}`, 1);
  assert.equal(times.late('kind 0'), undefined);
  assert.equal(times.late('kind 1'), 1);
});

test('rounds of steps of another size, pool or denoiser are of another kind', () => {
  const golden = (pool: number) => ({ pool: Float64Array.of(pool) }) as never;
  const rows = { batch: 8, golden: undefined, denoiser: { route: 'rows' } as const };
  const kinds = [
    rows,
    { ...rows, batch: 9 },
    { ...rows, golden: golden(100) },
    { ...rows, golden: golden(1_000) },
    { ...rows, denoiser: { route: 'groups', groups: 784 } as never },
    { ...rows, blockRows: 10 },
  ].map(roundKind);
  assert.equal(new Set(kinds).size, kinds.length);
  assert.equal(roundKind({ ...rows, batch: 7 }), roundKind(rows), 'to the next power of two');
  assert.equal(roundKind({ ...rows, golden: golden(1_000) }), roundKind({ ...rows, golden: golden(1_001) }));
});
