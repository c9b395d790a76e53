import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Command } from 'commander';

import { addStudyFlags, eligibleRowsOf, studyReport, subjectName, type StudyFlags } from '../../../client/commands/study-flags.js';
import { connect } from '../../../client/golddiff-client.js';
import { startCannedCoordinator } from '../../support/canned-coordinator.js';

test('flags have their defaults, and the folder of the study', () => {
  const flags: StudyFlags = addStudyFlags(new Command(), 'out/here').parse(['--data', 'd'], { from: 'user' }).opts();
  assert.deepEqual(flags, { data: 'd', images: 16, steps: 10, schedule: 'ddpm-linear', seed: 0, batchRows: 64, out: 'out/here' });
});

test('a class is a subject with rows of its own, and one without rows is refused', async () => {
  const client = connect((await startCannedCoordinator()).endpoint);
  const dataSet = {
    ...(await client.datasets.get()),
    classes: [
      { label: 0, name: 'cats', rows: 40 },
      { label: 1, name: 'dogs', rows: 0 },
    ],
  };
  assert.deepEqual([eligibleRowsOf(dataSet, undefined), eligibleRowsOf(dataSet, 0)], [100, 40]);
  assert.deepEqual([subjectName(dataSet, undefined), subjectName(dataSet, 0)], ['tiny', 'tiny, class cats']);
  for (const label of [1, 7])
    assert.throws(() => eligibleRowsOf(dataSet, label), { code: 'ARGUMENT_INVALID', message: /a class of tiny that has rows/ });
  const session = { client, signal: new AbortController().signal, cluster: undefined };
  const report = studyReport(dataSet, { seed: 1 }, { count: 2, origin: 'images', heldOut: true }, session) as Record<string, object>;
  assert.deepEqual(
    [report['cluster'], report['settings'], report['images']],
    [{ endpoint: client.endpoint }, { seed: 1 }, { count: 2, origin: 'images', heldOut: true }],
  );
  assert.deepEqual(Object.keys(report['dataSet'] ?? {}), ['name', 'shape', 'rows', 'partitions', 'contentHash']);
  client.close();
});
