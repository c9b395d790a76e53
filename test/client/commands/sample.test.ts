import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';

import { Command } from 'commander';

import { sampleCommand } from '../../../client/commands/sample.js';
import { readQueries } from '../../../client/commands/sample-flags.js';
import { readNpy, writeNpy } from '../../../shared/dataset/npy.js';
import { startCannedCoordinator } from '../../support/canned-coordinator.js';
import { temporaryFolder } from '../../support/data-sets.js';

async function sample(...args: string[]): Promise<void> {
  const program = new Command().addCommand(sampleCommand().exitOverride());
  await program.parseAsync(['sample', ...args], { from: 'user' });
}

test('sampling from an endpoint fills a folder, with every setting in the request', async () => {
  const server = await startCannedCoordinator();
  const out = path.join(temporaryFolder(), 'out');
  const settings = '--count 3 --steps 4 --sampler edm-heun --schedule edm --seed 9 --labels 1,2,3 --temperature 2 --batch-rows 8 --preview-every 2';
  await sample('--endpoint', server.endpoint, '--out', out, ...settings.split(' '));
  assert.deepEqual((await readdir(out)).sort(), ['run.json', 'samples.npy', 'samples.png', 'trajectory.png']);
  const request = server.sampleRequests[0];
  assert.deepEqual(
    [
      request?.count,
      request?.steps,
      request?.sampler,
      request?.schedule,
      request?.seed,
      request?.labels,
      request?.temperature,
      request?.batchRows,
      request?.previewEvery,
      request?.denoiser,
      request?.retrieval?.kind,
    ],
    [3, 4, 'EDM_HEUN', 'EDM', 9, [1, 2, 3], 2, 8, 2, 'PCA', 'GOLDEN'],
  );
});

test('first noise from a file gives as many images as it has rows', async () => {
  const server = await startCannedCoordinator();
  const dir = temporaryFolder();
  await writeNpy(path.join(dir, 'noise.npy'), new Float64Array(8), [2, 1, 2, 2]);
  await sample('--endpoint', server.endpoint, '--out', path.join(dir, 'out'), '--initial-noise', path.join(dir, 'noise.npy'), '--preview-every', '0');
  assert.deepEqual(server.sampleRequests[0]?.initialNoise?.shape, [2, 1, 2, 2]);
  assert.deepEqual((await readNpy(path.join(dir, 'out', 'samples.npy'))).shape, [2, 1, 2, 2]);
});

test('what contradicts itself is refused before anything is started', async () => {
  await assert.rejects(sample('--eta', '1', '--sampler', 'ddpm', '--endpoint', 'a:1'), {
    message: 'Expected --sampler ddim for --eta but received "ddpm"',
  });
  await assert.rejects(sample(), { message: 'Expected either --endpoint HOST:PORT or --data DIR for the cluster but received "neither"' });
});

test('arrays that are no queries are refused', async () => {
  const dir = temporaryFolder();
  const file = path.join(dir, 'x.npy');
  await writeNpy(file, new Float32Array(4), [4]);
  await assert.rejects(readQueries('--input', file), { code: 'ARGUMENT_INVALID' });
  await writeNpy(file, new Uint8Array(4), [1, 4]);
  await assert.rejects(readQueries('--input', file), { code: 'ARGUMENT_INVALID' });
  await assert.rejects(readQueries('--input', path.join(dir, 'none.npy')), { code: 'FILE_INVALID' });
});
