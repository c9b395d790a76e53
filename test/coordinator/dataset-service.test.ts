import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Dataset__Output } from '../../proto/generated/golddiff/v1/Dataset.js';
import type { ListDatasetsResponse__Output } from '../../proto/generated/golddiff/v1/ListDatasetsResponse.js';
import { answerOf, runCoordinator } from './running-coordinator.js';
import { randomDataSet } from './test-data.js';

const data = randomDataSet({ rows: 60, partitions: 6 });

test('a data set is described with its classes, partitions, holders and coverage', async (t) => {
  const { dataSets } = await runCoordinator(t, data, { config: { replicas: 2 }, worker: { broken: [3] } });
  const got = await answerOf<Dataset__Output>((done) => dataSets.Get({ name: 'noise' }, done));
  assert.deepEqual(got.shape, [1, 4, 4]);
  assert.equal(got.dtype, 'F32');
  assert.deepEqual(
    got.classes.map((c) => c.rows),
    [20, 20, 20],
  );
  assert.deepEqual(
    got.partitions.map((p) => [...p.replicas].sort().join()),
    ['w0,w1', 'w0,w1', 'w0,w1', '', 'w0,w1', 'w0,w1'],
  );
  assert.equal(got.contentHash, data.manifest.contentHash);
  assert.ok(Math.abs(got.coverage - 5 / 6) < 1e-12);
  assert.ok(got.placementEpoch >= 1);
});

test('one data set is one page, and an unknown name is not found', async (t) => {
  const { dataSets } = await runCoordinator(t, data);
  const list = await answerOf<ListDatasetsResponse__Output>((done) => dataSets.List({}, done));
  assert.deepEqual(
    list.dataSets.map((d) => d.name),
    ['noise'],
  );
  assert.equal(list.nextPageToken, '');
  await assert.rejects(
    answerOf((done) => dataSets.List({ pageSize: 1001 }, done)),
    { code: 'ARGUMENT_INVALID', message: /page_size/ },
  );
  await assert.rejects(
    answerOf((done) => dataSets.List({ pageToken: 'x' }, done)),
    { code: 'ARGUMENT_INVALID', message: /page_token/ },
  );
  await assert.rejects(
    answerOf((done) => dataSets.Get({ name: 'other' }, done)),
    { code: 'DATA_SET_UNKNOWN' },
  );
});
