import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { detectCuda, EMULATED_ADDON_FILE } from '../../../../shard-worker/backends/cuda/load-cuda-addon.js';
import { cudaDevice, onDevice, skip } from './emulated-device.js';

test('an engine that was not built, does not load or is of other sources is missing with the next step', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'golddiff-cuda-'));
  try {
    const missingOf = (file: string): string => {
      const found = detectCuda(path.join(folder, file), path.join(folder, 'driver'));
      assert.ok('missing' in found);
      assert.equal(found.expected, false);
      return found.missing;
    };
    assert.match(missingOf('none.node'), /has not been built; install NVIDIA's CUDA toolkit and run npm run build:cuda$/);
    const expected = detectCuda(path.join(folder, 'none.node'), folder);
    assert.ok('missing' in expected && expected.expected, 'a machine with a driver should have it');
    await writeFile(path.join(folder, 'broken.node'), 'no addon');
    assert.match(missingOf('broken.node'), /^the CUDA engine was built for another platform than .*run npm run build:cuda$/);
    await writeFile(path.join(folder, 'other.cjs'), 'exports.detect = () => ({ missing: "a driver; install one" });');
    assert.match(missingOf('other.cjs'), /built from other sources \(it lacks closeEngine\)/);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('what the engine says of the device is passed on: facts, a reason, or why it could not look', { skip }, async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'golddiff-cuda-'));
  try {
    const names = Object.keys(cudaDevice().addon);
    const others = names.map((name) => `exports.${name} = () => {};`).join('');
    const detected = async (name: string, detect: string): Promise<ReturnType<typeof detectCuda>> => {
      const file = path.join(folder, name);
      await writeFile(file, `${others} exports.detect = () => { ${detect} };`);
      return detectCuda(file, path.join(folder, 'driver'));
    };
    assert.deepEqual(await detected('a.cjs', 'return { missing: "no driver; install one" };'), {
      missing: 'no driver; install one',
      expected: false,
    });
    const failed = await detected('b.cjs', 'throw new Error("broken");');
    assert.deepEqual(failed, { missing: 'the device cannot be looked at (broken); see nvidia-smi', expected: false });
    const found = await detected('c.cjs', 'return { device: "one", architecture: 90, memoryBytes: 1, multiprocessors: 2 };');
    assert.ok('device' in found && found.device.device === 'one');
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('the emulated device is found where the tests have built it', { skip: onDevice ? 'on a device' : skip }, () => {
  const found = detectCuda(EMULATED_ADDON_FILE);
  assert.ok('device' in found);
  assert.equal(found.device.device, 'emulated');
  assert.equal(found.device.architecture, 90);
});
