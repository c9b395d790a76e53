import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import sharp from 'sharp';
import { writeNpy } from '../../../shared/dataset/npy.js';
import { temporaryFolder } from '../../support/data-sets.js';
import { writeIdxPair } from '../import/source-files.js';

/** The command in a process of its own, with the exit status that the program gives. */
function dataset(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const at = (file: string) => JSON.stringify(new URL(`../../../${file}`, import.meta.url).href);
  const script = `const { datasetCommand } = await import(${at('client/commands/dataset.js')});
    const { runCommandLine } = await import(${at('shared/config.js')});
    process.exitCode = await runCommandLine(datasetCommand(), ${JSON.stringify(args)});`;
  return spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
}

async function smallIdx(): Promise<{ dir: string; source: string }> {
  const dir = temporaryFolder();
  const { images, labels } = await writeIdxPair(dir, [40, 3, 3]);
  return { dir, source: `idx:${images},${labels}` };
}

test('import prints what it made and is silent on stderr where that is no terminal', async () => {
  const { dir, source } = await smallIdx();
  const out = path.join(dir, 'out');
  const run = dataset('import', source, '--out', out, '--partitions', '3', '--seed', '7', '--first', '5', '--limit', '30', '--name', 'tiny');
  assert.deepEqual(run, { ...run, status: 0, stdout: `tiny: 30 rows of [1, 3, 3] u8 in 3 partitions\n${out}\n`, stderr: '' });
  const again = dataset('import', source, '--out', out);
  assert.deepEqual([again.status, again.stdout], [1, '']);
  assert.equal(again.stderr, `Expected a path where nothing is yet, or --force for ${out} but received "one that exists"\n`);
  const forced = dataset('import', source, '--out', out, '--force', '--json');
  assert.equal(forced.status, 0);
  assert.equal((JSON.parse(forced.stdout) as { manifest: { rows: number } }).manifest.rows, 40);
});

test('bad arguments end with status 2 and one sentence', async () => {
  const { dir, source } = await smallIdx();
  const out = path.join(dir, 'out');
  for (const [args, sentence] of [
    [['import', 'nothing', '--out', out], /^Expected mnist, fashion-mnist\[:DIR\], .* for source but received "nothing"\n$/],
    [['import', source], /^required option '--out <dir>' not specified\n$/],
    [['import', source, '--out', out, '--partitions', '41'], /^Expected an integer from 1 to 40 for partitions but received 41\n$/],
    [['import', source, '--out', out, '--partitions', 'many'], /^Expected a whole number from 1 to 65536 for --partitions but received "many"\n$/],
    [['import', source, '--out', out, '--size', '32'], /^Expected no size, except with images:DIR and emoji for size but received 32\n$/],
    [['import', source, '--out', out, '--channels', 'blue'], /^Expected one of rgb, grey for --channels/],
  ] as const) {
    const run = dataset(...args);
    assert.equal(run.status, 2, run.stderr);
    assert.match(run.stderr, sentence);
  }
  assert.ok(!(await readdir(dir)).includes('out'));
});

test('inspect shows shape, rows, classes and partitions, and writes the mean image', async () => {
  const { dir, source } = await smallIdx();
  const out = path.join(dir, 'out');
  dataset('import', source, '--out', out, '--partitions', '2', '--name', 'tiny');
  const run = dataset('inspect', out, '--verify', '--mean-image', path.join(dir, 'mean.png'));
  assert.deepEqual([run.status, run.stderr], [0, '']);
  assert.match(run.stdout, /^name {7}tiny\n/);
  assert.match(run.stdout, /\nshape {6}\[1, 3, 3\] \(8-bit, value \/ 127\.5 - 1\)\nrows {7}40\n/);
  assert.match(run.stdout, /\nclasses {4}3\n {6}0 {10}14 rows {2}0\n/);
  assert.match(run.stdout, /\npartitions 2\n {6}0 {10}20 rows +\d+ bytes {2}[0-9a-f]{64}\n/);
  assert.match(run.stdout, /\nverified {3}3 files\n$/);
  assert.equal((await sharp(path.join(dir, 'mean.png')).metadata()).width, 225);
  const json = JSON.parse(dataset('inspect', out, '--json', '--verify').stdout) as { verified: boolean; manifest: { name: string } };
  assert.deepEqual([json.verified, json.manifest.name], [true, 'tiny']);
});

test('inspect --verify catches one flipped byte in any file, with status 1 and the names of the bad ones', async () => {
  const { dir, source } = await smallIdx();
  const out = path.join(dir, 'out');
  dataset('import', source, '--out', out, '--partitions', '3');
  for (const name of ['partition-00001.safetensors', 'statistics.safetensors']) {
    const bytes = await readFile(path.join(out, name));
    bytes[bytes.length - 1]! ^= 1;
    await writeFile(path.join(out, name), bytes);
  }
  assert.equal(dataset('inspect', out).status, 0);
  const run = dataset('inspect', out, '--verify');
  assert.equal(run.status, 1);
  assert.match(run.stderr, /^Expected sha256 .*partition-00001\.safetensors.*; Expected .*statistics\.safetensors[^\n]*\n$/s);
  assert.doesNotMatch(run.stderr, /partition-0000[02]/);
  const json = dataset('inspect', out, '--verify', '--json');
  assert.equal(json.status, 1);
  assert.deepEqual(
    (JSON.parse(json.stdout) as { bad: { file: string }[] }).bad.map(({ file }) => file),
    ['partition-00001.safetensors', 'statistics.safetensors'],
  );
});

test('inspect of a folder that is no data set ends with status 1', async () => {
  const run = dataset('inspect', temporaryFolder());
  assert.equal(run.status, 1);
  assert.match(run.stderr, /^Expected a data set folder with manifest\.json for .*\n$/);
});

test('a bad file ends with status 1 and leaves nothing', async () => {
  const dir = temporaryFolder();
  await writeNpy(path.join(dir, 'rows.npy'), Float32Array.of(0, 2), [2, 1]);
  const run = dataset('import', `npy:${dir}/rows.npy`, '--out', path.join(dir, 'out'));
  assert.equal(run.status, 1);
  assert.equal(run.stderr, `Expected a value in [-1, 1] (row 1) for ${dir}/rows.npy at byte 132 but received 2\n`);
  assert.deepEqual(await readdir(dir), ['rows.npy']);
});
