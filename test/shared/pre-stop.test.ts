import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { leaveBeforeStop, LEFT, preStopOf } from '../../shared/pre-stop.js';

const folder = mkdtempSync(path.join(tmpdir(), 'golddiff-pre-stop-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const shared = (name: string): string => JSON.stringify(new URL(`../../shared/${name}.js`, import.meta.url).href);

/** A service with nothing but its health, that takes `leaveMs` to leave; gives its address. */
async function startService(leaveMs: number): Promise<{ pid: number; address: string; log: () => string; end(): Promise<number> }> {
  const file = path.join(folder, `service-${leaveMs}.mjs`);
  writeFileSync(
    file,
    `import { runService } from ${shared('process-lifecycle')};
import { startMetricsEndpoint } from ${shared('metrics-endpoint')};
import { createMetrics } from ${shared('metrics')};
import { LEAVING, LEFT } from ${shared('pre-stop')};
let state;
const endpoint = await startMetricsEndpoint({ listen: '127.0.0.1:0', registry: createMetrics('coordinator').registry, healthy: () => state === undefined, why: () => state });
await runService(async () => ({
  ready: { address: endpoint.address },
  leave: async () => { state = LEAVING; await new Promise((resolve) => setTimeout(resolve, ${leaveMs})); state = LEFT; },
  stop: () => endpoint.close(),
}), { component: 'test-service' });
`,
  );
  const child = spawn(process.execPath, [file], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
  let lines = '';
  child.stderr?.on('data', (chunk: Buffer) => (lines += chunk.toString()));
  const [message] = (await once(child, 'message')) as [{ address: string }];
  const exited = once(child, 'exit');
  return {
    pid: child.pid!,
    address: message.address,
    log: () => lines,
    end: async () => {
      child.kill('SIGTERM');
      return ((await exited) as [number])[0];
    },
  };
}

test('the hook asks the service to leave, returns when it has left, and leaves it running', async () => {
  const service = await startService(300);
  try {
    const program = fileURLToPath(new URL('../../shared/pre-stop-main.js', import.meta.url));
    const env = { PATH: process.env['PATH'], GOLDDIFF_METRICS_LISTEN: service.address, GOLDDIFF_PRE_STOP_PID: String(service.pid) };
    const hook = spawn(process.execPath, [program], { env, stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    hook.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
    assert.deepEqual(await once(hook, 'close'), [0, null]);
    assert.match(said, /^left in \d+ ms\n$/);
    const answer = await fetch(`http://${service.address}/healthz`);
    assert.deepEqual([answer.status, await answer.text()], [503, 'left\n']);
    // Asked once more, it has left already.
    assert.match(await leaveBeforeStop({ pid: service.pid, healthUrl: `http://${service.address}/healthz`, withinMs: 60_000 }), /^left in/);
    assert.equal(service.log().match(/"msg":"leaving"/g)?.length, 1);
  } finally {
    assert.equal(await service.end(), 0);
  }
});

test('the hook ends by itself where the service does not leave in time, is gone, or cannot be asked', async () => {
  const service = await startService(3_600_000);
  const healthUrl = `http://${service.address}/healthz`;
  try {
    assert.match(await leaveBeforeStop({ pid: service.pid, healthUrl, withinMs: 200 }), /^not left within 200 ms: \/healthz says leaving$/);
  } finally {
    assert.equal(await service.end(), 0);
  }
  assert.match(await leaveBeforeStop({ pid: service.pid, healthUrl, withinMs: 200 }), /^process \d+ could not be asked to leave: ESRCH$/);
  assert.equal(await leaveBeforeStop({ pid: process.pid, healthUrl, withinMs: 200 }).finally(() => {}), 'the service is gone');
});

test('a look that gets no answer is no sign that the service is gone', async () => {
  let looks = 0;
  const server = createServer((request, response) => {
    looks++;
    // First it breaks off without a word, then it takes its time.
    if (looks === 1) request.socket.destroy();
    else if (looks === 2) response.end(LEFT);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const asked = { pid: process.pid, healthUrl: `http://127.0.0.1:${port}/healthz` };
  try {
    assert.match(await leaveBeforeStop({ ...asked, withinMs: 60_000 }), /^left in/);
    assert.equal(await leaveBeforeStop({ ...asked, withinMs: 250 }), 'not left within 250 ms: /healthz says nothing');
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test('a service that is asked to leave before it is ready ends, and the hook waits for nothing', async () => {
  const file = path.join(folder, 'slow-start.mjs');
  writeFileSync(
    file,
    `import { runService } from ${shared('process-lifecycle')};
import { startMetricsEndpoint } from ${shared('metrics-endpoint')};
import { createMetrics } from ${shared('metrics')};
await runService(async () => {
  const endpoint = await startMetricsEndpoint({ listen: '127.0.0.1:0', registry: createMetrics('coordinator').registry, healthy: () => false, why: () => 'starting' });
  process.send(endpoint.address);
  return new Promise(() => {});
}, { component: 'test-service' });
`,
  );
  const child = spawn(process.execPath, [file], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
  const exited = once(child, 'exit');
  const [address] = (await once(child, 'message')) as [string];
  assert.equal(await leaveBeforeStop({ pid: child.pid!, healthUrl: `http://${address}/healthz`, withinMs: 60_000 }), 'the service is gone');
  assert.deepEqual(await exited, [0, null]);
});

// Some questions go to this very process.
process.on('SIGUSR2', () => {});

test('where to ask and how long to wait comes from the environment of the service', () => {
  assert.deepEqual(preStopOf({ GOLDDIFF_METRICS_LISTEN: '0.0.0.0:9464', GOLDDIFF_DRAIN_TIMEOUT_MS: '1000', GOLDDIFF_LEAVE_NOTICE_MS: '20' }), {
    pid: 1,
    healthUrl: 'http://127.0.0.1:9464/healthz',
    withinMs: 6_020,
  });
  assert.equal(preStopOf({ GOLDDIFF_METRICS_LISTEN: '[::]:1' }).healthUrl, 'http://[::1]:1/healthz');
  assert.throws(() => preStopOf({}), { code: 'ARGUMENT_INVALID' });
  assert.throws(() => preStopOf({ GOLDDIFF_METRICS_LISTEN: 'h:1', GOLDDIFF_DRAIN_TIMEOUT_MS: 'soon' }), { code: 'ARGUMENT_INVALID' });
});
