import assert from 'node:assert/strict';
import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, it } from 'node:test';
import { isLifecycleMessage } from '../../shared/process-lifecycle.js';

const folder = mkdtempSync(path.join(tmpdir(), 'golddiff-lifecycle-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const shared = (name: string): string => JSON.stringify(new URL(`../../shared/${name}.js`, import.meta.url).href);

/** A program file that runs a service whose `stop` is the given expression; a timer keeps it alive as a server would. */
function program(name: string, start: string): string {
  const file = path.join(folder, `${name}.mjs`);
  writeFileSync(
    file,
    `import { runService } from ${shared('process-lifecycle')};
import { GolddiffError, argumentError } from ${shared('errors')};
setInterval(() => {}, 1000);
await runService(async (log) => { ${start} }, { component: 'test-service' });
`,
  );
  return file;
}

const READY = `return { ready: { address: '127.0.0.1:7' }, stop: async () => { log.info('drained'); } };`;
const SLOW = `return { ready: { address: '127.0.0.1:7' }, stop: () => new Promise(() => { log.info('draining'); }) };`;

function start(file: string): ChildProcess & { log: string } {
  const child = Object.assign(fork(file, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] }), { log: '' });
  child.stderr?.on('data', (chunk: Buffer) => (child.log += chunk.toString()));
  return child;
}

async function ended(child: ChildProcess): Promise<number | null> {
  // Not 'close': Node does not give it for a child whose channel was disconnected.
  const [code] = (await once(child, 'exit')) as [number | null];
  return code;
}

async function logged(child: { log: string }, part: string): Promise<void> {
  while (!child.log.includes(part)) await new Promise((resolve) => setTimeout(resolve, 5));
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  it(`drains on ${signal} and ends with status 0`, async () => {
    const child = start(program('ready', READY));
    const [message] = (await once(child, 'message')) as [unknown];
    assert.deepEqual(message, { kind: 'ready', address: '127.0.0.1:7' });
    assert.ok(isLifecycleMessage(message));
    child.kill(signal);
    assert.equal(await ended(child), 0);
    await logged(child, '"msg":"drained"');
  });
}

it('ends at once on a second signal', async () => {
  const child = start(program('slow', SLOW));
  await once(child, 'message');
  child.kill('SIGTERM');
  await logged(child, 'draining');
  child.kill('SIGTERM');
  assert.equal(await ended(child), 130);
});

it('ends at once when its parent lets go of the channel', async () => {
  const child = start(program('slow', SLOW));
  await once(child, 'message');
  child.disconnect();
  assert.equal(await ended(child), 1);
  await logged(child, 'parent process went away');
});

it('leaves no child when its parent is killed', async () => {
  const file = program('slow', SLOW);
  const parentFile = path.join(folder, 'parent.mjs');
  writeFileSync(
    parentFile,
    `import { fork } from 'node:child_process';
const child = fork(${JSON.stringify(file)}, { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
child.on('message', () => console.log(child.pid));
`,
  );
  const parent = spawn(process.execPath, [parentFile], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [chunk] = (await once(parent.stdout, 'data')) as [Buffer];
  const pid = Number(chunk.toString());
  assert.doesNotThrow(() => process.kill(pid, 0));
  parent.kill('SIGKILL');
  const alive = (): boolean => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  };
  const giveUpMs = performance.now() + 10_000;
  while (alive() && performance.now() < giveUpMs) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(alive(), false);
});

it('tells why it did not start, with status 1, or 2 for a bad argument', async () => {
  const busy = start(program('busy', `throw new GolddiffError('ADDRESS_IN_USE', 'The port is taken');`));
  const [message] = (await once(busy, 'message')) as [unknown];
  assert.deepEqual(message, { kind: 'failed', code: 'ADDRESS_IN_USE', message: 'The port is taken' });
  assert.equal(await ended(busy), 1);
  assert.equal(await ended(start(program('argument', `throw argumentError('--replicas', '1 to 4', 9);`))), 2);
});

it('ends with status 1 and a logged stack on a fault of the program', async () => {
  const child = start(program('bug', `setTimeout(() => Promise.reject(new TypeError('bug')), 20); ${READY}`));
  assert.equal(await ended(child), 1);
  await logged(child, '"level":"fatal"');
  assert.match(child.log, /"level":"fatal".*TypeError: bug\\n {4}at /);
});

it('works without a channel to a parent', async () => {
  const child = spawn(process.execPath, [program('ready', READY)], { stdio: ['ignore', 'ignore', 'pipe'] });
  await once(child.stderr, 'data');
  child.kill('SIGTERM');
  assert.equal(await ended(child), 0);
});

it('ends with status 0 when it is asked to stop, or to leave, before it is ready', async () => {
  for (const signal of ['SIGTERM', 'SIGUSR2'] as const) {
    const child = start(program('starting', `process.send('starting'); return new Promise(() => {});`));
    await once(child, 'message');
    child.kill(signal);
    assert.equal(await ended(child), 0);
  }
});

it('tells its own messages from others', () => {
  assert.equal(isLifecycleMessage({ kind: 'ready', address: 'a:1' }), true);
  for (const other of [undefined, null, 'ready', {}, { kind: 'other' }]) assert.equal(isLifecycleMessage(other), false);
});
