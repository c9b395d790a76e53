import assert from 'node:assert/strict';
import { readdir, rm } from 'node:fs/promises';
import { test, type TestContext } from 'node:test';
import { DataSetStatistics } from '../../../coordinator/statistics/data-set-statistics.js';
import { localityMask } from '../../../coordinator/statistics/locality-mask.js';
import type { ClusterView } from '../../../coordinator/step-assignments.js';
import { WorkerLinks } from '../../../coordinator/worker-links.js';
import { COVARIANCE_FILE } from '../../../shared/dataset/manifest-validation.js';
import type { Manifest } from '../../../shared/dataset/manifest.js';
import { createLogger } from '../../../shared/log.js';
import { encodeSupportSet, supportSetHash, supportSizes, votesForItself } from '../../../shared/math/support-set.js';
import { writeSmallDataSet } from '../../shared/dataset/small-data-set.js';
import { WorkerUnderTest } from '../../shard-worker/worker-under-test.js';
import { plainCovariance, wienerMean } from '../../support/grouped-oracle.js';
import type { PlainRows } from '../../support/brute-force.js';
import { randomSource } from '../test-data.js';

const D = 12;
const ROWS = 30;
const never = new AbortController().signal;

function plainRows(): PlainRows {
  const random = randomSource(8);
  const pixels = Uint8Array.from({ length: ROWS * D }, (_, i) =>
    i % D === 7 ? 100 : Math.floor(random() * 60) + (i % D) * 10 * Math.floor(i / D) * 0.05,
  );
  return { pixels, shape: [1, 3, 4], labels: Int32Array.from({ length: ROWS }, (_, i) => i % 2) };
}

interface Setting {
  readonly statistics: DataSetStatistics;
  readonly dir: string;
  /** placements that were asked for: one for each gathering */
  gatherings(): number;
  /** Another coordinator on the same folder. */
  again(): DataSetStatistics;
}

async function settingOf(t: TestContext, rows: PlainRows): Promise<Setting> {
  const ids = Array.from({ length: ROWS }, (_, i) => i);
  const partitions = [ids.filter((i) => i % 3 !== 0), ids.filter((i) => i % 3 === 0)];
  const { dir, manifest } = await writeSmallDataSet({ shape: rows.shape, values: rows.pixels, labels: Int32Array.from(rows.labels), partitions });
  const worker = await WorkerUnderTest.start({ dataDirs: [dir], computeThreads: 1 });
  await worker.assign({ dataSet: manifest.name, contentHash: manifest.contentHash, epoch: 1, partitions: [0, 1] });
  let asked = 0;
  const cluster: ClusterView = {
    placement: () => placementOf(manifest),
    addressOf: () => {
      asked++;
      return worker.server.address;
    },
    changed: () => Promise.resolve(),
    suspect: () => {},
    refresh: () => Promise.resolve(),
  };
  const links = new WorkerLinks();
  const made: DataSetStatistics[] = [];
  const again = (): DataSetStatistics => {
    const statistics = new DataSetStatistics({ dataSet: { manifest, dir }, cluster, links, log: createLogger('test', 'silent'), placementWaitMs: 0 });
    made.push(statistics);
    return statistics;
  };
  t.after(async () => {
    links.close();
    await Promise.all(made.map((statistics) => statistics.close()));
    await worker.close();
    await rm(dir, { recursive: true, force: true });
  });
  return { statistics: again(), dir, gatherings: () => asked, again };
}

function placementOf({ name, contentHash, partitions }: Manifest) {
  return { dataSet: name, contentHash, epoch: 1, partitions: partitions.map(({ id }) => ({ partition: id, replicas: ['w'] })) };
}

test('a covariance is gathered once, kept in the folder, and read from there by the next coordinator', async (t) => {
  const rows = plainRows();
  const setting = await settingOf(t, rows);
  const { statistics, dir } = setting;
  const [one, same] = await Promise.all([statistics.covariance(-1, never), statistics.covariance(-1, never)]);
  assert.equal(one, same);
  const want = plainCovariance(rows);
  one.covariance.forEach((value, i) => assert.ok(Math.abs(value - want.covariance[i]!) < 1e-14));
  assert.ok((await readdir(dir)).includes(COVARIANCE_FILE));
  const before = setting.gatherings();
  assert.deepEqual((await setting.again().covariance(-1, never)).covariance, one.covariance);
  assert.equal(setting.gatherings(), before);
  const ofClass = await statistics.covariance(1, never);
  assert.equal(ofClass.rows, ROWS / 2);
  assert.ok(setting.gatherings() > before);
});

test('masks are made once for each level and threshold, and say who votes and what never varies', async (t) => {
  const rows = plainRows();
  const { statistics } = await settingOf(t, rows);
  const [supports, same] = await Promise.all([statistics.locality(0.3, 0.02, never), statistics.locality(0.3, 0.02, never)]);
  assert.equal(supports, same);
  const { covariance } = await statistics.covariance(-1, never);
  const mask = localityMask(covariance, 0.3, 0.02);
  assert.equal(supports.sha256, supportSetHash(encodeSupportSet(mask)));
  assert.deepEqual(supports.voters, supportSizes(mask));
  assert.deepEqual(supports.votesForItself, votesForItself(mask));
  assert.deepEqual(
    [...supports.constant],
    Array.from({ length: D }, (_, p) => (p === 7 ? 1 : 0)),
  );
  assert.notEqual((await statistics.locality(0.3, 0.5, never)).sha256, supports.sha256);
});

test('the normal law is that of the rows of the label', async (t) => {
  const rows = plainRows();
  const { statistics } = await settingOf(t, rows);
  const x = Float64Array.from({ length: D }, (_, p) => Math.sin(p));
  for (const label of [-1, 0]) {
    const { x0hat } = await statistics.gaussian(label, 4, x, Float64Array.of(1), never);
    const want = wienerMean(rows, { x, alpha: 1, sigma: 2, label });
    x0hat.forEach((value, p) => assert.ok(Math.abs(value - want[p]!) < 1e-13, `${value} against ${want[p]}`));
  }
});

test('closed while it gathers, what waits is told', async (t) => {
  const { statistics } = await settingOf(t, plainRows());
  const waiting = assert.rejects(statistics.covariance(-1, never), { code: 'CANCELLED' });
  await statistics.close();
  await waiting;
});
