import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';

import { readableLine, ServiceProcess } from '../../client/service-process.js';

const program = fileURLToPath(new URL('../support/small-service.js', import.meta.url));
const start = (behaviour: string, readyTimeoutMs = 20_000, signal?: AbortSignal): Promise<ServiceProcess> =>
  ServiceProcess.start({ name: 'small service', program, args: [behaviour], readyTimeoutMs, ...(signal === undefined ? {} : { signal }) });

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test('a service that is ready tells its addresses and stops in order', async () => {
  const service = await start('ready');
  assert.deepEqual([service.address, service.metricsAddress], ['127.0.0.1:7', '127.0.0.1:8']);
  assert.equal(await service.stop(10_000), true);
  assert.equal(exists(service.pid), false);
  assert.match(await service.exited, /ended with status 0/);
  assert.equal(await service.stop(1), true, 'a second stop finds nothing to do');
});

test('a launcher becomes the service, which tells its addresses and stops as any other', async () => {
  const launched = await ServiceProcess.start({
    name: 'small service',
    program,
    args: ['ready'],
    launcher: ['nice', '-n', '1'],
    readyTimeoutMs: 20_000,
  });
  assert.equal(launched.address, '127.0.0.1:7');
  assert.equal(await launched.stop(10_000), true);
  assert.match(await launched.exited, /ended with status 0/);
});

test('one that dies at its start is reported with its status and its last words', async () => {
  await assert.rejects(start('dies'), {
    code: 'INTERNAL',
    message: 'The small service ended with status 3; its last log lines: I am dies | the last words',
  });
});

test('one that says why it cannot start is reported by its own error', async () => {
  await assert.rejects(start('refuses'), {
    code: 'ADDRESS_IN_USE',
    message: 'The small service did not start: Expected a free port but another process listens there',
  });
});

test('one that is never ready is killed after the timeout, and at once when the start is interrupted', async () => {
  await assert.rejects(start('hangs', 3_000), /Expected the small service to be ready within 3000 ms but it is not; its last log lines: I am hangs/);
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 100);
  await assert.rejects(start('hangs', 60_000, controller.signal), { code: 'CANCELLED' });
});

test('one that ignores SIGTERM is killed after the bound', async () => {
  const service = await start('stubborn');
  assert.equal(await service.stop(200), false);
  assert.equal(exists(service.pid), false);
});

test('a death while it runs is told by `exited`', async () => {
  const service = await start('fragile');
  assert.equal(service.running, true);
  assert.match(await service.exited, /^The small service ended with status 4; its last log lines: I am fragile$/);
  assert.equal(service.running, false);
});

test('a service whose parent is killed ends by itself, even where that happens before it is ready', async () => {
  for (const delayMs of [0, 60, 1_500]) {
    const script = `import('node:child_process').then(({ spawn }) => {
      const child = spawn(process.execPath, [${JSON.stringify(program)}, 'ready'], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'], detached: true });
      process.stdout.write(String(child.pid));
    })`;
    const parent = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const pid = await new Promise<number>((resolve) => parent.stdout.once('data', (text: Buffer) => resolve(Number(text))));
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    parent.kill('SIGKILL');
    const giveUpMs = Date.now() + 10_000;
    while (exists(pid) && Date.now() < giveUpMs) await new Promise((resolve) => setTimeout(resolve, 20));
    const left = exists(pid);
    if (left) process.kill(pid, 'SIGKILL');
    assert.equal(left, false, `the parent was killed ${delayMs} ms after the start`);
  }
});

test('a JSON log line is shown by its message, another as it is', () => {
  assert.deepEqual(
    [readableLine('{"level":"error","msg":"no room"}'), readableLine(' plain '), readableLine('{"a":1}')],
    ['no room', 'plain', '{"a":1}'],
  );
});
