import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ComputeThread } from '../../../../shard-worker/backends/reference/compute-thread-handle.js';
import { StepMemory } from '../../../../shard-worker/backends/reference/step-memory.js';

const settings = { stepStateBytesMax: 0, stepMemory: new StepMemory(0).shared };

/** A thread whose program is `on(message)`. */
function threadOf(program: string, onProxies: (key: string, bytes: number) => void = () => {}): ComputeThread {
  const text = `import { parentPort } from 'node:worker_threads'; parentPort.on('message', (message) => { ${program} });`;
  return new ComputeThread(new URL(`data:text/javascript,${encodeURIComponent(text)}`), settings, onProxies);
}

test('answers go to those who asked, whatever their order, and news of proxies to the owner', async () => {
  const seen: string[] = [];
  const program = `
    globalThis.asked ??= []; asked.push(message.task);
    if (asked.length < 2) return;
    parentPort.postMessage({ kind: 'proxies', key: 'p', bytes: 5 });
    for (const task of asked.reverse()) parentPort.postMessage({ kind: 'result', task, result: { tensors: task } });`;
  const thread = threadOf(program, (key, bytes) => seen.push(`${key} ${bytes}`));
  try {
    const [first, second] = await Promise.all([thread.device(), thread.device()]);
    assert.deepEqual([first.tensors, second.tensors], [1, 2]);
    assert.deepEqual(seen, ['p 5']);
  } finally {
    await thread.stop();
  }
  await assert.rejects(thread.device(), { code: 'CANCELLED' });
});

test('a failure keeps its code, and a thread that dies fails all who wait and all who come', async () => {
  const refusing = threadOf(
    `parentPort.postMessage({ kind: 'failure', task: message.task, failure: { code: 'LIMIT_EXCEEDED', message: 'no room', data: {} } });`,
  );
  await assert.rejects(refusing.device(), { code: 'LIMIT_EXCEEDED', message: 'no room' });
  await refusing.stop();
  const dying = threadOf(`throw new Error('gone');`);
  const waiting = [dying.device(), dying.moments('a', -1)];
  for (const outcome of await Promise.allSettled(waiting)) assert.ok(outcome.status === 'rejected' && /gone/.test(String(outcome.reason)));
  await assert.rejects(dying.device(), { code: 'INTERNAL' });
  await dying.stop();
});
