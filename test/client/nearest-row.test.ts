import assert from 'node:assert/strict';
import { test } from 'node:test';

import { connect } from '../../client/golddiff-client.js';
import { nearestRowDistances } from '../../client/nearest-row.js';
import { cannedScore, startCannedCoordinator } from '../support/canned-coordinator.js';

test('the distance comes out of log Z, for more images than a batch holds', async () => {
  const rows = [Float32Array.of(0, 0, 0, 0), Float32Array.of(1, 1, 1, 1), Float32Array.of(1, 1, 1, 1)];
  const server = await startCannedCoordinator({
    score: async (request) => {
      const x = new Float32Array(Uint8Array.from(request.x?.data ?? []).buffer);
      const sigma = request.levels?.sigma[0] ?? NaN;
      const logZ = Array.from({ length: x.length / 4 }, (_, b) => {
        const logits = rows.map((row) => -row.reduce((sum, y, p) => sum + (x[b * 4 + p]! - y) ** 2, 0) / (2 * sigma * sigma));
        return Math.max(...logits);
      });
      return { ...(await cannedScore(request)), logZ };
    },
  });
  const client = connect(server.endpoint);
  const three = [0, 0, 0, 0, 1, 1, 1, 1, 0.5, 0.9, 1, 1];
  const images = Float32Array.from({ length: 30 * three.length }, (_, i) => three[i % three.length]!);
  const distances = await nearestRowDistances(client, images, 90, { name: 'tiny', rows: 3 }, new AbortController().signal);
  client.close();
  assert.equal(distances.length, 90);
  const expected = [0, 0, Math.sqrt((0.25 + 0.01) / 4)];
  // float32 values and one square root: far below 1e-6.
  distances.forEach((distance, b) => assert.ok(Math.abs(distance - expected[b % 3]!) < 1e-6, `${distance} is near ${expected[b % 3]}`));
  assert.deepEqual(
    server.scoreRequests.map((r) => [r.x?.shape[0], r.retrieval?.kFixed, r.retrieval?.candidatePool]),
    [
      [64, 1, 3],
      [26, 1, 3],
    ],
  );
});
