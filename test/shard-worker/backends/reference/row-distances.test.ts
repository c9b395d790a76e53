import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rowDistances } from '../../../../shard-worker/backends/reference/row-distances.js';
import { fullRows } from '../../../../shard-worker/backends/reference/row-source.js';
import { generatePartition, generateQueries } from '../generated-partition.js';
import { Oracle } from '../oracle.js';

const partition = generatePartition({ rows: 67, shape: [1, 28, 28], dtype: 'u8', seed: 3 });
const queries = generateQueries(partition, { batch: 5, seed: 4, alpha: [1, 0.3, 1, 0.3, 0.99], sigma: [0.1, 1, 10, 0.01, 0.5] });
const source = fullRows(partition.values, 67, 784);

test('distances of any list of rows, alone or in a batch, are those of the whole pass bit for bit', (t) => {
  const all = [0, 1, 2, 3, 4];
  const whole = rowDistances(source, queries, all, [undefined, undefined, undefined, undefined, undefined], () => {});
  const oracle = new Oracle(partition, queries);
  let largest = 0;
  whole.forEach((distances, b) => distances.forEach((d, i) => (largest = Math.max(largest, Math.abs(d / oracle.key('full', b, i) - 1)))));
  t.diagnostic(`largest relative error against the oracle ${largest.toExponential(2)}`);
  // Queries at sigma 0.01 are near their row, where both sides lose digits of x - a y to its rounding.
  assert.ok(largest < 1e-12);
  const lists = [Uint32Array.of(), Uint32Array.of(66), undefined, Uint32Array.of(0, 1, 2, 3, 4, 20, 21, 65), Uint32Array.of(19, 20)];
  const some = rowDistances(source, queries, [4, 1, 0, 3], lists, () => {});
  [4, 1, 0, 3].forEach((b, k) =>
    assert.deepStrictEqual(
      some[k],
      Float64Array.from(lists[b]!, (i) => whole[b]![i]!),
    ),
  );
  for (const b of all) assert.deepStrictEqual(rowDistances(source, queries, [b], lists.fill(undefined), () => {})[0], whole[b]);
});

test('the checkpoint is called along the way and its throw leaves', () => {
  let calls = 0;
  const stop = (): void => {
    if (++calls === 2) throw new Error('left');
  };
  assert.throws(() => rowDistances(source, queries, [0], [undefined], stop), /left/);
});
