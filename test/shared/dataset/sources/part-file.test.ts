import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { PartFile } from '../../../../shared/dataset/sources/part-file.js';
import { FETCH_NOTE_BYTES } from '../../../../shared/limits.js';
import { temporaryFolder } from '../../../support/data-sets.js';

const newDir = (): string => path.join(temporaryFolder(), 'part');
const piece = (bytes: number, seed = 1): Uint8Array => Uint8Array.from({ length: bytes }, (_, i) => (i * seed) % 253);

test('what was saved is there again with its token, and can be hashed and continued', async () => {
  const dir = newDir();
  const part = await PartFile.open(dir);
  await part.append(piece(1_000), 'one');
  await part.append(piece(500, 3), 'two');
  await part.save();
  await part.close();
  const again = await PartFile.open(dir);
  assert.deepEqual(again.resumePoint, { offset: 1_500, token: 'two' });
  await again.append(piece(10, 5), 'three');
  const hash = createHash('sha256');
  await again.hashInto(hash, new AbortController().signal);
  await again.finish();
  await again.close();
  const expected = Buffer.concat([piece(1_000), piece(500, 3), piece(10, 5)]);
  assert.equal(hash.digest('hex'), createHash('sha256').update(expected).digest('hex'));
  assert.deepEqual(await readFile(PartFile.fileIn(dir)), expected);
});

test('a note follows the bytes by itself, so that one who is killed loses little', async () => {
  const dir = newDir();
  const part = await PartFile.open(dir);
  for (let sent = 0; sent < 3.5 * FETCH_NOTE_BYTES; sent += 65_536) await part.append(piece(65_536), `at ${sent}`);
  const found = await PartFile.open(dir);
  assert.ok(found.offset >= 3 * FETCH_NOTE_BYTES && found.offset <= part.offset, `${found.offset} of ${part.offset}`);
  assert.equal(found.resumePoint.token, `at ${found.offset - 65_536}`);
  await Promise.all([part.close(), found.close()]);
});

test('without a note that can be read, or with fewer bytes than it says, everything begins anew', async () => {
  for (const spoil of [
    (dir: string) => writeFile(path.join(dir, 'note'), '{"offset":'),
    (dir: string) => writeFile(path.join(dir, 'note'), '{"offset":-1}'),
    (dir: string) => truncate(PartFile.fileIn(dir), 10),
  ]) {
    const dir = newDir();
    const part = await PartFile.open(dir);
    await part.append(piece(100), 't');
    await part.save();
    await part.close();
    await spoil(dir);
    const again = await PartFile.open(dir);
    assert.deepEqual(again.resumePoint, { offset: 0, token: undefined });
    await again.close();
  }
});

test('begun anew, longer bytes of before are cut off', async () => {
  const dir = newDir();
  const part = await PartFile.open(dir);
  await part.append(piece(1_000), 'a');
  await part.save();
  await part.restart();
  await part.append(piece(10, 7), 'b');
  await part.finish();
  await part.close();
  assert.deepEqual(await readFile(PartFile.fileIn(dir)), Buffer.from(piece(10, 7)));
});

test('a folder that cannot be made is a declared error', async () => {
  const file = path.join(temporaryFolder(), 'file');
  await writeFile(file, '');
  await assert.rejects(PartFile.open(path.join(file, 'part')), { code: 'FILE_INVALID' });
});
