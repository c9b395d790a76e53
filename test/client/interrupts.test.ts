import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';

import { listenForInterrupts } from '../../client/interrupts.js';

test('the first signal aborts with its name, and after the release signals have their usual effect', () => {
  const before = process.listenerCount('SIGTERM');
  const interrupts = listenForInterrupts();
  process.emit('SIGTERM', 'SIGTERM');
  assert.equal((interrupts.signal.reason as Error).message, 'Interrupted by SIGTERM');
  interrupts.release();
  assert.equal(process.listenerCount('SIGTERM'), before);
});

test('a second signal ends the process at once, and so does nothing else', async () => {
  const module = new URL('../../client/interrupts.js', import.meta.url).href;
  const script = `import(${JSON.stringify(module)}).then(({ listenForInterrupts }) => { listenForInterrupts(); setInterval(() => {}, 1000); console.log('up'); })`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((resolve) => child.stdout.once('data', resolve));
  child.kill('SIGINT');
  await new Promise((resolve) => setTimeout(resolve, 150));
  assert.equal(child.exitCode, null);
  child.kill('SIGINT');
  assert.equal(await new Promise((resolve) => child.once('exit', resolve)), 130);
});

test('losing the parent aborts too', async () => {
  const module = new URL('../../client/interrupts.js', import.meta.url).href;
  const script = `import(${JSON.stringify(module)}).then(({ listenForInterrupts }) => {
    const { signal } = listenForInterrupts();
    signal.addEventListener('abort', () => process.exit(signal.reason.message.includes('parent') ? 7 : 8));
    process.send('up');
  })`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  await new Promise((resolve) => child.once('message', resolve));
  child.disconnect();
  assert.equal(await new Promise((resolve) => child.once('exit', resolve)), 7);
});
