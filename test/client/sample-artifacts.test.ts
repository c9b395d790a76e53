import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';

import sharp from 'sharp';

import { collectSamples } from '../../client/collect-samples.js';
import { connect } from '../../client/golddiff-client.js';
import { describeRun, trajectoryColumns, writeSampleArtifacts } from '../../client/sample-artifacts.js';
import { readNpy } from '../../shared/dataset/npy.js';
import { startCannedCoordinator } from '../support/canned-coordinator.js';
import { temporaryFolder } from '../support/data-sets.js';

test('a run leaves its images, pictures and report, and a run after it replaces them', async () => {
  const server = await startCannedCoordinator();
  const client = connect(server.endpoint);
  const input = { count: 3, steps: 2, previewEvery: 1 };
  const run = await collectSamples(client.sample(input));
  const dataSet = await client.datasets.get();
  client.close();
  const out = path.join(temporaryFolder(), 'deep', 'out');
  for (let i = 0; i < 2; i++) await writeSampleArtifacts(out, run, describeRun(dataSet, input, run, { shards: 1 }));
  assert.deepEqual((await readdir(out)).sort(), ['run.json', 'samples.npy', 'samples.png', 'trajectory.png']);
  const npy = await readNpy(path.join(out, 'samples.npy'));
  assert.deepEqual(npy.shape, [3, 1, 2, 2]);
  assert.deepEqual(npy.data, run.images);
  const report = JSON.parse(await readFile(path.join(out, 'run.json'), 'utf8')) as { summary: object; steps: { t: number; totalMs: number }[] };
  assert.deepEqual(report.summary, {
    count: 3,
    steps: 2,
    evaluations: 6,
    rowsScored: 300,
    totalMs: 5,
    tailMassBoundMax: 0.25,
    tailMassKind: 'heuristic',
    coverageMin: 1,
  });
  assert.deepEqual(
    report.steps.map((s) => [s.t, s.totalMs]),
    [
      [500, 4],
      [0, 4],
    ],
    'times of the batches of one step add up',
  );
  assert.ok((await sharp(path.join(out, 'trajectory.png')).metadata()).width > 0);
});

test('the trajectory shows the first batch alone, labelled by timestep, or by sigma where timesteps repeat', async () => {
  const server = await startCannedCoordinator();
  const client = connect(server.endpoint);
  const run = await collectSamples(client.sample({ count: 4, steps: 2, previewEvery: 1 }));
  client.close();
  assert.deepEqual(
    trajectoryColumns(run).map((c) => c.label),
    ['t = 500', 't = 0'],
  );
  const same = { ...run, previews: run.previews.map((p) => ({ ...p, t: 0 })) };
  assert.deepEqual(
    trajectoryColumns(same).map((c) => c.label),
    ['σ = 0.50', 'σ = 0.50'],
  );
});
