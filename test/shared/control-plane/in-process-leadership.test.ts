import assert from 'node:assert/strict';
import { it } from 'node:test';
import { InProcessLeadership } from '../../../shared/control-plane/in-process-leadership.js';

it('says nothing to a candidate that left before its turn', async () => {
  const leadership = new InProcessLeadership();
  const said: string[] = [];
  const stop = leadership.campaign('a', (leading) => said.push(`a ${leading}`));
  const leave = leadership.campaign('b', (leading) => said.push(`b ${leading}`));
  await leave();
  await stop();
  await Promise.resolve();
  assert.deepEqual(said, ['a true', 'a false']);
});
