import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { startEmbeddedCluster, type EmbeddedCluster } from '../../../client/embedded-cluster.js';
import { importMnist, temporaryFolder } from '../../support/data-sets.js';

const program = fileURLToPath(new URL('../../../client/main.js', import.meta.url));
const golddiff = (...args: string[]) => promisify(execFile)(process.execPath, [program, 'jobs', ...args, '--endpoint', cluster.endpoint]);
let cluster: EmbeddedCluster;

before(async () => {
  cluster = await startEmbeddedCluster({ dataDir: await importMnist(0, 200, 4), shards: 1 });
});
after(() => cluster.stop());

test('a job by commands: submitted, waited for, shown, fetched, listed', async () => {
  const { stdout } = await golddiff('submit', '--count', '4', '--steps', '3', '--key', 'mine', '--wait');
  assert.match(stdout, /^[0-9a-f]{32} succeeded 100 %, taken up 1 times\n$/);
  const jobId = stdout.slice(0, 32);
  assert.equal((await golddiff('submit', '--count', '4', '--steps', '3', '--key', 'mine')).stdout.trim(), jobId);
  const shown = JSON.parse((await golddiff('status', jobId, '--json')).stdout) as { state: string; evaluationsDone: number };
  assert.deepEqual([shown.state, shown.evaluationsDone], ['succeeded', 12]);
  const out = path.join(temporaryFolder(), 'out');
  await golddiff('result', jobId, '--out', out);
  assert.equal(readFileSync(path.join(out, 'samples.npy')).subarray(1, 6).toString(), 'NUMPY');
  assert.equal(readFileSync(path.join(out, 'samples.png')).subarray(1, 4).toString(), 'PNG');
  assert.match((await golddiff('list')).stdout, new RegExp(`${jobId} \\| succeeded`));
});

test('a cancelled job is told as such, and waiting for it fails', async () => {
  const jobId = (await golddiff('submit', '--count', '4096', '--steps', '200')).stdout.trim();
  assert.match((await golddiff('cancel', jobId)).stdout, /cancelled/);
  await assert.rejects(golddiff('wait', jobId), { code: 1, stderr: `Job ${jobId} was cancelled\n` });
  await assert.rejects(golddiff('submit', '--count', '1', '--retrieval', 'exact', '--k-min', '3'), { code: 2 });
});
