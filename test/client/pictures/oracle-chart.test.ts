import assert from 'node:assert/strict';
import { test } from 'node:test';

import { oracleChart } from '../../../client/pictures/oracle-chart.js';

test('r2 is drawn for both ways of comparing, and one far below 0 stays on the paper', async () => {
  const points = (['single-step', 'trajectory'] as const).flatMap((mode) =>
    ['pca exact', 'pca paper'].flatMap((name) => [900, 0].map((t) => ({ name, mode, t, alpha: 0.5, sigma: 0.5, r2: t === 0 ? -50 : 0.9 }))),
  );
  const { svg, png } = await oracleChart({ title: 'How near', subtitles: ['4 samples'], points });
  for (const text of ['How near', '4 samples', '>pca exact<', '>pca paper<', 'Single step', 'Trajectory', 'r² against the oracle'])
    assert.ok(svg.includes(text), `the chart says "${text}"`);
  assert.equal((svg.match(/aria-roledescription="point"/g) ?? []).length, 8);
  assert.ok(!svg.includes('−50') && png.length > 5_000);
});
