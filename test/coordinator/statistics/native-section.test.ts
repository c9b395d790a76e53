import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NativeSection } from '../../../coordinator/statistics/native-section.js';

class Ended extends Error {}
function end(): never {
  throw new Ended();
}

test('a thread that is still loading, or inside, ends by itself; one that is outside may be terminated, and does not go in any more', () => {
  const owner = new NativeSection();
  const thread = new NativeSection(owner.shared);
  assert.equal(thread.stop[0], 0);
  assert.equal(new NativeSection().endsByItself(), true, 'it begins inside');
  assert.equal(
    thread.run(() => 7, end),
    7,
  );
  assert.equal(owner.endsByItself(), false);
  assert.equal(thread.stop[0], 1);
  assert.throws(() => thread.run(() => assert.fail('it went in'), end), Ended);
});

test('asked while it is inside, it ends once the call is over, also where that fails', () => {
  for (const fails of [false, true]) {
    const owner = new NativeSection();
    const thread = new NativeSection(owner.shared);
    let byItself: boolean | undefined;
    const call = (): void => {
      byItself = owner.endsByItself();
      if (fails) throw new Error('of the call');
    };
    assert.throws(() => thread.run(call, end), Ended);
    assert.equal(byItself, true);
  }
});
