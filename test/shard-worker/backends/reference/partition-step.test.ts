import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PartitionScreen } from '../../../../shard-worker/backends/backend.js';
import { PartitionStep } from '../../../../shard-worker/backends/reference/partition-step.js';
import { ResidentPartition } from '../../../../shard-worker/backends/reference/resident-partition.js';
import { StepMemory } from '../../../../shard-worker/backends/reference/step-memory.js';
import { generatePartition, generateQueries } from '../generated-partition.js';

const rows = generatePartition({ rows: 300, shape: [1, 4, 4], dtype: 'u8', seed: 1, classes: 2 });
const partition = new ResidentPartition(rows);
const queries = generateQueries(rows, { batch: 3, seed: 2, alpha: 0.9, sigma: 0.5, labels: [-1, 0, 1], proxyResolution: 2 });
const fraction = { kind: 'fraction', fraction: Float64Array.of(0.5, 0.5, 0.5) } as const;
const cut = (key: number) => ({ proxy: { key: Float64Array.of(key, key, Infinity), rowId: Uint32Array.of(0, 0, 0) } });

test('keys that are kept are not computed again, and all is given back at the end', () => {
  const memory = new StepMemory(2 ** 24);
  let checkpoints = 0;
  const step = new PartitionStep(partition, queries, memory, () => void checkpoints++);
  step.screen('proxy', {}, fraction);
  step.screen('full', cut(2), fraction);
  const first = step.scalars(cut(2));
  const used = memory.usedBytes;
  const before = checkpoints;
  assert.deepStrictEqual(step.scalars(cut(2)), first);
  assert.equal(checkpoints, before, 'nothing was scanned');
  assert.equal(memory.usedBytes, used);
  const other = step.scalars(cut(1));
  assert.ok(other.rows[0]! < first.rows[0]!);
  assert.equal(other.rows[2], first.rows[2], 'an infinite key lets every row of the label pass');
  step.free();
  assert.equal(memory.usedBytes, 0);
});

test('candidates are the only eligible rows, label by label, in every stage', () => {
  const lists = [Uint32Array.of(3, 50, 51, 299), Uint32Array.from({ length: 150 }, (_, i) => i * 2), undefined];
  const step = new PartitionStep(partition, queries, new StepMemory(2 ** 24), () => {}, lists);
  const whole = new PartitionStep(partition, queries, new StepMemory(2 ** 24), () => {});
  const all = { kind: 'fraction', fraction: new Float64Array(3).fill(1) } as const;
  const eligible = [4, lists[1]!.filter((row) => rows.labels[row] === 0).length, rows.labels.filter((label) => label === 1).length];
  for (const stage of ['presample', 'proxy', 'full'] as const) {
    assert.deepEqual([...step.screen(stage, {}, all).eligible], eligible);
    const window = windowOf(2, eligible[2]!);
    assert.deepEqual(step.screen(stage, {}, window), whole.screen(stage, {}, window), 'no list is every row');
  }
  const ids = [...keysOf(step.screen('proxy', {}, windowOf(0, 4))).keys()].sort((a, b) => a - b);
  assert.deepEqual(
    ids,
    [...lists[0]!].map((row) => rows.rowIds[row]!).sort((a, b) => a - b),
  );
  const everyKey = keysOf(whole.screen('proxy', {}, windowOf(0, 300)));
  for (const [id, key] of keysOf(step.screen('proxy', {}, windowOf(0, 4)))) assert.equal(key, everyKey.get(id), 'keys are the true ones');
  assert.deepEqual([...step.scalars({}).rows], eligible);
  assert.ok(step.scalars(cut(2)).rows[0]! <= 4);
});

function windowOf(query: number, count: number) {
  return { kind: 'windows', windows: [{ query, firstRank: 0, count }] } as const;
}
function keysOf({ keys, rowIds }: PartitionScreen): Map<number, number> {
  return new Map([...rowIds].map((id, i) => [id, keys[i]!]));
}

test('without memory for state every answer is the same', () => {
  const rich = new PartitionStep(partition, queries, new StepMemory(2 ** 24), () => {});
  const memory = new StepMemory(0);
  const poor = new PartitionStep(partition, queries, memory, () => {});
  for (const stage of ['presample', 'proxy', 'full'] as const)
    assert.deepStrictEqual(poor.screen(stage, cut(2), fraction), rich.screen(stage, cut(2), fraction));
  const own = rich.scalars(cut(2));
  assert.deepStrictEqual(poor.sums(cut(2), own, 0, true), rich.sums(cut(2), own, 0, true));
  assert.equal(memory.usedBytes, 0);
  poor.free();
});
