import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';

import { makeFolder, writeFileAtomically } from '../../client/atomic-file.js';
import { temporaryFolder } from '../support/data-sets.js';

test('a file is made with its folders, replaced, and nothing else stays', async () => {
  const dir = temporaryFolder();
  const file = path.join(dir, 'a', 'b', 'c.txt');
  await writeFileAtomically(file, 'one');
  await writeFileAtomically(file, 'two');
  assert.equal(await readFile(file, 'utf8'), 'two');
  assert.deepEqual(await readdir(path.dirname(file)), ['c.txt']);
});

test('a place that cannot be written is one sentence and leaves nothing', async () => {
  const dir = temporaryFolder();
  await writeFile(path.join(dir, 'file'), '');
  await mkdir(path.join(dir, 'folder'));
  await assert.rejects(makeFolder(path.join(dir, 'file', 'below')), { code: 'FILE_INVALID' });
  await assert.rejects(writeFileAtomically(path.join(dir, 'folder'), 'x'), { code: 'FILE_INVALID' });
  assert.deepEqual((await readdir(dir)).sort(), ['file', 'folder']);
});
