import assert from 'node:assert/strict';
import { test } from 'node:test';

import { collectSamples } from '../../client/collect-samples.js';
import type { SampleEvent } from '../../client/sample-call.js';

const summary: SampleEvent = {
  kind: 'summary',
  count: 3,
  steps: 1,
  evaluations: 3,
  rowsScored: 3,
  totalMs: 1,
  tailMassBoundMax: 0,
  tailMassKind: 'exact',
  coverageMin: 1,
};
const images = (firstSample: number, ...values: number[]): SampleEvent => ({
  kind: 'images',
  firstSample,
  images: Float32Array.from(values),
  shape: [values.length, 1, 1, 1],
});
async function* from(...events: SampleEvent[]): AsyncGenerator<SampleEvent> {
  for (const event of events) yield await Promise.resolve(event);
}

test('pieces that come in any order are put in the order of the samples', async () => {
  const run = await collectSamples(from(images(2, 12), images(0, 10, 11), summary));
  assert.deepEqual([...run.images], [10, 11, 12]);
  assert.deepEqual(run.shape, [1, 1, 1]);
});

test('a missing image and a missing summary are errors', async () => {
  await assert.rejects(collectSamples(from(images(0, 10), images(2, 12), summary)), { message: 'Expected 3 images but image 1 is missing' });
  await assert.rejects(collectSamples(from(images(0, 10))), { code: 'INTERNAL' });
});
