import assert from 'node:assert/strict';
import { test } from 'node:test';

import { connect } from '../../client/golddiff-client.js';
import { nearestRowDistances } from '../../client/nearest-row.js';
import { cannedScore, startCannedCoordinator } from '../support/canned-coordinator.js';

test('the distance comes out of log Z, also where several rows are equally near', async () => {
  const rows = [Float32Array.of(0, 0, 0, 0), Float32Array.of(1, 1, 1, 1), Float32Array.of(1, 1, 1, 1)];
  const server = await startCannedCoordinator({
    score: async (request) => {
      const x = new Float32Array(Uint8Array.from(request.x?.data ?? []).buffer);
      const sigma = request.levels?.sigma[0] ?? NaN;
      const logZ = Array.from({ length: x.length / 4 }, (_, b) => {
        const logits = rows.map((row) => -row.reduce((sum, y, p) => sum + (x[b * 4 + p]! - y) ** 2, 0) / (2 * sigma * sigma));
        const max = Math.max(...logits);
        return max + Math.log(logits.reduce((sum, l) => sum + Math.exp(l - max), 0));
      });
      return { ...(await cannedScore(request)), logZ };
    },
  });
  const client = connect(server.endpoint);
  const images = Float32Array.of(0, 0, 0, 0, 1, 1, 1, 1, 0.5, 0.9, 1, 1);
  const distances = await nearestRowDistances(client, images, 3, 'tiny', new AbortController().signal);
  client.close();
  const expected = [0, 0, Math.sqrt((0.25 + 0.01) / 4)];
  // 2 sigma^2 log 2 for the tie under the root, over 4 values: below 1e-3.
  distances.forEach((distance, b) => assert.ok(Math.abs(distance - expected[b]!) < 1e-3, `${distance} is near ${expected[b]}`));
});
