import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { promisify } from 'node:util';

import { benchCommand, benchmarkProgram } from '../../../client/commands/bench.js';

test('every benchmark that is named is a program of the build', () => {
  const names = benchCommand().commands.map((command) => command.name());
  assert.deepEqual(names, ['data-plane', 'engine']);
  for (const name of names) assert.ok(existsSync(benchmarkProgram(name)), `${name} is built`);
});

test('the data-plane benchmark runs and reports one JSON line', async () => {
  const args = ['--dims', '784', '--workers', '1,2', '--rounds', '1', '--steps', '3'];
  const { stdout } = await promisify(execFile)(process.execPath, [benchmarkProgram('data-plane'), ...args]);
  const report = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as { batch: number; results: { workers: number; link: { median: number } }[] };
  assert.equal(report.batch, 32);
  assert.deepEqual(
    report.results.map((r) => r.workers),
    [1, 2],
  );
  assert.ok(report.results.every((r) => r.link.median > 0));
});

test('the engine benchmark refuses a name that it does not have, in one sentence', async () => {
  const failed = promisify(execFile)(process.execPath, [benchmarkProgram('engine'), 'everything']);
  await assert.rejects(failed, (error: { code?: number; stderr?: string }) => {
    assert.equal(error.code, 2);
    assert.match(error.stderr ?? '', /Expected one of exact, golden, pca, statistics, local-workers, scaling for names but received "?everything/);
    return true;
  });
});
