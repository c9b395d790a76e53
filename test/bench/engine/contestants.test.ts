import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';

import { digits, queriesAt } from './bench-data.js';
import { missing, startContestants } from './contestants.js';
import { largestDifference } from './exact.js';
import type { ExactReply, GoldenReply, LoadRequest } from './requests.js';

test('a rival that is missing is named with what installs it', () => {
  assert.match(missing('torch'), /apt-get install python3-torch libopenblas0-pthread/);
  assert.match(missing('tfjs'), /--tfjs/);
});

test('engine and numpy, where it is there, answer the same step alike', async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'golddiff-contestants-'));
  const contestants = await startContestants({ backend: 'reference', threads: 1, folder, install: false, rivals: ['numpy'] });
  try {
    const set = await digits(folder, 200);
    const query = await queriesAt(folder, set, 300);
    const numpy = contestants.rivals[0]?.process;
    const load: LoadRequest = { op: 'load', set: set.name, file: set.file, shape: set.shape, rows: 0, partitions: 3 };
    const once = { set: set.name, queries: query.file, batch: 2, alpha: query.alpha, sigma: query.sigma, repeats: 1, budgetMs: 0, wantAnswer: true };
    assert.deepEqual((await contestants.engine.request<{ rows: number }>(load)).rows, 200);
    const own = await contestants.engine.request<ExactReply>({ op: 'exact', ...once });
    assert.equal(own.x0hat?.length, 2 * 784);
    assert.equal(own.times.length, 1);
    const golden = await contestants.engine.request<GoldenReply>({
      op: 'golden',
      ...once,
      kMin: 5,
      kMax: 10,
      candidatePool: 0,
      kFixed: 0,
      search: 'scan',
    });
    assert.ok(golden.subset >= 5 && golden.subset <= 10);
    await assert.rejects(contestants.engine.request({ op: 'statistics', ...once }), /computes no statistics/);
    if (numpy === undefined) {
      t.skip('numpy is not installed: apt-get install python3-numpy');
      return;
    }
    await numpy.request(load);
    const other = await numpy.request<ExactReply>({ op: 'exact', ...once });
    const worst = largestDifference(own.x0hat, other.x0hat);
    t.diagnostic(`largest difference ${worst.toExponential(1)}`);
    // Logits of some hundreds in float32 are good to 1e-4 nats.
    assert.ok(worst < 1e-3);
  } finally {
    await contestants.stop();
    await rm(folder, { recursive: true, force: true });
  }
});
