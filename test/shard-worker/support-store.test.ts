import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SupportStore } from '../../shard-worker/support-store.js';
import { encodeSupportSet, makeSupportSet, supportSetHash } from '../../shared/math/support-set.js';

function setOf(seed: number): { sha256: string; data: Uint8Array } {
  const data = encodeSupportSet(makeSupportSet(8, 8, (p, g) => (p * g + seed) % 3 === 0));
  return { sha256: supportSetHash(data), data };
}

test('what is held is found by its hash', () => {
  const store = new SupportStore();
  const { sha256, data } = setOf(0);
  store.hold(sha256, data);
  store.hold(sha256, data);
  assert.equal(store.get(sha256)?.groups, 8);
  assert.equal(store.heldBytes, data.length);
  assert.equal(store.get('00'), undefined);
});

test('the set that was not used for longest goes first', () => {
  const sets = [0, 1, 2].map(setOf);
  const store = new SupportStore(sets[0]!.data.length + Math.max(sets[1]!.data.length, sets[2]!.data.length));
  store.hold(sets[0]!.sha256, sets[0]!.data);
  store.hold(sets[1]!.sha256, sets[1]!.data);
  store.get(sets[0]!.sha256);
  store.hold(sets[2]!.sha256, sets[2]!.data);
  assert.deepEqual(
    sets.map(({ sha256 }) => store.get(sha256) !== undefined),
    [true, false, true],
  );
  assert.ok(store.heldBytes <= store.bytesMax);
});

test('another hash, no set, and one beyond all room are refused', () => {
  const { sha256, data } = setOf(0);
  const store = new SupportStore();
  assert.throws(() => store.hold(setOf(1).sha256, data), { code: 'ARGUMENT_INVALID', message: /hash of the data/ });
  assert.throws(() => store.hold(supportSetHash(data.subarray(4)), data.subarray(4)), { code: 'ARGUMENT_INVALID' });
  assert.throws(() => new SupportStore(10).hold(sha256, data), { code: 'ARGUMENT_INVALID', message: /at most 10 bytes/ });
  assert.equal(store.heldBytes, 0);
});
