import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { pino } from 'pino';
import type { StepQueries } from '../../../shard-worker/backends/backend.js';
import { ReferenceBackend } from '../../../shard-worker/backends/reference/reference-backend.js';
import { TypeScriptGroups, type RowBackend } from '../../../shard-worker/backends/typescript-groups.js';
import type { MomentSums } from '../../../shared/math/moment-sums.js';
import { groupsConformance } from './conformance-groups.js';
import { generatePartition, generateQueries } from './generated-partition.js';

const silent = pino({ level: 'silent' });
const rowsOnly = (computeThreads: number, deviceMemoryBytes = Infinity): RowBackend => {
  const reference = new ReferenceBackend({ computeThreads, deviceMemoryBytes });
  return {
    name: 'native',
    computeThreads,
    get residentBytes() {
      return reference.residentBytes;
    },
    load: (rows) => reference.load(rows),
    unload: (ref) => reference.unload(ref),
    openStep: (queries) => {
      assert.equal(queries.precision, undefined);
      const step = reference.openStep(queries);
      return { screen: step.screen.bind(step), scalars: step.scalars.bind(step), sums: step.sums.bind(step), close: () => step.close() };
    },
    close: () => reference.close(),
  };
};

groupsConformance({
  name: 'a backend without groups, wrapped',
  create: ({ computeThreads, deviceMemoryBytes }) => new TypeScriptGroups(rowsOnly(computeThreads, deviceMemoryBytes), silent),
});

function withLog(rows: RowBackend): { backend: TypeScriptGroups; lines: string[] } {
  const lines: string[] = [];
  const sink = new Writable({ write: (chunk: Buffer, _encoding, done) => (lines.push(String(chunk)), done()) });
  return { backend: new TypeScriptGroups(rows, pino({ level: 'info' }, sink)), lines };
}

test('steps without a precision go to the backend itself, silently; the first with one is told of in the log, once', async () => {
  const { backend, lines } = withLog(rowsOnly(1));
  const partition = generatePartition({ rows: 10, shape: [1, 4, 4], dtype: 'u8', seed: 1 });
  const queries: StepQueries = generateQueries(partition, { batch: 1, seed: 2, alpha: 1, sigma: 1 });
  const grouped: StepQueries = { ...queries, precision: { groups: 16, kinds: [{ kind: 'window', side: 3 }], of: Uint32Array.of(0) } };
  try {
    await backend.load(partition);
    const bytes = backend.residentBytes;
    const step = backend.openStep(queries);
    assert.equal((await step.scalars(0, {})).rows[0], 10);
    assert.throws(() => step.groups(0, {}), /Invariant/);
    step.close();
    assert.deepEqual([lines.length, backend.residentBytes], [0, bytes]);
    for (let i = 0; i < 2; i++) {
      const own = backend.openStep(grouped);
      assert.equal((await own.groups(0, {})).rows[0], 10);
      own.close();
    }
    assert.equal(lines.length, 1);
    assert.match(lines[0]!, /no kernels for groups of weights/);
    assert.ok(backend.residentBytes >= bytes);
  } finally {
    await backend.close();
  }
});

test('moments of its own are taken where the backend has them', async () => {
  const own: MomentSums = { rows: 5, sum: new Float64Array(16), products: new Float64Array(136) };
  const { backend, lines } = withLog({ ...rowsOnly(1), moments: (_ref, label) => (label === -1 ? Promise.resolve(own) : undefined) });
  const partition = generatePartition({ rows: 10, shape: [1, 4, 4], dtype: 'u8', seed: 1, classes: 2 });
  try {
    await backend.load(partition);
    assert.equal(await backend.moments(partition, -1), own);
    assert.equal(lines.length, 0);
    assert.ok((await backend.moments(partition, 1)).rows > 0);
    assert.equal(lines.length, 1);
  } finally {
    await backend.close();
  }
});
