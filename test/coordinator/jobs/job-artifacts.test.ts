import assert from 'node:assert/strict';
import { test } from 'node:test';
import sharp from 'sharp';
import { JobArtifacts } from '../../../coordinator/jobs/job-artifacts.js';
import { createInProcessControlPlane } from '../../../shared/control-plane/in-process.js';

test('checkpoints, batches and results come back to the bit, and what is cleared is gone', async (t) => {
  const plane = createInProcessControlPlane();
  t.after(() => plane.close());
  const [job, other] = [new JobArtifacts(plane.artifacts, 'a'), new JobArtifacts(plane.artifacts, 'b')];
  const state = { from: 4, step: 3, evaluation: 7, x: Float64Array.of(0.1, -0, 1e-300, Math.PI) };
  await job.keepState(state);
  assert.deepEqual(await job.state(), state);
  assert.equal(await other.state(), undefined);
  await job.keepImages(0, Float32Array.of(1, 2).subarray(1));
  assert.deepEqual(await job.images(0), Float32Array.of(2));
  const images = Float32Array.from({ length: 2 * 12 }, (_, i) => i / 24 - 0.5);
  await job.keepResult(images, [3, 2, 2]);
  assert.deepEqual(await job.result(), images);
  assert.equal((await sharp(await job.picture()).metadata()).format, 'png');
  await job.clear([0]);
  assert.deepEqual([await job.state(), await job.images(0), await other.result()], [undefined, undefined, undefined]);
  assert.deepEqual(await job.result(), images, 'the result stays');
});
