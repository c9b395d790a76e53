import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { KubeObject } from './objects.js';
import { helmMissing, matrix, named, template } from './render.js';

const rendered = (values: string, ...set: string[]): Promise<KubeObject[]> =>
  template(matrix.get(values)!, ...set.flatMap((each) => ['--set', each]));

describe('what the chart wires together', { skip: helmMissing ?? false }, () => {
  it('names the import Job by all that its pods are made of, since those of a Job that is there cannot be changed', async () => {
    const job = async (...set: string[]): Promise<[name: string, pod: string]> => {
      const { metadata, spec } = (await rendered('minimal', ...set)).find(({ kind }) => kind === 'Job')!;
      return [metadata.name, JSON.stringify(spec.template)];
    };
    const changes = [
      'image.tag=0.1.1',
      'image.pullPolicy=Always',
      'commonLabels.team=a',
      'commonAnnotations.owner=a',
      'dataset.import.source=emoji',
      'dataset.import.resources.limits.memory=3Gi',
      'dataset.import.scratchSize=20Gi',
      'nats.auth.tokenSecret.name=token',
      'serviceAccount.name=runner',
    ];
    const jobs = await Promise.all([job(), ...changes.map((each) => job(each))]);
    assert.equal(new Set(jobs.map(([name]) => name)).size, jobs.length, 'another name for each other pod');
    assert.equal(new Set(jobs.map(([, pod]) => pod)).size, jobs.length);
    assert.deepEqual(await job('worker.logLevel=debug', 'coordinator.service.annotations.a=b', 'nats.storage.size=30Gi'), jobs[0], 'the same for the same');
    for (const [, pod] of jobs) assert.doesNotMatch(pod, /helm\.sh\/chart|app\.kubernetes\.io\/version/, 'a version of the chart is no other import');
  });
});
