/** What the load asks, and the one right answer to each: the bytes that one worker alone gives, where nothing is disturbed. Made once for all faults of a process. */

import { startEmbeddedCluster } from '../../client/embedded-cluster.js';
import { collectSamples } from '../../client/collect-samples.js';
import { connect, type SampleInput, type ScoreInput, type ScoreResult } from '../../client/golddiff-client.js';
import { fillNormals } from '../../shared/math/counter-noise.js';
import { importMnist } from '../support/data-sets.js';

export interface Question {
  readonly input: ScoreInput;
  /** of the values that do not depend on who computed them and how fast */
  readonly expected: string;
}

export interface Questions {
  readonly dataDir: string;
  readonly partitions: number;
  readonly scores: readonly Question[];
}

export const ROWS = 3_000;
export const PARTITIONS = 16;
const BATCH = 8;
const DIM = 784;

/** A job of some seconds. */
export const LONG_JOB = {
  count: 256,
  steps: 10,
  seed: 5,
  batchRows: 32,
  sampler: 'edm-heun',
  retrieval: { kind: 'golden', kMin: 300, kMax: 600 },
} as const satisfies SampleInput;

let made: Promise<Questions> | undefined;
let undisturbed: Promise<Float32Array> | undefined;

export function questions(): Promise<Questions> {
  return (made ??= make());
}

/** The images of LONG_JOB, sampled on one worker. */
export function undisturbedImages(): Promise<Float32Array> {
  return (undisturbed ??= questions().then(async ({ dataDir }) => {
    const alone = await startEmbeddedCluster({ dataDir, shards: 1 });
    const client = connect(alone.endpoint);
    try {
      return (await collectSamples(client.sample(LONG_JOB))).images;
    } finally {
      client.close();
      await alone.stop();
    }
  }));
}

/** Everything in an answer but its times. */
export function digestOf({ timings: _timings, ...rest }: ScoreResult): string {
  return JSON.stringify(rest, (_key, value: unknown) =>
    ArrayBuffer.isView(value) ? Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64') : value,
  );
}

async function make(): Promise<Questions> {
  const dataDir = await importMnist(0, ROWS, PARTITIONS);
  const noise = new Float64Array(BATCH * DIM);
  fillNormals(noise, 9, 0, 0);
  const query = { x: Float32Array.from(noise, (value) => 0.7 * value), shape: [BATCH, DIM] };
  const inputs: ScoreInput[] = [
    { ...query, t: 500 },
    { ...query, t: 400, retrieval: { kind: 'golden', kMin: 150, kMax: 300 } },
    { ...query, t: 60, retrieval: { kind: 'golden', kMin: 150, kMax: 300 } },
    { ...query, t: 300, retrieval: { kind: 'golden', kMin: 20, kMax: 60 }, labels: 3 },
  ];
  const alone = await startEmbeddedCluster({ dataDir, shards: 1 });
  const client = connect(alone.endpoint);
  try {
    const scores: Question[] = [];
    for (const input of inputs) scores.push({ input, expected: digestOf(await client.score(input)) });
    return { dataDir, partitions: PARTITIONS, scores };
  } finally {
    client.close();
    await alone.stop();
  }
}
