import assert from 'node:assert/strict';
import { test } from 'node:test';

import sharp from 'sharp';

import { chartFrame, noiseAxis, powersOfTen, quantile, renderChart } from '../../../client/pictures/chart-style.js';

test('quantiles lie between neighbours by straight line, in any order of the values', () => {
  assert.deepEqual([quantile([3, 1, 2], 0.5), quantile([0, 10], 0.1), quantile([7], 0.9), quantile([1, 2], 1)], [2, 1, 7, 2]);
});

test('powers of ten go up to a number', () => {
  assert.deepEqual([powersOfTen(1000), powersOfTen(1), powersOfTen(0)], [[1, 10, 100, 1000], [1], []]);
});

test('an axis of many levels names some, the cleanest always, with noise over signal where it is known', () => {
  const levels = Array.from({ length: 100 }, (_, i) => ({ t: 990 - 10 * i, alpha: 0.6, sigma: 0.75 }));
  const { axis, scale } = noiseAxis(levels);
  assert.ok(axis.values.length <= 13 && axis.values.at(-1) === 0);
  assert.deepEqual(scale.domain, [0, 990]);
  assert.match(axis.labelExpr ?? '', /"0":"1\.3"/);
  assert.match(axis.title ?? '', /σ\/α/);
  const plain = noiseAxis([{ t: 5 }, { t: 0 }], false);
  assert.deepEqual([plain.axis.title, plain.axis.labels, plain.axis.labelExpr, plain.axis.values], [null, false, undefined, [5, 0]]);
});

test('a long subtitle is broken between words, and a picture is no wider than its plot and its texts', async () => {
  const words = new Array(40).fill('word').join(' ');
  const { title } = chartFrame('Title', [words, 'short']);
  assert.ok(title.subtitle.length === 3 && title.subtitle.every((line) => line.length <= 104) && title.subtitle.join(' ') === `${words} short`);
  const axis = noiseAxis([{ t: 9 }, { t: 0 }]);
  const { svg, png } = await renderChart({
    ...chartFrame('Title', [words]),
    width: 760,
    height: 50,
    data: { values: [{ t: 9 }, { t: 0 }] },
    mark: 'point',
    encoding: { x: axis },
  });
  assert.match(svg, /font-family="DejaVu Sans, [^"]*sans-serif"/);
  // 760 for the plot, 36 of padding; a title of 104 characters at 13 pixels reaches 811.
  assert.ok((await sharp(png).metadata()).width < 2 * 900);
});
