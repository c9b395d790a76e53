import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';

import { program, run } from '../support/command.js';
import { temporaryFolder } from '../support/data-sets.js';

test('help lists every command of the design and ends with 0', async () => {
  const { status, out } = await run(['--help']);
  assert.equal(status, 0);
  for (const name of ['dataset', 'cluster', 'coordinator', 'shard-worker', 'sample', 'denoise', 'study', 'bench'])
    assert.match(out, new RegExp(`^  ${name} `, 'm'));
});

test('bad arguments end with 2 and one sentence', async () => {
  const cases: [string[], RegExp][] = [
    [['sample', '--stpes', '5'], /unknown option '--stpes'/],
    [['sample', '--steps', '0'], /^Expected a whole number from 1 to 1000 for --steps but received "0"$/],
    [['sample'], /^Expected either --endpoint HOST:PORT or --data DIR/],
    [['denoise', '--t', '4'], /--input/],
    [['dance'], /unknown command 'dance'/],
    [['study', 'concentration'], /^Expected either --endpoint HOST:PORT or --data DIR/],
    [['study', 'fidelity', '--method', 'best'], /--method but received "best"$/],
    [['cluster', '--data', 'nowhere'], /^Expected a folder with manifest.json/],
  ];
  for (const [args, sentence] of cases) {
    const { status, out, err } = await run(args);
    assert.equal(status, 2, `golddiff ${args.join(' ')}`);
    assert.equal(out, '');
    assert.equal(err.trim().split('\n').length, 1, err);
    assert.match(err.trim(), sentence);
  }
});

test('a run that fails ends with 1 and one sentence', async () => {
  const { status, err } = await run(['sample', '--endpoint', '127.0.0.1:1', '--out', 'nowhere']);
  assert.equal(status, 1);
  assert.equal(err.trim().split('\n').length, 1, err);
});

test('the services get their arguments as they are', async () => {
  const { status, out } = await run(['shard-worker', '--help']);
  assert.equal(status, 0);
  assert.match(out, /--compute-threads/);
  assert.equal((await run(['coordinator', '--listen', 'nonsense'])).status, 2);
});

test('a reader that stops reading ends the command without a word', async () => {
  const child = spawn(
    process.execPath,
    [program, 'dataset', 'import', 'mnist', '--limit', '50', '--json', '--out', path.join(temporaryFolder(), 'd')],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let err = '';
  child.stderr.on('data', (text: Buffer) => (err += text.toString()));
  child.stdout.destroy();
  const status = await new Promise((resolve) => child.once('close', resolve));
  assert.deepEqual([status, err], [0, '']);
});
