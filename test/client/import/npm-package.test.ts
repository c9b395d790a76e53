import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmod, copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { create } from 'tar';
import { npmPackageFolder, userCacheDir, type NpmPackage, type PackNpm } from '../../../client/import/npm-package.js';
import { temporaryFolder } from '../../support/data-sets.js';

/** A packed package as npm makes it: everything under package/. */
async function packedPackage(): Promise<{ file: string; wanted: NpmPackage }> {
  const dir = temporaryFolder();
  await mkdir(path.join(dir, 'package/images'), { recursive: true });
  for (const [name, text] of [
    ['package.json', '{}'],
    ['images/a.png', 'A'],
    ['images/b.txt', 'B'],
    ['huge.bin', 'not wanted'],
  ] as const)
    await writeFile(path.join(dir, 'package', name), text);
  const file = path.join(dir, 'packed.tgz');
  await create({ gzip: true, file, cwd: dir }, ['package']);
  const integrity = `sha512-${createHash('sha512')
    .update(await readFile(file))
    .digest('base64')}`;
  const keep = (name: string): boolean => name === 'package.json' || /^images\/.*\.png$/.test(name);
  return { file, wanted: { name: '@scope/data', version: '1.2.3', integrity, keep } };
}

function packing(file: string, asked: string[] = []): PackNpm {
  return async (spec, folder) => {
    asked.push(spec);
    await copyFile(file, path.join(folder, 'data.tgz'));
    return path.join(folder, 'data.tgz');
  };
}

test('a package is fetched once, checked, and only what is wanted of it is kept', async () => {
  const { file, wanted } = await packedPackage();
  const cacheDir = path.join(temporaryFolder(), 'not', 'yet');
  const asked: string[] = [];
  for (let i = 0; i < 2; i++) {
    const folder = await npmPackageFolder(wanted, { cacheDir, pack: packing(file, asked) });
    assert.equal(folder, path.join(cacheDir, '@scope+data@1.2.3'));
    assert.deepEqual((await readdir(folder, { recursive: true })).sort(), ['images', 'images/a.png', 'package.json']);
  }
  assert.deepEqual(asked, ['@scope/data@1.2.3']);
  assert.deepEqual(await readdir(cacheDir), ['@scope+data@1.2.3']);
});

test('a package that is not the pinned one is refused and nothing of it is left', async () => {
  const { file, wanted } = await packedPackage();
  const cacheDir = temporaryFolder();
  const other = { ...wanted, integrity: 'sha512-AAAA' };
  await assert.rejects(npmPackageFolder(other, { cacheDir, pack: packing(file) }), {
    code: 'FILE_INVALID',
    message: `Expected sha512-AAAA for @scope/data@1.2.3 but received ${wanted.integrity}`,
  });
  assert.deepEqual(await readdir(cacheDir), []);
});

test('two imports at once end with one folder', async () => {
  const { file, wanted } = await packedPackage();
  const cacheDir = temporaryFolder();
  const late: PackNpm = async (spec, folder) => {
    // Somebody else is done first.
    await mkdir(path.join(cacheDir, '@scope+data@1.2.3'));
    return packing(file)(spec, folder);
  };
  assert.equal(await npmPackageFolder(wanted, { cacheDir, pack: late }), path.join(cacheDir, '@scope+data@1.2.3'));
  assert.deepEqual(await readdir(cacheDir), ['@scope+data@1.2.3']);
});

test('a signal ends a fetch as CANCELLED and leaves nothing', async () => {
  const { file, wanted } = await packedPackage();
  const cacheDir = temporaryFolder();
  const controller = new AbortController();
  const pack: PackNpm = async (spec, folder) => {
    controller.abort();
    return packing(file)(spec, folder);
  };
  await assert.rejects(npmPackageFolder(wanted, { cacheDir, pack, signal: controller.signal }), { code: 'CANCELLED' });
  assert.deepEqual(await readdir(cacheDir), []);
});

test('npm itself is run, and what it complains about is told', async () => {
  const { file, wanted } = await packedPackage();
  const bin = temporaryFolder();
  const pathBefore = process.env['PATH'];
  const npm = async (script: string): Promise<void> => {
    await writeFile(path.join(bin, 'npm'), `#!/bin/sh\n${script}\n`);
    await chmod(path.join(bin, 'npm'), 0o755);
  };
  try {
    process.env['PATH'] = `${bin}:${pathBefore}`;
    await npm(`test "$1 $2 $3" = "pack @scope/data@1.2.3 --pack-destination" && cp ${file} "$4/scope-data.tgz" && echo scope-data.tgz`);
    const cacheDir = temporaryFolder();
    assert.deepEqual((await readdir(await npmPackageFolder(wanted, { cacheDir }))).sort(), ['images', 'package.json']);
    await npm('echo "npm error code ENOTFOUND" >&2; echo "npm error network request failed" >&2; exit 1');
    const empty = { cacheDir: temporaryFolder() };
    await assert.rejects(npmPackageFolder(wanted, empty), {
      code: 'NOT_FOUND',
      message: 'Expected a package that npm pack can fetch for @scope/data@1.2.3 but received "network request failed"',
    });
    process.env['PATH'] = temporaryFolder();
    await assert.rejects(npmPackageFolder(wanted, empty), { code: 'NOT_FOUND', message: /"no npm on the PATH"$/ });
    assert.deepEqual(await readdir(empty.cacheDir), []);
  } finally {
    process.env['PATH'] = pathBefore;
  }
});

test('a cache that cannot be written is an operating error', async () => {
  const { file, wanted } = await packedPackage();
  await assert.rejects(npmPackageFolder(wanted, { cacheDir: path.join(file, 'below-a-file'), pack: packing(file) }), {
    code: 'FILE_INVALID',
    message: /a folder of the cache that can be written .*(ENOTDIR|EEXIST)/,
  });
});

test('the cache is where the user keeps caches', () => {
  const before = process.env['XDG_CACHE_HOME'];
  process.env['XDG_CACHE_HOME'] = '/somewhere';
  assert.equal(userCacheDir(), '/somewhere/golddiff');
  delete process.env['XDG_CACHE_HOME'];
  assert.match(userCacheDir(), /\.cache.golddiff$/);
  if (before !== undefined) process.env['XDG_CACHE_HOME'] = before;
});
