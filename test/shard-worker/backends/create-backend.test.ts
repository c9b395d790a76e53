import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { pino } from 'pino';
import { createBackend, type BackendSettings } from '../../../shard-worker/backends/create-backend.js';
import { expectedDeviceBytes } from '../../../shard-worker/backends/cuda/device-bytes.js';
import type { GolddiffError } from '../../../shared/errors.js';
import { cudaDevice, skip as skipCuda } from './cuda/emulated-device.js';
import { isas, skip } from './native/addon-under-test.js';
import { flavours, from, skip as skipTfjs } from './tfjs/tfjs-under-test.js';

interface Line {
  readonly level: number;
  readonly msg: string;
  readonly backend: string;
  readonly reason: string;
  readonly isa?: string;
  readonly choice: string;
  readonly tfjs?: { readonly flavour: string };
}
const MNIST = { rows: 1, shape: [1, 28, 28], eightBit: true } as const;
const WARN = 40;
const INFO = 30;
const NO_DRIVER = 'there is no NVIDIA driver here; install one for CUDA 13.0 or later';

/** The backend's name and what was logged. */
async function created(settings: Partial<BackendSettings>): Promise<{ name: string; variant: string; deviceMemoryBytes: number; lines: Line[] }> {
  const lines: Line[] = [];
  const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line) as Line) });
  const detect = (): { missing: string; expected: boolean } => ({ missing: NO_DRIVER, expected: false });
  const { backend, variant, deviceMemoryBytes } = await createBackend({
    wish: 'auto',
    isa: 'auto',
    computeThreads: 1,
    hostMemoryBytes: 1,
    cardMemoryBytes: Infinity,
    detect,
    log,
    ...settings,
  });
  await backend.close();
  return { name: backend.name, variant, deviceMemoryBytes, lines };
}
const missing = (): { missing: string } => ({ missing: 'the native engine has not been built; run npm run build:native' });

test('without the addon auto runs on the reference backend and a warning says why and what to do', async () => {
  const { name, lines } = await created({ load: missing });
  assert.equal(name, 'reference');
  assert.equal(lines.length, 1);
  assert.equal(lines[0]!.level, WARN);
  assert.match(lines[0]!.reason, /native is faster and is not used: the native engine has not been built; run npm run build:native/);
});

test('a wish for the reference backend does not look for the addon and warns of nothing', async () => {
  const load = (): never => assert.fail('nothing is loaded');
  const { name, lines } = await created({ wish: 'reference', load });
  assert.equal(name, 'reference');
  assert.equal(lines[0]!.level, INFO);
});

test('a wish for the native backend, or for an instruction set of it, is refused without the addon, with the next step', async () => {
  for (const settings of [{ wish: 'native' }, { isa: 'avx2' }] as const)
    await assert.rejects(
      created({ ...settings, load: missing }),
      (error: GolddiffError) => error.code === 'BACKEND_MISSING' && error.message.includes('npm run build:native'),
    );
});

test('with the addon auto takes the native backend with the best instruction set, or the one that is named', { skip }, async () => {
  const auto = await created({});
  assert.equal(auto.name, 'native');
  assert.equal(auto.lines[0]!.level, INFO);
  assert.equal(auto.lines[0]!.isa, isas[0]);
  assert.equal((await created({ isa: 'scalar' })).lines[0]!.isa, 'scalar');
});

test('a wish for cuda or TensorFlow.js where they are not is refused in one sentence, with the next step and what there is', async () => {
  const none = tmpdir();
  await assert.rejects(created({ wish: 'cuda', load: missing }), (error: GolddiffError) => {
    return (
      error.code === 'BACKEND_MISSING' &&
      /there is no NVIDIA driver here; install one for CUDA 13.0 or later/.test(error.message) &&
      /--backend reference,/.test(error.message)
    );
  });
  await assert.rejects(created({ wish: 'tfjs', tfjsFrom: none, load: missing }), (error: GolddiffError) => {
    return error.code === 'BACKEND_MISSING' && /npm install .*@tensorflow\/tfjs-node/.test(error.message);
  });
});

test('a package that does not load is a reason, not a crash: named it is refused, and auto goes on without it and warns', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'golddiff-tfjs-'));
  try {
    const broken = path.join(folder, 'node_modules/@tensorflow/tfjs-node');
    mkdirSync(broken, { recursive: true });
    writeFileSync(path.join(broken, 'index.js'), "throw new Error('no binding for this Node')");
    await assert.rejects(
      created({ wish: 'tfjs', tfjsFrom: folder, load: missing }),
      (error: GolddiffError) =>
        error.code === 'BACKEND_MISSING' && /tfjs-node is installed but does not load: no binding for this Node/.test(error.message),
    );
    const { name, lines } = await created({ tfjsFrom: folder, load: missing });
    assert.equal(name, 'reference');
    assert.match(lines[0]!.reason, /tfjs is faster and is not used: .*no binding for this Node/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('TensorFlow.js that is installed is taken where it is named, and says which', { skip: skipTfjs }, async () => {
  const { name, lines } = await created({ wish: 'tfjs', tfjsFrom: from });
  assert.equal(name, 'tfjs');
  assert.equal(lines[0]!.choice, 'asked');
  assert.equal(lines[0]!.tfjs?.flavour, flavours[0]);
});

test('auto takes a card that the CUDA engine finds and that holds a partition, before everything else', { skip: skipCuda }, async () => {
  const { addon, device } = cudaDevice();
  const emulatedMemoryBytes = device.freeBytes;
  const detect = (): ReturnType<typeof cudaDevice> => ({
    addon: { ...addon, createEngine: (settings) => addon.createEngine({ ...settings, emulatedMemoryBytes }) },
    device,
  });
  const budget = Math.floor(0.85 * device.memoryBytes);
  // Rows are padded there, have norms and names, and proxies.
  const bytesOfRow = expectedDeviceBytes({ ...MNIST, rows: 1 });
  const largest = [{ ...MNIST, rows: 3 }];
  const able = { detect, load: missing, hostMemoryBytes: Infinity };
  const { name, variant, deviceMemoryBytes, lines } = await created({ ...able, largest });
  assert.equal(deviceMemoryBytes, budget, 'the budget is the device’s, not the machine’s');
  assert.equal(name, 'cuda');
  assert.equal(variant, `sm_${device.architecture}`);
  assert.equal(lines[0]!.level, INFO);
  assert.equal(lines[0]!.choice, 'fastest');
  assert.equal((await created({ ...able, largest, cardMemoryBytes: 3 * bytesOfRow })).name, 'cuda', 'it just fits');
  const less = [
    { cardMemoryBytes: 3 * bytesOfRow - 1 },
    { hostMemoryBytes: 3 * bytesOfRow - 1 },
    { largest: [MNIST, { ...MNIST, rows: Math.ceil(budget / bytesOfRow) + 1 }] },
  ];
  for (const settings of less) {
    const small = await created({ ...able, largest, ...settings });
    assert.equal(small.name, 'reference', JSON.stringify(settings));
    assert.match(
      small.lines[0]!.reason,
      /cuda is faster and is not used: the \d+ bytes for rows on .* do not hold the largest partition of \d+ bytes there/,
    );
  }
});

test('rows on a card stay in host memory too, whose budget holds for them as well', { skip: skipCuda }, async () => {
  const { addon, device } = cudaDevice();
  const { deviceMemoryBytes } = await created({ wish: 'cuda', detect: () => ({ addon, device }), hostMemoryBytes: 12_345 });
  assert.equal(deviceMemoryBytes, 12_345);
});

test('where the native engine is found auto looks for TensorFlow.js on a card alone', { skip }, async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'golddiff-tfjs-'));
  try {
    const loaded = path.join(folder, 'loaded');
    const plain = path.join(folder, 'node_modules/@tensorflow/tfjs-node');
    mkdirSync(plain, { recursive: true });
    writeFileSync(path.join(plain, 'index.js'), `require('node:fs').writeFileSync(${JSON.stringify(loaded)}, ''); throw new Error('not now');`);
    assert.equal((await created({ tfjsFrom: folder })).name, 'native');
    assert.ok(!existsSync(loaded), 'on processors it would not be used');
    assert.equal((await created({ tfjsFrom: folder, load: missing })).name, 'reference');
    assert.ok(existsSync(loaded));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a machine with a driver whose engine is not built is told so', async () => {
  const detect = (): { missing: string; expected: boolean } => ({
    missing: 'the CUDA engine has not been built; run npm run build:cuda',
    expected: true,
  });
  const { lines } = await created({ detect, load: missing });
  assert.equal(lines[0]!.level, WARN);
  assert.match(lines[0]!.reason, /cuda is faster and is not used: the CUDA engine has not been built; run npm run build:cuda/);
});
