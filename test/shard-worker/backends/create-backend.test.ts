import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { createBackend, type BackendSettings } from '../../../shard-worker/backends/create-backend.js';
import type { GolddiffError } from '../../../shared/errors.js';
import { isas, skip } from './native/addon-under-test.js';

interface Line {
  readonly level: number;
  readonly msg: string;
  readonly backend: string;
  readonly reason: string;
  readonly isa?: string;
}
const WARN = 40;
const INFO = 30;

/** The backend's name and what was logged. */
async function created(settings: Partial<BackendSettings>): Promise<{ name: string; lines: Line[] }> {
  const lines: Line[] = [];
  const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line) as Line) });
  const backend = createBackend({ wish: 'auto', isa: 'auto', computeThreads: 1, deviceMemoryBytes: Infinity, log, ...settings });
  await backend.close();
  return { name: backend.name, lines };
}
const missing = (): { missing: string } => ({ missing: 'the native engine has not been built; run npm run build:native' });

test('without the addon auto runs on the reference backend and a warning says why and what to do', async () => {
  const { name, lines } = await created({ load: missing });
  assert.equal(name, 'reference');
  assert.equal(lines.length, 1);
  assert.equal(lines[0]!.level, WARN);
  assert.match(lines[0]!.reason, /native is missing: the native engine has not been built; run npm run build:native/);
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

test('a wish for cuda without its engine or a device fails with what to install', async () => {
  const detect = (): { missing: string } => ({ missing: 'there is no NVIDIA driver here; install one for CUDA 13.0 or later' });
  await assert.rejects(
    created({ wish: 'cuda', load: () => ({ missing: 'not built' }), detect }),
    (error: GolddiffError) =>
      error.code === 'BACKEND_MISSING' &&
      error.message ===
        'Backend cuda is not available (there is no NVIDIA driver here; install one for CUDA 13.0 or later); start with --backend reference, or auto',
  );
});
