import assert from 'node:assert/strict';
import { test } from 'node:test';

import { LineProcess, parseReply } from './line-process.js';

const ECHO = `
  const { createInterface } = require('node:readline');
  createInterface({ input: process.stdin }).on('line', (line) => {
    if (line === 'die') { console.error('no more'); process.exit(3); }
    console.log(line === 'bad' ? 'not json' : line === 'fail' ? '{"ok":false,"message":"no rows"}' : JSON.stringify({ ok: true, line }));
  });`;

const echo = (): LineProcess => new LineProcess({ name: 'echo', command: process.execPath, args: ['-e', ECHO] });

test('a request is a line and its answer a line of JSON', async () => {
  const child = echo();
  assert.deepEqual(await child.request('hello'), { ok: true, line: 'hello' });
  assert.deepEqual(await child.request({ op: 'load' }), { ok: true, line: '{"op":"load"}' });
  assert.equal(child.named('echo 1.0').name, 'echo 1.0');
  await child.stop();
});

test('a failure that a contestant tells, a line that is no reply, and a death are errors that name it', async () => {
  const child = echo();
  await assert.rejects(child.request('fail'), /echo failed: no rows/);
  await assert.rejects(child.request('bad'), /Expected a line of JSON from echo but received not json/);
  await assert.rejects(child.request('die'), /echo ended with status 3: no more/);
  await assert.rejects(child.request('hello'), /echo ended with status 3/);
  await child.stop();
});

test('a program that is not there is an error and not a crash', async () => {
  const child = new LineProcess({ name: 'nobody', command: '/nonexistent/program', args: [] });
  await assert.rejects(child.request('hello'), /nobody ended before it started/);
  await child.stop();
});

test('a reply says whether it is one', () => {
  assert.deepEqual(parseReply('x', '{"ok":true,"times":[1]}'), { ok: true, times: [1] });
  assert.throws(() => parseReply('x', '[1]'), /Expected a reply from x/);
  assert.throws(() => parseReply('x', 'null'), /Expected a reply from x/);
  assert.throws(() => parseReply('x', '{"ok":false}'), /x failed/);
});
