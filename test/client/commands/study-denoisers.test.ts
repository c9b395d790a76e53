import assert from 'node:assert/strict';
import { test } from 'node:test';

import { chosenDenoisers, denoiserList } from '../../../client/commands/study-denoisers.js';
import { connect } from '../../../client/golddiff-client.js';
import { startPosteriorServer } from '../../support/posterior-server.js';

test('denoisers are a list of words or whatever is offered', () => {
  assert.deepEqual(denoiserList('optimal, pca', '--denoiser'), ['optimal', 'pca']);
  assert.equal(denoiserList('offered', '--denoiser'), 'offered');
  for (const bad of ['', 'optimal,', 'offered,pca', 'pca,pca', 'toString'])
    assert.throws(() => denoiserList(bad, '--denoiser'), { code: 'ARGUMENT_INVALID' });
});

test('those that are offered are found by asking, and one that is not is refused with those that are', async () => {
  const client = connect((await startPosteriorServer()).endpoint);
  const session = { client, signal: new AbortController().signal, cluster: undefined };
  const dataSet = await client.datasets.get();
  assert.deepEqual(await chosenDenoisers('offered', session, dataSet), ['optimal']);
  assert.deepEqual(await chosenDenoisers(['optimal'], session, dataSet), ['optimal']);
  await assert.rejects(chosenDenoisers(['optimal', 'wiener'], session, dataSet), { code: 'ARGUMENT_INVALID', message: /\(optimal\) .* "wiener"/ });
  client.close();
});
