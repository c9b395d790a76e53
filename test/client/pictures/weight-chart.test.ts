import assert from 'node:assert/strict';
import { test } from 'node:test';

import { weightChart } from '../../../client/pictures/weight-chart.js';

test('the chart shows the largest weight and log Z of every level', async () => {
  const points = [900, 500, 0].map((t) => ({ t, alpha: 0.5, sigma: 0.5, maxWeight: [1 - t / 1000, 0.5], logZ: [-400 - 300 * (900 - t), 3] }));
  const { svg, png } = await weightChart({ dataSet: 'MNIST', rows: 60_000, points, queries: 'noisy images' });
  for (const text of ['One row takes over: MNIST, N = 60,000', '2 noisy images', 'largest weight of one row', 'log Z, nats', '−100,000'])
    assert.ok(svg.includes(text), `the chart says "${text}"`);
  // A line, a band and a point for each level, twice.
  assert.equal((svg.match(/aria-roledescription="point"/g) ?? []).length, 6);
  assert.ok(png.length > 5_000);
});
