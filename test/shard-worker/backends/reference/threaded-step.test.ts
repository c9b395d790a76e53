import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ComputeThread } from '../../../../shard-worker/backends/reference/compute-thread-handle.js';
import { StepMemory } from '../../../../shard-worker/backends/reference/step-memory.js';
import { ThreadedStep } from '../../../../shard-worker/backends/reference/threaded-step.js';
import { generatePartition, generateQueries } from '../generated-partition.js';

test('a step that is closed rejects what waits, asks nothing more, and is closed once', async () => {
  // It never answers.
  const entry = new URL(
    `data:text/javascript,${encodeURIComponent("import { parentPort } from 'node:worker_threads'; parentPort.on('message', () => {});")}`,
  );
  const thread = new ComputeThread(entry, { stepStateBytesMax: 0, stepMemory: new StepMemory(0).shared }, () => {});
  try {
    const partition = generatePartition({ rows: 3, shape: [1, 1, 1], dtype: 'u8', seed: 1 });
    let closes = 0;
    const step = new ThreadedStep(
      1,
      generateQueries(partition, { batch: 1, seed: 1, alpha: 1, sigma: 1 }),
      () => thread,
      () => void closes++,
    );
    const waiting = Promise.allSettled([step.scalars(0, {}), step.groups(0, {})]);
    step.close();
    step.close();
    for (const outcome of await waiting) assert.ok(outcome.status === 'rejected' && (outcome.reason as { code: string }).code === 'CANCELLED');
    await assert.rejects(step.scalars(0, {}), { code: 'CANCELLED' });
    assert.equal(closes, 1);
  } finally {
    await thread.stop();
  }
});
