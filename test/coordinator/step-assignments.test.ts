import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coverageOf, findAssignments, type ClusterView } from '../../coordinator/step-assignments.js';
import type { WorkerLinks } from '../../coordinator/worker-links.js';
import type { PlacementDocument } from '../../shared/control-plane/control-plane.js';
import { randomDataSet } from './test-data.js';

const { manifest } = randomDataSet({ rows: 30, partitions: 3 });
const links = { get: (workerId: string, address: string) => ({ workerId, address }) } as unknown as WorkerLinks;
const context = () => ({ signal: new AbortController().signal, remainingMs: () => Infinity });

function documentOf(epoch: number, replicas: string[][]): PlacementDocument {
  const partitions = replicas.map((own, partition) => ({ partition, replicas: own }));
  return { dataSet: manifest.name, contentHash: manifest.contentHash, epoch, partitions };
}

function clusterOf(document: PlacementDocument | undefined, live: string[], changed: () => void = () => {}) {
  const view = {
    document,
    placement: () => view.document,
    addressOf: (id: string) => (live.includes(id) ? `${id}:1` : undefined),
    changed: () => {
      changed();
      return Promise.resolve();
    },
    suspect: () => {},
    refresh: () => Promise.resolve(),
  };
  return view satisfies ClusterView & { document: PlacementDocument | undefined };
}

test('every partition goes to a live worker that holds it and was not excluded', async () => {
  const cluster = clusterOf(documentOf(4, [['a', 'b'], ['a'], ['b', 'c']]), ['a', 'b', 'c']);
  const found = await findAssignments({ manifest, allowPartial: false }, { cluster, links }, context(), new Set(['b']), 0);
  assert.equal(found.epoch, 4);
  assert.deepEqual(
    found.assignments.map(({ link, partitions }) => [link.workerId, partitions]),
    [
      ['a', [0, 1]],
      ['c', [2]],
    ],
  );
  assert.equal(found.coverage.fraction, 1);
});

test('a part that nobody holds is left out where that is allowed, else it is an error with its number', async () => {
  const cluster = clusterOf(documentOf(1, [['a'], ['gone'], ['a']]), ['a']);
  const { coverage } = await findAssignments({ manifest, allowPartial: true }, { cluster, links }, context(), new Set(), 0);
  assert.deepEqual(coverage, coverageOf(manifest, [1]));
  assert.deepEqual([coverage.rowsReached, coverage.rowsTotal, coverage.missingPartitions], [20, 30, [1]]);
  await assert.rejects(findAssignments({ manifest, allowPartial: false }, { cluster, links }, context(), new Set(), 0), {
    code: 'PARTITION_MISSING',
    message: /partition 1/,
  });
});

test('what others hold is found at the same placement, all of it or nothing', async () => {
  const cluster = clusterOf(
    documentOf(4, [
      ['a', 'b'],
      ['a', 'c'],
      ['b', 'c'],
    ]),
    ['a', 'b', 'c'],
  );
  const { elsewhere } = await findAssignments({ manifest, allowPartial: false }, { cluster, links }, context(), new Set(), 0);
  cluster.document = documentOf(5, [['a'], ['a'], ['a']]);
  const found = elsewhere([0, 1], new Set(['a']));
  assert.deepEqual(
    found?.map(({ link, partitions }) => [link.workerId, partitions]),
    [
      ['b', [0]],
      ['c', [1]],
    ],
  );
  assert.equal(elsewhere([0, 1], new Set(['a', 'c'])), undefined);
});

test('a newer placement forgives those that were excluded at the older one', async () => {
  const cluster = clusterOf(documentOf(1, [['a'], ['a'], ['a']]), ['a'], () => (cluster.document = documentOf(2, [['a'], ['a'], ['a']])));
  const excluded = new Set(['a']);
  const found = await findAssignments({ manifest, allowPartial: false }, { cluster, links }, context(), excluded, performance.now() + 60_000);
  assert.equal(found.epoch, 2);
  assert.equal(excluded.size, 0);
});
