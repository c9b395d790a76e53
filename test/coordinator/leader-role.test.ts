import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LeaderRole } from '../../coordinator/leader-role.js';
import { InProcessLeadership } from '../../shared/control-plane/in-process-leadership.js';
import { createLogger } from '../../shared/log.js';

function roleOf(leadership: InProcessLeadership, candidate: string, said: string[]): LeaderRole {
  const makeController = () => ({
    start: () => void said.push(`${candidate} plans`),
    stop: () => void said.push(`${candidate} stops`),
    settled: Promise.resolve(),
  });
  return new LeaderRole({
    leadership,
    candidate,
    makeController,
    log: createLogger('test', 'silent'),
    onLead: () => said.push(`${candidate} leads`),
  });
}

test('only the one that leads plans, and its successor starts when it has stopped', async () => {
  const leadership = new InProcessLeadership();
  const said: string[] = [];
  const [a, b] = [roleOf(leadership, 'a', said), roleOf(leadership, 'b', said)];
  a.start();
  b.start();
  await a.settled;
  assert.deepEqual(said, ['a leads', 'a plans']);
  assert.deepEqual([a.leads, b.leads], [true, false]);
  await a.stop();
  await b.settled;
  assert.deepEqual(said, ['a leads', 'a plans', 'a stops', 'b leads', 'b plans']);
  assert.deepEqual([a.leads, b.leads], [false, true]);
  await b.stop();
  assert.equal(said.at(-1), 'b stops');
});

test('a stop goes on where the lead cannot be given up', async () => {
  const leadership = {
    campaign: () => () => Promise.reject(new Error('NATS is away')),
    leader: () => Promise.resolve(undefined),
  };
  const role = new LeaderRole({ leadership, candidate: 'a', makeController: () => assert.fail(), log: createLogger('test', 'silent') });
  role.start();
  await role.stop();
});
