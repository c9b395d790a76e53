import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ShareRace, WorkerFailure, type RaceHost, type Runner } from '../../coordinator/share-race.js';
import { GolddiffError } from '../../shared/errors.js';

interface Asked {
  readonly runner: Runner;
  readonly closed: () => boolean;
  answer(value: string): void;
  fail(code: 'WORKER_LOST' | 'LIMIT_EXCEEDED'): void;
  readonly promise: Promise<string>;
}

function worker(workerId: string, partitions: number[]): Asked {
  let closed = false;
  let resolve: (value: string) => void = () => {};
  let reject: (error: Error) => void = () => {};
  const promise = new Promise<string>((...settle) => ([resolve, reject] = settle));
  promise.catch(() => {});
  return {
    runner: { step: { workerId, partitions, close: () => (closed = true) }, link: {} } as unknown as Runner,
    closed: () => closed,
    promise,
    answer: (value) => resolve(value),
    fail: (code) => reject(new GolddiffError(code, workerId)),
  };
}

function race(first: Asked, others: Asked[] = [], replace: RaceHost['replace'] = () => undefined): ShareRace<string> {
  const all = [first, ...others];
  return new ShareRace(first.runner, (runner) => all.find((each) => each.runner === runner)!.promise, { replace });
}

test('the first answer counts, and the others are told to stop', async () => {
  const [a, b, c] = [worker('a', [0, 1]), worker('b', [0]), worker('c', [1])];
  const asked = race(a, [b, c]);
  asked.hedge([b.runner, c.runner]);
  b.answer('b');
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(asked.settled, false, 'half an answer is none');
  c.answer('c');
  assert.deepEqual(await asked.result, ['b', 'c']);
  assert.deepEqual([a.closed(), b.closed(), c.closed()], [true, false, false]);
  assert.deepEqual([asked.first, asked.winners], ['given up', [b.runner, c.runner]]);
});

test('the worker that was late may still win, and then the hedge is told to stop', async () => {
  const [a, b] = [worker('a', [0]), worker('b', [0])];
  const asked = race(a, [b]);
  asked.hedge([b.runner]);
  a.answer('a');
  assert.deepEqual(await asked.result, ['a']);
  assert.deepEqual([asked.first, a.closed(), b.closed()], ['answered', false, true]);
});

test('a hedge that fails leaves the first at work, and may be made again', async () => {
  const [a, b] = [worker('a', [0]), worker('b', [0])];
  const asked = race(a, [b]);
  asked.hedge([b.runner]);
  b.fail('LIMIT_EXCEEDED');
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([asked.settled, asked.hedged, b.closed()], [false, false, true]);
  a.answer('a');
  assert.deepEqual(await asked.result, ['a']);
});

test('one that fails is replaced, unless a hedge is at work already; where nobody is left its failure counts', async () => {
  const [a, b, c] = [worker('a', [0]), worker('b', [0]), worker('c', [0])];
  const failures: string[] = [];
  const asked = race(a, [b, c], (failure, holder) => {
    failures.push(`${failure.workerId} for ${holder.step.workerId}`);
    return failures.length === 1 ? [c.runner] : undefined;
  });
  asked.hedge([b.runner]);
  a.fail('WORKER_LOST');
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([failures, a.closed(), asked.first], [[], true, 'failed']);
  b.fail('WORKER_LOST');
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(failures, ['b for a']);
  c.fail('LIMIT_EXCEEDED');
  await assert.rejects(asked.result, (error) => {
    assert.ok(error instanceof WorkerFailure);
    assert.deepEqual([error.workerId, error.error.code, error.partitions], ['c', 'LIMIT_EXCEEDED', [0]]);
    return true;
  });
});

test('closing ends whoever is at work', () => {
  const [a, b] = [worker('a', [0]), worker('b', [0])];
  const asked = race(a, [b]);
  asked.hedge([b.runner]);
  asked.close();
  assert.deepEqual([a.closed(), b.closed()], [true, true]);
});
