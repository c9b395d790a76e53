import assert from 'node:assert/strict';
import { test } from 'node:test';

import { connect } from '../../client/golddiff-client.js';
import { scoreBatches } from '../../client/score-batches.js';
import { startCannedCoordinator } from '../support/canned-coordinator.js';

test('queries go in requests of a bounded number, each with its own labels and its place in the pre-sample', async () => {
  const server = await startCannedCoordinator();
  const client = connect(server.endpoint);
  const x = Float64Array.from({ length: 20 }, (_, i) => i);
  const seen: number[] = [];
  const level = { alpha: 1, sigma: 1, retrieval: { kind: 'golden' } } as const;
  const signal = new AbortController().signal;
  const answers = await scoreBatches(client, { x, shape: [5, 1, 2, 2], batchRows: 2 }, { ...level, labels: [0, 1, 2, 3, 4] }, signal, (done) =>
    seen.push(done),
  );
  await scoreBatches(client, { x, shape: [5, 4], batchRows: 4 }, { alpha: 1, sigma: 1, labels: 9 }, signal);
  client.close();
  assert.deepEqual(
    answers.flatMap((answer) => [...answer.x0hat]),
    [...x].map((value) => value / 2),
  );
  assert.deepEqual(seen, [2, 4, 5]);
  assert.deepEqual(
    server.scoreRequests.map((r) => [r.x?.shape, r.retrieval?.firstQuery, r.labels]),
    [
      [[2, 1, 2, 2], 0, [0, 1]],
      [[2, 1, 2, 2], 2, [2, 3]],
      [[1, 1, 2, 2], 4, [4]],
      [[4, 4], 0, [9]],
      [[1, 4], 0, [9]],
    ],
  );
});
