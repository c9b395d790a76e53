import assert from 'node:assert/strict';
import { test } from 'node:test';

import { boundsChart, errorsChart, type MethodErrors } from '../../../client/pictures/fidelity-chart.js';

const point = (method: string, t: number, holds = true): MethodErrors => ({
  ...{
    method,
    t,
    alpha: 0.5,
    sigma: 0.5,
    mse: t === 0 ? 0 : 1e-4,
    r2: 0.9,
    worst: 0.01,
    massLeftOut: method === 'paper' ? 0.1 : undefined,
    bound: 0.2,
    holds,
  },
});
const CHART = {
  title: 'Error against the exact scan',
  subtitles: ['3 images'],
  methods: ['paper', 'released'],
  points: [point('paper', 500), point('paper', 0), point('released', 500, false), point('released', 0)],
};

test('errors of all methods are in one chart, an error of 0 too', async () => {
  const { svg, png } = await errorsChart(CHART);
  for (const text of [CHART.title, '3 images', 'mean squared error', 'r²', '>paper<', '>released<'])
    assert.ok(svg.includes(text), `the chart says "${text}"`);
  assert.equal((svg.match(/aria-roledescription="point"/g) ?? []).length, 8);
  assert.ok(png.length > 5_000);
});

test('each method has a panel with its bound, and a broken bound is said and crossed', async () => {
  const { svg } = await boundsChart(CHART);
  for (const text of ['>paper<', '>released: broken at 1 of 2<', 'mass left out', 'worst error of a pixel', 'bound on both', '1e-7'])
    assert.ok(svg.includes(text), `the chart says "${text}"`);
  assert.equal((svg.match(/aria-roledescription="point"/g) ?? []).length, 1);
  // Three lines where the mass is known, two where it is not.
  assert.equal((svg.match(/aria-roledescription="line mark"/g) ?? []).length, 5);
});
