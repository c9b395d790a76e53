import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encoded, timedService } from '../../coordinator/answer-bytes.js';
import { protoPackage } from '../../shared/rpc/proto-package.js';

const x0hat = { dtype: 'F32', shape: [1, 1], data: Buffer.alloc(4) } as const;

test('the bytes of an answer are the same, and their time is that of both halves', () => {
  const seen: number[] = [];
  const plain = protoPackage.ScoreService.service;
  const timed = timedService(plain, (seconds) => seen.push(seconds));
  assert.deepEqual(Object.keys(timed), Object.keys(plain));
  const busyMs = 5;
  const answer = encoded(() => {
    const until = performance.now() + busyMs;
    while (performance.now() < until);
    return { x0hat, logEvidence: [1] };
  });
  assert.deepEqual(timed.Score.responseSerialize(answer as never), plain.Score.responseSerialize(answer as never));
  assert.equal(seen.length, 1);
  assert.ok(seen[0]! >= busyMs / 1000, String(seen[0]));
});

test('messages that carry no tensors of ours are not timed', () => {
  let calls = 0;
  const timed = timedService(protoPackage.SamplingService.service, () => calls++);
  timed.Sample.responseSerialize({ progress: { step: 1 } });
  assert.equal(calls, 0);
});
