import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { fileBytes, openSourceFile, readBlocks, readStart } from '../../../client/import/byte-reader.js';
import { temporaryFolder } from '../../support/data-sets.js';
import { pattern } from './source-files.js';

async function collect(blocks: AsyncIterable<Buffer>): Promise<Buffer[]> {
  const all: Buffer[] = [];
  for await (const block of blocks) all.push(block);
  return all;
}

test('blocks have the asked length whatever the chunks of the file are, raw and gzipped', async () => {
  const dir = temporaryFolder();
  // More than two reads of a megabyte, so that blocks straddle them.
  const bytes = Buffer.from(pattern(2_500_000));
  for (const [name, contents] of [
    ['raw', bytes],
    ['packed', gzipSync(bytes, { level: 1 })],
  ] as const) {
    const file = path.join(dir, name);
    await writeFile(file, contents);
    const source = await openSourceFile(file);
    assert.equal(source.gzipped, name === 'packed');
    for (const [from, to, blockBytes] of [
      [0, 2_500_000, 700_001],
      [1, 2_499_999, 1 << 20],
      [1_048_575, 1_048_577, 1],
    ] as const) {
      const blocks = await collect(readBlocks(source, { from, to, toEnd: to === bytes.length }, blockBytes));
      assert.ok(blocks.slice(0, -1).every((block) => block.length === blockBytes));
      assert.ok(Buffer.concat(blocks).equals(bytes.subarray(from, to)), `${name} ${from}..${to}`);
    }
    assert.ok((await readStart(source, 100)).equals(bytes.subarray(0, 100)));
  }
});

test('a missing file, a folder and an empty file are refused by name', async () => {
  const dir = temporaryFolder();
  await assert.rejects(openSourceFile(path.join(dir, 'none')), { code: 'FILE_INVALID', message: /a readable file for .*none but received "ENOENT"/ });
  await assert.rejects(openSourceFile(dir), { code: 'FILE_INVALID', message: /a folder/ });
  await writeFile(path.join(dir, 'empty'), '');
  await assert.rejects(openSourceFile(path.join(dir, 'empty')), { code: 'FILE_INVALID', message: /at byte 0/ });
  assert.equal(await fileBytes(path.join(dir, 'empty')), 0);
  assert.equal(await fileBytes(dir), undefined);
});

test('reading stops when the signal is aborted', async () => {
  const file = path.join(temporaryFolder(), 'raw');
  await writeFile(file, pattern(3_000_000));
  const source = await openSourceFile(file);
  await assert.rejects(collect(readBlocks(source, { from: 0, to: 3_000_000, toEnd: true }, 1000, AbortSignal.abort())), { name: 'AbortError' });
});
