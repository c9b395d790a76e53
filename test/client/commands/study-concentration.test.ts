import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';

import { startPosteriorServer } from '../../support/posterior-server.js';
import { temporaryFolder } from '../../support/data-sets.js';
import { runStudy, writeSmallImages } from './study-commands.js';

test('a study of a cluster writes its files and prints the table and the advice', async () => {
  const server = await startPosteriorServer();
  const dir = temporaryFolder();
  const input = path.join(dir, 'held.npy');
  await writeSmallImages(input);
  const args = [
    'concentration',
    '--endpoint',
    server.endpoint,
    '--input',
    input,
    '--steps',
    '4',
    '--max-error',
    '0.1',
    '--out',
    path.join(dir, 'out'),
  ];
  const text = await runStudy(...args);
  assert.match(text, /^tiny, 100 rows: exact posterior of 3 held-out images \(held\.npy\), noised; medians\n/);
  assert.match(text, /\| rows for error ≤ 0\.1 \|/);
  assert.match(text, /error of a pixel at most 0\.1 on \[0, 1\] images: --retrieval golden --k-min \d+ --k-max \d+/);
  assert.equal((await readdir(path.join(dir, 'out'))).length, 7);

  const printed = JSON.parse(await runStudy(...args, '--json')) as {
    images: object;
    points: unknown[];
    settings: { maxError: number };
    suggestion: { kMin: number };
  };
  assert.deepEqual(printed.images, { count: 3, origin: 'held-out images (held.npy)', heldOut: true });
  assert.deepEqual([printed.points.length, printed.settings.maxError], [4, 0.1]);
  assert.deepEqual(JSON.parse(await readFile(path.join(dir, 'out', 'concentration.json'), 'utf8')), printed);
});

test('bad arguments are refused with one sentence', async () => {
  const server = await startPosteriorServer();
  const common = ['concentration', '--endpoint', server.endpoint];
  const refused = async (args: string[], message: RegExp): Promise<void> => {
    await assert.rejects(runStudy(...common, ...args), (thrown: Error & { code: string }) => {
      assert.match(thrown.message, message);
      assert.ok(['ARGUMENT_INVALID', 'commander.unknownOption'].includes(thrown.code), thrown.code);
      return true;
    });
  };
  await refused([], /^Expected images .* beside --endpoint, as a cluster does not give out its rows, for --input but received "none"$/);
  const input = path.join(temporaryFolder(), 'held.npy');
  await writeSmallImages(input);
  await refused(['--input', input, '--max-error', '0'], /^Expected a number from 0\.00001 to 0\.5 for --max-error but received "0"$/);
  await refused(['--input', input, '--label', '3'], /a class of tiny that has rows/);
  await refused(['--input', input, '--retrieval', 'golden'], /unknown option '--retrieval'/);
  await refused(['--input', input, '--schedule', 'linear'], /one of ddpm-linear, ddpm-cosine, edm/);
});
