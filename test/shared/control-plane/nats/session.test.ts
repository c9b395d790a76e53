import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createServer, type AddressInfo } from 'node:net';
import { it, test } from 'node:test';
import { JetStreamApiError } from '@nats-io/jetstream';
import { call, callToMake, NatsSession, unlessOvertaken } from '../../../../shared/control-plane/nats/session.js';
import { natsMissing } from '../../../support/nats-server.js';
import { natsTest } from '../../../support/nats-sessions.js';

natsTest('opens what is there as it is, and tells an overtaken write from a failed one', async (open) => {
  const session = await open();
  const [first, second] = await Promise.all([session.bucket('b'), (await open()).bucket('b', 1_000)]);
  const revision = await first.put('k', 'one');
  assert.equal(Buffer.from((await second.get('k'))!.value).toString(), 'one');
  assert.equal(await unlessOvertaken('write', () => second.update('k', 'two', revision)), revision + 1);
  assert.equal(await unlessOvertaken('write', () => first.update('k', 'three', revision)), undefined);
  assert.equal(await unlessOvertaken('write', () => first.create('k', 'four')), undefined);
  await session.close();
  await assert.rejects(
    unlessOvertaken('write', () => first.put('k', 'five')),
    { code: 'CONTROL_PLANE_LOST', retryable: true },
  );
});

test('says what a server without JetStream lacks', { skip: natsMissing ?? false }, async () => {
  const holder = createServer();
  await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
  const { port } = holder.address() as AddressInfo;
  await new Promise((resolve) => holder.close(resolve));
  const plain = spawn('nats-server', ['-a', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' });
  try {
    const settings = { servers: [`127.0.0.1:${port}`], namespace: 'n', replicas: 1, clientName: 'test' };
    await assert.rejects(NatsSession.open(settings), { code: 'CONTROL_PLANE_LOST', message: /to run with JetStream \(nats-server -js\)/ });
  } finally {
    plain.kill('SIGKILL');
  }
});

it('leaves errors of ours as they are', async () => {
  const own = await call('x', () => Promise.resolve(1));
  assert.equal(own, 1);
  await assert.rejects(
    call('be found', () => Promise.reject(new Error('timeout'))),
    { code: 'CONTROL_PLANE_LOST', message: 'NATS did not be found: timeout' },
  );
});

test('what another makes at the same moment is looked at again, what stays in the way is told', async () => {
  const overlap = new JetStreamApiError({ code: 400, err_code: 10065, description: 'subjects overlap with an existing stream' });
  let tries = 0;
  const third = (): Promise<number> => (++tries < 3 ? Promise.reject(overlap) : Promise.resolve(tries));
  assert.equal(await callToMake('make it', third), 3);
  tries = -100;
  await assert.rejects(callToMake('make it', third, 120), {
    code: 'CONTROL_PLANE_LOST',
    message: 'NATS did not make it: subjects overlap with an existing stream',
  });
  tries = 0;
  const full = new JetStreamApiError({ code: 500, err_code: 10047, description: 'insufficient storage resources available' });
  await assert.rejects(
    callToMake('make it', () => (tries++, Promise.reject(full))),
    { message: /insufficient storage/ },
  );
  assert.equal(tries, 1);
});

natsTest('many processes that start at once all find what one of them made', async (open) => {
  for (let round = 0; round < 10; round++) {
    const sessions = await Promise.all(Array.from({ length: 12 }, () => open()));
    await Promise.all(sessions.flatMap((session) => [session.bucket(`made${round}`), session.objects(`kept${round}`)]));
    await Promise.all(sessions.map((session) => session.close()));
  }
});
