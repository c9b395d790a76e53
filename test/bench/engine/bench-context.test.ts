import assert from 'node:assert/strict';
import { test } from 'node:test';

import { capped, interleave, type BenchFlags, type Entrant } from './bench-context.js';

const noPause = (): Promise<void> => Promise.resolve();

function entrant(name: string, ms: number, log: string[], failing = false): Entrant<number[]> {
  return {
    name,
    timesOf: (times) => times,
    run: () => {
      log.push(name);
      return failing ? Promise.reject(new Error(`${name} cannot`)) : Promise.resolve([ms]);
    },
  };
}

test('rounds run every entrant in turn and gather all times', async () => {
  const log: string[] = [];
  const measured = await interleave([entrant('a', 1, log), entrant('b', 1.5, log)], 2, assert.fail, noPause);
  assert.deepEqual(log, ['a', 'b', 'a', 'b']);
  assert.deepEqual(
    measured.map(({ name, times, replies }) => [name, times, replies.length]),
    [
      ['a', [1, 1], 2],
      ['b', [1.5, 1.5], 2],
    ],
  );
});

test('a rival far behind the fastest rival runs once; the first runs in every round and outclasses nobody', async () => {
  const log: string[] = [];
  await interleave([entrant('first', 50, log), entrant('fast', 1, log), entrant('slow', 20, log)], 3, assert.fail, noPause);
  assert.deepEqual(log, ['first', 'fast', 'slow', 'first', 'fast', 'first', 'fast']);
  log.length = 0;
  await interleave([entrant('first', 1, log), entrant('fast', 10, log), entrant('near', 15, log)], 2, assert.fail, noPause);
  assert.deepEqual(log, ['first', 'fast', 'near', 'first', 'fast', 'near']);
});

test('an entrant that fails is told once and left out', async () => {
  const log: string[] = [];
  const told: string[] = [];
  const measured = await interleave([entrant('a', 1, log), entrant('b', 1, log, true)], 3, (sentence) => told.push(sentence), noPause);
  assert.deepEqual(log, ['a', 'b', 'a', 'a']);
  assert.deepEqual(told, ['b cannot']);
  assert.deepEqual(
    measured.map(({ name }) => name),
    ['a'],
  );
});

test('a cap on rows holds for every set', () => {
  const flags = { rows: 1_000 } as unknown as BenchFlags;
  assert.equal(capped(flags, 60_000), 1_000);
  assert.equal(capped(flags, 500), 500);
  assert.equal(capped({} as unknown as BenchFlags, 60_000), 60_000);
});
