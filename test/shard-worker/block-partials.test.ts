import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blockPartial, type BlockWork } from '../../shard-worker/block-partials.js';
import type { BackendStep, StepQueries } from '../../shard-worker/backends/backend.js';
import { ReferenceBackend } from '../../shard-worker/backends/reference/reference-backend.js';
import { blockedMean } from '../../shared/math/blocked-partial.js';
import { generatePartition, generateQueries } from './backends/generated-partition.js';
import { Oracle } from './backends/oracle.js';

const ROWS = 23;
const D = 16;
const partition = generatePartition({ rows: ROWS, shape: [1, 4, 4], dtype: 'u8', seed: 1 });
const queries: StepQueries = { ...generateQueries(partition, { batch: 2, seed: 2, alpha: 0.9, sigma: [0.5, 3] }), restricted: true };

async function withBackend(use: (work: (change?: Partial<BlockWork>) => BlockWork) => Promise<void>): Promise<void> {
  const backend = new ReferenceBackend({ computeThreads: 1, deviceMemoryBytes: Infinity });
  await backend.load(partition);
  const work = (change: Partial<BlockWork> = {}): BlockWork => ({
    backend,
    queries,
    partition: partition.partition,
    span: { from: 12, to: 12 + ROWS },
    blockRows: 10,
    cuts: {},
    onOpen: () => () => {},
    ...change,
  });
  await use(work).finally(() => backend.close());
}

test('blocks are counted over the data set, not over the partition, and each has its own softmax', async () => {
  await withBackend(async (work) => {
    const oracle = new Oracle(partition, queries);
    // Places 12 .. 34 lie in blocks 1 (8 rows), 2 (10) and 3 (5).
    const blocks = [
      [0, 8],
      [8, 18],
      [18, 23],
    ].map(([from, to]) => Array.from({ length: to! - from! }, (_, i) => from! + i));
    for (const precision of [undefined, { groups: 16, kinds: [{ kind: 'window' as const, side: 9 }], of: Uint32Array.of(0, 0) }]) {
      const found = await blockPartial(work({ queries: { ...queries, ...(precision && { precision }) } }));
      assert.deepEqual(
        found.open.map(({ block }) => block),
        [1, 3],
      );
      assert.deepEqual([...found.whole.rows, ...found.closed], [ROWS, ROWS, 1, 1]);
      const { mean } = blockedMean(found);
      for (let b = 0; b < 2; b++) {
        const want = new Float64Array(D);
        for (const rows of blocks) {
          const { mass } = oracle.scalars(b, rows);
          oracle.sums(b, rows).forEach((sum, p) => (want[p]! += sum / mass / blocks.length));
        }
        want.forEach((value, p) => assert.ok(Math.abs(mean[b * D + p]! - value) < 1e-6, `${mean[b * D + p]}, not ${value}`));
      }
    }
  });
});

test('every step that is opened is let go and closed, also where one fails', async () => {
  await withBackend(async (work) => {
    const open = new Set<BackendStep>();
    const onOpen = (step: BackendStep) => (open.add(step), () => open.delete(step));
    await blockPartial(work({ onOpen }));
    assert.equal(open.size, 0);
    const gone = (): never => {
      throw new Error('the work is over');
    };
    await assert.rejects(blockPartial(work({ onOpen: gone })), /over/);
    await assert.rejects(blockPartial(work({ onOpen, partition: 77 })), { code: 'PARTITION_MISSING' });
    assert.equal(open.size, 0);
  });
});
