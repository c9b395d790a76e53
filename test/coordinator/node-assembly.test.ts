import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NodeAssembly } from '../../coordinator/node-assembly.js';

const PRESENT = [0, 1, 2, 3, 4];
const piece = (level: number, index: number, ...data: number[]) => ({ level, index, data: Uint8Array.from(data), note: data.length });
const assemblyOf = (...pieces: ReturnType<typeof piece>[]) => {
  const assembly = new NodeAssembly<ReturnType<typeof piece>>('w', 'things', 4);
  for (const one of pieces) assembly.add(one);
  return assembly;
};

test('pieces of several nodes come together, in whatever order the nodes alternate', () => {
  const assembly = assemblyOf(piece(1, 0, 1, 2, 3), piece(0, 4, 9), piece(1, 0, 4), piece(0, 4, 8, 7, 6));
  const made = assembly.finish([0, 1, 4], PRESENT, (first, bytes) => [first.note, ...bytes]);
  assert.deepEqual(
    [...made],
    [
      ['1:0', [3, 1, 2, 3, 4]],
      ['0:4', [1, 9, 8, 7, 6]],
    ],
  );
});

test('a worker that sends too much, too little, or of other partitions has broken the protocol', () => {
  const finish = (assembly: NodeAssembly<ReturnType<typeof piece>>, partitions: number[]) => () => assembly.finish(partitions, PRESENT, () => 0);
  assert.throws(() => assemblyOf(piece(0, 1, 1, 2, 3), piece(0, 1, 4, 5)), { code: 'INTERNAL', message: /longer than 4 bytes/ });
  assert.throws(finish(assemblyOf(piece(0, 1, 1, 2, 3)), [1]), { code: 'INTERNAL', message: /end after 3 of 4 bytes/ });
  assert.throws(finish(assemblyOf(piece(0, 1, 1, 2, 3, 4)), [0, 1]), { code: 'INTERNAL', message: /do not cover/ });
  assert.throws(finish(assemblyOf(piece(1, 0, 1, 2, 3, 4), piece(0, 1, 1, 2, 3, 4)), [0, 1]), { code: 'INTERNAL', message: /once each/ });
  assert.throws(finish(assemblyOf(), [1]), { code: 'INTERNAL' });
});
