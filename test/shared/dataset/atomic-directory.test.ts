import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { beginDirectory } from '../../../shared/dataset/atomic-directory.js';
import { temporaryFolder } from '../../support/data-sets.js';

const fresh = { force: false, whyKeep: async () => undefined, adopt: async () => false };

/** The id of a process that has ended. */
function deadPid(): number {
  return spawnSync(process.execPath, ['-e', '']).pid;
}

test('the folder appears at commit, whole', async () => {
  const parent = temporaryFolder();
  const directory = await beginDirectory(path.join(parent, 'out'), fresh);
  await writeFile(path.join(directory.dir, 'file'), 'x');
  assert.deepEqual(await readdir(parent), [`.out.partial-${process.pid}`]);
  await directory.commit();
  assert.deepEqual(await readdir(parent), ['out']);
  assert.deepEqual(await readdir(path.join(parent, 'out')), ['file']);
  await directory.abort();
  assert.deepEqual(await readdir(path.join(parent, 'out')), ['file']);
});

test('abort leaves nothing, not even the folders above that were made for it', async () => {
  const parent = temporaryFolder();
  const directory = await beginDirectory(path.join(parent, 'a', 'b', 'out'), fresh);
  await writeFile(path.join(directory.dir, 'file'), 'x');
  await directory.abort();
  await directory.abort();
  assert.deepEqual(await readdir(parent), []);
});

test('what exists is refused without force, and with it where it must be kept', async () => {
  const parent = temporaryFolder();
  const out = path.join(parent, 'out');
  await mkdir(out);
  await writeFile(path.join(out, 'thesis.txt'), 'years');
  await assert.rejects(beginDirectory(out, fresh), {
    code: 'ALREADY_EXISTS',
    message: `Expected a path where nothing is yet, or --force for ${out} but received "one that exists"`,
  });
  await assert.rejects(beginDirectory(out, { ...fresh, force: true, whyKeep: async () => 'a thesis' }), {
    code: 'ALREADY_EXISTS',
    message: /a data set and nothing else.*"a thesis"/,
  });
  assert.equal(await readFile(path.join(out, 'thesis.txt'), 'utf8'), 'years');
  assert.deepEqual(await readdir(parent), ['out']);
});

test('force replaces the folder', async () => {
  const parent = temporaryFolder();
  const out = path.join(parent, 'out');
  await mkdir(out);
  await writeFile(path.join(out, 'old'), '');
  const directory = await beginDirectory(out, { ...fresh, force: true });
  await writeFile(path.join(directory.dir, 'new'), '');
  assert.deepEqual(await readdir(out), ['old']);
  await directory.commit();
  assert.deepEqual(await readdir(out), ['new']);
  assert.deepEqual(await readdir(parent), ['out']);
});

test('what came to lie there while the folder was filled is kept', async () => {
  const parent = temporaryFolder();
  const out = path.join(parent, 'out');
  const directory = await beginDirectory(out, fresh);
  await mkdir(out);
  await assert.rejects(directory.commit(), { code: 'ALREADY_EXISTS' });
  await directory.abort();
  assert.deepEqual(await readdir(parent), ['out']);
});

test('what a dead process left is removed, or taken over; what a live one fills is not touched', async () => {
  const parent = temporaryFolder();
  const out = path.join(parent, 'out');
  const stale = path.join(parent, `.out.partial-${deadPid()}`);
  const live = `.out.partial-${process.ppid}`;
  await mkdir(stale);
  await mkdir(path.join(parent, live));
  await mkdir(path.join(parent, '.out.partial-other'));
  const first = await beginDirectory(out, fresh);
  assert.equal(first.adopted, false);
  assert.deepEqual((await readdir(parent)).sort(), ['.out.partial-other', live, path.basename(first.dir)].sort());
  await first.abort();

  await mkdir(stale);
  await writeFile(path.join(stale, 'journal'), 'kept');
  const second = await beginDirectory(out, { ...fresh, adopt: async (dir) => dir === stale });
  assert.equal(second.adopted, true);
  assert.equal(await readFile(path.join(second.dir, 'journal'), 'utf8'), 'kept');
  await second.abort();
});

test('one process fills a folder once at a time', async () => {
  const out = path.join(temporaryFolder(), 'out');
  const [first, second] = await Promise.allSettled([beginDirectory(out, fresh), beginDirectory(out, fresh)]);
  assert.equal(first.status, 'fulfilled');
  assert.equal(second.status, 'rejected');
  await first.value.abort();
  await (await beginDirectory(out, fresh)).abort();
});

test('a folder that was moved away by a writer that died is put back', async () => {
  const parent = temporaryFolder();
  const replaced = path.join(parent, `.out.replaced-${deadPid()}`);
  await mkdir(replaced);
  await writeFile(path.join(replaced, 'old'), '');
  await assert.rejects(beginDirectory(path.join(parent, 'out'), fresh), { code: 'ALREADY_EXISTS' });
  assert.deepEqual(await readdir(path.join(parent, 'out')), ['old']);
});

test('an exit in the middle removes what was written', async () => {
  const parent = temporaryFolder();
  const module = new URL('../../../shared/dataset/atomic-directory.js', import.meta.url).href;
  const script = `const { beginDirectory } = await import(${JSON.stringify(module)});
    await beginDirectory(${JSON.stringify(path.join(parent, 'out'))}, { force: false, whyKeep: async () => undefined, adopt: async () => false });
    process.exit(3);`;
  assert.equal(spawnSync(process.execPath, ['--input-type=module', '-e', script]).status, 3);
  assert.deepEqual(await readdir(parent), []);
});
