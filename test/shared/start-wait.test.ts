import assert from 'node:assert/strict';
import { test } from 'node:test';
import { argumentError, GolddiffError } from '../../shared/errors.js';
import { createLogger } from '../../shared/log.js';
import { startWaitFlag, waitAtStart } from '../../shared/start-wait.js';

const log = createLogger('test', 'silent');
const missing = (): GolddiffError => new GolddiffError('NOT_FOUND', 'no data set yet');

test('a start waits for what may come, and goes on when it is there', async () => {
  let tries = 0;
  const open = async (): Promise<string> => {
    if (++tries < 4) throw new GolddiffError(tries === 1 ? 'CONTROL_PLANE_LOST' : tries === 2 ? 'DATA_UNAVAILABLE' : 'NOT_FOUND', 'not yet');
    return 'there';
  };
  assert.equal(await waitAtStart(open, { startWaitMs: 60_000 }, log, 1), 'there');
  assert.equal(tries, 4);
});

test('without a wait, after it, and for what will not come by itself, the start fails with its reason', async () => {
  let tries = 0;
  const failing = (error: Error) => async () => {
    tries++;
    throw error;
  };
  await assert.rejects(waitAtStart(failing(missing()), { startWaitMs: 0 }, log), { code: 'NOT_FOUND' });
  assert.equal(tries, 1);
  await assert.rejects(waitAtStart(failing(missing()), { startWaitMs: 30 }, log, 5), { code: 'NOT_FOUND' });
  assert.ok(tries > 2, 'it was tried again');
  tries = 0;
  for (const error of [argumentError('--data', 'a folder', 'x'), new GolddiffError('CONTROL_PLANE_REFUSED', 'no'), new TypeError('bug')])
    await assert.rejects(waitAtStart(failing(error), { startWaitMs: 60_000 }, log, 1), error);
  assert.equal(tries, 3);
});

test('a control plane that is slow for a moment is asked again, also where no wait was asked for', async () => {
  let tries = 0;
  const third = (): Promise<number> => (++tries < 3 ? Promise.reject(new GolddiffError('CONTROL_PLANE_LOST', 'timeout')) : Promise.resolve(tries));
  assert.equal(await waitAtStart(third, { startWaitMs: 0 }, log, 1), 3);
});

test('the flag is a variable too, and fails by default', () => {
  const option = startWaitFlag();
  assert.deepEqual([option.long, option.envVar, option.defaultValue], ['--start-wait-ms', 'GOLDDIFF_START_WAIT_MS', 0]);
});
