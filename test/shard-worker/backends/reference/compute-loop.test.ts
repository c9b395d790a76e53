import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { MessageChannel } from 'node:worker_threads';
import { GolddiffError } from '../../../../shared/errors.js';
import { serveCompute } from '../../../../shard-worker/backends/reference/compute-loop.js';
import type { FromThread, ToThread } from '../../../../shard-worker/backends/reference/compute-messages.js';
import { ResidentPartition } from '../../../../shard-worker/backends/reference/resident-partition.js';
import { StepMemory } from '../../../../shard-worker/backends/reference/step-memory.js';
import { generatePartition, generateQueries } from '../generated-partition.js';

test('every task is answered with a result or with why there is none, and a partition that goes is disposed of', async () => {
  const { port1: inside, port2: outside } = new MessageChannel();
  let disposed = 0;
  serveCompute(inside, {
    settings: { stepStateBytesMax: 2 ** 20, stepMemory: new StepMemory(2 ** 20).shared },
    makePartition: (rows) => {
      if (rows.partition === 1) throw new GolddiffError('LIMIT_EXCEEDED', 'no room');
      return Object.assign(new ResidentPartition(rows), { dispose: () => void disposed++ });
    },
    device: () => ({ about: { name: 'a device' }, tensors: 2, bytes: 8 }),
  });
  const ask = async (message: ToThread): Promise<FromThread> => {
    outside.postMessage(message);
    return ((await once(outside, 'message')) as [FromThread])[0];
  };
  try {
    const partition = generatePartition({ rows: 5, shape: [1, 2, 2], dtype: 'u8', seed: 1 });
    assert.deepEqual(await ask({ kind: 'load', task: 1, key: 'a', partition }), { kind: 'result', task: 1, result: null });
    const refused = await ask({ kind: 'load', task: 2, key: 'b', partition: { ...partition, partition: 1 } });
    assert.ok(refused.kind === 'failure' && refused.task === 2 && refused.failure.code === 'LIMIT_EXCEEDED');
    assert.deepEqual(await ask({ kind: 'device', task: 3 }), {
      kind: 'result',
      task: 3,
      result: { about: { name: 'a device' }, tensors: 2, bytes: 8 },
    });
    const queries = generateQueries(partition, { batch: 1, seed: 1, alpha: 1, sigma: 1 });
    outside.postMessage({ kind: 'open', step: 7, queries, cancelled: new Int32Array(new SharedArrayBuffer(4)) } satisfies ToThread);
    const operation = { kind: 'scalars', cuts: {} } as const;
    const scalars = await ask({ kind: 'task', task: 4, step: 7, key: 'a', operation });
    assert.ok(scalars.kind === 'result' && 'mass' in scalars.result!);
    const unknown = await ask({ kind: 'task', task: 5, step: 8, key: 'a', operation });
    assert.ok(unknown.kind === 'failure' && unknown.failure.code === 'CANCELLED');
    outside.postMessage({ kind: 'unload', key: 'a' } satisfies ToThread);
    const gone = await ask({ kind: 'task', task: 6, step: 7, key: 'a', operation });
    assert.ok(gone.kind === 'failure' && gone.failure.code === 'PARTITION_MISSING');
    assert.equal(disposed, 1);
  } finally {
    outside.close();
  }
});
