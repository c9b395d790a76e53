import assert from 'node:assert/strict';
import { test } from 'node:test';

import { measureConcentration } from '../../client/concentration.js';
import { connect } from '../../client/golddiff-client.js';
import { noiseLevelAt } from '../../shared/math/noise-schedule.js';
import { startCannedCoordinator } from '../support/canned-coordinator.js';

test('every timestep is asked exactly once, exactly, with images noised to its level', async () => {
  const server = await startCannedCoordinator();
  const client = connect(server.endpoint);
  const count = 400;
  const images = new Float64Array(count * 4).fill(0.5);
  const seen: number[] = [];
  const points = await measureConcentration(
    client,
    { dataSet: 'tiny', images, count, steps: 5, seed: 3, goldenRowsAt: new Map([[800, 42]]) },
    new AbortController().signal,
    (_, { t }) => seen.push(t),
  );
  client.close();
  assert.deepEqual(seen, [800, 600, 400, 200, 0]);
  assert.deepEqual(
    points.map((p) => [p.t, p.goldenRows, p.rows50.length]),
    [
      [800, 42, count],
      [600, undefined, count],
      [400, undefined, count],
      [200, undefined, count],
      [0, undefined, count],
    ],
  );
  for (const [i, request] of server.scoreRequests.entries()) {
    assert.equal(request.retrieval?.kind, 'EXACT_SCAN');
    assert.equal(request.returnMassRows, true);
    const x = new Float64Array(Uint8Array.from(request.x?.data ?? []).buffer);
    const { alpha, sigma } = noiseLevelAt('DDPM_LINEAR', seen[i] ?? 0);
    const mean = x.reduce((total, v) => total + v, 0) / x.length;
    const deviation = Math.sqrt(x.reduce((total, v) => total + (v - mean) ** 2, 0) / x.length);
    // 1600 normals: five standard errors are 0.125 sigma for the mean and 0.09 sigma for the deviation.
    assert.ok(Math.abs(mean - alpha * 0.5) < 0.125 * sigma && Math.abs(deviation / sigma - 1) < 0.09, `t = ${seen[i]}: ${mean}, ${deviation}`);
  }
});
