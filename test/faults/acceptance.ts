/** What a user types: a cluster over NATS, a job of 256 images, and a worker and the coordinator at work on it killed in the middle. */

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { connect, type GolddiffClient } from '../../client/golddiff-client.js';
import { temporaryFolder } from '../support/data-sets.js';
import { natsMissing } from '../support/nats-server.js';
import { until } from '../support/until.js';
import { jobNote, jobOf } from './control-faults.js';
import type { Fault, FaultFigures } from './fault.js';
import { LONG_JOB, questions, undisturbedImages } from './questions.js';

const program = fileURLToPath(new URL('../../client/main.js', import.meta.url));
const STEP_WITHIN_MS = 240_000;

interface Started {
  readonly endpoints: readonly string[];
  /** of a process whose command line has all of these words */
  pidOf(...words: string[]): number;
  stop(): Promise<void>;
}

async function startCluster(dataDir: string): Promise<Started> {
  const args = ['cluster', '--nats', '--data', dataDir, '--shards', '4', '--replicas', '2', '--coordinators', '2', '--json'];
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'ignore', 'ipc'] });
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const stop = async (): Promise<void> => {
    child.kill('SIGINT');
    await gone;
  };
  const first = await Promise.race([new Promise<string>((resolve) => createInterface({ input: child.stdout! }).once('line', resolve)), gone]);
  if (first === undefined) throw new Error(`golddiff cluster ended with status ${child.exitCode}`);
  const { endpoints } = JSON.parse(first) as { endpoints: string[] };
  const pidOf = (...words: string[]): number => {
    const found = childrenOf(child.pid!).find((pid) =>
      words.every((word) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(word)),
    );
    assert.ok(found !== undefined, words.join(' '));
    return found;
  };
  return { endpoints, pidOf, stop };
}

function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        // The name stands in brackets and may hold anything; state and parent follow it.
        return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ')[1] === String(parent);
      } catch {
        return false;
      }
    })
    .map(Number);
}

async function run(): Promise<FaultFigures> {
  const { dataDir } = await questions();
  const expected = await undisturbedImages();
  const cluster = await startCluster(dataDir);
  const clients: GolddiffClient[] = [];
  try {
    clients.push(...cluster.endpoints.map((endpoint) => connect(endpoint)));
    const jobs = async (...words: string[]): Promise<string> => {
      const args = [program, 'jobs', ...words, '--endpoint', cluster.endpoints.join()];
      return (await promisify(execFile)(process.execPath, args)).stdout.trim();
    };
    const { count, steps, seed, batchRows, sampler, retrieval } = LONG_JOB;
    const sizes = ['--count', count, '--steps', steps, '--seed', seed, '--batch-rows', batchRows].map(String);
    const golden = ['--denoiser', 'optimal', '--retrieval', 'golden', '--k-min', String(retrieval.kMin), '--k-max', String(retrieval.kMax)];
    const jobId = await jobs('submit', ...sizes, '--sampler', sampler, ...golden);
    const done = async (): Promise<number> => (await jobOf(() => clients, jobId))?.evaluationsDone ?? 0;
    await until(async () => (await done()) > 200, 'a part of the job is done', STEP_WITHIN_MS);
    process.kill(cluster.pidOf('--worker-id', 'worker-1'), 'SIGKILL');
    let busy = -1;
    await until(
      async () => {
        busy = (await Promise.all(clients.map((client) => client.cluster.status()))).findIndex(({ stepsRunning }) => stepsRunning > 0);
        return busy >= 0;
      },
      'a coordinator at work',
      STEP_WITHIN_MS,
    );
    const doneAtFault = await done();
    const { coordinator } = await clients[busy]!.cluster.status();
    const start = performance.now();
    process.kill(cluster.pidOf('--coordinator-id', coordinator), 'SIGKILL');
    const left = clients[1 - busy]!;
    await until(async () => (await left.jobs.get(jobId)).deliveries === 2, 'the other takes the job up', STEP_WITHIN_MS);
    const recoveredMs = performance.now() - start;
    assert.match(await jobs('wait', jobId), new RegExp(`^${jobId} succeeded`));
    const out = path.join(temporaryFolder(), 'result');
    await jobs('result', jobId, '--out', out);
    const npy = readFileSync(path.join(out, 'samples.npy'));
    const images = new Float32Array(Uint8Array.from(npy.subarray(npy.length - expected.byteLength)).buffer);
    assert.deepEqual(images, expected);
    const status = await left.cluster.status();
    assert.deepEqual([status.coverage, status.workers.length], [1, 3]);
    const note = jobNote(await left.jobs.get(jobId), doneAtFault);
    return { answers: 0, errors: {}, recoveredMs, recovery: 'the other coordinator takes the job up', notes: [note] };
  } finally {
    clients.forEach((client) => client.close());
    await cluster.stop();
  }
}

export const ACCEPTANCE: Fault = {
  name: 'golddiff cluster --nats, jobs submit of 256 images: a worker and the coordinator at work killed',
  holds: 'the files of jobs result are those of an undisturbed run, byte for byte; every row covered by the three workers that are left',
  skip: natsMissing ?? (process.platform === 'linux' ? undefined : 'finds the processes of the command in /proc'),
  run,
};
