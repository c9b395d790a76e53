/** What an answer must not depend on, bit for bit. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Backend, Cut, PartitionScreen, PartitionSums, StepQueries } from '../../../shard-worker/backends/backend.js';
import type { PosteriorScalars } from '../../../shared/math/partial-posterior.js';
import { cutAt, withBackend } from './conformance-comparison.js';
import type { ConformanceSubject } from './conformance.js';
import { generatePartition, generateQueries, pickQueries } from './generated-partition.js';

interface Answer {
  readonly proxy: PartitionScreen;
  readonly full: PartitionScreen;
  readonly scalars: PosteriorScalars;
  readonly sums: PartitionSums;
}

export function independenceConformance(subject: ConformanceSubject): void {
  test('an answer does not depend on the number of threads, nor on the other queries of the batch, nor on kept state', async () => {
    const partitions = [0, 1, 2].map((partition) =>
      generatePartition({ partition, rows: 97, shape: [1, 14, 14], dtype: 'u8', seed: partition + 1, classes: 2 }),
    );
    const queries = generateQueries(partitions[0]!, {
      batch: 7,
      seed: 2,
      alpha: [1, 0.5, 0.5, 0.5, 0.9, 0.9, 1],
      sigma: [0.05, 0.3, 1, 3, 20, 80, 0.01],
      labels: [-1, 0, 1, -1, -1, 1, -1],
      proxyResolution: 7,
    });
    const answers = async (backend: Backend, asked: StepQueries, cutOf: (cut: Cut) => Cut): Promise<Answer[]> => {
      for (const partition of partitions) await backend.load(partition);
      const step = backend.openStep(asked);
      const found = await Promise.all(
        partitions.map(async ({ partition }) => {
          const cut = cutOf(proxyCuts[partition]!);
          const fraction = new Float64Array(asked.batch).fill(0.4);
          const proxy = await step.screen(partition, 'proxy', {}, { kind: 'fraction', fraction });
          const full = await step.screen(partition, 'full', { proxy: cut }, { kind: 'fraction', fraction });
          const scalars = await step.scalars(partition, { proxy: cut });
          const sums = await step.sums(partition, { proxy: cut }, scalars, 2 ** -40, true);
          return { proxy, full, scalars, sums };
        }),
      );
      step.close();
      return found;
    };
    const proxyCuts: Cut[] = [];
    await withBackend(subject.create({ computeThreads: 1 }), async (backend) => {
      for (const partition of partitions) {
        await backend.load(partition);
        proxyCuts.push(await cutAt(backend, partition, queries, 'proxy', {}, 0.7));
      }
    });
    let first: Answer[] | undefined;
    for (const computeThreads of subject.threadCounts)
      for (const stepStateBytesMax of [2 ** 30, 0, 40_000])
        await withBackend(subject.create({ computeThreads, stepStateBytesMax }), async (backend) => {
          const found = await answers(backend, queries, (cut) => cut);
          first ??= found;
          assert.deepStrictEqual(found, first, `${computeThreads} threads, ${stepStateBytesMax} bytes of state`);
        });
    const D = 196;
    for (const b of [0, 3, 6]) {
      await withBackend(subject.create({ computeThreads: 1 }), async (backend) => {
        const only = (cut: Cut): Cut => ({ key: cut.key.slice(b, b + 1), rowId: cut.rowId.slice(b, b + 1) });
        const alone = await answers(backend, pickQueries(queries, [b]), only);
        first!.forEach((together, k) => {
          const one = alone[k]!;
          assert.equal(one.scalars.maxLogit[0], together.scalars.maxLogit[b]);
          assert.equal(one.scalars.mass[0], together.scalars.mass[b]);
          assert.equal(one.scalars.massSq[0], together.scalars.massSq[b]);
          const place = together.sums.queries.indexOf(b);
          assert.deepStrictEqual(one.sums.sums, together.sums.sums.slice(place * D, (place + 1) * D));
          const from = together.full.count.slice(0, b).reduce((sum, n) => sum + n, 0);
          assert.deepStrictEqual(one.full.keys, together.full.keys.slice(from, from + together.full.count[b]!));
        });
      });
    }
  });
}
