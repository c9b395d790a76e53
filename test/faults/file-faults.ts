/** Files that are damaged, and disks that are full. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, existsSync, openSync, closeSync, readSync, readdirSync, statSync, writeSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startEmbeddedCluster } from '../../client/embedded-cluster.js';
import { connect, type ScoreInput } from '../../client/golddiff-client.js';
import { COVARIANCE_FILE, MANIFEST_FILE, readManifest } from '../../shared/dataset/manifest-validation.js';
import { GolddiffError } from '../../shared/errors.js';
import { temporaryFolder } from '../support/data-sets.js';
import { Fleet } from '../support/fleet.js';
import { natsMissing, startNats } from '../support/nats-server.js';
import { FILLER, mountSmallDisk, smallDiskMissing, type SmallDisk } from '../support/small-disk.js';
import { until } from '../support/until.js';
import { jobEndsAsUndisturbed, jobNote, jobOf } from './control-faults.js';
import type { Fault, FaultFigures } from './fault.js';
import { Load } from './load.js';
import { digestOf, LONG_JOB, PARTITIONS, questions, ROWS, undisturbedImages } from './questions.js';
import { WARM_UP_ANSWERS, WHOLE_WITHIN_MS, scatterNotes, whole } from './worker-faults.js';

const program = fileURLToPath(new URL('../../client/main.js', import.meta.url));
const REPLICAS = 2;
const MIB = 2 ** 20;
const JOB_WITHIN_MS = 240_000;
const NO_DISK = smallDiskMissing();

function smallDisk(bytes: number): SmallDisk {
  const disk = mountSmallDisk(bytes);
  if (typeof disk === 'string') throw new Error(disk);
  return disk;
}

const partitionFiles = (dir: string): string[] => readdirSync(dir).filter((name) => /^partition-.*\.safetensors$/.test(name));

/** Turns one bit in the rows of a file. */
function damage(file: string): void {
  const handle = openSync(file, 'r+');
  const at = statSync(file).size - 20_000;
  const byte = Buffer.alloc(1);
  readSync(handle, byte, 0, 1, at);
  byte[0]! ^= 1;
  writeSync(handle, byte, 0, 1, at);
  closeSync(handle);
}

/** Every file of one worker's own copy. */
async function damagedCopy(): Promise<FaultFigures> {
  const { dataDir, scores } = await questions();
  const own = path.join(temporaryFolder(), 'copy');
  cpSync(dataDir, own, { recursive: true });
  const fleet = await Fleet.start({ dataDir, workers: 3, replicas: REPLICAS, workerOf: (n) => (n === 1 ? { dataDir: own } : {}) });
  try {
    const load = new Load([fleet.coordinators[0]!.address], scores);
    await load.answered(WARM_UP_ANSWERS);
    partitionFiles(own).forEach((name) => damage(path.join(own, name)));
    load.fault();
    const start = performance.now();
    await fleet.killWorker('worker-01');
    await fleet.restartWorker('worker-01');
    let failures: readonly string[] = [];
    await until(
      async () => {
        const { workers, partitions } = await fleet.client.cluster.status();
        failures = workers.find(({ workerId }) => workerId === 'worker-01')?.failures ?? [];
        return failures.length > 0 && partitions.every(({ replicas }) => replicas.length === REPLICAS && !replicas.includes('worker-01'));
      },
      'the worker says what it cannot load, and others hold it',
      WHOLE_WITHIN_MS,
    );
    const recoveredMs = performance.now() - start;
    assert.match(failures[0]!, /sha256/);
    await load.answered(WARM_UP_ANSWERS);
    for (const name of partitionFiles(own)) cpSync(path.join(dataDir, name), path.join(own, name));
    const repaired = performance.now();
    await fleet.killWorker('worker-01');
    await fleet.restartWorker('worker-01');
    await whole(fleet, REPLICAS);
    const backMs = performance.now() - repaired;
    const figures = await load.stop();
    assert.deepEqual(figures.errors, {}, 'with a second replica no request fails');
    const notes = [
      `${failures.length} partitions named as not loaded, none of them served by it`,
      `with good files and another start it has its part again in ${Math.round(backMs)} ms`,
      ...(await scatterNotes(await fleet.metricsOfCoordinators())),
    ];
    return { ...figures, recoveredMs, recovery: 'others hold what it cannot load', notes };
  } finally {
    await fleet.stop();
  }
}

/** One file of the only copy. */
async function damagedOnly(): Promise<FaultFigures> {
  const { dataDir, scores } = await questions();
  const only = path.join(temporaryFolder(), 'only');
  cpSync(dataDir, only, { recursive: true });
  const { partitions } = await readManifest(only);
  const bad = partitions[5]!;
  damage(path.join(only, bad.file));
  const fleet = await Fleet.start({ dataDir: only, workers: 2, complete: false });
  try {
    const { client } = fleet;
    const { input, expected } = scores[0]!;
    const refused = await client.score(input).then(
      () => assert.fail('an answer without a part of the rows'),
      (thrown: unknown) => thrown,
    );
    assert.ok(refused instanceof GolddiffError);
    assert.deepEqual([refused.code, refused.data.partitions, refused.retryable], ['PARTITION_MISSING', [bad.id], true]);
    const partial = await client.score({ ...input, allowPartial: true });
    assert.deepEqual(partial.coverage, {
      rowsReached: ROWS - bad.rows,
      rowsTotal: ROWS,
      fraction: (ROWS - bad.rows) / ROWS,
      missingPartitions: [bad.id],
    });
    cpSync(path.join(dataDir, bad.file), path.join(only, bad.file));
    const start = performance.now();
    for (const id of [...fleet.workers.keys()]) {
      await fleet.killWorker(id);
      await fleet.restartWorker(id);
    }
    await fleet.placed(WHOLE_WITHIN_MS);
    const recoveredMs = performance.now() - start;
    assert.equal(digestOf(await client.score(input)), expected);
    const notes = [
      `PARTITION_MISSING names partition ${bad.id}; with allow_partial coverage is ${partial.coverage.fraction.toFixed(4)}, as the rows are`,
    ];
    return {
      answers: 1,
      errors: { PARTITION_MISSING: 1 },
      recoveredMs,
      recovery: 'all rows again, with the good file and another start of the workers',
      notes,
    };
  } finally {
    await fleet.stop();
  }
}

async function fullAtImport(): Promise<FaultFigures> {
  const { dataDir } = await questions();
  const disk = smallDisk(16 * MIB);
  try {
    disk.fill(MIB);
    const out = path.join(disk.dir, 'mnist');
    const flags = ['--out', out, '--partitions', String(PARTITIONS), '--seed', '1', '--limit', String(ROWS)];
    const importIt = () => promisify(execFile)(process.execPath, [program, 'dataset', 'import', 'mnist', ...flags]);
    const failed = await importIt().then(
      () => assert.fail('an import onto a full disk'),
      (thrown: unknown) => thrown as { code: number; stderr: string },
    );
    assert.equal(failed.code, 1);
    assert.match(failed.stderr, /no space left/i);
    assert.deepEqual(readdirSync(disk.dir), [FILLER], 'nothing of it is left');
    disk.free();
    const start = performance.now();
    await importIt();
    const recoveredMs = performance.now() - start;
    assert.equal((await readManifest(out)).contentHash, (await readManifest(dataDir)).contentHash);
    const notes = [
      `status 1 and one sentence: ${failed.stderr.trim().split('\n').at(-1)!.replaceAll(disk.dir, 'DISK')}`,
      'no file of it is left behind',
    ];
    return { answers: 0, errors: {}, recoveredMs, recovery: 'the import with room, the same content hash', notes };
  } finally {
    disk.unmount();
  }
}

async function fullAtCovariance(): Promise<FaultFigures> {
  const { dataDir, scores } = await questions();
  const pca: ScoreInput = { ...scores[1]!.input, denoiser: 'pca' };
  const answerOf = async (dir: string): Promise<string> => {
    const cluster = await startEmbeddedCluster({ dataDir: dir, shards: 2 });
    const client = connect(cluster.endpoint);
    try {
      return digestOf(await client.score(pca));
    } finally {
      client.close();
      await cluster.stop();
    }
  };
  const usual = path.join(temporaryFolder(), 'usual');
  cpSync(dataDir, usual, { recursive: true });
  const expected = await answerOf(usual);
  const disk = smallDisk(32 * MIB);
  try {
    const dir = path.join(disk.dir, 'mnist');
    cpSync(dataDir, dir, { recursive: true });
    const files = readdirSync(dir).sort();
    disk.fill(MIB);
    assert.equal(await answerOf(dir), expected);
    assert.deepEqual(readdirSync(dir).sort(), files, 'no half of a file is left');
    disk.free();
    const start = performance.now();
    assert.equal(await answerOf(dir), expected);
    const recoveredMs = performance.now() - start;
    assert.ok(existsSync(path.join(dir, COVARIANCE_FILE)) && existsSync(path.join(dir, MANIFEST_FILE)));
    const notes = ['answered from memory while it could not be kept, and kept at the next start'];
    return { answers: 2, errors: {}, recoveredMs, recovery: 'another start with room, and the first answer', notes };
  } finally {
    disk.unmount();
  }
}

async function fullAtJob(): Promise<FaultFigures> {
  const { dataDir, scores } = await questions();
  await undisturbedImages();
  const disk = smallDisk(64 * MIB);
  const nats = await startNats(1, { within: disk.dir });
  let fleet: Fleet | undefined;
  try {
    fleet = await Fleet.start({ dataDir, workers: 3, replicas: REPLICAS, coordinators: 2, nats: nats.addresses });
    const { clients, coordinators } = fleet;
    const load = new Load(() => coordinators.map(({ address }) => address), scores, 1);
    await load.answered(WARM_UP_ANSWERS);
    const { jobId } = await fleet.client.jobs.submit('full disk', LONG_JOB);
    await until(async () => ((await jobOf(() => clients, jobId))?.evaluationsDone ?? 0) > 200, 'a part of the job is done', JOB_WITHIN_MS);
    const doneAtFault = (await jobOf(() => clients, jobId))!.evaluationsDone;
    load.fault();
    disk.fill(0);
    // Longer than any lease, with nothing that can be written.
    await new Promise((resolve) => setTimeout(resolve, 8_000));
    await load.answered(10);
    disk.free();
    const start = performance.now();
    // A server that could not write may have given its streams up: whoever frees the disk starts it again.
    await nats.servers[0]!.kill();
    await nats.servers[0]!.restart();
    const job = await jobEndsAsUndisturbed(() => clients, jobId);
    const recoveredMs = performance.now() - start;
    const figures = await load.stop();
    assert.deepEqual(figures.errors, {}, 'steps go on without the control plane');
    return { ...figures, recoveredMs, recovery: 'with room and another start of NATS, the end of the job', notes: [jobNote(job, doneAtFault)] };
  } finally {
    await fleet?.stop();
    await nats.dispose();
    disk.unmount();
  }
}

export const FILE_FAULTS: readonly Fault[] = [
  {
    name: "the files of one worker's copy are damaged, and it starts anew",
    holds: 'no request fails; what it cannot load is named and served by others; with good files it has its part again',
    run: damagedCopy,
  },
  {
    name: 'a partition file is damaged, and there is no other copy',
    holds: 'PARTITION_MISSING names it; an answer that may be partial says how many rows it covers',
    fast: true,
    run: damagedOnly,
  },
  {
    name: 'the disk is full at an import',
    holds: 'status 1 and one sentence, nothing left behind; the same data set once there is room',
    skip: NO_DISK,
    run: fullAtImport,
  },
  {
    name: 'the disk is full when the covariance is to be kept',
    holds: 'the same bytes; no half of a file; kept once there is room',
    skip: NO_DISK,
    run: fullAtCovariance,
  },
  {
    name: 'the disk of NATS is full while a job runs',
    holds: 'no request fails; no job is lost',
    skip: NO_DISK ?? natsMissing,
    run: fullAtJob,
  },
];
