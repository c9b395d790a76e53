import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import type { GolddiffError } from '../../../../shared/errors.js';
import { checkProducts, findTfjs, loadTensorOps } from '../../../../shard-worker/backends/tfjs/load-tensor-ops.js';
import type { Tensor, TensorOps } from '../../../../shard-worker/backends/tfjs/tensor-ops.js';
import { temporaryFolder } from '../../../support/data-sets.js';
import { deviceUnderTest, flavours, skip } from './tfjs-under-test.js';

function install(folder: string, name: string, program: string): void {
  const place = path.join(folder, 'node_modules/@tensorflow', name);
  mkdirSync(place, { recursive: true });
  writeFileSync(path.join(place, 'index.js'), program);
}

test('the first package of the order that is installed is the one, and none is none', () => {
  const folder = temporaryFolder();
  assert.equal(findTfjs(tmpdir(), ['node']), undefined);
  install(folder, 'tfjs-node', '');
  assert.equal(findTfjs(folder), 'node');
  install(folder, 'tfjs-node-gpu', '');
  assert.equal(findTfjs(folder), 'node-gpu');
  assert.equal(findTfjs(folder, ['node']), 'node');
});

test('a package that is missing or broken is a sentence with the next step', async () => {
  const missing = (text: RegExp) => (error: GolddiffError) => error.code === 'BACKEND_MISSING' && text.test(error.message);
  await assert.rejects(loadTensorOps(tmpdir(), []), missing(/not installed; npm install --no-save @tensorflow\/tfjs-node-gpu/));
  const folder = temporaryFolder();
  install(folder, 'tfjs-node-gpu', "throw new Error('libcudart.so.11.0: cannot open shared object file\\nat ...')");
  await assert.rejects(
    loadTensorOps(folder),
    missing(/tfjs-node-gpu is installed but does not load: libcudart.so.11.0: cannot open shared object file; reinstall/),
  );
});

test('products that are rounded to 11 bits are refused, with the setting that mends it', () => {
  const tensor = (values: Float32Array): Tensor => ({ shape: [], dataSync: () => values, dispose: () => {} });
  const round = (value: number): number => Math.round(value * 1024) / 1024;
  for (const [keep, refused] of [
    [(value: number) => value, false],
    [round, true],
  ] as const) {
    const ops = {
      tidy: <T>(make: () => T): T => make(),
      tensor,
      matMul: (a: Tensor) => tensor(a.dataSync().map(keep)),
    } as unknown as TensorOps;
    if (refused) assert.throws(() => checkProducts(ops), { code: 'BACKEND_MISSING', message: /NVIDIA_TF32_OVERRIDE=0/ });
    else checkProducts(ops);
  }
});

test('what is installed loads, multiplies as it must, and says what it is', { skip }, async () => {
  const { facts, ops } = await deviceUnderTest();
  assert.equal(facts.flavour, flavours[0]);
  assert.match(facts.version, /^\d+\.\d+/);
  assert.equal(ops.memory().numTensors, 0, 'the check leaves nothing');
});
