import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GolddiffError } from '../../../shared/errors.js';
import { KeptResults } from '../../../coordinator/statistics/kept-results.js';

const never = new AbortController().signal;

test('a result is made once for all who ask, while it is made and after', async () => {
  const kept = new KeptResults<string>(100, (text) => text.length);
  let made = 0;
  const make = async (): Promise<string> => {
    made++;
    await new Promise((resolve) => setImmediate(resolve));
    return 'result';
  };
  assert.deepEqual(await Promise.all([kept.get('k', never, make), kept.get('k', never, make)]), ['result', 'result']);
  await kept.get('k', never, make);
  assert.equal(made, 1);
});

test('a failure is told to all who wait, and tried again for the next', async () => {
  const kept = new KeptResults<string>(100, (text) => text.length);
  const fail = (): Promise<string> => Promise.reject(new Error('no'));
  await Promise.all([assert.rejects(kept.get('k', never, fail), /no/), assert.rejects(kept.get('k', never, fail), /no/)]);
  assert.equal(await kept.get('k', never, () => Promise.resolve('yes')), 'yes');
});

test('one caller who leaves does not end it for the other', async () => {
  const kept = new KeptResults<string>(100, (text) => text.length);
  const leaving = new AbortController();
  let finish: (text: string) => void = () => {};
  const make = (): Promise<string> => new Promise((resolve) => (finish = resolve));
  const first = kept.get('k', leaving.signal, make);
  const second = kept.get('k', never, make);
  leaving.abort(new GolddiffError('CANCELLED', 'left'));
  await assert.rejects(first, { message: /left/ });
  finish('done');
  assert.equal(await second, 'done');
});

test('the one that was not used for longest goes when there is too much; a single one stays however large', async () => {
  const kept = new KeptResults<string>(10, (text) => text.length);
  const made: string[] = [];
  const get = (key: string, length: number): Promise<string> =>
    kept.get(key, never, () => {
      made.push(key);
      return Promise.resolve('x'.repeat(length));
    });
  await get('a', 4);
  await get('b', 4);
  await get('a', 4);
  await get('c', 4);
  await get('a', 4);
  await get('b', 4);
  assert.deepEqual(made, ['a', 'b', 'c', 'b']);
  await get('huge', 50);
  await get('huge', 50);
  assert.deepEqual(made.slice(4), ['huge']);
});
