import assert from 'node:assert/strict';
import { test } from 'node:test';

import sharp from 'sharp';

import { FONT_FAMILY, svgText, svgToPng } from '../../../client/pictures/svg-to-png.js';

async function inkOf(text: string): Promise<number> {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="120" height="40" font-family="${FONT_FAMILY}"><text x="5" y="28" font-size="24">${text}</text></svg>`;
  const { data } = await sharp(svgToPng(svg, 2)).greyscale().raw().toBuffer({ resolveWithObject: true });
  return data.filter((v) => v < 128).length;
}

test('text leaves ink without any font of the machine, Greek too', async () => {
  assert.equal(await inkOf(''), 0);
  assert.ok((await inkOf('t = 900')) > 300);
  assert.ok((await inkOf('σ')) > 50);
});

test('the picture has the zoomed size', async () => {
  const { width, height } = await sharp(svgToPng('<svg xmlns="http://www.w3.org/2000/svg" width="30" height="20"/>', 2)).metadata();
  assert.deepEqual([width, height], [60, 40]);
});

test('text with signs of markup stays text', () => {
  assert.equal(svgText('a < b & c > d'), 'a &lt; b &amp; c &gt; d');
});
