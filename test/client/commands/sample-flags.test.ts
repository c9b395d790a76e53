import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Command } from 'commander';

import { addSampleFlags, readSampleInput, SAMPLE_COUNT_DEFAULT, type SampleFlags } from '../../../client/commands/sample-flags.js';

const read = (...argv: string[]) => readSampleInput(addSampleFlags(new Command()).parse(argv, { from: 'user' }).opts<SampleFlags>());

test('flags become what is sampled, with nothing where nothing was said', async () => {
  const plain = await read();
  assert.deepEqual([plain.count, plain.sampler, plain.seed, plain.previewEvery], [SAMPLE_COUNT_DEFAULT, 'ddim', 0, undefined]);
  assert.deepEqual([plain.denoiser, plain.retrieval, plain.denoiserSettings], ['pca', { kind: 'golden' }, undefined]);
  assert.ok(!('initialNoise' in plain) && !('schedule' in plain));
  const said = await read('--count', '3', '--sampler', 'edm-heun', '--seed', '9', '--retrieval', 'golden', '--k-min', '5');
  assert.deepEqual([said.count, said.sampler, said.seed, said.retrieval], [3, 'edm-heun', 9, { kind: 'golden', kMin: 5 }]);
  await assert.rejects(read('--sampler', 'ddpm', '--eta', '1'), { code: 'ARGUMENT_INVALID' });
});
