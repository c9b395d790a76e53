import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DenoiserPlan } from '../../coordinator/denoisers/denoiser.js';
import type { StepPlan } from '../../coordinator/step-plan.js';
import { makeReady, type PrecisionSource } from '../../coordinator/step-precision.js';
import { plainWindows } from '../support/grouped-oracle.js';
import { randomDataSet } from './test-data.js';

const shape = [2, 3, 5] as const;
const { manifest } = randomDataSet({ rows: 4, partitions: 1, shape });
const signal = new AbortController().signal;
const planOf = (denoiser: DenoiserPlan): StepPlan => ({ manifest, denoiser }) as unknown as StepPlan;
const noMask: PrecisionSource = { locality: () => Promise.reject(new Error('no mask is asked for')) };

test('a step with one weight for each row needs nothing', async () => {
  assert.equal(await makeReady(planOf({ route: 'rows' }), noMask, signal), undefined);
});

test('windows go by their side, and their voters are those in the picture', async () => {
  const of = Uint32Array.of(0, 1);
  const precisions = [1, 7].map((side) => ({ kind: 'window' as const, side }));
  const ready = await makeReady(planOf({ route: 'groups', groups: 15, precisions, of }), noMask, signal);
  assert.equal(ready?.groups, 15);
  assert.equal(ready?.of, of);
  ready.kinds.forEach((kind, i) => {
    assert.deepEqual(kind.message, { window: precisions[i]!.side });
    assert.deepEqual(
      [...kind.voters],
      plainWindows(shape, precisions[i]!.side).map((voters) => voters.length),
    );
    assert.ok(kind.constant.every((c) => c === 0));
    assert.equal(kind.supports, undefined);
    assert.deepEqual([kind.votesForItself.length, kind.votesForItself.every((own) => own === 1), kind.weightsPerRow], [30, true, 1]);
  });
});

test('patches from everywhere have a weight for each location, and are compared beyond the border too', async () => {
  const precisions = [{ kind: 'equivariant' as const, side: 3 }];
  const ready = await makeReady(planOf({ route: 'groups', groups: 15, precisions, of: Uint32Array.of(0) }), noMask, signal);
  const { message, supports, voters, constant, votesForItself, weightsPerRow } = ready!.kinds[0]!;
  assert.deepEqual([message, supports, weightsPerRow], [{ equivariant: 3 }, undefined, 15]);
  assert.ok(voters.length === 15 && voters.every((n) => n === 2 * 9));
  assert.ok(constant.every((c) => c === 0) && votesForItself.length === 30 && votesForItself.every((own) => own === 1));
});

test('masks are asked for one after the other, and go by their hash', async () => {
  const asked: number[] = [];
  const votesForItself = Uint8Array.from({ length: 30 }, (_, p) => p % 2);
  const source: PrecisionSource = {
    locality: async (ratio, threshold) => {
      asked.push(ratio);
      assert.equal(threshold, 0.02);
      await new Promise((resolve) => setImmediate(resolve));
      assert.equal(asked[asked.length - 1], ratio, 'the next is asked for when this one is there');
      return { sha256: `hash ${ratio}`, data: new Uint8Array(3), voters: new Uint32Array(30), constant: new Uint8Array(30), votesForItself };
    },
  };
  const precisions = [4, 2].map((ratio) => ({ kind: 'locality' as const, ratio, threshold: 0.02 }));
  const ready = await makeReady(planOf({ route: 'groups', groups: 30, precisions, of: Uint32Array.of(0, 1) }), source, signal);
  assert.deepEqual(asked, [4, 2]);
  assert.deepEqual(ready?.kinds[1]?.votesForItself, votesForItself);
  assert.deepEqual(
    ready?.kinds.map(({ message, supports }) => [message.supports, supports?.sha256]),
    [
      ['hash 4', 'hash 4'],
      ['hash 2', 'hash 2'],
    ],
  );
});
