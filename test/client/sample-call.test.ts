import assert from 'node:assert/strict';
import { test } from 'node:test';

import { decodeSampleEvent, encodeSampleRequest } from '../../client/sample-call.js';

test('what is left out goes as the proto default', () => {
  const request = encodeSampleRequest({ count: 3 });
  assert.deepEqual(
    [request.count, request.steps, request.sampler, request.schedule, request.denoiser],
    [3, 0, 'DDIM', 'SCHEDULE_UNSPECIFIED', 'OPTIMAL'],
  );
  assert.equal(request.initialNoise, null);
});

test('words, noise and labels are encoded', () => {
  const request = encodeSampleRequest({
    sampler: 'edm-heun',
    schedule: 'edm',
    initialNoise: { values: new Float32Array(4), shape: [1, 1, 2, 2] },
    labels: 3,
  });
  assert.deepEqual([request.sampler, request.schedule, request.initialNoise?.shape, request.labels], ['EDM_HEUN', 'EDM', [1, 1, 2, 2], [3]]);
});

test('an unknown kind of event is passed over and a preview of floats is refused', () => {
  assert.equal(decodeSampleEvent({}), undefined);
  const x0hat = { dtype: 'F32' as const, shape: [1, 1, 1, 1], data: Buffer.alloc(4) };
  assert.throws(() => decodeSampleEvent({ preview: { step: 1, firstSample: 0, t: 0, sigma: 1, x0hat } }), { code: 'TENSOR_INVALID' });
  assert.throws(() => decodeSampleEvent({ images: { firstSample: 0, images: null } }), { code: 'TENSOR_INVALID' });
});
