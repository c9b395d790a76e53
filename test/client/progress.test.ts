import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';

import { startProgress } from '../../client/progress.js';

function terminal(isTTY: boolean): { stream: NodeJS.WriteStream; written: () => string } {
  const stream = Object.assign(new PassThrough(), { isTTY, columns: 120, cursorTo: () => true, clearLine: () => true });
  let text = '';
  stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  return { stream: stream as unknown as NodeJS.WriteStream, written: () => text };
}

test('a terminal gets a bar with its note', () => {
  const { stream, written } = terminal(true);
  const bar = startProgress('sampling', 4, 'images', stream);
  bar.update(4, 't = 300');
  bar.stop();
  bar.stop();
  assert.match(written(), /sampling .*4\/4 images .*t = 300/);
});

test('anything else gets nothing', () => {
  const { stream, written } = terminal(false);
  const bar = startProgress('sampling', 4, 'images', stream);
  bar.setTotal(5);
  bar.update(4);
  bar.stop();
  assert.equal(written(), '');
});
