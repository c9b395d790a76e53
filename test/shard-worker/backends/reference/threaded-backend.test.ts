import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ThreadedBackend } from '../../../../shard-worker/backends/reference/threaded-backend.js';
import { generatePartition, generateQueries } from '../generated-partition.js';

/** Loads partition 0 and no other. */
const PROGRAM = `import { parentPort } from 'node:worker_threads'; parentPort.on('message', ({ kind, task, partition }) => {
  if (kind === 'load' && partition.partition !== 0)
    parentPort.postMessage({ kind: 'failure', task, failure: { code: 'LIMIT_EXCEEDED', message: 'no room', data: {} } });
  else if (task !== undefined) parentPort.postMessage({ kind: 'result', task, result: null });
});`;

function backend(awaitsLoads: boolean): ThreadedBackend {
  return new ThreadedBackend({
    name: 'reference',
    threadEntry: new URL(`data:text/javascript,${encodeURIComponent(PROGRAM)}`),
    computeThreads: 2,
    deviceMemoryBytes: 1000,
    bytesOf: ({ rows }) => ({ rows, proxies: 1 }),
    awaitsLoads,
  });
}
const partition = (id: number) => generatePartition({ partition: id, rows: 100, shape: [1, 1, 1], dtype: 'u8', seed: id });

test('a load that fails on the thread is told, and its bytes are free again', async () => {
  const own = backend(true);
  try {
    await own.load(partition(0));
    await assert.rejects(own.load(partition(1)), { code: 'LIMIT_EXCEEDED' });
    assert.equal(own.residentBytes, 101);
    const step = own.openStep(generateQueries(partition(1), { batch: 1, seed: 1, alpha: 1, sigma: 1 }));
    await assert.rejects(step.scalars(1, {}), { code: 'PARTITION_MISSING' });
    await own.unload({ dataSet: 'generated', partition: 0 });
    assert.equal(own.residentBytes, 0);
  } finally {
    await own.close();
  }
});

test('a backend whose loads cannot fail does not wait for them, nor for those that its end cuts off', async () => {
  const own = backend(false);
  await own.load(partition(1));
  assert.equal(own.residentBytes, 101);
  await own.close();
});
