/** What the native engine holds is held to a limit, and given back when it is closed; running out of memory is an error like others. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { promisify } from 'node:util';
import type { GolddiffError } from '../../../../shared/errors.js';
import { generatePartition, generateQueries } from '../generated-partition.js';
import { isas, nativeBackend, skip } from './addon-under-test.js';

const TASKS = '/proc/self/task';
const PRLIMIT = '/usr/bin/prlimit';
const POLLS_MAX = 500;

/** Polled: the engine frees on a thread of its own. */
async function until(what: string, holds: () => boolean): Promise<void> {
  for (let poll = 0; !holds(); poll++) {
    assert.ok(poll < POLLS_MAX, what);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test(
  'closing a backend with partitions and an open step ends its threads, without a garbage collection',
  {
    skip: skip || (!existsSync(TASKS) && `no ${TASKS} on this system`),
  },
  async () => {
    const threads = (): number => readdirSync(TASKS).length;
    const backend = nativeBackend(isas[0]!, { computeThreads: 5 });
    const before = threads();
    const rows = [0, 1].map((partition) => generatePartition({ partition, rows: 2000, shape: [1, 14, 14], dtype: 'u8', seed: partition }));
    for (const partition of rows) await backend.load(partition);
    const steps = [1, 2].map((seed) => backend.openStep(generateQueries(rows[0]!, { batch: 40, seed, alpha: 1, sigma: 1 })));
    const pending = Promise.allSettled(steps.flatMap((step) => [step.scalars(0, {}), step.scalars(1, {})]));
    await backend.unload({ dataSet: 'generated', partition: 0 });
    await backend.close();
    for (const { reason } of (await pending) as PromiseRejectedResult[]) assert.equal((reason as GolddiffError).code, 'CANCELLED');
    await until(`${threads()} threads are left of ${before}`, () => threads() <= before - 5);
  },
);

test('a step that is closed gives its state back, with calls under way and without', { skip }, async () => {
  const backend = nativeBackend(isas[0]!);
  try {
    const rows = generatePartition({ rows: 3000, shape: [1, 14, 14], dtype: 'u8', seed: 1 });
    await backend.load(rows);
    const queries = generateQueries(rows, { batch: 20, seed: 1, alpha: 1, sigma: 1 });
    const [done, running] = [backend.openStep(queries), backend.openStep(queries)];
    await done.scalars(0, {});
    assert.ok(backend.stepStateBytes >= 20 * 3000 * 8, `${backend.stepStateBytes} bytes are a distance for each row and query`);
    const pending = assert.rejects(running.scalars(0, {}), (error: GolddiffError) => error.code === 'CANCELLED');
    running.close();
    done.close();
    await pending;
    await until(`${backend.stepStateBytes} bytes are left`, () => backend.stepStateBytes === 0);
  } finally {
    await backend.close();
  }
});

test('a step beyond the limit of step state is refused with the bytes needed and free, and others go on', { skip }, async () => {
  const stepStateBytesMax = 1_000_000;
  const backend = nativeBackend(isas[0]!, { stepStateBytesMax });
  try {
    const rows = generatePartition({ rows: 4000, shape: [1, 7, 7], dtype: 'u8', seed: 1 });
    await backend.load(rows);
    const small = backend.openStep(generateQueries(rows, { batch: 4, seed: 1, alpha: 1, sigma: 1 }));
    const before = await small.scalars(0, {});
    const large = backend.openStep(generateQueries(rows, { batch: 64, seed: 1, alpha: 1, sigma: 1 }));
    await assert.rejects(large.scalars(0, {}), (error: GolddiffError) => {
      const said = /^A step of 64 queries on partition 0 of generated needs (\d+) bytes more of step state but (\d+) of 1000000 are free$/.exec(
        error.message,
      );
      assert.ok(error.code === 'LIMIT_EXCEEDED' && said, error.message);
      assert.ok(Number(said[1]) > Number(said[2]) && Number(said[2]) < stepStateBytesMax);
      return true;
    });
    large.close();
    const again = backend.openStep(generateQueries(rows, { batch: 4, seed: 1, alpha: 1, sigma: 1 }));
    assert.deepEqual(await again.scalars(0, {}), before);
    const tiny = nativeBackend(isas[0]!, { stepStateBytesMax: 1000 });
    await tiny.load(rows);
    const refused = tiny.openStep(generateQueries(rows, { batch: 4, seed: 1, alpha: 1, sigma: 1 }));
    await assert.rejects(
      refused.scalars(0, {}),
      /needs 1568 bytes more of step state but 1000 of 1000 are free/,
      'the queries themselves, 4 of 49 doubles',
    );
    await tiny.close();
  } finally {
    await backend.close();
  }
});

test(
  'a process that gets no more memory refuses steps, partitions and engines with one sentence each, lives on, and answers once there is some',
  {
    skip: skip || (!existsSync(PRLIMIT) && `no ${PRLIMIT} on this system (Debian: apt-get install util-linux)`),
  },
  async () => {
    const child = fileURLToPath(new URL('./memory-limited-process.js', import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, [child, PRLIMIT]);
    assert.deepEqual(JSON.parse(stdout), {
      step: 'LIMIT_EXCEEDED: A step of 256 queries on partition 0 of generated needs more memory than this machine gives',
      queries: 'LIMIT_EXCEEDED: A step of 256 queries on partition 1 of generated needs more memory than this machine gives',
      engine: 'LIMIT_EXCEEDED: The native engine of 200 threads needs more memory than this machine gives',
      rowsAfter: 400_000,
    });
  },
);
