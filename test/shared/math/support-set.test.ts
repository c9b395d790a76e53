import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  decodeSupportSet,
  encodeSupportSet,
  makeSupportSet,
  supportSetBytes,
  supportSetHash,
  supportSizes,
  votesForItself,
  type SupportSet,
} from '../../../shared/math/support-set.js';

/** [G][D] */
function votesOf(set: SupportSet): boolean[][] {
  return Array.from({ length: set.groups }, (_, g) => {
    const row = new Array<boolean>(set.rowValues).fill(false);
    for (let r = set.firstRun[g]!; r < set.firstRun[g + 1]!; r++) row.fill(true, set.runs[2 * r], set.runs[2 * r + 1]);
    return row;
  });
}

test('runs say exactly who votes, and survive the wire', () => {
  const masks = fc
    .integer({ min: 1, max: 20 })
    .chain((width) => fc.array(fc.array(fc.boolean(), { minLength: width, maxLength: width }), { minLength: 1, maxLength: 9 }));
  fc.assert(
    fc.property(masks, (mask) => {
      const set = makeSupportSet(mask[0]!.length, mask.length, (p, g) => mask[g]![p]!);
      assert.deepEqual(votesOf(set), mask);
      const encoded = encodeSupportSet(set);
      assert.equal(encoded.length, supportSetBytes(set));
      const back = decodeSupportSet(encoded);
      assert.deepEqual(votesOf(back), mask);
      assert.ok(back.runs.buffer instanceof SharedArrayBuffer);
      const own = back.rowValues % back.groups === 0 ? [...votesForItself(back)] : [];
      own.forEach((vote, p) => assert.equal(vote === 1, mask[p % mask.length]![p]));
      assert.deepEqual(
        [...supportSizes(back)],
        mask.map((row) => row.filter(Boolean).length),
      );
    }),
    { seed: 4, numRuns: 200 },
  );
});

test('neighbours are one run, and a group without voters has none', () => {
  const set = makeSupportSet(6, 3, (p, g) => (g === 0 ? p >= 1 && p !== 4 : g === 2));
  assert.deepEqual([...set.firstRun], [0, 2, 2, 3]);
  assert.deepEqual([...set.runs], [1, 4, 5, 6, 0, 6]);
});

test('the name is the hash of the bytes', () => {
  const one = encodeSupportSet(makeSupportSet(4, 2, () => true));
  const other = encodeSupportSet(makeSupportSet(4, 2, (p) => p > 0));
  assert.match(supportSetHash(one), /^[0-9a-f]{64}$/);
  assert.notEqual(supportSetHash(one), supportSetHash(other));
});

test('bytes that would point outside a row, or lie about their number, are refused', () => {
  const good = [4, 2, 2, 0, 1, 2, 0, 3, 1, 4];
  const decode = (words: number[]): SupportSet => decodeSupportSet(new Uint8Array(Uint32Array.from(words).buffer));
  decode(good);
  const at = (place: number, value: number): number[] => good.map((word, i) => (i === place ? value : word));
  for (const bad of [
    at(0, 3), // a run ends at 4 of 3 values
    at(1, 3), // groups that are not there
    at(2, 1), // runs that are not there
    at(3, 1), // the first group skips a run
    at(4, 3), // a group ends beyond the runs
    at(5, 1), // the last group ends before the last run
    at(7, 0), // an empty run
    at(8, 5), // a run beyond the row
    [4, 1, 2, 0, 2, 0, 2, 2, 4], // two runs that touch: one run
    good.slice(0, 3),
  ])
    assert.throws(() => decode(bad), { code: 'ARGUMENT_INVALID' }, bad.join());
  assert.throws(() => decodeSupportSet(new Uint8Array(17)), { code: 'ARGUMENT_INVALID' });
});
