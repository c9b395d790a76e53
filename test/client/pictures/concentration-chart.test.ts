import assert from 'node:assert/strict';
import { test } from 'node:test';

import sharp from 'sharp';

import { concentrationChart } from '../../../client/pictures/concentration-chart.js';

test('the chart names the data set, its size, the measures and the golden subset, in text that any machine can show', async () => {
  const rows = 60_000;
  const points = [900, 500, 100, 0].map((t) => {
    const level = [rows ** (t / 1000), rows ** (t / 950), rows ** (t / 900)];
    return { t, effectiveSupport: level, rows50: level, rows90: level, rows99: level, goldenRows: 3000 + t };
  });
  const { svg, png } = await concentrationChart({ dataSet: 'MNIST', rows, points, queries: 'noisy queries' });
  for (const text of [
    'MNIST, N = 60,000',
    '3 noisy queries',
    'golden subset',
    '50% of the mass',
    '99% of the mass',
    'effective support',
    'all 60,000 rows',
    '10,000',
  ])
    assert.ok(svg.includes(text), `the chart says "${text}"`);
  assert.match(svg, /font-family="DejaVu Sans, [^"]*sans-serif"/);
  assert.ok((await sharp(png).metadata()).width > 1_000);
});

test('a chart without golden sizes and with one query is drawn too', async () => {
  const point = { t: 0, effectiveSupport: [1], rows50: [1], rows90: [1], rows99: [1] };
  const { svg } = await concentrationChart({ dataSet: 'one', rows: 5, points: [point, { ...point, t: 100 }], queries: 'image' });
  assert.ok(svg.includes('1 image') && !svg.includes('golden subset'));
});

test('suggested sizes and the rows that an error needs are drawn under their own names', async () => {
  const points = [900, 400, 0].map((t) => {
    const level = [1 + 60 * t];
    return {
      t,
      alpha: 0.6,
      sigma: 0.8,
      effectiveSupport: level,
      rows50: level,
      rows90: level,
      rows99: level,
      goldenRows: 100 + t,
      rowsNeeded: 10 + t,
    };
  });
  const labels = { goldenLabel: 'suggested k(t): 1 .. 9', neededLabel: 'rows needed for an error of at most 0.1' };
  const { svg } = await concentrationChart({ dataSet: 'MNIST', rows: 60_000, points, queries: 'images', ...labels });
  assert.ok(svg.includes(labels.goldenLabel) && svg.includes(labels.neededLabel) && !svg.includes('golden subset'));
  assert.match(svg, /σ\/α/);
  // Four measures and the rows needed, at three levels each.
  assert.equal((svg.match(/aria-roledescription="point"/g) ?? []).length, 15);
});
