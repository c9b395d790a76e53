import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Watchers } from '../../../shared/control-plane/watchers.js';

it('tells every listener of the key, after the change and in order', async () => {
  const watchers = new Watchers<number>();
  const heard: string[] = [];
  watchers.add('k', (value) => heard.push(`first ${value}`));
  watchers.add('k', (value) => heard.push(`second ${value}`));
  watchers.add('other', () => heard.push('other'));
  watchers.tell('k', 1);
  assert.deepEqual(heard, []);
  await Promise.resolve();
  assert.deepEqual(heard, ['first 1', 'second 1']);
});

it('says nothing to a listener that left between the change and its telling', async () => {
  const watchers = new Watchers<number>();
  let calls = 0;
  const stop = watchers.add('k', () => calls++);
  watchers.tell('k', 1);
  stop();
  await Promise.resolve();
  assert.equal(calls, 0);
});

it('counts the same function added twice as two', async () => {
  const watchers = new Watchers<number>();
  let calls = 0;
  const listener = (): void => void calls++;
  const stop = watchers.add('k', listener);
  watchers.add('k', listener);
  stop();
  stop();
  watchers.tell('k', 1);
  await Promise.resolve();
  assert.equal(calls, 1);
});
