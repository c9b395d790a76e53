import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LEVEL_MAX, LEVEL_MIN, QUERY_VALUE_MAX } from '../../../../shared/limits.js';
import { deviceGroups } from '../../../../shard-worker/backends/tfjs/device-groups.js';
import { DeviceRows } from '../../../../shard-worker/backends/tfjs/device-rows.js';
import { byteRows } from '../../../../shard-worker/backends/tfjs/row-words.js';
import { ResidentPartition } from '../../../../shard-worker/backends/reference/resident-partition.js';
import { logitDivisors } from '../../../../shard-worker/backends/reference/row-posterior.js';
import { generatePartition, generateQueries } from '../generated-partition.js';
import { deviceUnderTest, skip } from './tfjs-under-test.js';

const SHAPE = [2, 4, 4] as const;
const kinds = [{ kind: 'window', side: 3 }] as const;

test('tiles merge to the posterior of all rows, and levels and values at their limits give finite answers', { skip }, async (t) => {
  const device = await deviceUnderTest();
  const partition = generatePartition({ rows: 100, shape: SHAPE, dtype: 'u8', seed: 2 });
  const queries = generateQueries(partition, {
    batch: 7,
    seed: 3,
    alpha: [1, 0.7, LEVEL_MIN, LEVEL_MAX, 1, 1, 1],
    sigma: [0.05, 0.7, 1, 1, LEVEL_MIN, LEVEL_MAX, 1],
  });
  queries.x.fill(QUERY_VALUE_MAX, 6 * 32);
  const own = { x: queries.x, alpha: queries.alpha, divisors: logitDivisors(queries.sigma, 1) };
  const lists = queries.alpha.reduce<(Uint32Array | undefined)[]>((some, _, b) => [...some, b === 1 ? Uint32Array.of(5, 50, 99) : undefined], []);
  const of = new Uint32Array(7);
  const want = new ResidentPartition(partition).groups(own, { groups: 16, kinds, of }, lists, () => {});
  for (const tileValues of [10 * 33, 1e6]) {
    const rows = new DeviceRows({ ...device, tileValues }, byteRows(partition.values as Uint8Array, 100, 32));
    const got = deviceGroups(rows, { ...own, of, kinds, groups: 16 }, lists, SHAPE, () => {});
    rows.dispose();
    assert.deepEqual(got.rows, want.rows);
    assert.ok([got.mass, got.massSq, got.maxLogit, got.minLogit, got.sums].every((array) => array.every(Number.isFinite)));
    let worst = 0;
    // Beyond them rounding alone decides which row is nearest.
    for (const b of [0, 1, 2, 5])
      for (let g = b * 16; g < (b + 1) * 16; g++) {
        worst = Math.max(worst, Math.abs(got.mass[g]! / want.mass[g]! - 1));
        assert.ok(Math.abs(got.maxLogit[g]! - want.maxLogit[g]!) <= 1e-3 + 1e-6 * Math.abs(want.maxLogit[g]!));
      }
    t.diagnostic(`tiles of ${tileValues} values: masses differ from double by at most ${worst.toExponential(1)}`);
    assert.ok(worst <= 1e-3);
  }
  assert.equal(device.ops.memory().numTensors, 0);
});
