import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { expectedBytes, HeldPartition } from '../../../../shard-worker/backends/native/held-partition.js';
import type { NativeEngine, NativePartition } from '../../../../shared/native/native-addon.js';
import { generatePartition } from '../generated-partition.js';
import { isas, nativeAddon, skip } from './addon-under-test.js';

const partition = generatePartition({ rows: 300, shape: [1, 8, 8], dtype: 'u8', seed: 1 });
const memory = { expectedBytes: expectedBytes(partition), sharesRows: true };
const opened: NativeEngine[] = [];
after(() => opened.forEach((engine) => nativeAddon().closeEngine(engine)));

/** A partition that is being loaded, and those that the engine has been told to free. */
function held(): { held: HeldPartition; freed: NativePartition[] } {
  const addon = nativeAddon();
  const engine = addon.createEngine({ threads: 1, isa: isas[0]!, stepStateBytesMax: Infinity });
  opened.push(engine);
  const freed: NativePartition[] = [];
  const releasePartition = (native: NativePartition): void => {
    freed.push(native);
    addon.releasePartition(native);
  };
  return { held: new HeldPartition({ ...addon, releasePartition }, engine, partition, memory), freed };
}

test('a partition counts for what it will take from the start, and is freed when it is unloaded', { skip }, async () => {
  const { held: own, freed } = held();
  assert.equal(own.bytes, expectedBytes(partition));
  const native = await own.native;
  assert.equal(own.bytes, expectedBytes(partition));
  own.unload();
  assert.deepEqual(freed, [native]);
  own.unload();
  assert.equal(freed.length, 1, 'once');
  assert.throws(() => nativeAddon().partitionBytes(native), /released/);
});

test('a partition that is unloaded under calls is freed with the last of them', { skip }, async () => {
  const { held: own, freed } = held();
  const ends: (() => void)[] = [];
  const call = (): Promise<number> =>
    own.use(async (native) => {
      await new Promise<void>((resolve) => ends.push(resolve));
      return nativeAddon().partitionBytes(native);
    });
  const [first, second] = [call(), call()];
  await own.native;
  await new Promise(setImmediate);
  own.unload();
  ends[0]!();
  assert.ok((await first) > 0);
  assert.equal(freed.length, 0);
  ends[1]!();
  assert.ok((await second) > 0);
  assert.equal(freed.length, 1);
});

test('a partition that is unloaded before it is loaded is freed once it is, and a call that fails lets go of it', { skip }, async () => {
  const { held: own, freed } = held();
  const failing = own.use(() => Promise.reject(new Error('this call')));
  own.unload();
  assert.equal(freed.length, 0);
  await assert.rejects(failing, /this call/);
  assert.equal(freed.length, 1);
});
