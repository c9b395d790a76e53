import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Command } from 'commander';

import { addDenoiserFlags, chosenDenoisers, denoiserList, denoiserSettings, type DenoiserFlags } from '../../../client/commands/study-denoisers.js';
import { connect } from '../../../client/golddiff-client.js';
import { startPosteriorServer } from '../../support/posterior-server.js';

test('denoisers are a list of words or whatever is offered', () => {
  assert.deepEqual(denoiserList('optimal, pca', '--denoiser'), ['optimal', 'pca']);
  assert.equal(denoiserList('offered', '--denoiser'), 'offered');
  for (const bad of ['', 'optimal,', 'offered,pca', 'pca,pca', 'toString'])
    assert.throws(() => denoiserList(bad, '--denoiser'), { code: 'ARGUMENT_INVALID' });
});

test('those that are offered are found by asking, and one that is not is refused', async () => {
  const server = await startPosteriorServer();
  const client = connect(server.endpoint);
  const session = { client, signal: new AbortController().signal, cluster: undefined };
  const dataSet = await client.datasets.get();
  const level = { alpha: 0.6, sigma: 0.8 };
  assert.deepEqual(await chosenDenoisers('offered', session, dataSet, level), ['optimal']);
  assert.ok(
    server.scoreRequests.every(({ denoiser }) => denoiser !== 'PATCH_EQUIVARIANT'),
    'the slow one is only looked at by name',
  );
  assert.deepEqual(await chosenDenoisers(['optimal'], session, dataSet, level), ['optimal']);
  await assert.rejects(chosenDenoisers(['optimal', 'wiener'], session, dataSet, level), {
    code: 'ARGUMENT_INVALID',
    message: /^Expected OPTIMAL .* "WIENER"$/,
  });
  client.close();
  assert.ok(
    server.scoreRequests.every((request) => request.levels?.alpha[0] === 0.6),
    'at the level that the study will need',
  );
});

test('settings belong to their denoisers', () => {
  assert.deepEqual(denoiserSettings({ denoiser: 'offered', maskThreshold: 0.1, patchSize: 5 }), {
    pca: { maskThreshold: 0.1 },
    patch: { patchSize: 5 },
    'patch-equivariant': { patchSize: 5 },
  });
  assert.deepEqual(denoiserSettings({ denoiser: ['optimal'] }), {});
  assert.throws(() => denoiserSettings({ denoiser: ['patch'], maskThreshold: 0.1 }), { code: 'ARGUMENT_INVALID' });
  const flags: DenoiserFlags = addDenoiserFlags(new Command()).parse(['--denoiser', 'pca,patch', '--patch-size', '7'], { from: 'user' }).opts();
  assert.deepEqual(flags, { denoiser: ['pca', 'patch'], patchSize: 7 });
});
