import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';

import { Command } from 'commander';

import { denoiseCommand } from '../../../client/commands/denoise.js';
import { readNpy, writeNpy } from '../../../shared/dataset/npy.js';
import { startCannedCoordinator } from '../../support/canned-coordinator.js';
import { temporaryFolder } from '../../support/data-sets.js';

async function denoise(...args: string[]): Promise<void> {
  const program = new Command().addCommand(
    denoiseCommand()
      .exitOverride()
      .configureOutput({ writeErr: () => {} }),
  );
  await program.parseAsync(['denoise', ...args], { from: 'user' });
}

test('a file of more images than a batch is denoised in batches and comes back in its own shape', async () => {
  const server = await startCannedCoordinator();
  const dir = temporaryFolder();
  const at = (name: string): string => path.join(dir, name);
  await writeNpy(
    at('x.npy'),
    Float64Array.from({ length: 20 }, (_, i) => i),
    [5, 1, 2, 2],
  );
  await denoise(
    ...['--endpoint', server.endpoint, '--input', at('x.npy'), '--t', '300', '--batch-rows', '2', '--labels', '0,1,2,3,4'],
    ...['--output', at('new/x0.npy'), '--score', at('score.npy'), '--eps', at('eps.npy'), '--json', at('stats.json')],
  );
  const half = Float32Array.from({ length: 20 }, (_, i) => i / 2);
  for (const name of ['new/x0.npy', 'score.npy', 'eps.npy']) assert.deepEqual(await readNpy(at(name)), { shape: [5, 1, 2, 2], data: half });
  assert.deepEqual(
    server.scoreRequests.map(({ denoiser, retrieval }) => [denoiser, retrieval?.kind, retrieval?.variant]),
    [1, 2, 3].map(() => ['PCA', 'GOLDEN', 'PAPER']),
    'GoldDiff on pca, as nothing was named',
  );
  assert.deepEqual(
    server.scoreRequests.map((r) => [r.x?.shape[0], r.retrieval?.firstQuery, r.labels]),
    [
      [2, 0, [0, 1]],
      [2, 2, [2, 3]],
      [1, 4, [4]],
    ],
  );
  const stats = JSON.parse(await readFile(at('stats.json'), 'utf8')) as {
    settings: { denoiser: string; retrieval: object };
    logEvidence: number[];
    rows90: number[];
    coverageMin: number;
  };
  assert.deepEqual([stats.settings.denoiser, stats.settings.retrieval], ['pca', { kind: 'golden' }]);
  assert.deepEqual(stats.logEvidence, [0, 1, 0, 1, 0]);
  assert.equal(stats.rows90.length, 5);
  assert.equal(stats.coverageMin, 1);
});

test('the noise level is a timestep or a pair, and nothing else', async () => {
  const dir = temporaryFolder();
  const file = path.join(dir, 'x.npy');
  await writeNpy(file, new Float32Array(4), [1, 4]);
  const common = ['--endpoint', '127.0.0.1:1', '--input', file, '--output', path.join(dir, 'o.npy')];
  for (const level of [[], ['--alpha', '1'], ['--t', '1', '--sigma', '1'], ['--alpha', '1', '--sigma', '1', '--schedule', 'edm']])
    await assert.rejects(denoise(...common, ...level), { code: 'ARGUMENT_INVALID' });
  await assert.rejects(denoise(...common, '--t', '1000'), { message: 'Expected a whole number from 0 to 999 for --t but received "1000"' });
  await assert.rejects(denoise(...common, '--alpha', '1', '--sigma', '0'), { code: 'ARGUMENT_INVALID' });
  await assert.rejects(denoise(...common, '--t', '1', '--labels', '1,2'), { message: 'Expected 1 or 1 classes for --labels but received 2' });
});
