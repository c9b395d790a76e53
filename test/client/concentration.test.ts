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
    { dataSet: 'tiny', images, count, steps: 5, seed: 3, batchRows: 256, goldenRowsAt: new Map([[800, 42]]) },
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
  for (const t of seen) {
    const { alpha, sigma } = noiseLevelAt('DDPM_LINEAR', t);
    const requests = server.scoreRequests.filter((request) => request.levels?.alpha[0] === alpha && request.levels.sigma[0] === sigma);
    assert.deepEqual(
      requests.map((request) => request.x?.shape[0]),
      [256, 144],
    );
    for (const request of requests) assert.deepEqual([request.retrieval?.kind, request.returnMassRows], ['EXACT_SCAN', true]);
    const x = Float64Array.from(requests.flatMap((request) => [...new Float64Array(Uint8Array.from(request.x?.data ?? []).buffer)]));
    const mean = x.reduce((total, v) => total + v, 0) / x.length;
    const deviation = Math.sqrt(x.reduce((total, v) => total + (v - mean) ** 2, 0) / x.length);
    // 1600 normals: five standard errors are 0.125 sigma for the mean and 0.09 sigma for the deviation.
    assert.ok(Math.abs(mean - alpha * 0.5) < 0.125 * sigma && Math.abs(deviation / sigma - 1) < 0.09, `t = ${t}: ${mean}, ${deviation}`);
  }
});

test('another schedule visits its own levels, and a class is asked for by its label', async () => {
  const server = await startCannedCoordinator();
  const client = connect(server.endpoint);
  const input = { dataSet: 'tiny', images: new Float64Array(4), count: 1, steps: 3, schedule: 'EDM', seed: 0, label: 7 } as const;
  const points = await measureConcentration(client, input, new AbortController().signal);
  client.close();
  assert.deepEqual(
    points.map((p) => [p.alpha, Number(p.sigma.toPrecision(3))]),
    [
      [1, 80],
      [1, 2.52],
      [1, 0.002],
    ],
  );
  assert.deepEqual([points[0]?.maxWeight, points[0]?.logZ, points[0]?.logEvidence], [[0.5], [-1], [0]]);
  assert.ok(server.scoreRequests.every((request) => request.labels.join() === '7'));
});
