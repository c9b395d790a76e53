import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dealtDevices, deviceEnvironment, deviceNames } from '../../client/shared-devices.js';

test('devices are named as nvidia-smi names them', () => {
  assert.deepEqual(deviceNames('0, 3', '--devices'), ['0', '3']);
  assert.deepEqual(deviceNames('GPU-8f2e0c1a-0b1c,MIG-GPU-8f2e/1/0', '--devices'), ['GPU-8f2e0c1a-0b1c', 'MIG-GPU-8f2e/1/0']);
  for (const wrong of ['', '0,', 'cuda:0', '-1'])
    assert.throws(() => deviceNames(wrong, '--devices'), {
      code: 'ARGUMENT_INVALID',
      message: /^Expected devices as nvidia-smi -L shows them.* for --devices but received/,
    });
});

test('workers take turns at the devices that are named, or that this process may use', () => {
  assert.deepEqual(dealtDevices(undefined, { CUDA_VISIBLE_DEVICES: '2, 5' }), ['2', '5']);
  assert.deepEqual(dealtDevices(['1'], { CUDA_VISIBLE_DEVICES: '2,5' }), ['1']);
  assert.equal(dealtDevices(undefined, { CUDA_VISIBLE_DEVICES: '2' }), undefined);
  assert.equal(dealtDevices(undefined, { CUDA_VISIBLE_DEVICES: '' }), undefined, 'hidden devices stay hidden');
  assert.equal(dealtDevices(undefined, {}), undefined);
  const seen = [0, 1, 2].map((worker) => deviceEnvironment(worker, ['2', '5']).CUDA_VISIBLE_DEVICES);
  assert.deepEqual(seen, ['2', '5', '2']);
  assert.deepEqual(deviceEnvironment(0, undefined), {});
});
