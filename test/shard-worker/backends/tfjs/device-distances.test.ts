import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deviceDistances } from '../../../../shard-worker/backends/tfjs/device-distances.js';
import { DeviceRows } from '../../../../shard-worker/backends/tfjs/device-rows.js';
import { byteRows } from '../../../../shard-worker/backends/tfjs/row-words.js';
import { generatePartition, generateQueries } from '../generated-partition.js';
import { Oracle } from '../oracle.js';
import { deviceUnderTest, skip } from './tfjs-under-test.js';

test('distances of any list of rows are those of the whole pass bit for bit, and near the data no digit is lost', { skip }, async (t) => {
  const device = await deviceUnderTest();
  let worst = 0;
  for (const shape of [
    [1, 5, 5],
    [1, 40, 40],
    [1, 70, 70],
  ] as const) {
    const partition = generatePartition({ rows: 230, shape, dtype: 'u8', seed: 2 });
    const D = shape[1] * shape[2];
    // Small tiles, so that lists begin, end and are absent in some.
    const rows = new DeviceRows({ ...device, tileValues: 64 * D }, byteRows(partition.values as Uint8Array, 230, D));
    const queries = generateQueries(partition, { batch: 4, seed: 3, alpha: [1, 0.9, 0.9, 0.3], sigma: [1e-4, 0.01, 1, 30] });
    const none: undefined[] = [undefined, undefined, undefined, undefined];
    const whole = deviceDistances(rows, queries, [0, 1, 2, 3], none, () => {});
    const oracle = new Oracle(partition, queries);
    whole.forEach((distances, b) =>
      distances.forEach((distance, i) => {
        const q = queries.x.subarray(b * D, (b + 1) * D).reduce((most, v) => Math.max(most, Math.abs(v)), 0) + queries.alpha[b]!;
        const want = oracle.key('full', b, i);
        // A query whose values are off by e has distances off by 2 e |x - a y|_1 at most, and double rounds at the scale of |q|^2.
        const allowed = 2 * 2 ** -39 * q * Math.sqrt(D * want) + D * (2 ** -39 * q) ** 2 + D * q * q * 2 ** -50;
        assert.ok(Math.abs(distance - want) <= allowed, `D = ${D}, query ${b}, row ${i}: ${distance} for ${want}`);
        worst = Math.max(worst, Math.abs(distance - want) / allowed);
      }),
    );
    const lists = [Uint32Array.of(0, 63, 64, 229), undefined, new Uint32Array(0), Uint32Array.from({ length: 100 }, (_, k) => k + 100)];
    const some = deviceDistances(rows, queries, [3, 0, 2], lists, () => {});
    [3, 0, 2].forEach((b, k) =>
      assert.deepEqual(
        some[k],
        Float64Array.from(lists[b]!, (row) => whole[b]![row]!),
      ),
    );
    assert.throws(() => deviceDistances(rows, queries, [0], none, () => assert.fail('left')), /left/);
    rows.dispose();
  }
  t.diagnostic(`largest error ${(worst * 100).toFixed(1)}% of the bound`);
  assert.equal(device.ops.memory().numTensors, 0);
});
