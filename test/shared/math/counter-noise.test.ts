import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fillNormals, philox2x32, philox4x32, presampleHash, presampleHasher } from '../../../shared/math/counter-noise.js';

const hex = (words: ArrayLike<number>): string => Array.from(words, (w) => w.toString(16).padStart(8, '0')).join(' ');

test('Philox4x32-10 gives the published known answers', () => {
  const out = new Uint32Array(4);
  const F = 0xffffffff;
  assert.equal(hex(philox4x32(0, 0, 0, 0, 0, 0, out)), '6627e8d5 e169c58d bc57ac4c 9b00dbd8');
  assert.equal(hex(philox4x32(F, F, F, F, F, F, out)), '408f276d 41c83b0e a20bc7c6 6d5451fd');
  assert.equal(hex(philox4x32(0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, out)), 'd16cfe09 94fdcceb 5001e420 24126ea1');
});

test('Philox2x32-10 gives the published known answers', () => {
  assert.equal(hex(philox2x32(0, 0, 0)), 'ff1dae59 6cd10df2');
  assert.equal(hex(philox2x32(0xffffffff, 0xffffffff, 0xffffffff)), '2c3f628b ab4fd7ad');
  assert.equal(hex(philox2x32(0x243f6a88, 0x85a308d3, 0x13198a2e)), 'dd7ce038 f62a4c12');
});

test('normals have the moments of a standard normal', (t) => {
  const n = 200_000;
  const out = new Float64Array(n);
  fillNormals(out, 2602, 3, 0);
  const moment = (k: number): number => out.reduce((s, v) => s + v ** k, 0) / n;
  t.diagnostic(`moments 1..4: ${[1, 2, 3, 4].map((k) => moment(k).toFixed(4)).join(' ')}`);
  // Five standard errors: sqrt(1/n), sqrt(2/n), sqrt(15/n), sqrt(96/n).
  const five = 5 / Math.sqrt(n);
  assert.ok(Math.abs(moment(1)) < five);
  assert.ok(Math.abs(moment(2) - 1) < five * Math.sqrt(2));
  assert.ok(Math.abs(moment(3)) < five * Math.sqrt(15));
  assert.ok(Math.abs(moment(4) - 3) < five * Math.sqrt(96));
});

test('a shorter draw is a prefix of a longer one, and every counter changes the stream', () => {
  const draw = (length: number, seed: number, sample: number, step: number): number[] => {
    const out = new Float64Array(length);
    fillNormals(out, seed, sample, step);
    return [...out];
  };
  const base = draw(9, 1, 2, 3);
  assert.deepEqual(draw(5, 1, 2, 3), base.slice(0, 5));
  for (const other of [draw(9, 2, 2, 3), draw(9, 1, 3, 3), draw(9, 1, 2, 4), draw(9, 1 + 2 ** 32, 2, 3)]) assert.notDeepEqual(other, base);
  assert.ok(base.every(Number.isFinite));
});

test('pre-sample hashes are uniform in [0, 1) and depend on every counter', (t) => {
  const n = 100_000;
  const hash = presampleHasher(7, 1, 0);
  const bins = new Float64Array(20);
  for (let i = 0; i < n; i++) bins[Math.floor(hash(i) * bins.length)]!++;
  const chiSquare = bins.reduce((s, c) => s + (c - n / bins.length) ** 2 / (n / bins.length), 0);
  t.diagnostic(`chi-square with 19 degrees of freedom ${chiSquare.toFixed(1)}`);
  assert.ok(chiSquare < 50, 'beyond 50 lies 1 in 7,000');
  const base = presampleHash(7, 1, 0, 5);
  assert.equal(hash(5), base);
  for (const other of [presampleHash(8, 1, 0, 5), presampleHash(7, 2, 0, 5), presampleHash(7, 1, 1, 5), presampleHash(7, 1, 0, 6)])
    assert.notEqual(other, base);
});
