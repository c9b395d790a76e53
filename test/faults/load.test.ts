import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect } from '../../client/golddiff-client.js';
import type { ScoreResponse } from '../../proto/generated/golddiff/v1/ScoreResponse.js';
import { GolddiffError } from '../../shared/errors.js';
import { startCannedCoordinator } from '../support/canned-coordinator.js';
import { Load } from './load.js';
import { digestOf, type Question } from './questions.js';

const input = { x: Float32Array.of(1, 2, 3, 4), shape: [1, 4], t: 10 };

async function questionOf(endpoint: string): Promise<Question> {
  const client = connect(endpoint);
  const expected = digestOf(await client.score(input));
  client.close();
  return { input, expected };
}

test('errors that may pass are counted by their code, and the client goes to the next coordinator', async () => {
  const [good, bad] = [
    await startCannedCoordinator(),
    await startCannedCoordinator({ score: () => Promise.reject(new GolddiffError('DRAINING', 'it stops')) }),
  ];
  const load = new Load([bad.endpoint, good.endpoint], [await questionOf(good.endpoint)], 1);
  await load.answered(5);
  load.fault();
  await load.answered(1);
  const { answers, errors } = await load.stop();
  assert.ok(answers >= 6);
  assert.deepEqual(errors, { DRAINING: 1 });
});

test('an answer with other bytes, and an error that is for good, end the load as a failure', async () => {
  const good = await startCannedCoordinator();
  const question = await questionOf(good.endpoint);
  const changed = new Load([good.endpoint], [{ ...question, expected: question.expected.replace('1', '2') }], 1);
  await assert.rejects(changed.answered(1), /other bytes/);
  await assert.rejects(changed.stop(), /other bytes/);
  const broken = await startCannedCoordinator({ score: (): Promise<ScoreResponse> => Promise.reject(new GolddiffError('INTERNAL', 'a bug')) });
  await assert.rejects(new Load([broken.endpoint], [question], 1).answered(1), { code: 'INTERNAL' });
});
