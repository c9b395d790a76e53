/** Started by resources.test.ts: takes memory away from itself, tries what needs more, gives it back and tries again. Prints what happened as JSON. */

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { BackendStep } from '../../../../shard-worker/backends/backend.js';
import { GolddiffError } from '../../../../shared/errors.js';
import { generatePartition, generateQueries } from '../generated-partition.js';
import { isas, nativeBackend } from './addon-under-test.js';

/** Left to JavaScript; every try needs several times as much. */
const SPARE_BYTES = 96 * 1024 * 1024;

/** Soft limit of the address space of this process. */
function limitAddresses(bytes: number | 'unlimited'): void {
  execFileSync(process.argv[2]!, ['--pid', String(process.pid), `--as=${bytes}:unlimited`]);
}

async function failureOf(attempt: () => unknown): Promise<string> {
  try {
    await attempt();
    return 'none';
  } catch (thrown) {
    return thrown instanceof GolddiffError ? `${thrown.code}: ${thrown.message}` : String(thrown);
  }
}

const backend = nativeBackend(isas[0]!, { stepStateBytesMax: Infinity });
// 256 queries: 800 MB of distances on the one, 100 MB of values and as much again on the other, whose rows are few and long.
const many = generatePartition({ partition: 0, rows: 400_000, shape: [1, 2, 2], dtype: 'u8', seed: 1 });
const long = generatePartition({ partition: 1, rows: 2, shape: [1, 224, 224], dtype: 'u8', seed: 1 });
for (const partition of [many, long]) await backend.load(partition);
const open = (partition: typeof many): Omit<BackendStep, 'groups'> =>
  backend.openStep(generateQueries(partition, { batch: 256, seed: 1, alpha: 1, sigma: 1 }));
const step = open(many);
const queries = open(long);

const usedBytes = Number(/^VmSize:\s*(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))![1]) * 1024;
limitAddresses(usedBytes + SPARE_BYTES);
const found = {
  step: await failureOf(() => step.scalars(0, {})),
  queries: await failureOf(() => queries.scalars(1, {})),
  engine: await failureOf(() => nativeBackend(isas[0]!, { computeThreads: 200 })),
};
limitAddresses('unlimited');
const { rows } = await step.scalars(0, {});
process.stdout.write(JSON.stringify({ ...found, rowsAfter: rows[255] }));
await backend.close();
