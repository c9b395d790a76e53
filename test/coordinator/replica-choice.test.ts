import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseReplicas } from '../../coordinator/replica-choice.js';

const document = (replicas: readonly (readonly string[])[]) => ({
  dataSet: 'd',
  contentHash: 'c',
  epoch: 1,
  partitions: replicas.map((r, partition) => ({ partition, replicas: r })),
});
const rows = (count: number) => new Map(Array.from({ length: count }, (_, p): [number, number] => [p, 10]));

test('where all hold all the work is shared in blocks', () => {
  const { work, missing } = chooseReplicas(document(Array.from({ length: 16 }, () => ['a', 'b'])), rows(16), () => true);
  assert.deepEqual(missing, []);
  assert.deepEqual(work.get('a'), [0, 1, 4, 5, 8, 9, 12, 13]);
  assert.equal(work.get('b')!.length, 8);
});

test('a worker that is not usable is passed over, and what only it holds is missing', () => {
  const { work, missing } = chooseReplicas(document([['a', 'b'], ['a'], ['b']]), rows(3), (id) => id !== 'a');
  assert.deepEqual(Object.fromEntries(work), { b: [0, 2] });
  assert.deepEqual(missing, [1]);
});

test('without a placement, or with one that lacks a partition, that is missing', () => {
  assert.deepEqual(chooseReplicas(undefined, rows(2), () => true).missing, [0, 1]);
  assert.deepEqual(chooseReplicas(document([['a']]), rows(2), () => true).missing, [1]);
});

test('a slow worker gets as little as it is slow, and what only it holds all the same', () => {
  const both = Array.from({ length: 16 }, () => ['a', 'b']);
  const cost = (id: string) => (id === 'a' ? 3 : 1);
  const { work } = chooseReplicas(document(both), rows(16), () => true, cost);
  assert.deepEqual([work.get('a')!.length, work.get('b')!.length], [4, 12]);
  const dead = chooseReplicas(
    document(both),
    rows(16),
    () => true,
    (id) => (id === 'a' ? 32 : 1),
  );
  assert.equal(dead.work.get('a'), undefined);
  assert.deepEqual(chooseReplicas(document([['a'], ['a', 'b']]), rows(2), () => true, cost).work.get('a'), [0]);
});
