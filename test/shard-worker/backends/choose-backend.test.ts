import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseBackend, type BackendFacts, type CudaFacts, type Detected } from '../../../shard-worker/backends/choose-backend.js';
import type { TfjsFacts, TfjsFlavour } from '../../../shard-worker/backends/tfjs/tensor-ops.js';
import type { GolddiffError } from '../../../shared/errors.js';

const GIB = 2 ** 30;
const absent = { missing: 'it is not here; do this', expected: false } as const;
const broken = { missing: 'it does not load; do that', expected: true } as const;
const native = { found: {} } as const;

function cuda(freeBytes: number): Detected<CudaFacts> {
  return { found: { device: 'card 0', freeBytes } };
}
function tfjs(flavour: TfjsFlavour, device: TfjsFacts['device'] = 'cpu'): Detected<TfjsFacts> {
  return { found: { flavour, version: '4.22.0', device } };
}
function facts(some: Partial<BackendFacts>): BackendFacts {
  return { native: absent, cuda: absent, tfjs: absent, partitionBytesMax: GIB, ...some };
}

test('auto takes graphics cards first and processors last', () => {
  const order: [string, Partial<BackendFacts>][] = [
    ['cuda', { native, cuda: cuda(GIB), tfjs: tfjs('node-gpu', 'gpu') }],
    ['tfjs', { native, tfjs: tfjs('node-gpu', 'gpu') }],
    ['native', { native, tfjs: tfjs('node-gpu', 'cpu') }],
    ['native', { native, tfjs: tfjs('node') }],
    ['tfjs', { tfjs: tfjs('node') }],
    ['reference', { tfjs: tfjs('wasm') }],
    ['reference', { tfjs: tfjs('cpu') }],
    ['reference', {}],
  ];
  for (const [name, found] of order) {
    const choice = chooseBackend('auto', facts(found));
    assert.equal(choice.name, name, JSON.stringify(found));
    assert.equal(choice.kind, 'fastest', 'what this build does not have is not missed');
    assert.match(choice.reason, new RegExp(`^auto: .*${name}`));
  }
});

test('a card that cannot hold one partition is passed over, with the bytes', () => {
  const choice = chooseBackend('auto', facts({ native, cuda: cuda(GIB - 1) }));
  assert.equal(choice.name, 'native');
  assert.equal(choice.kind, 'fallback');
  assert.match(
    choice.reason,
    /cuda is faster and is not used: the 1073741823 bytes for rows on card 0 do not hold the largest partition of 1073741824 bytes there/,
  );
  assert.equal(chooseBackend('cuda', facts({ cuda: cuda(0) })).name, 'cuda', 'who names it decides');
});

test('a faster backend that should be there and is not makes the choice a fallback, with its reason', () => {
  for (const name of ['native', 'cuda', 'tfjs'] as const) {
    const choice = chooseBackend('auto', facts({ [name]: broken }));
    assert.equal(choice.kind, 'fallback', name);
    assert.match(choice.reason, new RegExp(`${name} is faster and is not used: it does not load; do that$`));
  }
  assert.equal(chooseBackend('auto', facts({ native: broken, cuda: cuda(GIB) })).kind, 'fastest', 'a slower one that is missing does not matter');
});

test('a named backend is taken where it is available', () => {
  for (const [name, found] of [
    ['reference', {}],
    ['native', { native }],
    ['cuda', { cuda: cuda(GIB), native }],
    ['tfjs', { tfjs: tfjs('cpu'), native }],
  ] as const)
    assert.deepEqual(chooseBackend(name, facts(found)), { name, kind: 'asked', reason: 'asked for' });
});

test('a named backend that is missing is refused with the next step and what there is instead', () => {
  for (const wish of ['native', 'cuda', 'tfjs'] as const)
    for (const lacking of [absent, broken])
      assert.throws(
        () => chooseBackend(wish, facts({ [wish]: lacking })),
        (error: GolddiffError) =>
          error.code === 'BACKEND_MISSING' &&
          error.message === `Backend ${wish} is not available (${lacking.missing}); or start with --backend reference, or auto`,
      );
  assert.throws(() => chooseBackend('cuda', facts({ native })), /--backend native or reference, or auto$/);
});
